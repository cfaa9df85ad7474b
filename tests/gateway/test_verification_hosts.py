# SPDX-License-Identifier: MIT
"""Where a person may be sent to approve a code."""

from __future__ import annotations

import pytest
from conftest import USER
from gateway import Gateway, GatewayError

ELSEWHERE = "https://phish.example/device"


@pytest.fixture
def place(idp):
    return f"localhost:{idp.port}"


def other(idp, **uris):
    idp.fault("device_authorization", "tamper", patch=uris)


def refused(root):
    with pytest.raises(GatewayError) as error:
        root.begin(USER, qr="utf8")
    assert error.value.name == "ProviderAnswer", error.value


def test_allowed(build, idp, place):
    with Gateway(build, idp, more=f"verification_hosts = id.example {place.upper()}") as gateway:
        root = gateway.caller()
        assert root.begin(USER)["uri_complete"]
        root.log_in(idp, USER)


@pytest.mark.parametrize("uris", [{"verification_uri": ELSEWHERE}, {"verification_uri_complete": ELSEWHERE}])
def test_not_allowed(build, idp, place, uris):
    with Gateway(build, idp, more=f"verification_hosts = {place}") as gateway:
        root = gateway.caller()
        other(idp, **uris)
        refused(root)
        gateway.log.wait(f"verification_hosts does not allow")
        gateway.log.wait(ELSEWHERE)
        root.log_in(idp, USER)


def test_another_port(build, idp, place):
    with Gateway(build, idp, more="verification_hosts = localhost") as gateway:
        refused(gateway.caller())


def test_two_places(build, idp):
    with Gateway(build, idp) as gateway:
        root = gateway.caller()
        for _ in range(2):
            other(idp, verification_uri_complete=ELSEWHERE)
            login = root.begin(USER, qr="utf8")
            assert login["uri"].startswith(idp.issuer) and login["qr"] and not login["uri_complete"]
        assert root.begin(USER)["uri_complete"]
        gateway.stop()
        assert gateway.log.text.count("verification_uri_complete is not where") == 1
