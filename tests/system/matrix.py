# SPDX-License-Identifier: MIT
"""The fault matrix: people, what happens to them, and what docs/fault-matrix.md says that must come of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator

from host import ACCOUNT, DAEMON, GATEWAY, Host, wait_until
from machine import Machine
from provider import Provider

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/fault-matrix.md"
ADDRESS = "198.18.{}.{}"
PROVIDER_NAME = "id.example.test"
CA = "/etc/ssl/matrix-{}.pem"
NETWORK = "/run/network-of-the-gateway"
PEOPLE = [f"m{number}" for number in range(12)]
FIRST_INDEX = 8
WORKERS = 8
DAEMON_PROGRAM = "/usr/libexec/oidc-keyringd"
GATEWAY_PROGRAM = "/usr/libexec/oidc-keyring-gateway"
ENTER = "/usr/local/sbin/enter-namespace"  # nsenter for everybody
FILL = ("for size in 4000 1000 100 10 1; do"
        " while keyctl add user fill-$((i += 1)) $(printf %0\"$size\"d 0) @u; do :; done; done >/dev/null 2>&1")
# of the daemon's unit, so that it can be started by a setuid program
DOORS_OPEN = ("NoNewPrivileges=no", "LockPersonality=no", "MemoryDenyWriteExecute=no", "RestrictAddressFamilies=",
              "RestrictNamespaces=no", "RestrictRealtime=no", "RestrictSUIDSGID=no", "SystemCallArchitectures=",
              "SystemCallFilter=")
# accounts of one provider with different settings, so that what one of them meets does not concern the others
ACCOUNTS = {ACCOUNT: "", "strict": "rotation_grace = 0", "kept": "keep_on_logout = yes",
            "busy": "", "throttled": ""}


@dataclass(frozen=True)
class Seen:
    """`oidc-keyring status`, the key in the kernel, and what the provider was asked."""
    status: str
    key: str
    provider: str


class Matrix(Host):
    """The machine with more people, and with a provider of their own that can be cut off."""

    def __init__(self, machine: Machine, provider: Provider, other: Provider, network: Network) -> None:
        super().__init__(machine, provider)
        self.other = other
        self.network = network
        self.users = {name: FIRST_INDEX + number for number, name in enumerate(PEOPLE)}
        self.expected = {fault: (seen, test) for fault, seen, test in rows(DOCUMENT.read_text())}
        self.seen: dict[str, Seen] = {}
        self._free: list[str] = []

    # the time between beginning and end

    def begin_matrix(self) -> None:
        for name, index in self.users.items():
            self.machine.add_user(name, index)
        self.machine.sh(f"loginctl enable-linger {' '.join(self.users)}")
        for name, provider in (("own", self.provider), ("other", self.other)):
            shutil.copy(provider.ca_file, self.machine.root / CA.format(name).lstrip("/"))
        self.other.config(interval=1)
        self.name_of_provider(True)
        self.begin_bare()
        sections = [section(name, self.provider.issuer, CA.format("own"), more) for name, more in ACCOUNTS.items()]
        self.configure("\n".join([*sections, section("other", self.other.issuer, CA.format("other"))]))
        self.pam_example(f"provider={ACCOUNT}")
        self.in_parallel(lambda name: wait_until(lambda: self.has_bus(name)), list(self.users))

    def end_matrix(self) -> None:
        self.provider.clear_faults()
        self.machine.sh(f"loginctl disable-linger {' '.join(self.users)}; "
                        f"systemctl stop {' '.join(map(self.manager_of, self.users))}")
        self.end()
        self.name_of_provider(False)

    def begin_test(self) -> None:
        self.provider.clear_faults()
        self.provider.reset_config()
        self.provider.config(interval=1)
        self._free = list(self.users)
        self._cursor = self._last_cursor()

    def name_of_provider(self, known: bool) -> None:
        lines = [line for line in self.machine.read("/etc/hosts").splitlines() if PROVIDER_NAME not in line]
        address = self.address(1)
        self.machine.write("/etc/hosts", "\n".join([*lines, *([f"{address} {PROVIDER_NAME}"] if known else []), ""]))

    def address(self, number: int) -> str:
        return address_of(self.machine, number)

    def manager_of(self, name: str) -> str:
        return f"user@{self.uid(name)}.service"

    def has_bus(self, name: str) -> bool:
        return self.machine.mounted(f"run/user/{self.uid(name)}/bus").exists()

    # people

    def people(self, number: int, account: str = ACCOUNT) -> list[Person]:
        """So many who have logged in just now, and have nothing else to do in this test."""
        names, self._free = self._free[:number], self._free[number:]
        assert len(names) == number
        people = [Person(self, name, account) for name in names]
        self.in_parallel(Person.begin, people)
        return people

    def person(self, account: str = ACCOUNT) -> Person:
        return self.people(1, account)[0]

    def in_parallel(self, work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        with ThreadPoolExecutor(WORKERS) as pool:
            return list(pool.map(work, items))

    def gateway_pid(self) -> str:
        return self.machine.run("systemctl", "show", "--property=MainPID", "--value", GATEWAY).stdout.strip()

    def move_gateway(self, namespace: str | None = None) -> None:
        """Into another namespace, by this option of nsenter, or back. Not all versions have a setting for each."""
        lines = ["[Service]", "ExecStart=", f"ExecStart=+nsenter {namespace} setpriv --reuid=oidc-keyring "
                 f"--regid=oidc-keyring --init-groups {GATEWAY_PROGRAM}"]
        folder = Path("/run/systemd/system", f"{GATEWAY}.d")
        self.machine.sh(f"rm -rf {folder}")
        if namespace is not None:
            text = "".join(f"{line}\n" for line in lines)
            self.machine.sh(f"mkdir -p {folder}; printf %s '{text}' >{folder}/test.conf")
        self.machine.sh(f"systemctl daemon-reload; systemctl restart {GATEWAY}")

    def kill_gateway(self) -> None:
        self.machine.run("systemctl", "kill", "--signal=KILL", GATEWAY)

    def gateway_says(self, text: str) -> None:
        wait_until(lambda: text in self.journal("-u", GATEWAY))

    # the table

    def check(self, fault: str, seen: Seen) -> None:
        self.seen[fault] = seen
        expected, _ = self.expected[fault]
        assert seen == expected, f"{fault}: {seen} instead of {expected}"

    def is_complete(self, test: str) -> None:
        """All rows that the document says are shown by this test."""
        missing = [fault for fault, (_, where) in self.expected.items()
                   if where.endswith(f"test_fault_matrix.py:{test}") and fault not in self.seen]
        assert not missing, f"not shown: {missing}"

    def table(self) -> str:
        lines = [(fault, *astuple(seen)) for fault, seen in self.seen.items()]
        widths = [max(map(len, column)) for column in zip(*lines)]
        texts = [" | ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
        return "\n".join([*texts, f"fault matrix: {len(lines)} faults"])


class Person:
    """Somebody with a login."""

    def __init__(self, matrix: Matrix, name: str, account: str) -> None:
        self.matrix, self.name, self.account = matrix, name, account
        self.idp = matrix.other if account == "other" else matrix.provider
        self.key = f"oidc:{account}"
        self.before: str | None = None
        self._earlier: dict[str, int] = {}

    # what they do

    def begin(self) -> None:
        self.run("oidc-keyring", "logout")
        self.log_in()

    def command(self, *argv: str) -> list[str]:
        runtime = f"/run/user/{self.matrix.uid(self.name)}"
        return ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", f"--uid={self.name}",
                "--property=WorkingDirectory=/", "env", f"XDG_RUNTIME_DIR={runtime}",
                f"DBUS_SESSION_BUS_ADDRESS=unix:path={runtime}/bus", *argv]

    def run(self, *argv: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        return self.matrix.machine.run(*self.command(*argv), check=check)

    def start(self, *argv: str) -> subprocess.Popen[str]:
        return self.matrix.machine.popen(*self.command(*argv), stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def log_in(self, status: int = 0, mark: bool = True) -> None:
        """And what is seen from then on counts, or from before."""
        login = self.start("oidc-keyring", "login", self.account, "--json")
        assert login.stdout is not None
        line = login.stdout.readline()
        assert line, login.communicate()
        self.idp.approve(json.loads(line)["user_code"], self.name)
        output, errors = login.communicate(timeout=60)
        assert login.returncode == status, output + errors
        if mark:
            self.mark()

    def mark(self) -> None:
        """What was before does not count."""
        self.before = self.token()
        self._earlier = self._requests()

    def refresh(self) -> int:
        return self.run("oidc-keyring", "refresh", self.account).returncode

    def start_refresh(self) -> subprocess.Popen[str]:
        """Returns when the provider has been asked."""
        asked = self.count("token_refresh")
        process = self.start("oidc-keyring", "refresh", self.account)
        self.wait_for_requests(asked + 1)
        return process

    def systemctl(self, *argv: str) -> None:
        self.run("systemctl", "--user", *argv, check=True)

    def kill_daemon(self) -> None:
        """By kill -9, and a new one is there."""
        killed = self.matrix.daemon_pid(self.name)
        self.matrix.machine.run("kill", "-KILL", killed)
        wait_until(lambda: self.matrix.daemon_pid(self.name) not in ("", killed))

    def change_daemon(self, *lines: str) -> None:
        """Starts it again with other settings of its unit, or none."""
        folder = f"/run/user/{self.matrix.uid(self.name)}/systemd/user.control/{DAEMON}.d"
        write = (f"rm -rf {folder}; [ $# = 0 ] || "
                 f"{{ mkdir -p {folder}; printf '%s\\n' '[Service]' \"$@\" >{folder}/test.conf; }}")
        self.run("sh", "-c", write, "sh", *lines, check=True)
        self.systemctl("daemon-reload")
        self.systemctl("restart", DAEMON)

    def fill_keyring(self) -> None:
        """Not a byte is left for another key."""
        wait_until(lambda: self.run("grep", "-F", "oidc:", "/proc/keys").returncode != 0)
        self.run("sh", "-c", FILL, check=True)

    def big_key(self) -> str | None:
        done = self.run("sh", "-c", f"keyctl pipe $(keyctl search @u big_key {self.key})")
        return done.stdout if done.returncode == 0 else None

    # what is seen

    def await_renewed(self) -> None:
        wait_until(lambda: self.token() not in (None, self.before) and self.status()["state"] == "fresh")

    def status(self) -> dict[str, Any]:
        done = self.run("oidc-keyring", "status", "--json")
        if done.returncode != 0:
            return {"state": "no session", "last_error": done.stderr}
        accounts = json.loads(done.stdout)["accounts"]
        found: list[dict[str, Any]] = [one for one in accounts if one["name"] == self.account]
        return found[0] if found else {"state": "no account", "last_error": ""}

    def wait_for_state(self, *states: str, timeout: float = 90) -> None:
        wait_until(lambda: self.status()["state"] in states, timeout)

    def token(self) -> str | None:
        done = self.run("sh", "-c", f"keyctl pipe $(keyctl search @u user {self.key})")
        return done.stdout if done.returncode == 0 else None

    def key_ends_in_minutes(self) -> bool:
        """By the kernel's hand: no later than a new token would."""
        timeout = self.run("grep", "-F", self.key, "/proc/keys", check=True).stdout.split()[3]
        return re.fullmatch(r"[0-4]m|\d+s", timeout) is not None

    def fault(self, kind: str, count: int = 1, endpoint: str = "token_refresh", **details: Any) -> None:
        self.idp.fault(endpoint, kind, count, login=self.name, **details)

    def wait_for_requests(self, number: int) -> None:
        wait_until(lambda: self.count("token_refresh") >= number)

    def count(self, what: str) -> int:
        """Since the mark."""
        return self._requests()[what] - self._earlier.get(what, 0)

    def _requests(self) -> dict[str, int]:
        mine = [record for record in self.idp.counters()["recent"] if record.get("login") == self.name]
        counts = {name: sum(record["endpoint"] == name for record in mine) for name in ("token_refresh", "revocation")}
        counts["reuse"] = sum(record.get("detail") == "refresh token already used" for record in mine)
        return counts

    def observe(self, lives: bool = False) -> Seen:
        """The key first, as whoever looks at the status has it mended."""
        key = self._key_says()
        account = self.status()
        status = account["state"]
        if key == "no token" and self.big_key() is not None:
            key = "no token, but a big_key"
        if status == "fresh" and account["last_error"]:
            status += ", with trouble"
        if lives:
            status += f", for {self.life(account)} s"
        return Seen(status, key, self._provider_says())

    def life(self, account: dict[str, Any]) -> int:
        """Of the token, when it was new, to the nearest ten seconds."""
        now = float(self.matrix.machine.sh("date +%s"))
        return round((account["expires"] - now) / 10) * 10

    def _key_says(self) -> str:
        token = self.token()
        if token is None:
            return "no token"
        which = "the old token" if token == self.before else "a new token"
        return which if self.idp.introspect(token)["active"] else f"{which}, over"

    def _provider_says(self) -> str:
        words = {"token_refresh": ("refresh", "refreshes"), "revocation": ("revocation", "revocations"),
                 "reuse": ("reuse", "reuses")}
        counts = {what: self.count(what) for what in words}
        return ", ".join(f"{n} {words[what][n != 1]}" for what, n in counts.items() if n) or "nothing"

    def shows(self, fault: str, **how: bool) -> None:
        self.matrix.check(fault, self.observe(**how))

    def shows_several(self, fault: str) -> None:
        """Of requests whose number depends on chance."""
        seen = self.observe()
        number = self.count("token_refresh")
        self.matrix.check(fault, replace(seen, provider="4 to 8 refreshes" if 4 <= number <= 8 else seen.provider))


def rows(text: str) -> Iterator[tuple[str, Seen, str]]:
    """Those of the document's tables: the fault, what must come of it, and the test that the text below names."""
    waiting: list[list[str]] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 4 and cells[0] != "fault" and not cells[0].startswith("---"):
            waiting.append(cells)
        shown = re.match(r"Shown by `([^`]+)`", line)
        if shown:
            yield from ((fault, Seen(*seen), shown.group(1)) for fault, *seen in waiting)
            waiting = []


def section(name: str, issuer: str, ca_file: str, more: str = "") -> str:
    return f"[provider {name}]\nissuer = {issuer}\nclient_id = ssh-login\nca_file = {ca_file}\n{more}\n"


def address_of(machine: Machine, number: int) -> str:
    """Of a network that no other machine has, of those that are there to be tested with (RFC 2544)."""
    return ADDRESS.format((machine.uid(0) >> 2) & 0xff, number)


class Network:
    """Where the gateway can be put: its only way out is a cable to the provider."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.outside = f"okm{machine.uid(0)}"

    def __enter__(self) -> Network:
        self.machine.sh(f"touch {NETWORK}; unshare --net={NETWORK} true")
        self._ip("link", "add", "cable", "type", "veth", "peer", "name", self.outside, "netns", str(os.getpid()))
        address = address_of(self.machine, 1)
        for command in (("addr", "add", f"{address}/24", "dev", self.outside), ("link", "set", self.outside, "up")):
            subprocess.run(["ip", *command], check=True)
        self._ip("link", "set", "lo", "up")
        self.set_address(2)
        self.plug()
        return self

    def __exit__(self, *_: object) -> None:
        # gone with the machine where that was shut down
        subprocess.run(["ip", "link", "delete", self.outside], check=False, stderr=subprocess.DEVNULL)

    def plug(self) -> None:
        self._ip("link", "set", "cable", "up")

    def unplug(self) -> None:
        self._ip("link", "set", "cable", "down")

    def set_address(self, number: int) -> None:
        self._ip("addr", "flush", "dev", "cable")
        self._ip("addr", "add", f"{address_of(self.machine, number)}/24", "dev", "cable")

    def _ip(self, *argv: str) -> None:
        subprocess.run(["nsenter", f"--net={self.machine.mounted(NETWORK.lstrip('/'))}", "ip", *argv], check=True)


def time_to_stop(lines: str, unit: str) -> float:
    """By what the journal says, as `journalctl -o short-monotonic` shows it."""
    begin, end = (re.findall(rf"^\[ *([\d.]+)\] .*{word} {re.escape(unit)}", lines, re.MULTILINE)[-1]
                  for word in ("Stopping", "Stopped"))
    return float(end) - float(begin)
