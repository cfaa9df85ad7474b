# SPDX-License-Identifier: MIT
"""No code or token is left in the gateway's memory once it is not needed any more, however the login ended."""

from __future__ import annotations

import time

import pytest
from conftest import USER
from gateway import Gateway, GatewayError
from memory import kinds, search


PATIENCE = 5.0


def found(gateway, idp):
    return search(gateway.process.pid, idp.secrets())


def is_clean(gateway, idp):
    """What was given and is refused is revoked first, and that takes a moment."""
    end = time.monotonic() + PATIENCE
    while left := found(gateway, idp):
        assert time.monotonic() < end, "\n".join(map(str, left))


def test_while_a_login_waits(gateway, root, idp):
    logins = [root.begin(USER, qr=qr) for qr in ("none", "utf8", "ascii", "utf8")]
    assert kinds(found(gateway, idp)) == {"device_code", "user_code"}
    for login in logins:
        root.call("CancelLogin", "s", login["id"])
    is_clean(gateway, idp)


def test_approved_and_not_claimed(gateway, root, idp):
    login = root.begin(USER)
    idp.approve(login["code"], USER)
    root.call("AwaitLogin", "s", login["id"])
    assert kinds(found(gateway, idp)) == {"access_token", "refresh_token"}
    tag = root.start("ClaimGrant", "ss", login["id"], USER)
    root.finish(tag)
    root.call("Revoke", "h", tag)
    is_clean(gateway, idp)


def test_claimed(gateway, root, idp):
    for _ in range(3):
        root.log_in(idp, USER)
    is_clean(gateway, idp)


def test_refreshed(gateway, root, idp):
    """What was answered is kept for a while, in case the answer was lost; not longer than the login."""
    tag, _ = root.log_in(idp, USER)
    for _ in range(3):
        following = root.start("Refresh", "h", tag)
        root.finish(following)
        tag = following
    kept = found(gateway, idp)
    assert kinds(kept) == {"access_token", "refresh_token"}
    assert all(one.guarded for one in kept), "in no swap, core dump or child"
    root.call("Revoke", "h", tag)
    is_clean(gateway, idp)


def test_kept_answers_end(build, idp):
    with Gateway(build, idp, options=("--answer-memory=1",)) as gateway:
        root = gateway.caller()
        tag, _ = root.log_in(idp, USER)
        root.call("Refresh", "h", tag)
        assert kinds(found(gateway, idp)) == {"access_token", "refresh_token"}
        is_clean(gateway, idp)


def denied(root, idp, login):
    idp.deny(login["code"])


def another(root, idp, login):
    idp.approve(login["code"], "mallory")


def forged(mode):
    def forge(root, idp, login):
        idp.forge(mode)
        idp.approve(login["code"], USER)
    return forge


def broken(kind, **details):
    def fault(root, idp, login):
        idp.fault("token_device", kind, **details)
        idp.approve(login["code"], USER)
    return fault


@pytest.mark.parametrize("end", [
    denied, another, forged("flipped"), forged("other_key"), forged("wrong_aud"), forged("expired"), forged("no_sub"),
    broken("tamper", patch={"token_type": "mac"}), broken("tamper", patch={"scope": "\x07"}),
    broken("tamper", patch={"expires_in": []}), broken("truncated"), broken("tamper", status=500),
], ids=["denied", "another", "flipped", "other_key", "wrong_aud", "expired", "no_sub", "type", "scope", "life", "truncated",
        "status"])
def test_failed(gateway, root, idp, end):
    login = root.begin(USER)
    end(root, idp, login)
    try:
        root.call("AwaitLogin", "s", login["id"])
        root.call("ClaimGrant", "ss", login["id"], USER)
    except GatewayError:
        pass
    is_clean(gateway, idp)
