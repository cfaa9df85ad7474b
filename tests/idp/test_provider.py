# SPDX-License-Identifier: MIT
"""Does the test provider do what its README says? Spoken to as a client would, by urllib."""

import http.client
import http.cookiejar
import json
import os
import re
import ssl
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import pytest

import jws
from client import DEVICE, Client
from jws import claims, header
from provider import AdminError, Provider

SECRET = "s:e+c%r e&t=/?"


# Logging in


def test_discovery(idp, client):
    for name in ("openid-configuration", "oauth-authorization-server"):
        status, document = client.get("/.well-known/" + name)
        assert status == 200 and document["issuer"] == idp.issuer
        assert document["device_authorization_endpoint"].startswith(idp.issuer)
    assert idp.count("discovery") == 2


def test_login(idp, client):
    status, challenge = client.begin()
    assert status == 200 and "interval" not in challenge and challenge["expires_in"] == 600
    assert client.poll(challenge["device_code"]) == (400, {
        "error": "authorization_pending",
        "error_description": "authorization request is still pending as the end-user hasn't yet "
                             "completed the user interaction steps"})
    pending = idp.wait_code()
    assert pending["user_code"] == challenge["user_code"] and pending["client_id"] == "ssh-login"

    idp.approve(challenge["user_code"], "alice")
    status, tokens = client.poll(challenge["device_code"])
    assert status == 200 and tokens["expires_in"] == 300 and tokens["token_type"] == "Bearer"
    assert client.verified(tokens["id_token"])
    said = claims(tokens["id_token"])
    assert said["iss"] == idp.issuer and said["aud"] == "ssh-login"
    assert said["sub"] == said["preferred_username"] == "alice"
    assert said["email"] == "alice@example.test" and said["groups"] == ["users", "alice"]
    assert client.whoami(tokens["access_token"])[1]["sub"] == "alice"
    assert client.whoami("nonsense")[0] == 401
    assert idp.count("logins") == 1 and idp.count("whoami_stale") == 1 and idp.count("live_grants") == 1


def test_device_code_twice(idp, client):
    _, challenge = client.begin()
    idp.approve(challenge["user_code"], "alice")
    _, tokens = client.poll(challenge["device_code"])
    assert client.poll(challenge["device_code"])[1]["error"] == "invalid_grant"
    assert idp.count("device_code_reuse") == 1
    assert client.whoami(tokens["access_token"])[0] == 401


def test_deny(idp, client):
    _, challenge = client.begin()
    idp.deny(challenge["user_code"])
    assert client.poll(challenge["device_code"])[1]["error"] == "access_denied"
    with pytest.raises(AdminError, match="already answered"):
        idp.approve(challenge["user_code"], "alice")


def test_expired_code(idp, client):
    _, challenge = client.begin()
    idp.config(clock_offset=601)
    assert client.poll(challenge["device_code"])[1]["error"] == "expired_token"


def test_approve_next(idp, client):
    idp.approve_next("bob")
    idp.deny_next()
    _, first = client.begin()
    _, second = client.begin()
    _, third = client.begin()
    idp.wait("pending_codes", at_most=1)
    assert claims(client.poll(first["device_code"])[1]["id_token"])["sub"] == "bob"
    assert client.poll(second["device_code"])[1]["error"] == "access_denied"
    assert client.poll(third["device_code"])[1]["error"] == "authorization_pending"


@pytest.mark.parametrize("alg", ["ps256", "es256", "es384", "es512", "eddsa"])
def test_algorithms(idp, alg):
    client = Client(idp, "ssh-login-" + alg)
    token = client.log_in()["id_token"]
    assert header(token)["alg"].lower() == alg and client.verified(token)
    idp.forge("resigned", claims={"sub": "mallory"})
    token = client.log_in()["id_token"]
    assert claims(token)["sub"] == "mallory" and client.verified(token)
    for mode in ("flipped", "other_key", "zero_signature"):
        idp.forge(mode)
        token = client.log_in()["id_token"]
        assert claims(token)["sub"] == "alice" and not client.verified(token)


def test_signature_in_der(idp):
    """A good signature in the form that JOSE does not use."""
    client = Client(idp, "ssh-login-es384")
    idp.forge("der_signature")
    token = client.log_in()["id_token"]
    signature = jws.unbase64(token.split(".")[2])
    assert signature[0] == 0x30 and not client.verified(token)


@pytest.mark.parametrize("name, post", [("ssh-confidential", False), ("ssh:awkward+id%", False),
                                        ("ssh-confidential-post", True)])
def test_confidential_clients(idp, name, post):
    client = Client(idp, name, SECRET, post)
    tokens = client.log_in()
    assert client.refresh(tokens["refresh_token"])[0] == 200
    assert idp.recent("token_refresh")[-1]["client_id"] == name
    assert Client(idp, name, "wrong", post).begin()[0] == 401


def test_clients_that_may_not(idp):
    assert Client(idp, "no-device").begin()[0] == 400
    assert "refresh_token" not in Client(idp, "no-offline").log_in(scope="openid")
    assert Client(idp, "nobody").begin()[1]["error"] == "invalid_client"


def test_added_client_and_account(idp):
    idp.client(client_id="late", application_type="native", token_endpoint_auth_method="none",
               grant_types=[DEVICE, "refresh_token"], response_types=[], redirect_uris=[])
    idp.account("carol", sub="0815", groups=["wheel"], email=None)
    said = claims(Client(idp, "late").log_in("carol")["id_token"])
    assert said["sub"] == "0815" and said["preferred_username"] == "carol"
    assert said["groups"] == ["wheel"] and "email" not in said


def test_acr_and_max_age(idp, client):
    _, challenge = client.begin(max_age=60, acr_values="urn:test:mfa")
    idp.approve(challenge["user_code"], "alice", acr="urn:test:mfa", auth_time=int(time.time()) - 30)
    said = claims(client.poll(challenge["device_code"])[1]["id_token"])
    assert said["acr"] == "urn:test:mfa" and 29 <= time.time() - said["auth_time"] <= 40


def test_resource(idp, client):
    resource = "https://api.example.test/"
    _, challenge = client.begin(scope="openid offline_access api:read", resource=resource)
    idp.approve(challenge["user_code"], "alice")
    _, tokens = client.poll(challenge["device_code"])
    assert tokens["refresh_token"]
    status, answer = client.refresh(tokens["refresh_token"], resource=resource)
    assert status == 200 and claims(answer["access_token"])["aud"] == resource
    assert client.whoami(answer["access_token"])[0] == 200
    assert client.begin(resource="https://elsewhere.test/")[1]["error"] == "invalid_target"


class Browser:
    """Walks through the provider's own pages as a person would."""

    def __init__(self, idp):
        context = ssl.create_default_context(cafile=idp.ca_file)
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context),
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def open(self, url, **form):
        data = urllib.parse.urlencode(form).encode() if form else None
        with self.opener.open(url, data, timeout=10) as answer:
            return answer.url, answer.read().decode()


def test_pages(idp, client):
    _, challenge = client.begin()
    browser = Browser(idp)
    _, page = browser.open(challenge["verification_uri"])
    assert "http" not in page.replace('http-equiv="', "").replace(idp.issuer, "")
    xsrf = re.search('name="xsrf" value="([^"]+)"', page)[1]
    form = {"xsrf": xsrf, "user_code": challenge["user_code"]}
    _, page = browser.open(challenge["verification_uri"], **form)
    assert challenge["user_code"] in page and "SSH login" in page
    url, page = browser.open(challenge["verification_uri"], **form, confirm="yes")
    url, page = browser.open(url, prompt="login", login="alice", password="x")
    assert 'value="consent"' in page
    _, page = browser.open(url, prompt="consent")
    assert "Sign-in Success" in page
    assert claims(client.poll(challenge["device_code"])[1]["id_token"])["sub"] == "alice"


# Refreshing


def test_rotation_and_reuse(idp, client):
    first = client.log_in()
    status, second = client.refresh(first["refresh_token"])
    assert status == 200 and second["refresh_token"] != first["refresh_token"]
    assert claims(second["id_token"])["sub"] == "alice"
    assert client.refresh(first["refresh_token"])[1]["error"] == "invalid_grant"
    assert idp.count("refresh_reuse") == 1 and idp.count("live_grants") == 0
    assert client.refresh(second["refresh_token"])[1]["error"] == "invalid_grant"
    assert client.whoami(second["access_token"])[0] == 401


def test_grace(idp, client):
    idp.config(grace=30)
    first = client.log_in()
    assert client.refresh(first["refresh_token"])[0] == 200
    assert client.refresh(first["refresh_token"])[0] == 200
    idp.config(clock_offset=31)
    assert client.refresh(first["refresh_token"])[1]["error"] == "invalid_grant"


def test_settings(idp, client):
    idp.config(rotation=False, access_token_ttl=10, access_token_bytes=5000)
    tokens = client.log_in()
    assert tokens["expires_in"] == 10 and len(tokens["access_token"]) == 5000
    assert client.refresh(tokens["refresh_token"])[1]["refresh_token"] == tokens["refresh_token"]
    idp.config(clock_offset=11)
    assert client.whoami(tokens["access_token"])[0] == 401
    idp.config(refresh_tokens=False)
    assert "refresh_token" not in client.log_in()
    idp.config(refresh_tokens=True, id_token_on_refresh=False, scoped_claims=True, disabled_users=[])
    tokens = client.log_in()
    assert "preferred_username" not in claims(tokens["id_token"])
    assert "id_token" not in client.refresh(tokens["refresh_token"])[1]
    idp.config(disabled_users=["alice"])
    assert client.refresh(tokens["refresh_token"])[1]["error"] == "invalid_grant"
    for wrong in ({"access_token_ttl": 0}, {"no_such_thing": 1}):
        with pytest.raises(AdminError):
            idp.config(**wrong)


def test_revocation(idp, client):
    mine, other = client.log_in("alice"), client.log_in("bob")
    assert idp.revoke("alice") == 1
    assert client.refresh(mine["refresh_token"])[1]["error"] == "invalid_grant"
    assert client.refresh(other["refresh_token"])[0] == 200


def test_revocation_endpoint(idp, client):
    tokens = client.log_in()
    held = idp.tokens("alice")
    assert [len(held), held[0]["client_id"], held[0]["refresh_tokens"][0]["live"]] == [1, "ssh-login", True]
    assert tokens["refresh_token"] not in json.dumps(held)
    with pytest.raises(ValueError):  # the answer is empty
        client.post("/token/revocation", {"token": tokens["refresh_token"]})
    assert idp.count("revocation") == 1 and idp.count("live_grants") == 0
    assert not idp.introspect(tokens["access_token"])["active"]


def test_introspection_endpoint(idp, client):
    tokens = client.log_in()
    server = Client(idp, "resource-server", "resource-server-secret")
    assert server.post("/token/introspection", {"token": tokens["access_token"]})[1]["active"] is True
    assert server.post("/token/introspection", {"token": "nonsense"})[1]["active"] is False


def test_key_rotation(idp, client):
    before = client.log_in()["id_token"]
    idp.rotate_keys(keep_old=True)
    after = client.log_in()["id_token"]
    assert header(before)["kid"] != header(after)["kid"]
    assert client.verified(before) and client.verified(after)
    idp.rotate_keys()
    assert not client.verified(before)


# Polling


def test_interval(idp, client):
    idp.config(interval=1, enforce_interval=True)
    _, challenge = client.begin()
    assert challenge["interval"] == 1
    assert client.poll(challenge["device_code"])[1]["error"] == "slow_down"
    time.sleep(1.1)
    assert client.poll(challenge["device_code"])[1]["error"] == "slow_down"  # it is 6 by now
    assert idp.count("early_polls") == idp.count("slow_downs") == 2
    assert idp.codes()[0]["interval"] == 11 and len(idp.codes()[0]["polls"]) == 2


def test_early_polls_are_counted(idp, client):
    idp.config(interval=1)
    _, challenge = client.begin()
    time.sleep(1.01)
    assert client.poll(challenge["device_code"])[1]["error"] == "authorization_pending"
    assert idp.count("early_polls") == 0
    assert client.poll(challenge["device_code"])[1]["error"] == "authorization_pending"
    assert idp.count("early_polls") == 1 and idp.counters()["early"][0]["waited"] < 1


# Counting


def test_connections(idp, client):
    host = urllib.parse.urlsplit(idp.issuer).netloc
    idp.reset_counters()
    connection = http.client.HTTPSConnection(host, context=client.context)
    for _ in range(3):
        connection.request("GET", "/jwks")
        connection.getresponse().read()
    counters = idp.counters()
    assert counters["connections"] == counters["tls_handshakes"] == counters["open_connections"] == 1
    assert counters["requests"]["jwks"] == 3
    assert len({r["connection"] for r in counters["recent"]}) == 1
    connection.close()
    idp.wait("open_connections", at_most=0)


def test_wait(idp, client):
    thread = threading.Timer(0.2, client.get, ["/jwks"])
    thread.start()
    assert idp.wait("jwks", at_least=1) == 1
    thread.join()
    with pytest.raises(TimeoutError):
        idp.wait("jwks", at_least=2, timeout=0.1)
    with pytest.raises(AdminError):
        idp.wait("no_such_counter", at_least=1)


# Forged ID tokens

BROKEN = ["none", "stripped", "flipped", "short_signature", "zero_signature", "other_key", "embedded_key",
          "hs256", "mixed_alg", "unknown_kid", "no_kid", "changed"]


@pytest.mark.parametrize("mode", BROKEN)
def test_forged_signature(idp, client, mode):
    idp.forge(mode)
    token = client.log_in()["id_token"]
    assert not client.verified(token)
    if mode == "hs256":
        assert jws.is_hmac_with_public_key(token, client.get("/jwks")[1]["keys"])
    assert client.verified(client.log_in()["id_token"])


WRONG = {
    "expired": lambda c: c["exp"] < time.time(),
    "future_iat": lambda c: c["iat"] > time.time() + 3000,
    "no_exp": lambda c: "exp" not in c,
    "wrong_iss": lambda c: c["iss"] == "https://evil.example.test",
    "slash_iss": lambda c: c["iss"].endswith("/"),
    "wrong_aud": lambda c: c["aud"] == "somebody-else",
    "many_aud": lambda c: c["aud"] == ["ssh-login", "somebody-else"] and "azp" not in c,
    "wrong_azp": lambda c: c["azp"] == "somebody-else",
    "wrong_nonce": lambda c: c["nonce"] == "not-yours",
    "wrong_sub": lambda c: c["sub"] == "mallory",
    "no_sub": lambda c: "sub" not in c,
    "long_sub": lambda c: len(c["sub"]) == 256,
    "control_name": lambda c: "\x1b" in c["preferred_username"],
    "nul_name": lambda c: c["preferred_username"] == "alice\0.evil",
}


@pytest.mark.parametrize("mode", WRONG)
def test_wrong_claims_rightly_signed(idp, client, mode):
    idp.forge(mode)
    token = client.log_in()["id_token"]
    assert client.verified(token) and WRONG[mode](claims(token))


def test_other_forgeries(idp, client):
    idp.forge("other_alg", alg="ES256")
    token = client.log_in()["id_token"]
    assert header(token)["alg"] == "ES256" and client.verified(token)
    idp.forge("resigned", claims={"preferred_username": "root"}, header={"typ": None})
    token = client.log_in()["id_token"]
    assert client.verified(token) and claims(token)["preferred_username"] == "root"
    idp.forge("missing")
    assert "id_token" not in client.log_in()
    idp.forge("wrong_sub", endpoint="token_refresh")
    tokens = client.log_in()
    assert claims(client.refresh(tokens["refresh_token"])[1]["id_token"])["sub"] == "mallory"
    with pytest.raises(AdminError):
        idp.forge("nonsense")


# Starting and ending


def test_plain_http_and_path():
    with Provider(http=True, path="/oidc") as idp:
        assert idp.issuer == f"http://localhost:{idp.port}/oidc" and idp.ca_file is None
        client = Client(idp)
        assert client.get("/.well-known/openid-configuration")[1]["issuer"] == idp.issuer
        url = f"http://localhost:{idp.port}/.well-known/oauth-authorization-server/oidc"
        assert client.http(url)[1]["token_endpoint"] == idp.issuer + "/token"
        assert client.begin()[1]["verification_uri"] == idp.issuer + "/device"
        assert client.refresh(client.log_in()["refresh_token"])[0] == 200


def test_ends_with_its_parent():
    idp = Provider().start()
    process = idp._process
    process.stdin.close()
    assert process.wait(10) == 0
    process.stdout.close()


# Clients that hold a key


def assertion(idp, key, **changes):
    """Signed by OpenSSL; what it says is the test's."""
    now = int(time.time())
    claims_ = {"iss": "ssh-jwt", "sub": "ssh-jwt", "aud": idp.issuer, "jti": os.urandom(8).hex(), "iat": now,
               "exp": now + 60, **changes}
    return jws.signed_es256({"typ": "JWT", "alg": "ES256"}, claims_, key)


def authorized(client, form):
    return client.http(client.idp.issuer + "/device/auth", {"scope": "openid", "client_id": client.client_id, **form})


def test_private_key_jwt(idp):
    client = Client(idp, "ssh-jwt")
    kind = {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}
    good = assertion(idp, idp.client_key, jti="once")
    assert authorized(client, {**kind, "client_assertion": good})[0] == 200
    recorded = idp.recent("device_authorization")[-1]["assertion"]
    assert recorded["header"]["alg"] == "ES256" and recorded["claims"]["jti"] == "once"
    refused = [{**kind, "client_assertion": good}, {}]
    refused += [{**kind, "client_assertion": assertion(idp, idp.client_key, **changes)}
                for changes in ({"aud": "https://other.example"}, {"iss": "other"}, {"exp": int(time.time()) - 60})]
    for form in refused:
        assert authorized(client, form)[1]["error"] == "invalid_client"


def test_certificates_of_clients(idp, tmp_path):
    client = Client(idp, "ssh-mtls")
    assert authorized(client, {})[1]["error"] == "invalid_client"
    client.context.load_cert_chain(idp.client_certificate, idp.client_key)
    assert authorized(client, {})[0] == 200
    assert idp.recent("device_authorization")[-1]["certificate"] == "CN=ssh-mtls"
    aliases = client.get("/.well-known/openid-configuration")[1]["mtls_endpoint_aliases"]
    status, _ = client.http(aliases["device_authorization_endpoint"], {"scope": "openid", "client_id": "ssh-mtls"})
    assert status == 200 and idp.recent("device_authorization")[-1]["mtls"]

    own = tmp_path / "own.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-subj", "/CN=ssh-mtls", "-keyout", tmp_path / "own.key", "-out", own], check=True, capture_output=True)
    idp.client(client_id="ssh-own", token_endpoint_auth_method="self_signed_tls_client_auth", certificate=own.read_text())
    for client_id, expected in (("ssh-own", 200), ("ssh-mtls", 401)):
        client = Client(idp, client_id)
        client.context.load_cert_chain(own, tmp_path / "own.key")
        assert authorized(client, {})[0] == expected
