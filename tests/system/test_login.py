# SPDX-License-Identifier: MIT
"""Logging in over ssh: what the person at the client sees, and who gets in."""

from __future__ import annotations

import re

import pytest

from host import CODE, GATEWAY, Host, wait_until
from terminal import PATIENCE, Terminal

QR_CHARACTERS = "█▀▄ "
ENTER = "Press Enter"


def qr_rows(screen: str) -> list[str]:
    """The rows of a QR code on a screen: blocks and blanks, as wide as the smallest code at least."""
    rows = [line for line in screen.splitlines() if len(line) >= 21 and not line.strip(QR_CHARACTERS)]
    return [row for row in rows if row.strip()]


def code_on(client: Terminal) -> str:
    found = re.search(CODE, client.screen)
    assert found
    return found.group()


def refused(client: Terminal, message: str) -> None:
    """The person is told why, and that is the end of it: no other line of the stack has its turn."""
    client.expect(message)
    assert client.finish() == 255
    assert "Permission denied" in client.screen
    assert "assword: " not in client.screen


def test_client_sees_address_code_and_qr(host: Host) -> None:
    with host.ssh("alice") as client:
        code = host.shown_code(client)
        client.expect(ENTER)
        assert re.search(rf"{re.escape(host.provider.issuer)}/device\b", client.screen)
        assert code in client.screen
        rows = qr_rows(client.screen)
        assert len(rows) >= 11 and len({len(row) for row in rows}) == 1, client.screen
        before_code, _, after_code = client.screen.partition(code)
        assert not qr_rows(before_code) and qr_rows(after_code), "the plain text comes first"


def test_prompt_says_what_is_being_approved(host: Host) -> None:
    with host.ssh("alice") as client:
        client.expect(ENTER)
        for fact in (host.machine.sh("hostname").strip(), "sshd", "127.0.0.1", "alice"):
            assert fact in client.screen


def test_approved_before_enter(host: Host) -> None:
    with host.ssh("alice", "id -un") as client:
        host.provider.approve(host.shown_code(client), "alice")
        client.expect(ENTER)
        host.provider.wait("logins", at_least=1, timeout=PATIENCE)
        client.send()
        assert client.output() == "alice\n"


def test_approved_after_enter(host: Host) -> None:
    with host.ssh("alice", "id -un") as client:
        code = host.shown_code(client)
        client.expect(ENTER)
        client.send()
        polls = host.provider.count("token_device")
        host.provider.wait("token_device", at_least=polls + 2, timeout=PATIENCE)
        host.provider.approve(code, "alice")
        assert client.output() == "alice\n"


def test_denied_on_the_page(host: Host) -> None:
    with host.ssh("alice") as client:
        host.provider.deny(host.shown_code(client))
        client.expect(ENTER)
        client.send()
        refused(client, "The login was refused on the approval page")
    assert host.token("alice") is None


def test_code_expires(host: Host) -> None:
    host.provider.config(device_code_ttl=3)
    with host.ssh("alice") as client:
        client.expect(ENTER)
        client.send()
        refused(client, "The code expired")


def test_wrong_person_approves(host: Host) -> None:
    with host.ssh("alice") as client:
        host.provider.approve(host.shown_code(client), "bob")
        client.expect(ENTER)
        client.send()
        refused(client, "not this user")
    host.provider.wait("live_grants", at_most=0, timeout=PATIENCE)
    assert host.token("alice") is None and host.token("bob") is None


def test_client_hangs_up(host: Host) -> None:
    """Nobody is left to take the grant, so it does not live on, and the next login is not disturbed.

    A newer sshd ends the module at once, and the gateway the login; with an older one the module goes on to its
    success, and the gateway revokes what nobody claims.
    """
    client = host.ssh("alice")
    code = host.shown_code(client)
    client.hang_up()
    host.provider.approve(code, "alice")
    wait_until(lambda: "Cancelled" in host.journal("-u", GATEWAY) or host.provider.count("grants_revoked") > 0, 300)
    assert host.provider.count("live_grants") == 0
    assert host.token("alice") is None
    with host.logged_in("alice", "id -un") as second:
        assert second.output() == "alice\n"


def test_user_unknown_to_the_host(host: Host) -> None:
    with host.ssh("nobody-here") as client:
        client.expect("assword: |Permission denied")
        assert ENTER not in client.screen
    assert host.provider.count("device_authorization") == 0


def test_system_user_gets_no_code(host: Host) -> None:
    with host.ssh("root") as client:
        client.expect("[Pp]assword: ")
        assert ENTER not in client.screen
    assert host.provider.count("device_authorization") == 0


def test_two_logins_at_once(host: Host) -> None:
    with host.ssh("alice", "id -un") as first, host.ssh("bob", "id -un") as second:
        first.expect(ENTER)
        second.expect(ENTER)
        for client, user in ((second, "bob"), (first, "alice")):
            host.provider.approve(code_on(client), user)
            client.send()
        assert first.output() == "alice\n"
        assert second.output() == "bob\n"


@pytest.mark.parametrize("qr", ["none", "ascii", "utf8"])
def test_qr_can_be_chosen(host: Host, qr: str) -> None:
    host.pam_example(f"qr={qr}")
    with host.ssh("alice") as client:
        client.expect(ENTER)
        assert bool(qr_rows(client.screen)) == (qr == "utf8")
        assert ("##" in client.screen) == (qr == "ascii")


def test_no_enter_needed_where_sshd_shows_text(host: Host) -> None:
    """An sshd from 10.3 on shows text at once; an older one shows it with the next prompt, that is too late."""
    if host.machine.suite != "sid":
        pytest.skip("this sshd shows text only together with a prompt")
    host.pam_example("prompt=none")
    with host.ssh("alice", "id -un") as client:
        host.provider.approve(host.shown_code(client), "alice")
        assert client.output() == "alice\n"
        assert ENTER not in client.screen


def test_gateway_is_started_by_the_bus_and_survives_its_end(host: Host) -> None:
    assert host.machine.run("systemctl", "is-active", GATEWAY, check=False).stdout == "inactive\n"
    with host.logged_in("alice", "id -un") as client:
        assert client.output() == "alice\n"
    host.machine.run("systemctl", "kill", "--signal=KILL", GATEWAY)
    with host.logged_in("alice", "id -un") as client:
        assert client.output() == "alice\n"
