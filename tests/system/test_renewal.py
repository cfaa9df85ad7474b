# SPDX-License-Identifier: MIT
"""The token stays fresh by itself: no reader ever finds a stale one, or none."""

from __future__ import annotations

import fcntl
import socket
import struct
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from host import GATEWAY, KEY, Host, fingerprint
from terminal import PATIENCE

READERS = 10
RENEWALS = 5
SIOCSIFADDR = 0x8916


@dataclass
class Seen:
    fingerprint: str
    first: float
    last: float
    count: int


def start_readers(host: Host, user: str) -> subprocess.Popen[str]:
    host.machine.write("/usr/local/bin/readers", (Path(__file__).parent / "readers.pl").read_text())
    readers = host.machine.popen(
        "systemd-run", "--quiet", "--pipe", "--wait", "--collect", f"--uid={user}",
        "perl", "/usr/local/bin/readers", str(READERS), KEY, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert readers.stdout is not None and readers.stdout.readline() == "reading\n"
    return readers


def stop_readers(readers: subprocess.Popen[str]) -> tuple[list[Seen], list[str]]:
    output, _ = readers.communicate(timeout=PATIENCE)
    lines = [line.split() for line in output.splitlines()]
    seen = [Seen(fingerprint(f[1]), float(f[2]), float(f[3]), int(f[4])) for f in lines if f[0] == "token"]
    return seen, [" ".join(f) for f in lines if f[0] == "gap"]


def expiries(host: Host, user: str) -> dict[str, float]:
    return {token["fingerprint"]: token["expires"]
            for grant in host.provider.tokens(user) for token in grant["access_tokens"]}


def test_ten_readers_through_five_renewals(host: Host) -> None:
    host.provider.config(access_token_ttl=10)
    with host.session("alice"):
        readers = start_readers(host, "alice")
        host.provider.wait("token_refresh", at_least=RENEWALS, timeout=300)
        host.provider.wait("refreshed", at_least=RENEWALS, timeout=PATIENCE)
        seen, gaps = stop_readers(readers)
        ends = expiries(host, "alice")

    assert not gaps
    assert len({token.fingerprint for token in seen}) >= RENEWALS
    assert sum(token.count for token in seen) > 1000
    stale = [token for token in seen if token.last > ends[token.fingerprint]]
    assert not stale
    assert host.provider.count("refresh_reuse") == 0


def test_one_request_however_many_ask(host: Host) -> None:
    with host.session("alice"):
        host.provider.fault("token_refresh", "delay", delay_ms=5000)
        environment = f"XDG_RUNTIME_DIR=/run/user/{host.uid('alice')}"
        host.as_user("alice", "env", environment, "sh", "-c", "oidc-keyring refresh & " * 10 + "wait")
        assert host.provider.count("token_refresh") == 1
        assert host.provider.count("refreshed") == 1


def test_provider_away_for_a_while(host: Host) -> None:
    """The token that is good stays, and renewal resumes by itself."""
    host.provider.config(access_token_ttl=20)
    with host.session("alice"):
        host.provider.fault("token_refresh", "status", 2, status=503)
        token = host.token("alice")
        host.provider.wait("faults", at_least=1, timeout=PATIENCE)
        assert host.token("alice") == token
        host.provider.wait("refreshed", at_least=1, timeout=PATIENCE)
        # the key is published after the answer; asking the daemon waits for that
        host.cli("alice", "token", "--min-valid", "1")
        renewed = host.token("alice")
        assert renewed != token and renewed is not None
    assert host.provider.count("device_authorization") == 1


@contextmanager
def another_address(uid: int) -> Iterator[None]:
    """The machine shares the network of the host, where loopback has one more address meanwhile: one of its own, as
    others run there too."""
    address = bytes([127, 99, uid >> 8 & 0xff, uid & 0xff])
    request = struct.pack("16sH2s4s8s", b"lo:%d" % uid, socket.AF_INET, b"", address, b"")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFADDR, request)
        try:
            yield
        finally:
            fcntl.ioctl(any_socket, SIOCSIFADDR, request.replace(address, bytes(4)))


def test_network_changes(host: Host) -> None:
    """What would have been tried again in minutes is tried soon when the network changes, and once."""
    with host.session("alice"):
        host.provider.down()
        host.machine.run("systemctl", "restart", GATEWAY)  # else its connection may end when the first is under way
        for _ in range(9):
            assert host.cli("alice", "refresh", check=False).returncode == 5
        due = host.account("alice")["next_refresh"]
        assert due > time.time() + 120
        host.provider.up()
        with another_address(host.uid("alice")):
            host.provider.wait("refreshed", at_least=1, timeout=90)
        assert time.time() < due
        assert host.provider.count("token_refresh") == 1


def test_grant_ended_by_the_provider(host: Host) -> None:
    host.provider.config(access_token_ttl=300)
    with host.session("alice"):
        host.provider.revoke("alice")
        done = host.cli("alice", "refresh", check=False)
        assert done.returncode != 0
        assert "Log in again with `oidc-keyring login`." in done.stderr
        assert host.account("alice")["state"] == "login-required"
        refreshes = host.provider.count("token_refresh")
        assert host.cli("alice", "refresh", check=False).returncode != 0
        assert host.provider.count("token_refresh") <= refreshes + 1
