# SPDX-License-Identifier: MIT
"""When something is missing or wrong: the person is told, and the machine's other ways in stay open."""

from __future__ import annotations

import pytest

from host import CONFIGURATION, GATEWAY, KEY, PASSWORD, Host

READ = f"keyctl pipe %user:{KEY}"


def password_instead(host: Host, message: str) -> None:
    """Tries to log in, is told why not, and gets in by password as the stack's next line says."""
    with host.ssh("alice", "id -un") as client:
        client.expect(message)
        client.expect("[Pp]assword: ")
        client.send(PASSWORD)
        assert client.output() == "alice\n"


def nobody_but_root(host: Host, message: str) -> None:
    """The other modules have their turn, but policy cannot be told: only root, whom it never concerns, gets in."""
    with host.ssh("alice", "id -un") as client:
        client.expect(message)
        client.expect("[Pp]assword: ")
        client.send(PASSWORD)
        assert client.finish() == 255
    with host.ssh_by_key("alice", "id -un") as client:
        assert client.finish() == 255
    with host.ssh_by_key("root", "id -un") as client:
        assert client.output() == "root\n"


def test_provider_down(host: Host) -> None:
    host.provider.down()
    try:
        password_instead(host, "The identity provider cannot be reached")
    finally:
        host.provider.up()


def test_provider_with_an_unknown_certificate(host: Host) -> None:
    host.provider.tls("unknown_ca")
    try:
        password_instead(host, "certificate was not accepted")
    finally:
        host.provider.tls("good")


@pytest.mark.parametrize("kind", ["garbage", "html", "empty", "huge", "deep", "truncated", "cut", "redirect"])
def test_bad_answer_instead_of_a_code(host: Host, kind: str) -> None:
    details = {"location": "https://elsewhere.example.test/"} if kind == "redirect" else {}
    host.provider.fault("device_authorization", kind, -1, **details)
    password_instead(host, "The identity provider")
    host.provider.clear_faults()
    with host.logged_in("alice", "id -un") as client:
        assert client.output() == "alice\n"


def test_provider_busy(host: Host) -> None:
    host.provider.fault("device_authorization", "status", -1, status=503)
    password_instead(host, "The identity provider is busy")


def test_client_without_the_device_flow(host: Host) -> None:
    host.configure(client_id="no-device")
    password_instead(host, "The identity provider refuses this client")


@pytest.mark.parametrize("mode", ["none", "stripped", "other_key", "wrong_iss", "wrong_aud"])
def test_forged_identity(host: Host, mode: str) -> None:
    host.provider.forge(mode)
    with host.ssh("alice", "id -un") as client:
        host.provider.approve(host.shown_code(client), "alice")
        client.send()
        assert client.finish() == 255
        assert "assword: " not in client.screen
    assert host.token("alice") is None


def test_clocks_that_differ(host: Host) -> None:
    host.provider.forge("expired")
    with host.ssh("alice", "id -un") as client:
        host.provider.approve(host.shown_code(client), "alice")
        client.send()
        client.expect("The clock of this host and that of the identity provider differ")
        client.expect("[Pp]assword: ")


def test_no_refresh_token_where_one_is_required(host: Host) -> None:
    host.configure(client_id="no-offline", require_offline_access="yes")
    with host.ssh("alice", "id -un") as client:
        host.provider.approve(host.shown_code(client), "alice")
        client.send()
        client.expect("gave no refresh token")
        client.expect("[Pp]assword: ")
    assert host.token("alice") is None


def test_no_refresh_token_where_none_is_required(host: Host) -> None:
    host.configure(client_id="no-offline", require_offline_access="no")
    with host.logged_in("alice", f"{READ}; echo; oidc-keyring status") as client:
        token, _, status = client.output().partition("\n")
    assert host.is_active(token, "alice")
    assert "renew" in status.lower() or "refresh" in status.lower()


@pytest.mark.parametrize(("line", "key"), [("colour = blue", "colour"), ("min_uid = many", "min_uid"),
                                           ("client_auth = magic", "client_auth")])
def test_configuration_with_a_mistake(host: Host, line: str, key: str) -> None:
    text = f"[provider corp]\nissuer = {host.provider.issuer}\nclient_id = ssh-login\n{line}\n"
    host.configure(text)
    nobody_but_root(host, "configuration of oidc-keyring")
    check = host.machine.run("oidc-keyring", "check", check=False)
    assert check.returncode != 0
    for fact in (CONFIGURATION, key, ":4"):
        assert fact in check.stdout + check.stderr
    assert f"{CONFIGURATION}:4" in host.journal("-u", GATEWAY)
    assert host.provider.count("device_authorization") == 0


def test_no_configuration(host: Host) -> None:
    """Whoever has configured nothing has forbidden nothing: the other ways in are open."""
    host.machine.sh(f"rm {CONFIGURATION}")
    password_instead(host, "configuration of oidc-keyring")


def test_gateway_that_cannot_start(host: Host) -> None:
    host.machine.run("systemctl", "mask", "--runtime", GATEWAY)
    try:
        nobody_but_root(host, "The login service of this host cannot be reached")
    finally:
        host.machine.run("systemctl", "unmask", "--runtime", GATEWAY)


def test_user_not_on_the_list(host: Host) -> None:
    """Said before any code is shown, and final for a login by ssh key too."""
    host.configure(allow_users="alice")
    with host.ssh("bob") as client:
        client.expect("may not log in through the identity provider")
        client.expect("[Pp]assword: ")
    with host.ssh_by_key("bob", "id -un") as client:
        assert client.finish() != 0
        assert "bob\n" not in client.screen
    assert host.provider.count("device_authorization") == 0
    with host.ssh_by_key("alice", "id -un") as client:
        assert client.output() == "alice\n"


def test_no_user_bus(host: Host) -> None:
    """The session opens nevertheless, as its line is optional, and the grant does not live on."""
    host.machine.run("systemctl", "--global", "mask", "dbus.socket")
    try:
        with host.logged_in("alice", "id -un") as client:
            assert client.output() == "alice\n"
        host.provider.wait("live_grants", at_most=0, timeout=300)
    finally:
        host.machine.run("systemctl", "--global", "unmask", "dbus.socket")
