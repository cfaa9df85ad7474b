# SPDX-License-Identifier: MIT
"""The figures that oidc-keyring promises, counted in a booted machine; each line says value, bar and verdict."""

from __future__ import annotations

import argparse
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "idp")]

from buildroot import built_package  # noqa: E402
from host import GATEWAY, Host  # noqa: E402
from image import SUITES  # noqa: E402
from machine import Machine, exit_when_told  # noqa: E402
from provider import Provider  # noqa: E402
from terminal import PATIENCE  # noqa: E402
from walls import EXPOSURE_BAR, exposure  # noqa: E402

LOGINS = 10
CALLERS = 10
IDLE_SECONDS = 20
PSS_BAR_KB = 1024
FOREIGN = re.compile(r"lib(curl|ssl|crypto|gnutls|nghttp2|json-c|jansson|econf|qrencode)\b")


@dataclass
class Figure:
    name: str
    value: str
    bar: str
    good: bool

    def __str__(self) -> str:
        return f"{'ok  ' if self.good else 'FAIL'}  {self.name:<58} {self.value:<34} (bar: {self.bar})"


def log_in(host: Host) -> None:
    with host.logged_in("alice", "true") as client:
        client.output()


def requests(host: Host) -> dict[str, int]:
    return {name: number for name, number in host.provider.counters()["requests"].items() if number}


def warm_login(host: Host) -> Iterator[Figure]:
    log_in(host)
    host.provider.reset_counters()
    with host.ssh("alice", "true") as client:
        code = host.shown_code(client)
        to_code = requests(host)
        to_code.pop("token_device", None)
        host.provider.approve(code, "alice")
        client.send()
        client.output()
    seen = requests(host)
    seen.pop("revocation", None)  # of the grant that the new one replaces
    early = host.provider.count("early_polls")
    yield Figure("requests up to the code, gateway warm", _counts(to_code), "1 device authorization",
                 to_code == {"device_authorization": 1})
    yield Figure("requests of the whole login, gateway warm", _counts(seen), "that + the polls",
                 set(seen) == {"device_authorization", "token_device"} and seen["device_authorization"] == 1)
    yield Figure("polls that came earlier than the interval allows", str(early), "0", early == 0)


def cold_login(host: Host) -> Iterator[Figure]:
    host.machine.run("systemctl", "stop", GATEWAY)
    host.provider.reset_counters()
    with host.ssh("alice", "true") as client:
        code = host.shown_code(client)
        host.provider.wait("token_device", at_least=1, timeout=PATIENCE)
        host.provider.approve(code, "alice")
        client.send()
        client.output()
    order = [request["endpoint"] for request in host.provider.recent()]
    shown = order.index("device_authorization")
    won = max(place for place, endpoint in enumerate(order) if endpoint == "token_device")
    yield Figure("requests before the code, gateway cold", ", ".join(order[:shown]) or "none", "1 discovery",
                 order[:shown] == ["discovery"])
    after = [endpoint for endpoint in order[won + 1:] if endpoint in ("discovery", "jwks")]
    yield Figure("key fetches before the code or after the approval", str(len(after) + order[:shown].count("jwks")),
                 "0", not after and "jwks" not in order[:shown])


def connections(host: Host) -> Iterator[Figure]:
    host.machine.run("systemctl", "stop", GATEWAY)
    host.provider.wait("open_connections", at_most=0, timeout=PATIENCE)
    host.provider.reset_counters()
    for _ in range(LOGINS):
        log_in(host)
    number = host.provider.count("tls_handshakes")
    yield Figure(f"TLS connections for {LOGINS} logins in a row", str(number), "1", number == 1)


def approval(host: Host) -> Iterator[Figure]:
    for name, enter_first in (("Enter before the approval", True), ("Enter after it", False)):
        with host.ssh("alice", "true") as client:
            code = host.shown_code(client)
            if enter_first:
                client.send()
            polls = host.provider.count("token_device")
            host.provider.wait("token_device", at_least=polls + 1, timeout=PATIENCE)
            host.provider.approve(code, "alice")
            approved_at = host.provider.count("token_device")
            if not enter_first:
                host.provider.wait("logins", at_least=1, timeout=PATIENCE)
                client.send()
            client.output()
            polls = host.provider.count("token_device") - approved_at
        yield Figure(f"polls from approval to success, {name}", str(polls), "1, the next permitted", polls == 1)
        host.provider.reset_counters()


def libraries(host: Host) -> Iterator[Figure]:
    module = host.machine.sh("ls /usr/lib/*/security/pam_oidc_keyring.so").strip()
    needed = set(re.findall(r"(lib[\w.+-]+\.so[.\d]*) =>", host.machine.run("ldd", module).stdout))
    host.pam_restore("sshd")
    with host.ssh("alice") as client:
        client.expect("[Pp]assword: ")
        maps = host.machine.sh("for pid in $(pgrep sshd); do cat /proc/$pid/maps; done")
    host.pam_example()
    extra = sorted(needed - set(re.findall(r"(lib[\w.+-]+\.so[.\d]*)", maps)))
    foreign = [name for name in needed if FOREIGN.match(name) and name in extra]
    yield Figure("libraries that the module brings into sshd", ", ".join(extra) or "none",
                 "libsystemd's own, no curl, TLS, JSON", not foreign)


def idle_daemon(host: Host) -> Iterator[Figure]:
    with host.session("alice"):
        host.cli("alice", "status")
        pid = host.machine.sh("pgrep -u alice -f libexec/oidc-keyringd").strip()
        before = _switches(host, pid)
        time.sleep(IDLE_SECONDS)
        wakeups = _switches(host, pid) - before
        rollup = host.machine.sh(f"cat /proc/{pid}/smaps_rollup")
    sizes = {name: int(size) for name, size in re.findall(r"^(\w+): +(\d+) kB", rollup, re.MULTILINE)}
    value = f"{sizes['Pss']} kB, of it private and written {sizes['Private_Dirty']} kB"
    yield Figure("memory of the idle daemon (PSS)", value, f"{PSS_BAR_KB} kB", sizes["Pss"] <= PSS_BAR_KB)
    yield Figure(f"its wake-ups in {IDLE_SECONDS} s between refreshes", str(wakeups), "0", wakeups == 0)


def refreshes(host: Host) -> Iterator[Figure]:
    host.provider.config(access_token_ttl=10)
    with host.session("alice"):
        host.provider.wait("refreshed", at_least=3, timeout=PATIENCE)
        grants = host.provider.tokens("alice")
        renewed = host.provider.count("token_refresh")
        tokens = max(len(grant["access_tokens"]) for grant in grants) - 1
    yield Figure("refreshes per token life", f"{renewed} for {tokens} lives", "1", abs(renewed - tokens) <= 0)

    host.provider.config(access_token_ttl=300)
    with host.session("alice"):
        host.provider.reset_counters()
        host.provider.fault("token_refresh", "delay", delay_ms=5000)
        runtime = f"XDG_RUNTIME_DIR=/run/user/{host.uid('alice')}"
        host.as_user("alice", "env", runtime, "sh", "-c", "oidc-keyring refresh & " * CALLERS + "wait")
        asked = host.provider.count("token_refresh")
    yield Figure(f"requests when {CALLERS} callers ask at once", str(asked), "1", asked == 1)


def walls(host: Host) -> Iterator[Figure]:
    score = exposure(host)
    yield Figure("exposure of the gateway (systemd-analyze security)", str(score), str(EXPOSURE_BAR), score <= EXPOSURE_BAR)


def _switches(host: Host, pid: str) -> int:
    status = host.machine.sh(f"cat /proc/{pid}/status")
    return sum(int(number) for number in re.findall(r"^\w*voluntary_ctxt_switches:\s+(\d+)", status, re.MULTILINE))


def _counts(seen: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in seen.items()) or "none"


FIGURES: tuple[Callable[[Host], Iterator[Figure]], ...] = (
    warm_login, cold_login, connections, approval, libraries, idle_daemon, refreshes, walls)


def measure(host: Host) -> list[Figure]:
    figures = []
    for work in FIGURES:
        host.begin()
        try:
            for figure in work(host):
                print(figure, flush=True)
                figures.append(figure)
        except Exception as error:  # the other figures are still worth having
            print(f"FAIL  {work.__name__}: {type(error).__name__}: {error}", flush=True)
            figures.append(Figure(work.__name__, "", "", False))
        finally:
            host.end()
    return figures


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/figures", description=__doc__)
    parser.add_argument("--suite", choices=SUITES, default=SUITES[0])
    parser.add_argument("--deb", type=Path, help="the package; built first where it is not given")
    return parser.parse_args()


def main() -> int:
    args = arguments()
    exit_when_told()
    with built_package(HERE.parent.parent, args.deb) as package, Provider() as provider:
        with Machine(args.suite) as machine:
            host = Host(machine, provider)
            host.set_up([package])
            figures = measure(host)
    return 0 if all(figure.good for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
