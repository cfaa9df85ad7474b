# SPDX-License-Identifier: MIT
"""All memory of all processes of the machine is searched for the codes and tokens of its logins."""

from __future__ import annotations

import base64
import os
import re
import time
import urllib.parse
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from host import Host
from memory import Found, kinds, search
from terminal import PATIENCE

TOKENS = {"device_code", "access_token", "refresh_token", "id_token"}
CLIENT, CLIENT_SECRET = "ssh-confidential", "s:e+c%r e&t=/?"
Secrets = list[dict[str, Any]]


def processes(host: Host) -> Iterator[tuple[int, str]]:
    """As this host numbers them, with their command lines."""
    machine = os.readlink(f"/proc/{host.machine.leader}/ns/pid")
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(path / "ns/pid") == machine:
                yield int(path.name), (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # gone
            continue


def pid_of(host: Host, program: str) -> int:
    found = [pid for pid, command in processes(host) if re.match(rf"\S*/{program}\b", command)]
    assert len(found) == 1, f"{len(found)} processes are {program}"
    return found[0]


def in_program(host: Host, program: str, secrets: Secrets) -> list[Found]:
    return search(pid_of(host, program), secrets)


def in_all(host: Host, secrets: Secrets) -> dict[str, list[Found]]:
    """By command line, those in which there is something."""
    result = {}
    for pid, command in processes(host):
        try:
            found = search(pid, secrets)
        except (OSError, AssertionError):  # gone meanwhile
            continue
        if found:
            result[command] = found
    return result


def in_stored_files(host: Host, value: str) -> set[str]:
    """The programs that hold a memory file with this text."""
    holders = set()
    for pid, command in processes(host):
        for fd in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                if "memfd:oidc-keyring-grant" in os.readlink(fd) and value in fd.read_text():
                    holders.add(os.path.basename(command.split()[0]))
            except OSError:
                continue
    return holders


def clean_in_the_end(look: Callable[[], Any]) -> None:
    """What was given and is refused is revoked first, and that takes a moment."""
    end = time.monotonic() + PATIENCE
    while left := look():
        assert time.monotonic() < end, left


def of_kinds(secrets: Secrets, wanted: set[str]) -> Secrets:
    return [secret for secret in secrets if secret["kind"] in wanted]


def latest(secrets: Secrets, kind: str) -> str:
    return str([secret["value"] for secret in secrets if secret["kind"] == kind][-1])


def test_session_and_logout(host: Host) -> None:
    with host.session("alice"):
        for _ in range(2):
            host.cli("alice", "refresh")
        secrets = host.provider.secrets()
        assert kinds_of(secrets) == TOKENS | {"user_code"}
        # The gateway keeps what it answered for a minute, guarded; nobody else has a token in memory.
        kept = in_program(host, "oidc-keyring-gateway", secrets)
        assert kinds(kept) == {"access_token", "refresh_token"}
        assert all(one.guarded for one in kept)
        holders = in_all(host, of_kinds(secrets, TOKENS))
        assert all("oidc-keyring-gateway" in command for command in holders), holders
        # What the daemon and its service manager have are the sealed files.
        refresh_token = latest(secrets, "refresh_token")
        assert in_stored_files(host, refresh_token) == {"oidc-keyringd", "systemd"}

        host.cli("alice", "logout")
        clean_in_the_end(lambda: in_program(host, "oidc-keyring-gateway", secrets))
        clean_in_the_end(lambda: in_program(host, "oidc-keyringd", secrets))
        clean_in_the_end(lambda: in_all(host, of_kinds(secrets, TOKENS)))
        clean_in_the_end(lambda: in_stored_files(host, refresh_token))


def kinds_of(secrets: Secrets) -> set[str]:
    return {secret["kind"] for secret in secrets}


def test_end_of_the_session(host: Host) -> None:
    """No logout but the person's leaving: with the session, everything of it goes, the code in sshd too. Only the bus
    does not wipe the answers that it passed on, and the code is in one of them: it is used up, and no token is."""
    with host.session("alice"):
        secrets = host.provider.secrets()
    host.machine.sh("loginctl terminate-user alice || true")
    host.provider.wait("live_grants", at_most=0, timeout=PATIENCE)
    clean_in_the_end(lambda: in_all(host, of_kinds(secrets, TOKENS)))
    clean_in_the_end(lambda: [command for command in in_all(host, secrets) if "dbus-daemon --system" not in command])
    clean_in_the_end(lambda: in_stored_files(host, latest(secrets, "refresh_token")))


def denied(host: Host, code: str) -> None:
    host.provider.deny(code)


def another(host: Host, code: str) -> None:
    host.provider.approve(code, "bob")


def forged(host: Host, code: str) -> None:
    host.provider.forge("other_key")
    host.provider.approve(code, "alice")


@pytest.mark.parametrize("end", [denied, another, forged])
def test_failed_login(host: Host, end: Callable[[Host, str], None]) -> None:
    with host.ssh("alice", "true") as client:
        code = host.shown_code(client)
        waiting = in_program(host, "oidc-keyring-gateway", host.provider.secrets())
        assert kinds(waiting) == {"device_code", "user_code"}
        assert all(one.guarded for one in waiting if one.kind == "device_code")
        end(host, code)
        client.send()
        client.finish()
    secrets = host.provider.secrets()
    clean_in_the_end(lambda: in_program(host, "oidc-keyring-gateway", secrets))
    clean_in_the_end(lambda: in_all(host, of_kinds(secrets, TOKENS)))


def test_client_secret(host: Host) -> None:
    """As it is configured, encoded for the header, and the header: only where no dump, swap or child has it."""
    folder = "/etc/oidc-keyring/credentials"
    host.machine.sh(f"install -d -m 700 {folder}")
    host.machine.write(f"{folder}/corp", CLIENT_SECRET + "\n", 0o600)
    host.configure(client_id=CLIENT, client_auth="client_secret_basic")
    try:
        with host.session("alice"):
            host.cli("alice", "refresh")
            encoded = urllib.parse.quote(CLIENT_SECRET, safe="")
            header = base64.b64encode(f"{CLIENT}:{encoded}".encode()).decode()
            secrets = [{"kind": "secret", "endpoint": "file", "value": CLIENT_SECRET},
                       {"kind": "encoded", "endpoint": "file", "value": encoded},
                       {"kind": "header", "endpoint": "file", "value": header[24:]}]  # after the name
            found = in_program(host, "oidc-keyring-gateway", secrets)
            status = Path(f"/proc/{pid_of(host, 'oidc-keyring-gateway')}/status").read_text()
            limits = Path(f"/proc/{pid_of(host, 'oidc-keyring-gateway')}/limits").read_text()
            assert kinds(found) == {"secret"} and all(one.guarded for one in found), found
            others = in_all(host, secrets)
            assert all("oidc-keyring-gateway" in command for command in others), others
    finally:
        host.machine.sh(f"rm -f {folder}/corp")
    assert int(re.search(r"^VmLck:\s+(\d+)", status, re.MULTILINE)[1]) > 0
    assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)
