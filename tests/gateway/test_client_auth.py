# SPDX-License-Identifier: MIT
"""How a client proves itself: with each method and kind of key, at every endpoint, and with nothing of use."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import USER, fails
from gateway import Gateway

ENDPOINTS = {"device_authorization", "token_device", "token_refresh", "revocation"}
JWT = "client_auth = private_key_jwt"
MTLS = "client_auth = tls_client_auth"

# alg: options of `openssl genpkey`
KEYS = {
    "RS256": ("RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
    "ES256": ("EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "ES384": ("EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
    "ES512": ("EC", "-pkeyopt", "ec_paramgen_curve:P-521"),
    "EdDSA": ("ED25519",),
}


def openssl(*command: object, text: str = "") -> str:
    return subprocess.run(["openssl", *map(str, command)], input=text, text=True, check=True, capture_output=True).stdout


def private_key(*options: str) -> str:
    return openssl("genpkey", "-algorithm", *options)


def self_signed(folder: Path, key: str, days: int = 2) -> str:
    (folder / "key.pem").write_text(key)
    request = openssl("req", "-new", "-key", folder / "key.pem", "-subj", "/CN=host.example")
    return openssl("x509", "-req", "-signkey", folder / "key.pem", "-days", days, text=request)


@dataclass
class Identity:
    """What the provider's own clients hold."""

    key: str
    certificate: str


@pytest.fixture
def identity(idp) -> Identity:
    return Identity(Path(idp.client_key).read_text(), Path(idp.client_certificate).read_text())


def live(idp, gateway):
    """Login, refresh and revocation."""
    idp.reset_counters()
    root = gateway.caller()
    tag, _ = root.log_in(idp, USER)
    following = root.start("Refresh", "h", tag)
    root.finish(following)
    root.call("Revoke", "h", following)
    idp.wait("live_grants", at_most=0)
    requests = [request for request in idp.recent() if request["endpoint"] in ENDPOINTS]
    assert {request["endpoint"] for request in requests} == ENDPOINTS
    assert not any("invalid_client" == request.get("error") for request in requests)
    return requests


def finding(gateway):
    (row,) = [row for row in gateway.caller().call("Check", "s", "")[0] if row[0] == "error"]
    return row


# Secrets


@pytest.mark.parametrize("client_id, method", [
    ("ssh-confidential", "client_secret_basic"),
    ("ssh:awkward+id%", "client_secret_basic"),
    ("ssh-confidential-post", "client_secret_post"),
])
def test_confidential_clients(build, idp, client_id, method):
    with Gateway(build, idp, client_id=client_id, more=f"client_auth = {method}", secret="s:e+c%r e&t=/?") as gateway:
        live(idp, gateway)


# Assertions


@pytest.mark.parametrize("alg", KEYS)
def test_every_kind_of_key(build, idp, alg):
    key = private_key(*KEYS[alg])
    idp.client(client_id=alg, token_endpoint_auth_method="private_key_jwt", token_endpoint_auth_signing_alg=alg,
               public_key=openssl("pkey", "-pubout", text=key))
    with Gateway(build, idp, client_id=alg, more=JWT, secret=key) as gateway:
        assertions = [request["assertion"] for request in live(idp, gateway)]
        assert all(assertion["header"] == {"typ": "JWT", "alg": alg} for assertion in assertions)
        for claims in (assertion["claims"] for assertion in assertions):
            assert (claims["iss"], claims["sub"], claims["aud"]) == (alg, alg, idp.issuer)
            assert claims["exp"] == claims["iat"] + 60 and abs(claims["iat"] - time.time()) < 30
        assert len({assertion["claims"]["jti"] for assertion in assertions}) == len(assertions)
        assert not any(secret in gateway.log.text for secret in key.splitlines())


def test_key_id_and_audience(build, idp, identity):
    idp.client(client_id="host", token_endpoint_auth_method="private_key_jwt", key_id="host-7",
               public_key=openssl("pkey", "-pubout", text=identity.key))
    more = f"{JWT}\nclient_key_id = host-7\nclient_assertion_audience = {idp.issuer}/token"
    with Gateway(build, idp, client_id="host", more=more, secret=identity.key) as gateway:
        for request in live(idp, gateway):
            assert request["assertion"]["header"]["kid"] == "host-7"
            assert request["assertion"]["claims"]["aud"] == f"{idp.issuer}/token"
            assert "authorization" not in request


def test_an_assertion_is_used_once(build, idp, identity):
    """Polls, a refresh that is sent again, and one that follows trouble: each has its own."""
    idp.config(grace=3)
    with Gateway(build, idp, client_id="ssh-jwt", more=JWT, secret=identity.key) as gateway:
        root = gateway.caller()
        idp.fault("token_device", "status", status=503)
        tag, _ = root.log_in(idp, USER)
        idp.fault("token_refresh", "status", status=503)
        fails("ProviderBusy", root.call, "Refresh", "h", tag)
        idp.fault("token_refresh", "cut_after")
        root.call("Refresh", "h", tag)
        used = [request["assertion"]["claims"]["jti"] for request in idp.recent() if "assertion" in request]
        assert idp.count("token_device") >= 2 and idp.count("token_refresh") == 3
        assert not any(request.get("error") == "invalid_client" for request in idp.recent())
        assert len(set(used)) == len(used) >= 6


def test_another_key(build, idp, identity):
    with Gateway(build, idp, client_id="ssh-jwt", more=JWT, secret=private_key(*KEYS["ES256"])) as gateway:
        fails("ClientRefused", gateway.caller().begin, USER)
        gateway.log.wait("invalid_client")
        row = finding(gateway)
        assert row[1] == "client" and "invalid_client" in row[2] and "credential" in row[2]


def test_the_clock_is_named(build, idp, identity):
    idp.config(clock_offset=300)
    with Gateway(build, idp, client_id="ssh-jwt", more=JWT, secret=identity.key) as gateway:
        fails("ClockWrong", gateway.caller().begin, USER)
        idp.config(clock_offset=0)
        gateway.caller().begin(USER)


# Certificates


def test_certificate_of_a_ca(build, idp, identity):
    with Gateway(build, idp, client_id="ssh-mtls", more=MTLS, secret=identity.key + identity.certificate) as gateway:
        requests = live(idp, gateway)
        assert all(request["mtls"] and request["certificate"] == "CN=ssh-mtls" for request in requests)
        assert not any("certificate" in request for request in idp.recent() if request["endpoint"] not in ENDPOINTS)
        assert not any(secret in gateway.log.text for secret in identity.key.splitlines())


@pytest.mark.parametrize("alg", ["RS256", "ES384"])
def test_certificate_of_its_own(build, idp, tmp_path, alg):
    key = private_key(*KEYS[alg])
    certificate = self_signed(tmp_path, key)
    idp.client(client_id=alg, token_endpoint_auth_method="self_signed_tls_client_auth", certificate=certificate)
    with Gateway(build, idp, client_id=alg, more=MTLS, secret=certificate + key) as gateway:
        live(idp, gateway)


def test_without_aliases(build, idp, identity):
    """One of three is another; the rest are where everybody goes."""
    aliases = {"token_endpoint": f"{idp.issuer}/mtls/token", "device_authorization_endpoint": None, "revocation_endpoint": None}
    idp.fault("discovery", "tamper", count=-1, patch={"mtls_endpoint_aliases": aliases})
    with Gateway(build, idp, client_id="ssh-mtls", more=MTLS, secret=identity.certificate + identity.key) as gateway:
        for request in live(idp, gateway):
            assert request["mtls"] == request["endpoint"].startswith("token") and request["certificate"]


def test_alias_that_is_no_https(build, idp, identity):
    aliases = {"token_endpoint": "http://evil.example/token"}
    idp.fault("discovery", "tamper", count=-1, patch={"mtls_endpoint_aliases": aliases})
    with Gateway(build, idp, client_id="ssh-mtls", more=MTLS, secret=identity.certificate + identity.key) as gateway:
        fails("ProviderAnswer", gateway.caller().begin, USER)
    with Gateway(build, idp) as gateway:
        gateway.caller().begin(USER)


def test_another_certificate(build, idp, tmp_path):
    key = private_key(*KEYS["ES256"])
    with Gateway(build, idp, client_id="ssh-mtls", more=MTLS, secret=self_signed(tmp_path, key) + key) as gateway:
        fails("ClientRefused", gateway.caller().begin, USER)
        assert finding(gateway)[1] == "client"


# Nothing of use


def unusable(tmp_path, identity) -> dict[str, tuple[str, str, str]]:
    other = private_key(*KEYS["ES256"])
    return {
        "is missing": (JWT, "", "is missing"),
        "a secret": (JWT, "s:e+c%r", "no private key"),
        "a public key": (JWT, openssl("pkey", "-pubout", text=identity.key), "no private key"),
        "short": (JWT, private_key("RSA", "-pkeyopt", "rsa_keygen_bits:1024"), "less than 2048 bits"),
        "of a curve nobody knows": (JWT, private_key("EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"), "not supported"),
        "for agreement": (JWT, private_key("X25519"), "not supported"),
        "encrypted": (JWT, openssl("pkey", "-aes256", "-passout", "pass:x", text=identity.key), "is encrypted"),
        "no certificate": (MTLS, identity.key, "no certificate"),
        "no key": (MTLS, identity.certificate, "no private key"),
        "mismatching": (MTLS, identity.certificate + other, "not the one of its first certificate"),
        "expired": (MTLS, self_signed(tmp_path, other, days=-1) + other, "has expired"),
    }


@pytest.mark.parametrize("name", ["is missing", "a secret", "a public key", "short", "of a curve nobody knows",
                                  "for agreement", "encrypted", "no certificate", "no key", "mismatching", "expired"])
def test_unusable(build, idp, tmp_path, identity, name):
    method, text, message = unusable(tmp_path, identity)[name]
    with Gateway(build, idp, client_id="ssh-jwt", more=method, secret=text) as gateway:
        idp.reset_counters()
        fails("Configuration", gateway.caller().begin, USER)
        row = finding(gateway)
        assert row[1] == "credential" and "/etc/oidc-keyring/credentials/corp" in row[2] and message in row[2]
        gateway.log.wait(message)
        assert not idp.recent(), "nothing is asked"
