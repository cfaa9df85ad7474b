# SPDX-License-Identifier: MIT
"""Who may log in, as installed: what the person is told, what the journal says, and that no other way leads around."""

from __future__ import annotations

import time

import pytest

from host import GATEWAY, PASSWORD, Host
from terminal import PATIENCE

MAP = "/etc/oidc-keyring.users"
MFA = "urn:test:mfa"
MAY_NOT = "does not allow you to log in to this host"
WEAK = "did not confirm a login of the kind, or as recent"


def gets_in(host: Host, login: str = "alice", **details: object) -> None:
    with host.ssh("alice", "id -un") as client:
        host.provider.approve(host.shown_code(client), login, **details)
        client.send()
        assert client.output() == "alice\n"


def stays_out(host: Host, words: str, said: str, login: str = "alice", **details: object) -> None:
    """Told why after the approval, and no other line of the stack has its turn; the tokens do not live on."""
    with host.ssh("alice", "id -un") as client:
        host.provider.approve(host.shown_code(client), login, **details)
        client.send()
        client.expect(words)
        assert client.finish() == 255
        assert "assword: " not in client.screen
    host.provider.wait("live_grants", at_most=0, timeout=PATIENCE)
    assert said in host.journal("-u", GATEWAY)


def nothing_asked(host: Host) -> bool:
    return not any(host.provider.counters()["requests"].values())


def denied_before_any_code(host: Host, user: str) -> None:
    """By password and by ssh key; root's key is not concerned."""
    with host.ssh(user, "id -un") as client:
        client.expect("[Pp]assword: ")
        client.send(PASSWORD)
        assert client.finish() == 255
    with host.ssh_by_key(user, "id -un") as client:
        assert client.finish() == 255
    with host.ssh_by_key("root", "id -un") as client:
        assert client.output() == "root\n"
    assert nothing_asked(host)


def test_groups_and_claims(host: Host) -> None:
    host.configure(allow_groups="operators", require_claim="email=alice@example.test")
    stays_out(host, MAY_NOT, "IdentityNotAllowed, allow_groups: none of them is in groups")
    assert host.token("alice") is None
    host.provider.account("alice", groups=["users", "operators"])
    gets_in(host)
    host.provider.revoke("alice")
    host.provider.account("alice", groups=["users", "operators"], email="alice@elsewhere.test")
    stays_out(host, MAY_NOT, "IdentityNotAllowed, require_claim: email")
    assert "elsewhere.test" not in host.journal("-u", GATEWAY)


def test_kind_and_age_of_a_login(host: Host) -> None:
    host.configure(acr_values=MFA, max_age="300")
    stays_out(host, WEAK, "AuthenticationWeak, ID token: its acr", acr="urn:test:password")
    stays_out(host, WEAK, "AuthenticationWeak, ID token: its auth_time", acr=MFA, auth_time=int(time.time()) - 900)
    gets_in(host, acr=MFA, auth_time=int(time.time()) - 60)


def test_userinfo(host: Host) -> None:
    host.configure(userinfo="yes", allow_groups="operators")
    host.provider.account("alice", groups=["operators"])
    host.provider.forge("resigned", claims={"groups": None})
    gets_in(host)
    assert host.provider.count("userinfo") == 1


def test_user_map(host: Host) -> None:
    host.machine.write(MAP, f"alice {host.provider.issuer} somebody\n")
    host.configure(user_map=MAP)
    gets_in(host, "somebody")
    host.provider.revoke("somebody")
    stays_out(host, "not this user", "UserMismatch, user_map has no line for this subject")
    host.provider.reset_counters()
    denied_before_any_code(host, "bob")
    with host.ssh_by_key("alice", "id -un") as client:
        assert client.output() == "alice\n"


@pytest.mark.parametrize(("text", "mode", "said"), [("alice\n", 0o644, f"{MAP}:1: "), ("", 0o666, f"{MAP}: ")])
def test_user_map_that_cannot_be_trusted(host: Host, text: str, mode: int, said: str) -> None:
    host.machine.write(MAP, text, mode)
    host.configure(user_map=MAP)
    denied_before_any_code(host, "alice")
    assert said in host.journal("-u", GATEWAY)


def test_denied_at_a_console(host: Host) -> None:
    """The password is right, and it is `account` that says no."""
    host.configure(allow_users="bob")
    host.pam("login")
    with host.terminal("login alice") as terminal:
        terminal.expect("[Pp]assword: ")
        terminal.send(PASSWORD)
        assert terminal.finish() != 0
        assert "$ " not in terminal.screen
    assert nothing_asked(host)


def test_denied_at_su(host: Host) -> None:
    host.configure(allow_users="bob")
    host.pam("su-l", phases=("account",))  # root needs no login
    assert host.machine.run("su", "-", "alice", "-c", "id -un", check=False).returncode != 0
    assert host.machine.run("su", "-", "bob", "-c", "id -un").stdout == "bob\n"


def test_denied_at_sudo(host: Host) -> None:
    host.configure(allow_users="bob")
    host.pam("sudo", phases=("auth", "account"))
    with host.terminal("su --pty - alice -c 'sudo id -un'") as terminal:
        terminal.expect("[Pp]assword.*: ")
        terminal.send(PASSWORD)
        assert terminal.finish() != 0
        assert "root" not in terminal.screen.splitlines()
    assert nothing_asked(host)
