# SPDX-License-Identifier: MIT
"""Installing, upgrading, switching on and removing: at no point a machine that cannot be logged in to."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest

from host import PASSWORD, STATE, Host
from machine import Machine
from provider import Provider

PROFILE = "oidc-keyring"


@pytest.fixture
def fresh(suite: str, provider: Provider, packages: list[Path]) -> Iterator[Host]:
    """A machine of its own, as these tests take it apart."""
    with Machine(suite) as machine:
        host = Host(machine, provider)
        host.set_up(packages)
        host.begin_bare()
        yield host


def password_works(host: Host, user: str = "alice") -> bool:
    with host.ssh(user, "id -un") as client:
        client.expect("[Pp]assword: ")
        client.send(PASSWORD)
        return client.output() == f"{user}\n"


def package_command(host: Host, *argv: str, check: bool = True) -> str:
    done = host.machine.run("env", "DEBIAN_FRONTEND=noninteractive", *argv, check=check, timeout=600)
    return done.stdout + done.stderr


def test_installing_changes_no_stack(fresh: Host) -> None:
    assert "pam_oidc_keyring" not in fresh.machine.sh("cat /etc/pam.d/*")
    assert password_works(fresh)
    assert sum(fresh.provider.counters()["requests"].values()) == 0


def test_profile_switched_on(fresh: Host) -> None:
    """In every stack now: whoever gives no password gets a code, and the password still works."""
    fresh.machine.run("pam-auth-update", "--enable", PROFILE)
    assert "pam_oidc_keyring" in fresh.machine.read("/etc/pam.d/common-auth")
    with fresh.ssh("alice", "id -un") as client:
        client.expect("[Pp]assword: ")
        client.send()
        fresh.provider.approve(fresh.shown_code(client), "alice")
        client.send()
        assert client.output() == "alice\n"
    fresh.provider.down()
    try:
        assert password_works(fresh)
    finally:
        fresh.provider.up()


def test_profile_denies(fresh: Host) -> None:
    """Whom policy denies, no other module lets in."""
    fresh.configure(allow_users="alice")
    fresh.machine.run("pam-auth-update", "--enable", PROFILE)
    with fresh.ssh("bob", "id -un") as client:
        client.expect("[Pp]assword: ")
        client.send(PASSWORD)
        assert client.finish() == 255
    with fresh.ssh_by_key("bob", "id -un") as client:
        assert client.finish() == 255
    with fresh.terminal("login bob") as terminal:
        terminal.expect("[Pp]assword: ")
        terminal.send(PASSWORD)
        assert terminal.finish() != 0
    assert fresh.machine.run("su", "-", "bob", "-c", "id -un", check=False).returncode != 0
    assert fresh.machine.run("su", "-", "alice", "-c", "id -un").stdout == "alice\n"
    with fresh.ssh_by_key("root", "id -un") as client:
        assert client.output() == "root\n"


def test_upgrade_keeps_session_and_configuration(fresh: Host, packages: list[Path]) -> None:
    fresh.pam_example()
    with fresh.session("alice"):
        token = fresh.token("alice")
        fresh.machine.reinstall(*packages)
        assert fresh.token("alice") == token
        fresh.cli("alice", "refresh")
        assert fresh.token("alice") not in (token, None)
        assert "alice" in fresh.machine.run("oidc-keyring", "bindings").stdout
    assert fresh.provider.count("refresh_reuse") == 0


def test_removing_with_the_profile_on(fresh: Host) -> None:
    fresh.machine.run("pam-auth-update", "--enable", PROFILE)
    package_command(fresh, "apt-get", "-y", "purge", "oidc-keyring")
    assert "pam_oidc_keyring" not in fresh.machine.sh("cat /etc/pam.d/common-*")
    assert not fresh.machine.sh("ls /usr/lib/*/security/pam_oidc_keyring.so 2>/dev/null || true")
    assert password_works(fresh)


def test_removing_while_a_stack_needs_the_module(fresh: Host) -> None:
    """An administrator's line is not ours to remove: the package stays, and says which line it is."""
    fresh.pam_example()
    output = package_command(fresh, "apt-get", "-y", "remove", "oidc-keyring", check=False)
    assert "/etc/pam.d/sshd" in output
    fresh.provider.down()
    try:
        assert password_works(fresh)
    finally:
        fresh.provider.up()
    fresh.pam_restore("sshd")
    fresh.machine.sh(f"mkdir -p {STATE}/bindings/corp; touch {STATE}/bindings/corp/alice")
    package_command(fresh, "apt-get", "-y", "remove", "oidc-keyring")
    assert password_works(fresh)
    fresh.machine.sh(f"test -e {STATE}/bindings/corp/alice")
    package_command(fresh, "apt-get", "-y", "purge", "oidc-keyring")
    fresh.machine.sh(f"test ! -e {STATE}")
