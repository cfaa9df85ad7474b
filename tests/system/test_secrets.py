# SPDX-License-Identifier: MIT
"""No secret of a login is found where others, or logs, could have it."""

from __future__ import annotations

import re
from typing import Iterator

import pytest

from host import DAEMON, GATEWAY, Host, fingerprint

CANDIDATE = re.compile(r"[A-Za-z0-9_-]{20,}")
PROCESSES = "for pid in /proc/[0-9]*; do cat $pid/{file} 2>/dev/null | tr '\\0' '\\n' || true; done"


class Secrets:
    """All tokens of a person so far, as fingerprints, and the ways to recognise them in a text."""

    def __init__(self, host: Host, user: str) -> None:
        grants = host.provider.tokens(user)
        self._fingerprints = {token["fingerprint"] for grant in grants
                              for kind in ("access_tokens", "refresh_tokens") for token in grant[kind]}
        assert len(self._fingerprints) >= 2

    def found_in(self, text: str) -> list[str]:
        return [word for word in CANDIDATE.findall(text) if fingerprint(word) in self._fingerprints]


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
        assert Secrets(host, "alice").found_in(f"token={host.token('alice')};") == [host.token("alice")]


def test_environment_of_the_session(host: Host) -> None:
    with host.logged_in("alice", "env; cat /proc/self/environ | tr '\\0' '\\n'") as client:
        environment = client.output()
    assert "HOME=/home/alice" in environment
    assert "OIDC" not in environment.upper()
    assert not Secrets(host, "alice").found_in(environment)


def test_command_lines_and_environments_of_all_processes(host: Host) -> None:
    with host.session("alice"):
        host.cli("alice", "refresh")
        secrets = Secrets(host, "alice")
        for file in ("cmdline", "environ"):
            text = host.machine.sh(PROCESSES.format(file=file))
            assert "sshd" in text or "PATH" in text
            assert not secrets.found_in(text)
            assert "PAM_OIDC" not in text


def test_journal_at_debug_level(debugged: Host) -> None:
    with debugged.session("alice"):
        debugged.cli("alice", "refresh")
        secrets = Secrets(debugged, "alice")
        codes = [code["user_code"] for code in debugged.provider.codes(everything=True)]
        debugged.cli("alice", "logout")
    for options in ((), ("--user-unit", DAEMON), ("-o", "verbose")):
        journal = debugged.journal(*options)
        assert not secrets.found_in(journal)
    assert "oidc-keyring-gateway" in debugged.journal()
    assert codes and not any(code in debugged.journal() for code in codes)


@pytest.mark.parametrize("name", ["oidc-keyring-gateway", "oidc-keyringd"])
def test_no_core_dump_and_no_debugger(host: Host, name: str) -> None:
    with host.session("alice"):
        host.cli("alice", "refresh")
        pid = host.machine.sh(f"pgrep -o -f libexec/{name}").strip()
        limits = host.machine.sh(f"cat /proc/{pid}/limits")
        owner = host.machine.sh(f"stat -c %u /proc/{pid}/mem").strip()
    assert re.search(r"Max core file size +0 +0 ", limits)
    assert owner == "0", "the process is not dumpable"


def test_files(host: Host) -> None:
    """Nothing of a session is on a disk."""
    with host.session("alice"):
        token = host.token("alice")
        assert token is not None
        done = host.machine.run("grep", "-rlF", "--", token, "/etc", "/home", "/root", "/run", "/tmp", "/usr/local",
                                "/var", check=False)
    assert done.stdout == ""
