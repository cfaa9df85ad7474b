# SPDX-License-Identifier: MIT
"""How much anybody may ask for, and that it leaves the others alone."""

from __future__ import annotations

import pytest
from conftest import USER, USER_UID
from gateway import GatewayError

STRANGER = "192.0.2.66"


def until_refused(attempt, most):
    """How often it went well before it was too often; more than `most` is never too often."""
    for number in range(most):
        try:
            attempt()
        except GatewayError as error:
            if error.name == "TooManyLogins":
                return number
            assert error.name == "UserNotAllowed", error
    pytest.fail(f"{most} attempts and no limit")


def come_and_go(root, user=USER, rhost=STRANGER):
    root.call("CancelLogin", "s", root.begin(user, rhost=rhost)["id"])


def works_for_others(root):
    come_and_go(root, rhost="192.0.2.7")
    come_and_go(root, rhost="2001:db8::7")
    come_and_go(root, rhost="")


def test_attempts_of_one_user_from_one_host(gateway, root, idp):
    admitted = until_refused(lambda: come_and_go(root), 200)
    assert admitted >= 30
    assert idp.count("device_authorization") == admitted, "none of those that were refused"
    gateway.log.wait("TooManyLogins: of this user from there")
    works_for_others(root)


def test_waiting(root, idp):
    for host in range(1, 5):
        root.begin(USER, rhost=f"2001:db8:1:2::{host}")
    # The provider is not asked: it is not even there.
    idp.down()
    try:
        with pytest.raises(GatewayError) as error:
            root.begin(USER, rhost="2001:db8:1:2::5")
        assert error.value.name == "TooManyLogins" and "Wait a minute" in error.value.message
    finally:
        idp.up()
    works_for_others(root)


def test_users_that_are_not_there(gateway, root, idp):
    assert until_refused(lambda: root.begin("no-such-user", rhost=STRANGER), 2000) >= 200
    assert until_refused(lambda: root.begin(USER, rhost=f"::ffff:{STRANGER}"), 2000) <= 4
    works_for_others(root)
    assert idp.count("device_authorization") <= 3 + 4


def test_a_caller_that_is_not_root(gateway, root, idp):
    other = gateway.caller(USER_UID)
    for _ in range(4):
        other.begin(USER, rhost=STRANGER)
    assert until_refused(lambda: other.begin(USER, rhost="192.0.2.1"), 4) == 0, "wherever it says it comes from"
    come_and_go(root), works_for_others(root)

    assert until_refused(lambda: other.call("CheckAccount", "ss", "", USER), 2000) >= 100
    assert root.call("CheckAccount", "ss", "", USER) == ["allowed"]
    works_for_others(root)
