# SPDX-License-Identifier: MIT
"""No secret of a login is found where others, or logs, could have it."""

from __future__ import annotations

import re
from typing import Callable, Iterator

import pytest

from host import DAEMON, GATEWAY, Host
from memory import needles

# What others say of our units has numbers of its own.
OURS = re.compile(r" oidc-keyring(?:-gateway|d)\[|pam_oidc_keyring\(")
LOGIN_ID = re.compile(r"\b[0-9a-f]{32}\b")
PROCESSES = "for pid in /proc/[0-9]*; do cat $pid/{file} 2>/dev/null | tr '\\0' '\\n' || true; done"


class Secrets:
    """Codes and tokens of all kinds that the provider has given out so far, and the parts by which they are known."""

    def __init__(self, host: Host) -> None:
        self._needles = {part.decode(): secret["kind"] for part, secret in needles(host.provider.secrets()).items()}
        assert {"device_code", "user_code", "access_token", "refresh_token", "id_token"} <= set(self._needles.values())

    def found_in(self, text: str) -> set[str]:
        """Their kinds."""
        return {kind for part, kind in self._needles.items() if part in text}

    def patterns(self) -> str:
        return "".join(f"{part}\n" for part in self._needles)


@pytest.fixture
def debugged(host: Host) -> Iterator[Host]:
    """With debug messages wherever they can be had."""
    host.pam_example("debug")
    for unit, path in ((GATEWAY, "/run/systemd/system"), (DAEMON, "/run/systemd/user")):
        host.machine.sh(f"mkdir -p {path}/{unit}.d; printf '[Service]\\nLogLevelMax=debug\\n"
                        f"Environment=SYSTEMD_LOG_LEVEL=debug OIDC_KEYRING_LOG_LEVEL=debug\\n' "
                        f">{path}/{unit}.d/debug.conf; systemctl daemon-reload")
    yield host
    for unit, path in ((GATEWAY, "/run/systemd/system"), (DAEMON, "/run/systemd/user")):
        host.machine.sh(f"rm -r {path}/{unit}.d; systemctl daemon-reload")


def test_the_search_finds_a_secret(host: Host) -> None:
    with host.session("alice"):
        secrets = Secrets(host)
        assert secrets.found_in(f"token={host.token('alice')};") == {"access_token"}
        for secret in host.provider.secrets():
            assert secrets.found_in(f"it is {secret['value']}, and") == {secret["kind"]}
        host.machine.write("/var/tmp/found", f"token={host.token('alice')};")
        assert files_with(host, secrets) == ["/var/tmp/found"]
        host.machine.sh("rm /var/tmp/found")


def test_environment_of_the_session(host: Host) -> None:
    with host.logged_in("alice", "env; cat /proc/self/environ | tr '\\0' '\\n'") as client:
        environment = client.output()
    assert "HOME=/home/alice" in environment
    assert "OIDC" not in environment.upper()
    assert not Secrets(host).found_in(environment)


def test_command_lines_and_environments_of_all_processes(host: Host) -> None:
    with host.session("alice"):
        host.cli("alice", "refresh")
        secrets = Secrets(host)
        for file in ("cmdline", "environ"):
            text = host.machine.sh(PROCESSES.format(file=file))
            assert "sshd" in text or "PATH" in text
            assert not secrets.found_in(text)
            assert "PAM_OIDC" not in text


def refused(host: Host, end: Callable[[str], None]) -> None:
    """A login that ends as `end` makes it, of the code that is shown."""
    with host.ssh("alice", "id -un") as client:
        end(host.shown_code(client))
        client.send()
        client.expect(r"assword: |Permission denied|Connection (?:closed|reset)")


def test_journal_at_debug_level(debugged: Host) -> None:
    """Of a whole session, and of a login that is denied, forged or malformed."""
    provider = debugged.provider

    def forged(code: str) -> None:
        provider.forge("flipped")
        provider.approve(code, "alice")

    def malformed(code: str) -> None:
        provider.fault("token_device", "tamper", patch={"access_token": 7})
        provider.approve(code, "alice")

    with debugged.session("alice"):
        debugged.cli("alice", "refresh")
        debugged.cli("alice", "logout")
    for end in (provider.deny, forged, malformed):
        refused(debugged, end)
    secrets = Secrets(debugged)
    for options in ((), ("--user-unit", DAEMON), ("-o", "verbose")):
        assert not secrets.found_in(debugged.journal(*options))
    ours = [line for line in debugged.journal().splitlines() if OURS.search(line)]
    for told in ("AccessDenied", "IdTokenInvalid", "ProviderAnswer"):
        assert any("oidc-keyring-gateway[" in line and told in line for line in ours)
    assert not any(LOGIN_ID.search(line) for line in ours), "the id of a login"


@pytest.mark.parametrize("name", ["oidc-keyring-gateway", "oidc-keyringd"])
def test_no_core_dump_and_no_debugger(host: Host, name: str) -> None:
    with host.session("alice"):
        host.cli("alice", "refresh")
        pid = host.machine.sh(f"pgrep -o -f libexec/{name}").strip()
        limits = host.machine.sh(f"cat /proc/{pid}/limits")
        owner = host.machine.sh(f"stat -c %u /proc/{pid}/mem").strip()
    assert re.search(r"Max core file size +0 +0 ", limits)
    assert owner == "0", "the process is not dumpable"


def files_with(host: Host, secrets: Secrets) -> list[str]:
    done = host.machine.run("env", "LC_ALL=C", "grep", "-rlaF", "-f", "-", "/etc", "/home", "/root", "/run", "/tmp",
                            "/usr/local", "/var", input=secrets.patterns(), check=False)
    return done.stdout.splitlines()


def test_files(host: Host) -> None:
    """Nothing of a session is on a disk, nor of one that has ended."""
    with host.session("alice"):
        host.cli("alice", "refresh")
        secrets = Secrets(host)
        assert files_with(host, secrets) == []
    assert files_with(host, secrets) == []
