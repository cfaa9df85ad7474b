# SPDX-License-Identifier: MIT
"""One of several providers takes every request and answers none: who has to do with another is served meanwhile."""

from __future__ import annotations

import pytest

from conftest import USER
from gateway import USER_UID, Gateway
from provider import Provider

SECTION = """
[provider silent]
issuer    = {idp.issuer}
client_id = ssh-login
ca_file   = {idp.ca_file}
min_uid   = {uid}
"""


@pytest.fixture
def silent():
    with Provider() as provider:
        yield provider


def log_in(caller, idp, name: str) -> int:
    login = caller.begin(USER, provider=name)
    idp.approve(login["code"], USER)
    caller.call("AwaitLogin", "s", login["id"])
    tag = caller.start("ClaimGrant", "ss", login["id"], USER)
    caller.finish(tag)
    return tag


def test_others_go_on(build, idp, silent):
    section = SECTION.format(idp=silent, uid=USER_UID)
    with Gateway(build, idp, more=f"min_uid = {USER_UID}\n{section}") as gateway:
        root, user = gateway.caller(), gateway.caller(USER_UID)
        mine, theirs = log_in(root, idp, "corp"), log_in(root, silent, "silent")
        users = log_in(user, idp, "corp")
        for kind in ("token_refresh", "device_authorization"):
            silent.fault(kind, "hang", count=-1)
        waiting = [root.start("Refresh", "h", theirs),
                   root.start("BeginLogin", "ssssss", "silent", USER, "sshd", "192.0.2.7", "ssh", "none")]
        for kind in ("token_refresh", "device_authorization"):
            silent.wait(kind, at_least=1)

        for caller, tag in ((root, mine), (user, users)):
            assert caller.call("Refresh", "h", tag)[0]["generation"] == 1
            log_in(caller, idp, "corp")
        assert not any(root.is_answered(tag) for tag in waiting)
        silent.stop()
