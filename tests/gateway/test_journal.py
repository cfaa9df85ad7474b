# SPDX-License-Identifier: MIT
"""A gateway that is killed in the middle of a refresh leaves to its successor what it takes to lose nothing."""

from __future__ import annotations

import pytest

from conftest import USER, fails
from gateway import Gateway, GatewayError


def killed_while_asking(gateway, root, idp) -> int:
    """The provider has the token, and nobody its answer; the tag of the grant."""
    tag, _ = root.log_in(idp, USER)
    idp.fault("token_refresh", "delay", delay_ms=1500)
    root.start("Refresh", "h", tag)
    idp.wait("token_refresh", at_least=1)
    gateway.kill()
    assert gateway.manager.stored("sent.") == 1
    idp.wait("refreshed", at_least=1)
    gateway.start()
    gateway.log.wait("its answer is lost")
    return tag


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_killed_after_the_answer(gateway, root, idp, end):
    tag, _ = root.log_in(idp, USER)
    answer = root.call("Refresh", "h", tag)[0]
    gateway.manager.wait_for_stored("answer.", 1)
    assert gateway.manager.stored("sent.") == 0
    getattr(gateway, end)()
    gateway.start()
    again = root.call("Refresh", "h", tag)[0]
    assert again["refresh_token"] == answer["refresh_token"] and again["generation"] == 1
    assert idp.count("token_refresh") == 1 and idp.count("refresh_reuse") == 0


def test_stopped_while_the_provider_hangs(build, idp):
    """Nobody waits for that for longer than the bus would let them, and the successor knows what was asked."""
    with Gateway(build, idp, more="rotation_grace = 0") as gateway:
        root = gateway.caller()
        tag, _ = root.log_in(idp, USER)
        idp.fault("token_refresh", "hang")
        caller = root.start("Refresh", "h", tag)
        idp.wait("token_refresh", at_least=1)
        gateway.stop()
        with pytest.raises(GatewayError, match="NoReply"):  # as of one that was killed
            root.finish(caller)
        assert gateway.manager.stored("sent.") == 1
        gateway.start()
        fails("AnswerLost", root.call, "Refresh", "h", tag)
        assert idp.count("token_refresh") == 1


def test_answers_that_were_taken_over(build, idp):
    """They are forgotten when those of one's own are."""
    with Gateway(build, idp, options=("--answer-memory=5",)) as gateway:
        root = gateway.caller()
        tag, _ = root.log_in(idp, USER)
        root.call("Refresh", "h", tag)
        gateway.manager.wait_for_stored("answer.", 1)
        gateway.kill()
        assert gateway.manager.stored("answer.") == 1
        gateway.start()
        gateway.manager.wait_for_stored("answer.", 0)


def test_killed_while_asking_a_provider_with_a_grace(gateway, root, idp):
    idp.config(grace=30)
    tag = killed_while_asking(gateway, root, idp)
    assert root.call("Refresh", "h", tag)[0]["generation"] == 1
    assert idp.count("token_refresh") == 2 and idp.count("live_grants") == 1
    gateway.manager.wait_for_stored("sent.", 0)


def test_killed_while_asking_a_provider_without_grace(build, idp):
    """The only loss there is: it is told, and the token that is left is not spent before its time."""
    with Gateway(build, idp, more="rotation_grace = 0") as gateway:
        root = gateway.caller()
        tag = killed_while_asking(gateway, root, idp)
        fails("AnswerLost", root.call, "Refresh", "h", tag)
        assert idp.count("token_refresh") == 1 and idp.count("live_grants") == 1
        fails("LoginRequired", root.call, "Refresh", "h", tag)
        assert idp.count("refresh_reuse") == 1


def test_killed_before_it_asked(gateway, root, idp):
    """What was never sent is not taken for lost."""
    tag, _ = root.log_in(idp, USER)
    gateway.stop()
    gateway.start()
    idp.fault("discovery", "delay", delay_ms=1500)
    root.start("Refresh", "h", tag)
    idp.wait("discovery", at_least=2)
    gateway.kill()
    assert gateway.manager.stored("sent.") == 0
    gateway.start()
    assert root.call("Refresh", "h", tag)[0]["generation"] == 1
    assert idp.count("token_refresh") == 1


def test_the_store_does_not_grow(build, idp):
    with Gateway(build, idp, options=("--answer-memory=1",)) as gateway:
        root = gateway.caller()
        tag, _ = root.log_in(idp, USER)
        for _ in range(5):
            following = root.start("Refresh", "h", tag)
            root.finish(following)
            tag = following
        assert gateway.manager.stored("answer.") > 0
        gateway.manager.wait_for_stored("", 0)


def test_revoked(gateway, root, idp):
    tag, _ = root.log_in(idp, USER)
    root.call("Refresh", "h", tag)
    gateway.manager.wait_for_stored("answer.", 1)
    root.call("Revoke", "h", tag)
    gateway.manager.wait_for_stored("", 0)


def test_many_answers(build, idp):
    """As many as a host of many users leaves: all of them are taken up, and forgotten in time."""
    with Gateway(build, idp) as gateway:
        root = gateway.caller()
        tags = [root.log_in(idp, USER)[0]]
        for _ in range(14):
            tags.append(root.start("Refresh", "h", tags[-1]))
            root.finish(tags[-1])
        gateway.manager.wait_for_stored("answer.", 14)
        gateway.kill()
        gateway.start()
        assert "cannot be read" not in gateway.log.text
        assert root.call("Refresh", "h", tags[0])[0]["generation"] == 1
        assert idp.count("token_refresh") == 14 and idp.count("refresh_reuse") == 0
