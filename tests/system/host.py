# SPDX-License-Identifier: MIT
"""A machine whose people log in through the test provider: the package, its configuration, the PAM lines, accounts."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Sequence

from machine import Machine
from provider import Provider
from terminal import CLIENT, PATIENCE, MachineTerminal, Ssh, Terminal

ACCOUNT = "corp"
KEY = f"oidc:{ACCOUNT}"
PASSWORD = "correct horse"
USERS = {"alice": 1, "bob": 2}
CODE = "[A-Z]{4}-[A-Z]{4}"
CONFIGURATION = "/etc/oidc-keyring.conf"
CA_FILE = "/etc/ssl/test-provider-ca.pem"
GATEWAY = "oidc-keyring-gateway.service"
DAEMON = "oidc-keyringd.service"
STATE = "/var/lib/oidc-keyring"

EXAMPLE = "/usr/share/doc/oidc-keyring/examples/sshd.pam"


class Host:
    """The machine and the provider, with what tests do to both."""

    def __init__(self, machine: Machine, provider: Provider) -> None:
        self.machine = machine
        self.provider = provider
        self.users = dict(USERS)
        self._cursor = ""
        self._services: set[str] = set()

    # made once

    def set_up(self, packages: Sequence[Path]) -> None:
        self.machine.install(*packages)
        for name, index in USERS.items():
            self.machine.add_user(name, index, PASSWORD)
        if self.provider.ca_file:
            shutil.copy(self.provider.ca_file, self.machine.root / CA_FILE.lstrip("/"))
        self._add_ssh_key()
        self.machine.sh("usermod -aG sudo alice")

    def _add_ssh_key(self) -> None:
        self.machine.sh(f"mkdir -p -m 700 {CLIENT}; ssh-keygen -q -t ed25519 -N '' -f {CLIENT}/key")
        for name in (*USERS, "root"):
            self.machine.sh(f"home=$(getent passwd {name} | cut -d: -f6); install -d -m 700 -o {name} $home/.ssh; "
                            f"install -m 600 -o {name} {CLIENT}/key.pub $home/.ssh/authorized_keys")

    # each test

    def begin(self) -> None:
        self.begin_bare()
        self.pam_example()

    def begin_bare(self) -> None:
        """Configured, but with the module in no stack."""
        self.provider.reset()
        self.provider.config(interval=1)
        self.configure()
        self._cursor = self._last_cursor()

    def end(self) -> None:
        """Logs everybody out and lets nothing of a test live on.

        The gateway goes last: a daemon that ends asks it to revoke, and a start that is stopped half-way leaves the
        bus waiting for it, which all who come in the next 25 s join.
        """
        for name in self.users:
            uid = self.uid(name)
            self.machine.sh(f"loginctl terminate-user {name} 2>/dev/null || true; systemctl stop user@{uid}.service")
        self.machine.sh(f"systemctl stop {GATEWAY} || true; systemctl reset-failed; rm -rf {STATE}/bindings "
                        f"{STATE}/grants")
        for service in list(self._services):
            self.pam_restore(service)

    # configuration

    def configure(self, text: str | None = None, **changes: str | None) -> None:
        """Writes the configuration: the one of a careful newcomer, with changes, or any text."""
        if text is None:
            keys: dict[str, str | None] = {"issuer": self.provider.issuer, "client_id": "ssh-login",
                                           "ca_file": CA_FILE if self.provider.ca_file else None, **changes}
            lines = [f"{key} = {value}" for key, value in keys.items() if value is not None]
            text = "\n".join([f"[provider {ACCOUNT}]", *lines, ""])
        self.machine.write(CONFIGURATION, text)

    def pam_example(self, options: str = "") -> None:
        """The stack of sshd that the package ships, with further options for the module."""
        self._original("sshd")
        self._services.add("sshd")
        text = self.machine.read(EXAMPLE)
        self.machine.write("/etc/pam.d/sshd", text.replace("pam_oidc_keyring.so", f"pam_oidc_keyring.so {options}"))

    def pam(self, service: str, options: str = "", phases: Sequence[str] = ("auth", "account", "session")) -> None:
        """Puts the module's lines of the example that the package ships into the stack of a service."""
        shipped = [line for line in self.machine.read(EXAMPLE).splitlines()
                   if "pam_oidc_keyring.so" in line and not line.startswith("#")]
        lines = {line.split()[0]: f"{line} {options}" for line in shipped if line.split()[0] in phases}
        assert set(lines) == set(phases)
        first = [lines[phase] for phase in ("auth", "account") if phase in lines]
        last = [lines[phase] for phase in ("session",) if phase in lines]
        stack = self._original(service)
        self._services.add(service)
        self.machine.write(f"/etc/pam.d/{service}", "\n".join([*first, stack, *last, ""]))

    def pam_restore(self, service: str) -> None:
        self.machine.write(f"/etc/pam.d/{service}", self._original(service))
        self._services.discard(service)

    def _original(self, service: str) -> str:
        backup = self.machine.root / f"var/lib/pam-original/{service}"
        if not backup.exists():
            backup.parent.mkdir(exist_ok=True)
            shutil.copy(self._stack_file(service), backup)
        return backup.read_text()

    def _stack_file(self, service: str) -> Path:
        places = [self.machine.root / "etc/pam.d" / service, self.machine.root / "usr/lib/pam.d" / service]
        return next(place for place in places if place.exists())

    # people

    def uid(self, name: str) -> int:
        return self.machine.uid(self.users[name])

    def ssh(self, user: str, command: str | None = None, options: Sequence[str] = ()) -> Ssh:
        """A client that is asked once only, so that each attempt is one login."""
        return Ssh(self.machine, user, command, ["NumberOfPasswordPrompts=1", *options])

    def ssh_by_key(self, user: str, command: str) -> Ssh:
        return Ssh(self.machine, user, command, ["PreferredAuthentications=publickey"])

    def terminal(self, command: str) -> Terminal:
        return MachineTerminal(self.machine, command)

    def shown_code(self, client: Terminal) -> str:
        """Waits until the client shows a code, and returns it."""
        return client.expect(rf"\b({CODE})\b").group(1)

    def logged_in(self, user: str, command: str = "echo in; read -r line", options: Sequence[str] = ()) -> Ssh:
        """A session of that person, who has just approved the code."""
        client = self.ssh(user, command, options)
        self.provider.approve(self.shown_code(client), user)
        client.send()
        return client

    def session(self, user: str) -> Ssh:
        """A session that lasts until the client is left."""
        client = self.logged_in(user)
        client.expect("in\r\n")
        return client

    def as_user(self, user: str, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a command as cron would: with the user's id, but outside any session of theirs."""
        return self.machine.run("systemd-run", "--quiet", "--pipe", "--wait", "--collect", f"--uid={user}",
                                "--property=WorkingDirectory=/", *argv, check=check)

    def cli(self, user: str, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs `oidc-keyring` for a user who is logged in."""
        runtime = f"/run/user/{self.uid(user)}"
        return self.as_user(user, "env", f"XDG_RUNTIME_DIR={runtime}",
                            f"DBUS_SESSION_BUS_ADDRESS=unix:path={runtime}/bus", "oidc-keyring", *argv, check=check)

    def daemon_pid(self, user: str) -> str:
        return self.machine.run("pgrep", "-u", user, "-f", "libexec/oidc-keyringd", check=False).stdout.strip()

    def account(self, user: str) -> dict[str, Any]:
        status = json.loads(self.cli(user, "status", "--json").stdout)
        found: dict[str, Any] = next((one for one in status["accounts"] if one["name"] == ACCOUNT), {"state": "none"})
        return found

    # keys, tokens, logs

    def token(self, user: str) -> str | None:
        """The token in the kernel keyring of that user, if there is one."""
        done = self.as_user(user, "sh", "-c", f"keyctl pipe $(keyctl search @u user {KEY})", check=False)
        return done.stdout if done.returncode == 0 else None

    def is_active(self, token: str, login: str) -> bool:
        answer = self.provider.introspect(token)
        return bool(answer["active"]) and answer["login"] == login

    def journal(self, *options: str) -> str:
        """What was logged since the test began, or the machine did."""
        since = f"--after-cursor={self._cursor}" if self._cursor else "--boot"
        return self.machine.run("journalctl", "--no-pager", "--output=short", since, *options).stdout

    def forget_journal(self) -> None:
        """After a reboot: it is another one, and may have begun already with what is looked for."""
        self._cursor = ""

    def _last_cursor(self) -> str:
        self.machine.sh("journalctl --sync")
        output = self.machine.run("journalctl", "-n1", "--show-cursor", "-q").stdout
        return output.rpartition("-- cursor: ")[2].strip()


def wait_until(condition: Callable[[], bool], timeout: float = PATIENCE) -> None:
    """For what tells nobody when it has happened."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


def fingerprint(secret: str) -> str:
    """As the provider names secrets that it does not tell."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16]
