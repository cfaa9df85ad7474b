# SPDX-License-Identifier: MIT
"""The end of a grant: how providers say it, and what is left of it."""

from __future__ import annotations

import time

import pytest

from keeper import Keeper
from provider import Provider

OVER = "The identity provider has ended this login. Log in again with `oidc-keyring login`."

# What a provider says to a refresh token that is dead, and how often it has to say so.
DIALECTS = {
    "RFC 6749": ("json_error", {"error": "invalid_grant"}, 1),
    "under 401": ("json_error", {"error": "invalid_grant", "status": 401}, 1),
    "under 200": ("json_error", {"error": "invalid_grant", "status": 200}, 1),
    "OpenID, interaction": ("json_error", {"error": "interaction_required"}, 1),
    "OpenID, login": ("json_error", {"error": "login_required"}, 1),
    "OpenID, consent": ("json_error", {"error": "consent_required"}, 1),
    "not allowed": ("json_error", {"error": "not_allowed"}, 1),
    "password changed": ("json_error", {"error": "invalid_grant", "error_description": "AADSTS50173: The provided "
                                        "grant has expired due to it being revoked.", "body": {"error_codes": [50173]}},
                         1),
    "second factor": ("json_error", {"error": "interaction_required", "error_description": "AADSTS50076: ...",
                                     "body": {"error_codes": [50076], "suberror": "basic_action"}}, 1),
    "invalid request": ("json_error", {"error": "invalid_request"}, 4),
    "400 and nothing": ("empty", {"status": 400}, 4),
    "403 and a page": ("html", {"status": 403}, 4),
}

# What it says in trouble of its own: that is no end, however often it does.
TROUBLE = {
    "upstream": ("json_error", {"error": "invalid_request", "status": 500}),
    "unavailable": ("json_error", {"error": "temporarily_unavailable"}),
    "unavailable, as a page": ("html", {"status": 503}),
    "not this client": ("json_error", {"error": "invalid_client", "status": 401}),
    "not this scope": ("json_error", {"error": "invalid_scope"}),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_dialect(keeper: Keeper, idp: Provider, dialect: str) -> None:
    kind, details, tries = DIALECTS[dialect]
    with keeper.desktop() as desktop:
        keeper.log_in()
        token = keeper.token()
        idp.fault("token_refresh", kind, -1, **details)
        codes = [keeper.cli("refresh").returncode for _ in range(tries)]  # the daemon's own attempts count, too
        assert codes[-1] == 3 and codes == [5] * codes.count(5) + [3] * codes.count(3)
        account = keeper.account()
        assert account["state"] == "login-required" and account["next_refresh"] is None
        assert account["last_error"] == OVER
        assert keeper.token() == token and keeper.cli("token").stdout == token + "\n"
        desktop.wait("show 1\t1\tThe login to corp is over\t")

        idp.clear_faults()  # whatever it would say now
        for _ in range(3):
            for argv in (["refresh"], ["token", "--min-valid", "86400"]):
                done = keeper.cli(*argv)
                assert (done.returncode, done.stderr) == (3, f"oidc-keyring: {OVER}\n")
        assert idp.count("token_refresh") == tries
        assert desktop.text.count("show") == 1 and "oidc-keyring login corp\n" in desktop.text


@pytest.mark.parametrize("trouble", TROUBLE)
def test_no_end(keeper: Keeper, idp: Provider, trouble: str) -> None:
    kind, details = TROUBLE[trouble]
    with keeper.desktop() as desktop:
        keeper.log_in()
        idp.fault("token_refresh", kind, -1, **details)
        for _ in range(6):
            assert keeper.cli("refresh").returncode in (1, 5)
            assert keeper.account()["state"] == "offline"
        idp.clear_faults()
        assert keeper.cli("refresh").returncode == 0 and keeper.account()["state"] == "fresh"
        assert desktop.text == ""


def test_until_the_token_expires(keeper: Keeper, idp: Provider) -> None:
    """By the timer alone: one request, one signal, one notification, and no key after the token's end."""
    idp.config(access_token_ttl=12)
    with keeper.desktop() as desktop, keeper.signals() as signals:
        keeper.log_in()
        token = keeper.token()
        idp.revoke(keeper.user)
        reader = keeper.reader(14)
        signals.wait('"login-required"', timeout=14)
        assert reader.wait(20) == 0
        assert idp.count("token_refresh") == 1 and signals.text.count('"login-required"') == 1
        assert desktop.text.count("show") == 1
    assert keeper.token() is None
    account = keeper.account()
    assert account["state"] == "login-required" and account["key_serial"] == 0 and account["expires"] <= time.time()
    seen = reader.stdout.read()
    assert token in seen and seen.count("[\"") == 1
    done = keeper.cli("token")
    assert (done.returncode, done.stderr) == (3, f"oidc-keyring: {OVER}\n")


def test_remembered(keeper: Keeper, idp: Provider) -> None:
    """A daemon that starts again knows the end, and bothers nobody with it."""
    with keeper.desktop() as desktop:
        keeper.log_in()
        token = keeper.token()
        idp.revoke(keeper.user)
        assert keeper.cli("refresh").returncode == 3
        desktop.wait("show 1\t")
        for _ in range(2):
            keeper.kill()
            keeper.start()
            account = keeper.account()
            assert account["state"] == "login-required" and account["last_error"] == OVER
            assert keeper.token() == token and keeper.cli("refresh").returncode == 3
        assert idp.count("token_refresh") == 1 and desktop.text.count("show") == 1

        login = keeper.log_in_again()
        idp.approve(login.code(), keeper.user)
        assert login.finish() == 0 and keeper.account()["state"] == "fresh"
        idp.revoke(keeper.user)
        assert keeper.cli("refresh").returncode == 3
        desktop.wait("show 2\t")
        login = keeper.log_in_again()
        idp.approve(login.code(), keeper.user)
        assert login.finish() == 0
        desktop.wait("close 2\n")
        assert "close 1\n" not in desktop.text


def test_what_cannot_be_renewed(keeper: Keeper, idp: Provider) -> None:
    """Its end is the token's, and that is remembered as well."""
    keeper.gateway.configure("min_uid = 1\nrequire_offline_access = no", client_id="no-offline")
    idp.config(access_token_ttl=4)
    with keeper.desktop() as desktop:
        keeper.log_in()
        done = keeper.cli("token", "--min-valid", "60")
        assert done.returncode == 3 and "Get another one with `oidc-keyring login`." in done.stderr
        desktop.wait("show 1\t")
        keeper.kill()
        keeper.start()
        assert keeper.account()["state"] == "login-required" and keeper.token() is None
        keeper.cli("refresh")
        assert desktop.text.count("show") == 1 and idp.count("token_refresh") == 0


def test_no_desktop(keeper: Keeper, idp: Provider) -> None:
    keeper.log_in()
    idp.revoke(keeper.user)
    assert keeper.cli("refresh").returncode == 3
    assert keeper.account()["state"] == "login-required"
    assert "otification" not in keeper.log.text
