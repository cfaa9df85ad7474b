# SPDX-License-Identifier: MIT
"""With a proxy, nothing goes past it, and nothing tells its password."""

from __future__ import annotations

import base64

import pytest
from conftest import USER
from connect_proxy import ConnectProxy
from gateway import Gateway, GatewayError

PASSWORD = "hush%40hush"


@pytest.fixture
def quiet(idp):
    """Nobody else's connections are counted."""
    idp.drop_connections()
    idp.wait("open_connections", at_most=0)
    idp.reset_counters()
    return idp


def test_everything_goes_through_it(build, quiet):
    with ConnectProxy() as proxy, Gateway(build, quiet, more=f"proxy = http://me:{PASSWORD}@127.0.0.1:{proxy.port}") as gateway:
        root = gateway.caller()
        tag, _ = root.log_in(quiet, USER)
        following = root.start("Refresh", "h", tag)
        root.finish(following)
        quiet.drop_connections()
        root.call("Revoke", "h", following)
        asked = {request["endpoint"] for request in quiet.recent()}
        assert asked == {"discovery", "device_authorization", "jwks", "token_device", "token_refresh", "revocation"}
        assert len(proxy.heads) == quiet.count("connections") >= 2
        credentials = base64.b64encode(b"me:hush@hush").decode()
        for head in proxy.heads:
            assert head.startswith(f"CONNECT localhost:{quiet.port} ") and f"Proxy-Authorization: Basic {credentials}" in head
        assert "hush" not in gateway.log.text


@pytest.mark.parametrize("url", ["http://me:{password}@127.0.0.1:1", "gopher://me:{password}@127.0.0.1:1",
                                 "http://me:{password}@127.0.0.1:port", "http://me:{password}@no host",
                                 "http://me:{password}@proxy.invalid:3128"])
def test_none_to_be_had(build, quiet, url):
    with Gateway(build, quiet, more="proxy = " + url.format(password=PASSWORD)) as gateway:
        root = gateway.caller()
        with pytest.raises(GatewayError) as error:
            root.begin(USER)
        assert error.value.name == "ProviderUnreachable"
        messages = [row[2] for row in root.call("Check", "s", "")[0]]
        assert "hush" not in gateway.log.text + "".join(messages) + error.value.message
        assert quiet.count("connections") == 0
