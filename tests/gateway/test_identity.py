# SPDX-License-Identifier: MIT
"""Who may log in: what the provider says of a person, and what the host makes of it."""

from __future__ import annotations

import os
import time

import pytest
from conftest import USER
from gateway import Gateway, GatewayError

MFA = "urn:test:mfa"


@pytest.fixture
def user_map(tmp_path):
    """Writes the map; `more` of the configuration names it."""
    path = tmp_path / "users"

    def write(text: str, mode: int = 0o644) -> str:
        path.write_text(text)
        path.chmod(mode)
        return f"user_map = {path}"
    return write


def verdict(root, idp, login_as=USER, **details):
    login = root.begin(USER)
    idp.approve(login["code"], login_as, **details)
    return root.call("AwaitLogin", "s", login["id"])


def refused(name, root, idp, login_as=USER, **details):
    with pytest.raises(GatewayError) as error:
        verdict(root, idp, login_as, **details)
    assert error.value.name == name, error.value
    idp.wait("live_grants", at_most=0)


def nothing_asked(idp):
    return not any(idp.counters()["requests"].values())


@pytest.mark.parametrize(("more", "claims", "rule"), [
    ("allow_groups = ops admins", {"groups": ["users", "ops"]}, None),
    ("allow_groups = ops", {"groups": "ops"}, None),
    ("allow_groups = ops", {"groups": ["users", "ops2"]}, "allow_groups: none of them is in groups"),
    ("allow_groups = ops", {"groups": None}, "allow_groups: there is no claim groups"),
    ("allow_groups = ops\ngroups_claim = roles", {"groups": ["ops"]}, "allow_groups: there is no claim roles"),
    (f"require_claim = groups=ops email={USER}@example.test", {"groups": ["ops"]}, None),
    (f"require_claim = groups=ops email={USER}@example.com", {"groups": ["ops"]}, "require_claim: email"),
])
def test_rules(build, idp, more, claims, rule):
    idp.account(USER, **claims)
    with Gateway(build, idp, more=more) as gateway:
        root = gateway.caller()
        if rule is None:
            assert verdict(root, idp) == [idp.issuer, USER]
        else:
            refused("IdentityNotAllowed", root, idp)
            line = gateway.log.wait(f"IdentityNotAllowed, {rule}")
            assert "ops2" not in line and "example.test" not in line


def test_group_that_is_left_ends_no_grant(build, idp):
    idp.account(USER, groups=["ops"])
    with Gateway(build, idp, more="allow_groups = ops\nmax_age = 60") as gateway:
        root = gateway.caller()
        tag, _ = root.log_in(idp, USER)
        idp.account(USER, groups=[])
        assert root.call("Refresh", "h", tag)[0]["generation"] == 1
        refused_before = idp.count("live_grants")
        login = root.begin(USER)
        idp.approve(login["code"], USER)
        with pytest.raises(GatewayError) as error:
            root.call("AwaitLogin", "s", login["id"])
        assert error.value.name == "IdentityNotAllowed"
        idp.wait("live_grants", at_most=refused_before)


def test_case_counts_unless_told(build, idp):
    idp.account(USER.capitalize(), preferred_username=USER.capitalize())
    with Gateway(build, idp) as gateway:
        refused("UserMismatch", gateway.caller(), idp, USER.capitalize())
    with Gateway(build, idp, more="ignore_case = yes") as gateway:
        assert verdict(gateway.caller(), idp, USER.capitalize()) == [idp.issuer, USER.capitalize()]


def test_map_alone_says_who_is_whom(build, idp, user_map):
    more = user_map(f"# the account of somebody else's name\n{USER} {idp.issuer} mallory\n")
    with Gateway(build, idp, more=more) as gateway:
        root = gateway.caller()
        assert root.call("CheckAccount", "ss", "", USER) == ["allowed"]
        assert verdict(root, idp, "mallory") == [idp.issuer, "mallory"]
        idp.call("POST", "/revoke", {"login": "mallory"})
        refused("UserMismatch", root, idp)
        gateway.log.wait("user_map has no line for this subject")

        user_map(f"{USER} https://elsewhere.example.test mallory\n")  # an edit counts at once
        idp.reset_counters()
        for method, arguments in (("CheckAccount", ("ss", "", USER)),
                                  ("BeginLogin", ("ssssss", "", USER, "sshd", "", "", "none"))):
            with pytest.raises(GatewayError) as error:
                root.call(method, *arguments)
            assert error.value.name == "UserNotAllowed"
        assert nothing_asked(idp)


@pytest.mark.parametrize("flaw", ["line", "mode", "owner", "missing"])
def test_map_that_cannot_be_trusted_lets_nobody_in(build, idp, user_map, flaw):
    good = f"{USER} {idp.issuer} {USER}\n"
    more = user_map(good + (f"{USER}\n" if flaw == "line" else ""), 0o664 if flaw == "mode" else 0o644)
    path = more.partition(" = ")[2]
    if flaw == "owner":
        os.chown(path, 12345, 12345)
    if flaw == "missing":
        os.unlink(path)
    with Gateway(build, idp, more=more) as gateway:
        root = gateway.caller()
        for method, arguments in (("CheckAccount", ("ss", "", USER)),
                                  ("BeginLogin", ("ssssss", "", USER, "sshd", "", "", "none"))):
            with pytest.raises(GatewayError) as error:
                root.call(method, *arguments)
            assert error.value.name == "Configuration"
        assert root.call("CheckAccount", "ss", "", "root") == ["unmanaged"]
        gateway.log.wait(f"{path}:2: " if flaw == "line" else path)
        assert nothing_asked(idp)
        findings = root.call("Check", "s", "")[0]
        assert [row[1] for row in findings if row[0] == "error"] == ["user map"], findings


def test_kind_of_login(build, idp):
    with Gateway(build, idp, more=f"acr_values = {MFA} urn:test:key") as gateway:
        root = gateway.caller()
        refused("AuthenticationWeak", root, idp, acr="urn:test:password")
        refused("AuthenticationWeak", root, idp)
        gateway.log.wait("its acr is none of acr_values")
        assert verdict(root, idp, acr=MFA) == [idp.issuer, USER]
        assert idp.codes(everything=True)[-1]["params"]["acr_values"] == f"{MFA} urn:test:key"


def test_age_of_login(build, idp):
    with Gateway(build, idp, more="max_age = 300") as gateway:
        root = gateway.caller()
        refused("AuthenticationWeak", root, idp, auth_time=int(time.time()) - 400)
        gateway.log.wait("auth_time")
        assert verdict(root, idp, auth_time=int(time.time()) - 200) == [idp.issuer, USER]


@pytest.mark.parametrize("mode", ["old_auth_time", "wrong_acr", "wrong_nonce"])
def test_forged_kind_of_login(build, idp, mode):
    expected = "IdTokenInvalid" if mode == "wrong_nonce" else "AuthenticationWeak"
    with Gateway(build, idp, more=f"acr_values = {MFA}\nmax_age = 300") as gateway:
        idp.forge(mode)
        refused(expected, gateway.caller(), idp, acr=MFA)


def test_renewal_is_not_held_to_the_age(build, idp):
    with Gateway(build, idp, more=f"max_age = 300\nacr_values = {MFA}") as gateway:
        root = gateway.caller()
        login = root.begin(USER)
        idp.approve(login["code"], USER, acr=MFA)
        root.call("AwaitLogin", "s", login["id"])
        tag = root.start("ClaimGrant", "ss", login["id"], USER)
        root.finish(tag)
        idp.forge("old_auth_time", endpoint="token_refresh")
        assert root.call("Refresh", "h", tag)[0]["generation"] == 1


# UserInfo

ASKED = "userinfo = yes\nallow_groups = ops"


def only_in_userinfo(idp):
    """A provider that keeps the groups out of its ID tokens."""
    idp.account(USER, groups=["ops"])
    idp.forge("resigned", claims={"groups": None})


def test_userinfo_has_what_is_missing(build, idp):
    with Gateway(build, idp, more=ASKED) as gateway:
        root = gateway.caller()
        only_in_userinfo(idp)
        assert verdict(root, idp) == [idp.issuer, USER]
        assert idp.count("userinfo") == 1
        idp.account(USER, groups=["ops"])
        assert verdict(root, idp) == [idp.issuer, USER]
        assert idp.count("userinfo") == 1, "the ID token had it"
    with Gateway(build, idp, more="allow_groups = ops") as gateway:
        only_in_userinfo(idp)
        login = (root := gateway.caller()).begin(USER)
        idp.approve(login["code"], USER)
        with pytest.raises(GatewayError) as error:
            root.call("AwaitLogin", "s", login["id"])
        assert error.value.name == "IdentityNotAllowed" and idp.count("userinfo") == 1


@pytest.mark.parametrize(("kind", "details", "name", "said"), [
    ("tamper", {"patch": {"sub": "mallory"}}, "IdTokenInvalid", "not of the subject"),
    ("tamper", {"patch": {"sub": None}}, "IdTokenInvalid", "not of the subject"),
    ("tamper", {"patch": {}, "headers": {"content-type": "application/jwt"}}, "ProviderAnswer",
     "not application/json"),
    ("status", {"status": 503}, "ProviderBusy", "status 503"),
    ("status", {"status": 401}, "ProviderAnswer", "status 401"),
    ("html", {}, "ProviderAnswer", "UserInfo"),
    ("huge", {"bytes": 4000000}, "ProviderAnswer", "UserInfo"),
    ("deep", {"depth": 100}, "ProviderAnswer", "UserInfo"),
])
def test_userinfo_that_is_of_no_use(build, idp, kind, details, name, said):
    with Gateway(build, idp, more=ASKED) as gateway:
        root = gateway.caller()
        only_in_userinfo(idp)
        idp.fault("userinfo", kind, -1, **details)
        refused(name, root, idp)
        gateway.log.wait(said)
        idp.clear_faults()
        only_in_userinfo(idp)
        assert verdict(root, idp) == [idp.issuer, USER]


# Shared secrets

SHARED = "client_auth = client_secret_basic\nid_token_algs = HS256"
SECRET = "a secret that is long enough for HS256"


def test_shared_secret(build, idp):
    with Gateway(build, idp, client_id="ssh-hs256", more=SHARED, secret=SECRET) as gateway:
        root = gateway.caller()
        tag, _ = root.log_in(idp, USER)
        assert root.call("Refresh", "h", tag)[0]["generation"] == 1
        assert idp.count("jwks") == 0
        findings = root.call("Check", "s", "")[0]
        assert [row[1] for row in findings if row[0] == "warning"] == ["ID tokens"], findings


def test_shared_secret_where_it_was_not_agreed(build, idp):
    plain = SHARED.partition("\n")[0]
    with Gateway(build, idp, client_id="ssh-hs256", more=plain, secret=SECRET) as gateway:
        refused("IdTokenInvalid", gateway.caller(), idp)
    with Gateway(build, idp, client_id="ssh-confidential", more=SHARED, secret="s:e+c%r e&t=/?") as gateway:
        root = gateway.caller()
        refused("IdTokenInvalid", root, idp)  # an RS256 one
        findings = root.call("Check", "s", "")[0]
        assert ("error", "ID tokens") in [tuple(row[:2]) for row in findings], "the secret is too short"


# What the administrator is told

def test_check_tells_what_will_not_work(build, idp, user_map):
    more = user_map(f"{USER} {idp.issuer} 1\nroot {idp.issuer} 1\n")
    with Gateway(build, idp, more=f"{more}\nacr_values = urn:test:unheard-of\nuserinfo = yes") as gateway:
        root = gateway.caller()
        findings = {row[1]: row for row in root.call("Check", "s", "")[0]}
        assert findings["user map"][0] == "ok" and "2 lines" in findings["user map"][2]
        assert findings["acr_values"][0] == "warning"
        assert "UserInfo" not in findings
    with Gateway(build, idp, more=f"acr_values = {MFA}\nuserinfo = yes") as gateway:
        idp.fault("discovery", "tamper", patch={"userinfo_endpoint": None})
        findings = {row[1]: row for row in gateway.caller().call("Check", "s", "")[0]}
        assert findings["UserInfo"][0] == "error" and "acr_values" not in findings
