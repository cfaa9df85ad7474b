# SPDX-License-Identifier: MIT
"""Bad answers where no machine is needed: to refresh and revocation all of the table, and documents that are wrong for
a while. The other endpoints are in tests/system/test_hostile.py."""

from __future__ import annotations

import pytest
from bad_answers import bad_answers, of
from conftest import USER, fails
from gateway import Gateway, GatewayError

# so many, and as many good ones between, may one caller ask for at once
CHUNK = 24
REFUSALS = {"AnswerLost", "ProviderAnswer", "ProviderUnreachable", "ProviderBusy", "ClientRefused", "LoginRequired",
            "IdTokenInvalid"}


def grants(root, idp, n):
    """So many whole logins at once, from as many hosts; the tags of their descriptors."""
    logins = [root.begin(USER, rhost=f"192.0.2.{number}") for number in range(n)]
    for login in logins:
        idp.approve(login["code"], USER)
    for verdict in [root.start("AwaitLogin", "s", login["id"]) for login in logins]:
        root.finish(verdict)
    tags = [root.start("ClaimGrant", "ss", login["id"], USER) for login in logins]
    for tag in tags:
        root.finish(tag)
    return tags


def refusal(root, answer, endpoint, method, tag):
    """What is wrong with the answer to a call that the fault strikes; None: nothing."""
    try:
        root.call(method, "h", tag)
    except GatewayError as error:
        if error.name in REFUSALS and error.message.isprintable():
            return None
        return f"{answer.name}: {error}"
    return None if endpoint in answer.harmless else f"{answer.name} was taken"


@pytest.mark.parametrize("endpoint, method", [("token_refresh", "Refresh"), ("revocation", "Revoke")])
def test_answers_about_tokens(build, idp, capsys, endpoint, method):
    """Each grant meets one bad answer; a refresh works again after it."""
    answers, failures = of(bad_answers(idp.issuer, "127.0.0.1:1"), endpoint), []
    for first in range(0, len(answers), CHUNK):
        chunk = answers[first:first + CHUNK]
        idp.call("POST", "/reset")
        idp.config(interval=1, grace=600)
        with Gateway(build, idp) as gateway:
            root = gateway.caller()
            for answer, tag in zip(chunk, grants(root, idp, len(chunk))):
                answer.strike(idp, endpoint)
                failures.append(refusal(root, answer, endpoint, method, tag))
                idp.clear_faults()
                if method == "Refresh":
                    root.call("Refresh", "h", tag)
            assert gateway.process.poll() is None
    with capsys.disabled():
        print(f"\nbad answers: {len(failures)} tried, {failures.count(None)} survived")
    assert not [failure for failure in failures if failure]


def is_of_work_done(answer):
    """By its status the provider has done what was asked, and says nothing else."""
    if answer.kind == "status":
        return 200 <= answer.details["status"] < 300
    return answer.kind in ("garbage", "html", "empty", "deep", "huge", "headers", "gzip", "truncated", "cut_after", "tamper")


def test_answers_that_cost_the_token(build, idp):
    """Without a grace at the provider: the old token is sent once, and whoever asked is told that its answer is lost."""
    answers = [answer for answer in of(bad_answers(idp.issuer, "127.0.0.1:1"), "token_refresh") if is_of_work_done(answer)]
    assert 0 < len(answers) <= 60  # which one caller may ask for at once
    idp.config(grace=0)
    with Gateway(build, idp, more="rotation_grace = 0") as gateway:
        root = gateway.caller()
        for number, (answer, tag) in enumerate(zip(answers, grants(root, idp, len(answers)), strict=True), 1):
            answer.strike(idp, "token_refresh", process=True)
            error = fails("AnswerLost", root.call, "Refresh", "h", tag)
            assert idp.count("token_refresh") == number, (answer.name, error)
            idp.clear_faults()
    assert idp.count("refreshed") == len(answers) and idp.count("refresh_reuse") == 0


@pytest.mark.parametrize("place", ["{issuer}/nowhere", "https://127.0.0.1:1/nowhere"])
@pytest.mark.parametrize("member", ["device_authorization_endpoint", "token_endpoint"])
def test_document_that_is_wrong_for_a_while(gateway, root, idp, member, place):
    """A document with a wrong address is not kept for a day."""
    idp.config(device_code_ttl=10)
    idp.fault("discovery", "tamper", patch={member: place.format(issuer=idp.issuer)})
    with pytest.raises(GatewayError) as error:
        root.log_in(idp, USER)
    assert error.value.name in ("ProviderAnswer", "ProviderUnreachable", "ClientRefused", "CodeExpired")
    root.log_in(idp, USER)


@pytest.mark.parametrize("place", ["{issuer}/nowhere", "https://127.0.0.1:1/nowhere"])
def test_keys_that_are_elsewhere_for_a_while(gateway, root, idp, place):
    """They are looked for while the code is read, and again, by a new document, when they are needed."""
    idp.fault("discovery", "tamper", patch={"jwks_uri": place.format(issuer=idp.issuer)})
    root.log_in(idp, USER)
    assert idp.count("discovery") == 2


@pytest.mark.parametrize("keys", [[], [{}], [{"kty": "oct", "k": "AA"}]])
def test_keys_that_are_none(gateway, root, idp, keys):
    """They neither let anybody in nor are kept, and do not take the place of good ones."""
    idp.fault("jwks", "tamper", count=2, patch={"keys": keys})
    with pytest.raises(GatewayError) as error:
        root.log_in(idp, USER)
    assert error.value.name == "ProviderAnswer"
    root.log_in(idp, USER)
