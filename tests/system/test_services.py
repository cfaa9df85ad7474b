# SPDX-License-Identifier: MIT
"""Other ways to become somebody: the module does what its line in each stack says, and nothing else."""

from __future__ import annotations

import re

from host import GATEWAY, KEY, PASSWORD, Host
from terminal import PATIENCE, Terminal

READ = f"keyctl pipe %user:{KEY}"
SUDO = "su --pty - alice -c 'sudo id -un'"


def approve_shown(host: Host, terminal: Terminal, user: str) -> None:
    host.provider.approve(host.shown_code(terminal), user)


def on_console(host: Host, user: str) -> Terminal:
    """login on a pseudo terminal of the machine."""
    return host.terminal(f"login {user}")


def test_ssh_key_needs_no_code_and_gives_no_token(host: Host) -> None:
    with host.ssh_by_key("alice", f"id -un; {READ} 2>/dev/null || echo none") as client:
        output = client.output().splitlines()
    assert output[0] == "alice"
    assert output[-1] == "none"
    assert host.provider.count("device_authorization") == 0


def test_su_and_sudo_without_a_line_ask_nobody(host: Host) -> None:
    assert host.machine.run("su", "-", "alice", "-c", "id -un").stdout == "alice\n"
    with host.terminal(SUDO) as terminal:
        terminal.expect("[Pp]assword.*: ")
        terminal.send(PASSWORD)
        assert terminal.finish() == 0
        assert "root" in terminal.screen
    assert sum(host.provider.counters()["requests"].values()) == 0


def test_sudo_with_a_line_shows_a_code_and_needs_no_enter(host: Host) -> None:
    host.pam("sudo", phases=("auth",))
    with host.terminal(SUDO) as terminal:
        approve_shown(host, terminal, "alice")
        assert terminal.finish() == 0
        assert terminal.screen.splitlines()[-1] == "root"
        assert "Press Enter" not in terminal.screen
    # no session takes the grant: the gateway does not leave with it
    host.machine.run("systemctl", "stop", GATEWAY)
    host.provider.wait("live_grants", at_most=0, timeout=PATIENCE)


def test_sudo_approved_by_another_person(host: Host) -> None:
    host.pam("sudo", phases=("auth",))
    with host.terminal(SUDO) as terminal:
        approve_shown(host, terminal, "bob")
        terminal.expect("an identity that is not this user")
        for _ in range(2):  # sudo tries three times in all, but no other line has its turn
            host.provider.deny(host.shown_code(terminal))
            terminal.expect("refused on the approval page")
        assert terminal.finish() != 0
        assert "assword:" not in terminal.screen and "root" not in terminal.screen.splitlines()
    assert "an identity that is not this user" in host.journal()
    host.provider.wait("live_grants", at_most=0, timeout=PATIENCE)


def test_console_login(host: Host) -> None:
    host.pam("login")
    with on_console(host, "alice") as terminal:
        approve_shown(host, terminal, "alice")
        terminal.expect(r"\$ ")
        assert "Press Enter" not in terminal.screen
        terminal.send(f"echo tok'en' $({READ}) end")
        token = terminal.expect(r"token (\S+) end").group(1)
        assert host.is_active(token, "alice")
        terminal.send("exit")
        terminal.finish()


def test_console_login_by_password_when_the_provider_is_down(host: Host) -> None:
    host.pam("login")
    host.provider.down()
    try:
        with on_console(host, "alice") as terminal:
            terminal.expect("The identity provider cannot be reached")
            terminal.expect("[Pp]assword: ")
            terminal.send(PASSWORD)
            terminal.expect(r"\$ ")
            terminal.send("exit")
            terminal.finish()
    finally:
        host.provider.up()


def test_su_with_a_line_brings_a_token_into_a_session_of_its_own(host: Host) -> None:
    host.pam("su-l")
    with host.session("bob"):
        become_bob = f"setpriv --reuid={host.uid('bob')} --regid={host.uid('bob')} --clear-groups"
        with host.terminal(f"{become_bob} su - alice -c 'id -un'") as terminal:
            approve_shown(host, terminal, "alice")
            assert terminal.finish() == 0
            assert re.search(r"^alice$", terminal.screen, re.MULTILINE)


def test_other_services_are_left_alone(host: Host) -> None:
    """Installing the package has put its line into no stack; the one of sshd is ours."""
    found = host.machine.run("grep", "-rl", "pam_oidc_keyring", "/etc/pam.d", check=False).stdout.split()
    assert found == ["/etc/pam.d/sshd"]
