# SPDX-License-Identifier: MIT
"""What people type."""

from __future__ import annotations

import pytest

from host import GATEWAY, Host
from terminal import PATIENCE


def test_status_for_people(host: Host) -> None:
    with host.session("alice"):
        status = host.cli("alice", "status").stdout
    for fact in ("corp", "fresh", host.provider.issuer):
        assert fact in status


def test_status_for_programs(host: Host) -> None:
    with host.session("alice"):
        account = host.account("alice")
    assert account["state"] == "fresh"
    assert account["issuer"] == host.provider.issuer
    assert account["subject"] == "alice"
    assert "openid" in account["scope"]
    assert account["expires"] and account["next_refresh"]


def test_token_needs_no_bus_while_it_is_good(host: Host) -> None:
    with host.session("alice"):
        token = host.as_user("alice", "env", "-i", "oidc-keyring", "token").stdout
        assert token.endswith("\n")
        assert host.is_active(token.strip(), "alice")


def test_token_that_lasts_longer(host: Host) -> None:
    host.provider.config(access_token_ttl=100)
    with host.session("alice"):
        first = host.cli("alice", "token").stdout
        host.provider.config(access_token_ttl=300)
        second = host.cli("alice", "token", "--min-valid", "200").stdout
        assert first != second
        assert host.is_active(second.strip(), "alice")
        assert host.cli("alice", "token", "--min-valid", "200").stdout == second


def test_token_of_nobody(host: Host) -> None:
    with host.ssh_by_key("alice", "oidc-keyring token; echo status $?") as client:
        output = client.output()
    assert "status 0" not in output
    assert len(output.splitlines()) == 2, "a line that says why"


def test_refresh(host: Host) -> None:
    with host.session("alice"):
        before = host.token("alice")
        host.cli("alice", "refresh")
        after = host.token("alice")
        assert before != after and after is not None
        assert host.is_active(after, "alice")


def test_logout(host: Host) -> None:
    with host.session("alice"):
        token = host.token("alice")
        assert token is not None
        host.cli("alice", "logout")
        assert host.token("alice") is None
        host.provider.wait("live_grants", at_most=0, timeout=PATIENCE)
        assert not host.is_active(token, "alice")
        assert host.cli("alice", "status", "--json").stdout.strip()


def test_check_when_all_is_well(host: Host) -> None:
    done = host.machine.run("oidc-keyring", "check", check=False)
    assert done.returncode == 0, done.stdout
    assert "LoginGraceTime" in done.stdout
    assert host.provider.issuer in done.stdout
    assert "error" not in done.stdout.lower()
    assert host.provider.count("pending_codes") <= 1


@pytest.mark.parametrize(("change", "hint"), [({"client_id": "no-device"}, "device"),
                                              ({"issuer": "https://localhost:1"}, "check the network")])
def test_check_finds_what_is_wrong(host: Host, change: dict[str, str], hint: str) -> None:
    host.configure(**change)
    done = host.machine.run("oidc-keyring", "check", check=False)
    assert done.returncode != 0
    assert hint in (done.stdout + done.stderr).lower()


def test_help_and_version(host: Host) -> None:
    assert "status" in host.machine.run("oidc-keyring", "--help").stdout
    for program in ("/usr/bin/oidc-keyring", "/usr/libexec/oidc-keyringd", "/usr/libexec/oidc-keyring-gateway"):
        assert host.machine.run(program, "--version").stdout.startswith("oidc-keyring")


def test_unknown_command(host: Host) -> None:
    done = host.machine.run("oidc-keyring", "frobnicate", check=False)
    assert done.returncode != 0 and "frobnicate" in done.stderr


def test_gateway_is_asked_for_no_token_that_is_good(host: Host) -> None:
    with host.session("alice"):
        host.machine.run("systemctl", "stop", GATEWAY)
        host.cli("alice", "token")
        assert host.machine.run("systemctl", "is-active", GATEWAY, check=False).stdout == "inactive\n"
