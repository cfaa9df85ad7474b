# SPDX-License-Identifier: MIT
"""Does the test provider fail as it is told to?"""

import gzip
import http.client
import socket
import ssl
import time
import urllib.request

import pytest

from bad_answers import bad_answers
from provider import AdminError


def test_status_and_error(idp, client):
    idp.fault("jwks", "status", 2, status=429, headers={"retry-after": "7"}, body={"a": 1})
    assert client.get("/jwks") == (429, {"a": 1})
    assert client.get("/jwks")[0] == 429
    assert client.get("/jwks")[0] == 200
    idp.fault("token", "json_error", error="temporarily_unavailable", status=503, client_id="other")
    idp.fault("token", "json_error", error="slow_down", skip=1)
    _, challenge = client.begin()
    assert client.poll(challenge["device_code"])[1]["error"] == "authorization_pending"
    assert client.poll(challenge["device_code"])[1]["error"] == "slow_down"
    assert len(idp.faults()) == 1 and idp.count("faults") == 3
    idp.clear_faults()
    assert idp.faults() == []


def test_lost_answer(idp, client):
    """The provider rotated, the client never heard: without a grace the old token is spent."""
    tokens = client.log_in()
    idp.fault("token_refresh", "cut_after")
    with pytest.raises((OSError, http.client.HTTPException)):
        client.refresh(tokens["refresh_token"])
    assert idp.count("refreshed") == 1
    assert client.refresh(tokens["refresh_token"])[1]["error"] == "invalid_grant"


def test_cut_before(idp, client):
    tokens = client.log_in()
    for kind in ("cut", "reset", "raw"):
        idp.fault("token_refresh", kind)
        with pytest.raises((OSError, http.client.HTTPException)):
            client.refresh(tokens["refresh_token"])
    assert idp.count("refreshed") == 0
    assert client.refresh(tokens["refresh_token"])[0] == 200


def test_hang(idp, client):
    idp.fault("jwks", "hang")
    with pytest.raises(TimeoutError):
        client.get("/jwks", timeout=0.3)


@pytest.mark.parametrize("kind", ["garbage", "html", "empty", "truncated", "deep", "headers"])
def test_bad_answers(idp, client, kind):
    idp.fault("jwks", kind)
    with pytest.raises((ValueError, http.client.HTTPException, RecursionError)):
        client.get("/jwks", timeout=30)
    assert client.get("/jwks")[0] == 200


def test_huge(idp, client):
    idp.fault("jwks", "huge", bytes=8 << 20)
    assert len(client.get("/jwks")[1]["access_token"]) == 8 << 20


def raw_answer(idp, timeout=10):
    """All that comes after a request, until the connection closes."""
    context = ssl.create_default_context(cafile=idp.ca_file)
    with socket.create_connection(("localhost", idp.port), timeout) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as connection:
            connection.sendall(b"GET /jwks HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return b"".join(iter(lambda: connection.recv(65536), b""))


def test_raw(idp):
    idp.fault("jwks", "raw", body="\xff\0no HTTP", encoding="latin1", repeat=3)
    assert raw_answer(idp) == b"\xff\0no HTTP" * 3
    idp.fault("jwks", "raw", body="HTTP/1.1 100 Continue\r\n\r\n", open=True)
    with pytest.raises(TimeoutError):
        raw_answer(idp, 0.5)


def test_gzip(idp):
    idp.fault("jwks", "gzip", bytes=8 << 20)
    idp.fault("jwks", "status", status=200, body="{}\xe9", encoding="latin1")
    request = urllib.request.Request(idp.issuer + "/jwks")
    context = ssl.create_default_context(cafile=idp.ca_file)
    with urllib.request.urlopen(request, context=context) as answer:
        packed = answer.read()
        assert answer.headers["content-encoding"] == "gzip"
    assert len(packed) < 1 << 16 and gzip.decompress(packed) == b" " * (8 << 20)
    with urllib.request.urlopen(request, context=context) as answer:
        assert answer.read() == b"{}\xe9"


def test_fault_for_one_query(idp, client):
    idp.fault("jwks", "status", -1, query="case=1")
    assert client.get("/jwks?case=1")[0] == 503 and client.get("/jwks?case=1")[0] == 503
    assert client.get("/jwks?case=11")[0] == 200 and client.get("/jwks")[0] == 200


def test_faults_of_one_login(idp, client):
    tokens = {name: client.log_in(name) for name in ("alice", "bob")}
    idp.fault("token_refresh", "status", -1, login="alice")
    idp.fault("token_refresh", "status", -1, login="bob")
    idp.clear_faults("alice")
    assert client.refresh(tokens["alice"]["refresh_token"])[0] == 200
    idp.revoke("bob")
    assert client.refresh(tokens["bob"]["refresh_token"])[0] == 503
    assert [request["login"] for request in idp.recent("token_refresh")] == ["alice", "bob"]


def test_table_of_bad_answers(idp):
    """Each of them is something that the provider knows how to do."""
    table = bad_answers(idp.issuer, "127.0.0.1:1")
    for answer in table:
        answer.strike(idp, answer.endpoints[0])
    assert len(idp.faults()) == len(table)


def test_slow_delay_redirect_tamper(idp, client):
    idp.fault("jwks", "slow", delay_ms=1, chunk=100)
    assert client.get("/jwks")[0] == 200
    idp.fault("jwks", "delay", delay_ms=200)
    before = time.monotonic()
    assert client.get("/jwks")[0] == 200 and time.monotonic() - before >= 0.2
    idp.fault("jwks", "redirect", location=idp.issuer + "/.well-known/openid-configuration")
    assert client.get("/jwks")[1]["issuer"] == idp.issuer
    idp.fault("device_authorization", "tamper", patch={"expires_in": "60", "user_code": None})
    _, challenge = client.begin()
    assert challenge["expires_in"] == "60" and "user_code" not in challenge
    with pytest.raises(AdminError):
        idp.fault("jwks", "nonsense")


def test_down_and_up(idp, client):
    idp.down()
    with pytest.raises(OSError):
        client.get("/jwks")
    idp.up()
    assert client.get("/jwks")[0] == 200


@pytest.mark.parametrize("certificate, reason", [("expired", "expired"), ("wrong_name", "Hostname mismatch"),
                                                 ("unknown_ca", "unable to get local issuer")])
def test_bad_certificates(idp, client, certificate, reason):
    idp.tls(certificate)
    with pytest.raises(OSError, match=reason):
        client.get("/jwks")


def test_old_tls(idp, client):
    idp.tls(min_version="TLSv1.1", max_version="TLSv1.1")
    with pytest.raises(OSError):
        client.get("/jwks")
    idp.wait("tls_errors", at_least=1)
