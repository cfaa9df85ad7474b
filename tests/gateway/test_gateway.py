# SPDX-License-Identifier: MIT
"""Whole logins, refreshes and revocations over D-Bus against a real provider."""

from __future__ import annotations

import socket
import time

import pytest
from conftest import USER, USER_UID, fails
from gateway import Gateway, GatewayError


def requests(idp):
    return {name: number for name, number in idp.counters()["requests"].items() if number}


def polls_of(idp, login):
    return next(len(code["polls"]) for code in idp.codes(everything=True) if code["user_code"] == login["code"])


def wait_for_polls_of_another(root, idp):
    """They tell that an interval has passed, in which a login that is not over would have been polled, too."""
    other = root.begin(USER)
    idp.wait("token_device", at_least=idp.count("token_device") + 2)
    assert polls_of(idp, other) >= 2


def test_login_refresh_revoke(gateway, root, idp):
    login = root.begin(USER, qr="utf8")
    assert login["qr"] and login["code"] and login["uri"].startswith(idp.issuer)
    assert login["code"] in login["uri_complete"]
    verdict = root.start("AwaitLogin", "s", login["id"])
    idp.approve(login["code"], USER)
    assert root.finish(verdict) == [idp.issuer, USER]

    fails("UnknownLogin", root.call, "ClaimGrant", "ss", login["id"], "root")
    tag = root.start("ClaimGrant", "ss", login["id"], USER)
    first = root.finish(tag)[0]
    fails("UnknownLogin", root.call, "ClaimGrant", "ss", login["id"], USER)
    assert (first["account"], first["user"], first["generation"]) == ("corp", USER, 0)
    assert idp.introspect(first["access_token"])["active"]

    again = root.start("Refresh", "h", tag)
    second = root.finish(again)[0]
    assert second["generation"] == 1 and second["refresh_token"] != first["refresh_token"]
    assert root.call("Refresh", "h", tag)[0] == second, "the old token has the same answer for a while"
    assert idp.count("token_refresh") == 1

    assert root.call("Revoke", "h", again) == []
    assert not idp.introspect(second["access_token"])["active"]
    fails("LoginRequired", root.call, "Refresh", "h", again)
    secrets = (login["id"], login["code"], first["access_token"], first["refresh_token"])
    gateway.stop()  # so that the log is whole
    assert not any(secret in gateway.log.text for secret in secrets)


def test_requests_of_a_login(gateway, root, idp):
    root.log_in(idp, USER)
    cold = [request["endpoint"] for request in idp.recent()]
    assert cold[:3] == ["discovery", "device_authorization", "jwks"]
    # What an approval page can show of who asked for the code.
    assert all(request["user_agent"].endswith(f" ({socket.gethostname()})") for request in idp.recent())
    assert set(cold[3:]) == {"token_device"}

    idp.reset_counters()
    root.log_in(idp, USER)
    warm = [request["endpoint"] for request in idp.recent()]
    assert warm[0] == "device_authorization" and set(warm[1:]) == {"token_device"}
    assert idp.count("early_polls") == 0


def test_ten_logins_on_one_connection(gateway, root, idp):
    idp.wait("open_connections", at_most=0)
    idp.reset_counters()
    for _ in range(10):
        root.log_in(idp, USER)
    assert idp.count("tls_handshakes") == 1 and idp.count("early_polls") == 0


@pytest.mark.parametrize("policy, at_logout", [("always", 0), ("logout", 0), ("never", 1)])
def test_what_is_revoked(build, idp, policy, at_logout):
    with Gateway(build, idp, more=f"revoke = {policy}") as gateway:
        root = gateway.caller()
        tag, grant = root.log_in(idp, USER)
        assert grant["keep_replaced"] == (policy != "always")
        root.call("Revoke", "h", tag)
        assert idp.count("live_grants") == at_logout
        login = root.begin(USER)
        idp.approve(login["code"], USER)
        root.call("AwaitLogin", "s", login["id"])
    assert idp.count("live_grants") == at_logout + (policy != "always")  # nobody came for that one


def test_another_person_approves(gateway, root, idp):
    login = root.begin(USER)
    idp.approve(login["code"], "mallory")
    fails("UserMismatch", root.call, "AwaitLogin", "s", login["id"])
    fails("UnknownLogin", root.call, "ClaimGrant", "ss", login["id"], USER)
    idp.wait("live_grants", at_most=0)
    gateway.log.wait("mallory")


def test_denied(root, idp):
    login = root.begin(USER)
    idp.deny(login["code"])
    fails("AccessDenied", root.call, "AwaitLogin", "s", login["id"])


def test_cancelled(root, idp):
    login = root.begin(USER)
    verdict = root.start("AwaitLogin", "s", login["id"])
    root.call("CancelLogin", "s", login["id"])
    fails("Cancelled", root.finish, verdict)
    polls = polls_of(idp, login)
    wait_for_polls_of_another(root, idp)
    assert polls_of(idp, login) == polls


def test_who_may_do_what(gateway, root, idp):
    other = gateway.caller(USER_UID)
    fails("NotPermitted", other.begin, "root")
    fails("NotPermitted", other.begin, "no-such-user")
    fails("AccessDenied", other.call, "Check", "s", "corp")
    fails("NotPermitted", other.call, "CheckAccount", "ss", "corp", "root")
    fails("UserNotAllowed", root.begin, "root")
    fails("UserNotAllowed", root.begin, "daemon")
    fails("UserNotAllowed", root.begin, "no-such-user")
    fails("UnknownProvider", root.begin, USER, provider="elsewhere")
    assert root.call("CheckAccount", "ss", "", USER) == ["allowed"]
    assert root.call("CheckAccount", "ss", "", "root") == ["unmanaged"]
    fails("UserNotAllowed", root.call, "CheckAccount", "ss", "", "no-such-user")
    assert requests(idp) == {}, "all of that without the provider"

    mine = other.begin(USER)
    fails("UnknownLogin", root.call, "AwaitLogin", "s", mine["id"])
    idp.approve(mine["code"], USER)
    other.call("AwaitLogin", "s", mine["id"])
    assert other.call("ClaimGrant", "ss", mine["id"], USER)[0]["user"] == USER


def test_a_caller_that_goes_away(gateway, root, idp):
    leaver = gateway.caller()
    leaver.begin(USER)
    leaver.close()
    gateway.log.wait("Cancelled")

    # Approved, and gone before it asked for the verdict.
    leaver = gateway.caller()
    login = leaver.begin(USER)
    idp.approve(login["code"], USER)
    idp.wait("logins", at_least=1)
    leaver.close()
    idp.wait("live_grants", at_most=0)


def test_a_claim_after_the_caller_has_gone(gateway, root, idp):
    sshd = gateway.caller()
    login = sshd.begin(USER)
    idp.approve(login["code"], USER)
    sshd.call("AwaitLogin", "s", login["id"])
    sshd.begin(USER)  # its end tells that the gateway knows of the caller's
    sshd.close()
    gateway.log.wait("Cancelled")
    assert root.call("ClaimGrant", "ss", login["id"], USER)[0]["user"] == USER


def test_limit_per_user(root, idp):
    for _ in range(4):
        root.begin(USER, rhost="")
    fails("TooManyLogins", root.begin, USER, rhost="")


def test_no_refresh_token(build, idp):
    idp.config(refresh_tokens=False)
    with Gateway(build, idp) as gateway:
        root = gateway.caller()
        login = root.begin(USER)
        idp.approve(login["code"], USER)
        fails("NoRefreshToken", root.call, "AwaitLogin", "s", login["id"])
        gateway.configure("require_offline_access = no")
        tag, grant = root.log_in(idp, USER)
        assert grant["refresh_token"] is None
        fails("NoRefreshToken", root.call, "Refresh", "h", tag)


@pytest.mark.parametrize("mode", ["none", "stripped", "flipped", "other_key", "embedded_key", "hs256", "unknown_kid",
                                  "wrong_iss", "wrong_aud", "wrong_azp", "no_sub", "missing"])
def test_forged_id_tokens(gateway, root, idp, mode):
    idp.forge(mode)
    login = root.begin(USER)
    idp.approve(login["code"], USER)
    fails("IdTokenInvalid", root.call, "AwaitLogin", "s", login["id"])
    idp.wait("live_grants", at_most=0)


@pytest.mark.parametrize("mode", ["expired", "future_iat"])
def test_clock(gateway, root, idp, mode):
    idp.forge(mode)
    login = root.begin(USER)
    idp.approve(login["code"], USER)
    fails("ClockWrong", root.call, "AwaitLogin", "s", login["id"])


def test_key_rotation(gateway, root, idp):
    root.log_in(idp, USER)
    idp.rotate_keys()
    login = root.begin(USER)
    idp.approve(login["code"], USER)
    # The keys were fetched a moment ago: not again within a minute.
    fails("IdTokenInvalid", root.call, "AwaitLogin", "s", login["id"])


@pytest.mark.parametrize("fault, name", [
    (dict(endpoint="device_authorization", kind="status", status=503), "ProviderBusy"),
    (dict(endpoint="device_authorization", kind="garbage"), "ProviderAnswer"),
    (dict(endpoint="device_authorization", kind="json_error", error="unauthorized_client"), "ClientRefused"),
    (dict(endpoint="device_authorization", kind="redirect", location="https://evil.example/"), "ClientRefused"),
    (dict(endpoint="discovery", kind="huge"), "ProviderAnswer"),
    (dict(endpoint="discovery", kind="html"), "ProviderAnswer"),
    (dict(endpoint="discovery", kind="tamper", patch={"issuer": "https://evil.example"}), "ProviderAnswer"),
    (dict(endpoint="discovery", kind="tamper", patch={"device_authorization_endpoint": None}), "ClientRefused"),
    (dict(endpoint="discovery", kind="reset"), "ProviderUnreachable"),
])
def test_trouble_on_the_way_to_the_code(gateway, root, idp, fault, name):
    idp.fault(count=-1, **fault)
    fails(name, root.begin, USER)
    idp.clear_faults()
    root.log_in(idp, USER)


def test_certificate(gateway, root, idp):
    idp.tls("unknown_ca")
    fails("ProviderUntrusted", root.begin, USER)
    idp.tls("good")
    root.log_in(idp, USER)


def test_provider_down(gateway, root, idp):
    idp.call("POST", "/down")
    fails("ProviderUnreachable", root.begin, USER)
    idp.call("POST", "/up")
    root.log_in(idp, USER)


def test_polling_goes_on_through_trouble(gateway, root, idp):
    login = root.begin(USER)
    idp.fault("token_device", "status", status=502)
    idp.fault("token_device", "cut")
    idp.wait("token_device", at_least=2, timeout=20)
    idp.approve(login["code"], USER)
    assert root.call("AwaitLogin", "s", login["id"]) == [idp.issuer, USER]


def test_nothing_is_done_while_nothing_happens(gateway, root, idp):
    """A caller that has its verdict and goes, a login that waits, a kept answer: none keeps the processor busy."""
    tag, _ = root.log_in(idp, USER)
    root.call("Refresh", "h", tag)
    leaver = gateway.caller()
    login = leaver.begin(USER)
    idp.approve(login["code"], USER)
    leaver.call("AwaitLogin", "s", login["id"])
    leaver.close()
    ticks = gateway.processor_ticks()
    time.sleep(2)  # what must not happen announces nothing
    assert gateway.processor_ticks() - ticks <= 2


def test_slow_down(gateway, root, idp):
    login = root.begin(USER)
    idp.fault("token_device", "json_error", error="slow_down")
    idp.approve(login["code"], USER)
    start = time.monotonic()
    root.call("AwaitLogin", "s", login["id"])
    assert time.monotonic() - start > 6.5  # 1 s, then 1 + 5 s
    assert idp.count("early_polls") == 0


def test_one_redemption(root, idp):
    """An answer that came and cannot be used is not asked for again: the code is spent."""
    login = root.begin(USER)
    idp.approve(login["code"], USER)
    idp.fault("token_device", "tamper", patch={"access_token": 7})
    fails("ProviderAnswer", root.call, "AwaitLogin", "s", login["id"])
    assert polls_of(idp, login) == 1
    wait_for_polls_of_another(root, idp)
    assert polls_of(idp, login) == 1 and idp.count("device_code_reuse") == 0


@pytest.mark.parametrize("fault", ["cut_after", "truncated"])
def test_login_whose_answer_is_lost(root, idp, fault):
    """The code is spent: the person hears so, and not after the rest of its life."""
    login = root.begin(USER)
    idp.approve(login["code"], USER)
    idp.fault("token_device", fault)
    fails("LoginLost", root.call, "AwaitLogin", "s", login["id"])
    assert idp.count("live_grants") == 0
    root.log_in(idp, USER)


def test_expired_code(gateway, root, idp):
    idp.config(device_code_ttl=10)
    login = root.begin(USER)
    fails("CodeExpired", root.call, "AwaitLogin", "s", login["id"])
    assert 1 <= polls_of(idp, login) <= 10
    asked = polls_of(idp, login)
    wait_for_polls_of_another(root, idp)
    assert polls_of(idp, login) == asked


def test_refresh_shares_one_request(gateway, root, idp):
    tag, _ = root.log_in(idp, USER)
    idp.fault("token_refresh", "delay", delay_ms=500)
    answers = [root.finish(call) for call in [root.start("Refresh", "h", tag) for _ in range(10)]]
    assert all(answer == answers[0] for answer in answers)
    assert idp.count("token_refresh") == 1


def test_refresh_whose_answer_is_lost(gateway, root, idp):
    idp.config(grace=3)
    tag, _ = root.log_in(idp, USER)
    for fault in ("cut_after", "truncated"):
        idp.fault("token_refresh", fault)
        following = root.start("Refresh", "h", tag)
        assert idp.introspect(root.finish(following)[0]["access_token"])["active"]
        tag = following
    assert idp.count("token_refresh") == 4 and idp.count("refresh_reuse") == 0


def test_refresh_when_it_is_over(gateway, root, idp):
    tag, _ = root.log_in(idp, USER)
    idp.revoke(USER)
    fails("LoginRequired", root.call, "Refresh", "h", tag)


def test_refresh_that_keeps_the_token(gateway, root, idp):
    idp.config(rotation=False)
    tag, first = root.log_in(idp, USER)
    following = root.start("Refresh", "h", tag)
    second = root.finish(following)[0]
    assert second["refresh_token"] == first["refresh_token"]
    third = root.call("Refresh", "h", following)[0]
    assert third["generation"] == 2 and third["access_token"] != second["access_token"]


@pytest.mark.parametrize("mode", ["wrong_sub", "flipped", "wrong_iss"])
def test_refresh_with_a_forged_id_token(gateway, root, idp, mode):
    tag, _ = root.log_in(idp, USER)
    idp.forge(mode, endpoint="token_refresh")
    with pytest.raises(GatewayError) as error:
        root.call("Refresh", "h", tag)
    assert error.value.name in ("IdTokenInvalid", "UserMismatch")
    idp.wait("live_grants", at_most=0)


def test_retry_after_holds_for_the_host(gateway, root, idp):
    tag, _ = root.log_in(idp, USER)
    idp.fault("token_refresh", "status", status=429, headers={"retry-after": "2"})
    fails("ProviderBusy", root.call, "Refresh", "h", tag)
    before = requests(idp)
    fails("ProviderBusy", root.call, "Refresh", "h", tag)
    assert requests(idp) == before
    time.sleep(2.2)  # it is the passing of time that ends it
    root.call("Refresh", "h", tag)


def test_retry_after_holds_for_its_endpoint_alone(gateway, root, idp):
    """Whoever makes the host ask for many codes does not keep the tokens of others from being renewed."""
    tag, _ = root.log_in(idp, USER)
    idp.fault("device_authorization", "status", status=429, headers={"retry-after": "3600"})
    fails("ProviderBusy", root.begin, USER)
    before = requests(idp)
    fails("ProviderBusy", root.begin, USER)
    assert requests(idp) == before
    root.call("Refresh", "h", tag)


def test_ambiguous_answers_end_it_after_a_while(gateway, root, idp):
    tag, _ = root.log_in(idp, USER)
    idp.fault("token_refresh", "status", count=-1, status=400, body="")
    for _ in range(3):
        fails("ProviderAnswer", root.call, "Refresh", "h", tag)
    fails("LoginRequired", root.call, "Refresh", "h", tag)


def test_a_grant_of_another_issuer(gateway, root, idp):
    tag, _ = root.log_in(idp, USER)
    gateway.configure("", issuer="https://elsewhere.example")
    before = requests(idp)
    fails("Configuration", root.call, "Refresh", "h", tag)
    fails("Configuration", root.call, "Revoke", "h", tag)
    assert requests(idp) == before


def test_configuration_errors(gateway, root, idp):
    gateway.configure("nonsense = 1")
    error = fails("Configuration", root.begin, USER)
    assert "oidc-keyring.conf:5" in error.message and "nonsense" in error.message
    gateway.configure("")
    root.log_in(idp, USER)


def test_secret_missing(build, idp):
    with Gateway(build, idp, client_id="ssh-confidential", more="client_auth = client_secret_basic") as gateway:
        root = gateway.caller()
        fails("Configuration", root.begin, USER)
        findings = root.call("Check", "s", "")[0]
        assert [row[0] for row in findings] == ["error"] and "credentials/corp" in findings[0][2]


def test_check(gateway, root, idp):
    findings = root.call("Check", "s", "corp")[0]
    assert {row[0] for row in findings} == {"ok"}, findings
    idp.config(clock_offset=300)
    findings = root.call("Check", "s", "")[0]
    assert [row[1] for row in findings if row[0] == "error"] == ["clock"], findings


def test_check_of_a_client_without_the_flow(build, idp):
    with Gateway(build, idp, client_id="no-device") as gateway:
        findings = gateway.caller().call("Check", "s", "")[0]
        assert [row[1] for row in findings if row[0] == "error"] == ["client"], findings


def test_stop_revokes_what_is_unclaimed(gateway, root, idp):
    login = root.begin(USER)
    idp.approve(login["code"], USER)
    root.call("AwaitLogin", "s", login["id"])
    assert gateway.stop() == 0
    assert idp.count("live_grants") == 0


def test_stop_ends_a_refresh_properly(gateway, root, idp):
    tag, _ = root.log_in(idp, USER)
    idp.fault("token_refresh", "delay", delay_ms=1000)
    call = root.start("Refresh", "h", tag)
    idp.wait("token_refresh", at_least=1)
    assert gateway.stop() == 0
    assert root.finish(call)[0]["generation"] == 1


def test_idle_exit(build, idp):
    with Gateway(build, idp, options=("--idle-timeout=2", "--answer-memory=2")) as gateway:
        root = gateway.caller()
        login = root.begin(USER)
        idp.wait("token_device", at_least=4)  # one a second
        assert gateway.process.poll() is None, "a login is waiting"
        root.call("CancelLogin", "s", login["id"])
        assert gateway.process.wait(10) == 0
