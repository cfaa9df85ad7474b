# SPDX-License-Identifier: MIT
"""`oidc-keyring login`: the way back inside a session."""

from __future__ import annotations

import json
import re
import signal
import socket
import time

import pytest

from keeper import Keeper
from provider import Provider

TEXT = """\
Log in to {host} as {user} (oidc-keyring)

  Open   {issuer}/device
  Code   {code}
  or     {issuer}/device?user_code={code}

Approve within TIME, and only if you started this login yourself.

Waiting for your approval...
corp: logged in as {user}, the token expires in TIME and is renewed before
"""


def polls_of(idp: Provider, code: str) -> int:
    return next(len(one["polls"]) for one in idp.codes(everything=True) if one["user_code"] == code)


def ended_by_the_provider(keeper: Keeper, idp: Provider) -> str:
    """The token that is left."""
    keeper.log_in()
    idp.revoke(keeper.user)
    done = keeper.cli("refresh")
    assert done.returncode == 3
    assert done.stderr == ("oidc-keyring: The identity provider has ended this login. "
                           "Log in again with `oidc-keyring login`.\n")
    return keeper.token()


@pytest.mark.parametrize("argv", [(), ("corp",)])
def test_the_way_back(keeper: Keeper, idp: Provider, argv: tuple[str, ...]) -> None:
    before = ended_by_the_provider(keeper, idp)
    serial = keeper.account()["key_serial"]
    reader = keeper.reader(3)
    login = keeper.log_in_again(*argv)
    code = login.code()
    idp.approve(code, keeper.user)
    assert login.finish() == 0 and not login.err.text
    shown = re.sub(r"\b\d+ min( \d+ s)?\b", "TIME", login.out.text)
    assert shown == TEXT.format(host=socket.gethostname(), user=keeper.user, issuer=idp.issuer, code=code)

    account = keeper.account()
    assert account["state"] == "fresh" and account["last_error"] == "" and account["key_serial"] == serial
    assert keeper.token() != before and idp.introspect(keeper.token())["active"]
    assert idp.count("live_grants") == 1
    seen = json.loads(reader.communicate()[0])
    assert seen["gaps"] == 0 and [token for token, _, _ in seen["tokens"]] == [before, keeper.token()]


def test_first_login(keeper: Keeper, idp: Provider) -> None:
    """Nobody has logged in yet: the only provider is meant."""
    login = keeper.log_in_again()
    idp.approve(login.code(), keeper.user)
    assert login.finish() == 0
    assert keeper.account()["state"] == "fresh" and idp.introspect(keeper.token())["active"]


def test_while_the_former_lives(keeper: Keeper, idp: Provider) -> None:
    keeper.log_in()
    login = keeper.log_in_again()
    idp.approve(login.code(), keeper.user)
    assert login.finish() == 0 and idp.introspect(keeper.token())["active"]
    idp.wait("live_grants", at_most=1)


def test_events(keeper: Keeper, idp: Provider) -> None:
    ended_by_the_provider(keeper, idp)
    login = keeper.log_in_again("--json")
    code = login.code()
    events = [json.loads(line) for line in login.out.text.splitlines()]
    assert [event.pop("event") for event in events] == ["code"]
    assert abs(events[0].pop("expires") - time.time() - 600) < 10
    assert events == [{"verification_uri": f"{idp.issuer}/device", "user_code": code,
                       "verification_uri_complete": f"{idp.issuer}/device?user_code={code}"}]
    idp.approve(code, keeper.user)
    assert login.finish() == 0 and not login.err.text
    assert [json.loads(line) for line in login.out.text.splitlines()][1:] == [
        {"event": "approved", "issuer": idp.issuer, "subject": keeper.user},
        {"event": "done", "account": "corp", "expires": keeper.account()["expires"]}]


@pytest.mark.parametrize("argv", [(), ("--json",)])
def test_another_identity(keeper: Keeper, idp: Provider, argv: tuple[str, ...]) -> None:
    """Where nobody is bound the gateway lets it pass, but the session does not change hands."""
    keeper.gateway.configure("min_uid = 1\nbind_subject = no")
    before = ended_by_the_provider(keeper, idp)
    idp.account(keeper.user, sub="somebody-else")
    login = keeper.log_in_again(*argv)
    idp.approve(login.code(), keeper.user)
    assert login.finish() == 1
    told = json.loads(login.out.text.splitlines()[-1])["message"] if argv else login.err.text
    assert "subject somebody-else of" in told and f"that of subject {keeper.user} of" in told
    assert keeper.account()["state"] == "login-required" and keeper.token() == before
    idp.wait("live_grants", at_most=0)

    assert keeper.cli("logout", "corp").returncode == 0  # the way that it names
    login = keeper.log_in_again()
    idp.approve(login.code(), keeper.user)
    assert login.finish() == 0 and keeper.account()["subject"] == "somebody-else"


@pytest.mark.parametrize(("end", "status", "name", "words"), [
    ("deny", 1, "AccessDenied", "refused"), ("expire", 1, "CodeExpired", "expired"),
    ("gateway", 5, "Failed", "gateway"), ("another", 1, "UserMismatch", "not this user")])
def test_no_approval(keeper: Keeper, idp: Provider, end: str, status: int, name: str, words: str) -> None:
    ended_by_the_provider(keeper, idp)
    if end == "expire":
        idp.config(device_code_ttl=2)
    logins = [keeper.log_in_again(), keeper.log_in_again("--json")]
    for code in [login.code() for login in logins]:
        if end == "deny":
            idp.deny(code)
        if end == "another":
            idp.approve(code, "mallory")
    if end == "gateway":
        keeper.gateway.stop(signal.SIGKILL)
    assert [login.finish() for login in logins] == [status, status]
    assert words in logins[0].err.text and len(logins[0].err.text.splitlines()) == 1
    event = json.loads(logins[1].out.text.splitlines()[-1])
    assert event["event"] == "error" and event["name"].endswith("." + name) and words in event["message"]
    assert not logins[1].err.text
    assert keeper.account()["state"] == "login-required"
    if end == "gateway":
        keeper.gateway.start()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_broken_off(keeper: Keeper, idp: Provider, number: int) -> None:
    before = ended_by_the_provider(keeper, idp)
    login = keeper.log_in_again()
    code = login.code()
    login.process.send_signal(number)
    assert login.finish() == 130
    assert login.err.text == "oidc-keyring: The login was cancelled. Nothing has changed.\n"
    keeper.gateway.log.wait("Cancelled")
    asked = polls_of(idp, code)
    idp.approve(code, keeper.user)
    other = keeper.log_in_again()  # whose polls tell that an interval has passed
    following = other.code()
    idp.wait("token_device", at_least=idp.count("token_device") + 2)
    assert polls_of(idp, following) >= 2 and polls_of(idp, code) == asked and keeper.token() == before
    other.process.send_signal(number)
    assert other.finish() == 130


def test_gateway_away(keeper: Keeper) -> None:
    keeper.gateway.stop()
    done = keeper.cli("login")
    assert done.returncode == 5 and "gateway" in done.stderr and not done.stdout
    keeper.gateway.start()


def test_daemon_refuses(keeper: Keeper, idp: Provider) -> None:
    """What nobody keeps is revoked."""
    login = keeper.log_in_again()
    code = login.code()
    keeper.kill()
    idp.approve(code, keeper.user)
    assert login.finish() == 5 and "systemctl --user status oidc-keyringd" in login.err.text
    idp.wait("live_grants", at_most=0)
    keeper.start()


def test_wrong_usage(keeper: Keeper, idp: Provider) -> None:
    for argv, status, words in ((("--qr=png",), 2, "auto, utf8, ascii or none"), (("a", "b"), 2, "one account"),
                                (("UPPER",), 2, "not the name"), (("other",), 4, "no provider other in")):
        done = keeper.cli("login", *argv)
        assert done.returncode == status and words in done.stderr and not done.stdout
    assert idp.count("device_authorization") == 0
