# SPDX-License-Identifier: MIT
"""The provider ends a login while a person works: what they see, and how they go on."""

from __future__ import annotations

import json
import re

from host import DAEMON, Host, fingerprint
from terminal import Ssh
from test_renewal import start_readers, stop_readers

OVER = "The identity provider has ended this login. Log in again with `oidc-keyring login`."
SHELL = "env PS1='ready> ' LANG={locale} TERM=xterm bash --norc --noprofile -i"

STATUS = f"""\
corp: login-required
  issuer        ISSUER
  subject       alice
  scope         SCOPE
  token         expires in TIME
  next refresh  none: the token cannot be renewed
  renewals      0 since login
  key           NUMBER (oidc:corp in @u)
  trouble       {OVER}
"""
LOGIN = """\
Log in to HOST as alice (oidc-keyring, on pts/NUMBER)

  Open   ISSUER/device
  Code   CODE
  or     ISSUER/device?user_code=CODE

Approve within TIME, and only if you started this login yourself.

Waiting for your approval...
"""
LOGGED_IN = "corp: logged in as alice, the token expires in TIME and is renewed before\n"


class Shell:
    """A session at a terminal, one command after the other."""

    def __init__(self, host: Host, locale: str = "C") -> None:
        self.host = host
        self.client: Ssh = host.logged_in("alice", SHELL.format(locale=locale), ["RequestTTY=force"])
        self.client.expect("ready> ")

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.hang_up()

    def send(self, command: str) -> None:
        self.client.send(command)

    def shown(self, command: str) -> str:
        """All that was shown for the command, once it has ended, with what differs each time taken out."""
        self.client.expect("ready> ")
        text = self.client.screen.rpartition(f"ready> {command}\n")[2].removesuffix("ready> ")
        text = text.removeprefix("\r")  # from where the shell stops to edit
        host = self.host.machine.run("hostname").stdout.strip()
        for value, name in ((self.host.provider.issuer, "ISSUER"), (f" {host} ", " HOST "),
                            (r"\b[A-Z]{4}-[A-Z]{4}\b", "CODE"), (r"\b\d+ (min|s)( \d+ s)?\b", "TIME"),
                            (r"(?<=scope         ).*", "SCOPE"), (r"(?<=key           )\d+", "NUMBER"),
                            (r"(?<=pts/)\d+", "NUMBER")):
            text = re.sub(value, name, text)
        return text

    def run(self, command: str) -> str:
        self.send(command)
        return self.shown(command)


def test_the_way_back(host: Host) -> None:
    with Shell(host) as shell:
        readers = start_readers(host, "alice")
        before = host.token("alice")
        host.provider.revoke("alice")
        assert shell.run("oidc-keyring refresh; echo $?") == f"oidc-keyring: {OVER}\n3\n"
        assert shell.run("oidc-keyring status") == STATUS
        assert shell.run("test \"$(oidc-keyring token)\" = \"$(keyctl pipe %user:oidc:corp)\"; echo $?") == "0\n"

        shell.send("oidc-keyring login")
        host.provider.approve(host.shown_code(shell.client), "alice")
        assert shell.shown("oidc-keyring login") == LOGIN + LOGGED_IN
        account = host.account("alice")
        assert account["state"] == "fresh" and account["last_error"] == ""
        after = host.token("alice")
        assert before is not None and after is not None and host.is_active(after, "alice")
        seen, gaps = stop_readers(readers)
    assert not gaps and {token.fingerprint for token in seen} == {fingerprint(before), fingerprint(after)}
    assert host.provider.count("live_grants") == 1 and host.provider.count("refresh_reuse") == 0


def test_with_a_code_to_scan(host: Host) -> None:
    with Shell(host, "C.UTF-8") as shell:
        shell.send("oidc-keyring login corp")
        host.provider.approve(host.shown_code(shell.client), "alice")
        text = shell.shown("oidc-keyring login corp")
        head, scan, rest = text.partition("  or scan the QR code below\n")
        assert head == LOGIN.partition("\nApprove")[0] and scan
        blocks = [line for line in rest.splitlines() if re.fullmatch("[ ▀▄█]+", line)]
        assert len(blocks) > 15 and len({len(line) for line in blocks}) == 1
        assert rest.endswith(f"\n\nWaiting for your approval...\n{LOGGED_IN}")


def test_broken_off(host: Host) -> None:
    with Shell(host) as shell:
        before = host.account("alice")
        shell.send("oidc-keyring login")
        host.shown_code(shell.client)
        shell.client.expect("Waiting for your approval...\r\n")
        shell.client.interrupt()
        assert shell.shown("oidc-keyring login") == f"{LOGIN}^C\noidc-keyring: The login was cancelled. " \
            "Nothing has changed.\n"
        assert shell.run("echo $?") == "130\n"
        assert host.account("alice") == before


def test_daemon_that_is_about_to_be_back(host: Host) -> None:
    """In the moment between a crash and the new daemon nobody hears that there is no account."""
    with Shell(host):
        for _ in range(3):
            runtime = f"XDG_RUNTIME_DIR=/run/user/{host.uid('alice')}"
            status = host.as_user("alice", "env", runtime, "sh", "-c",
                                  f"systemctl --user kill -s KILL {DAEMON}; oidc-keyring status --json").stdout
            assert [account["state"] for account in json.loads(status)["accounts"]] == ["fresh"]
