# SPDX-License-Identifier: MIT
"""The daemon and the command as built, with the real gateway and the test provider, without a machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "gateway"), str(HERE.parent / "idp")]

from gateway import Gateway  # noqa: E402
from keeper import Keeper  # noqa: E402
from provider import Provider  # noqa: E402

# Has a name, as dbus-daemon wants it, and nothing else runs as it.
USER = "games"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--build", default=str(HERE.parents[1] / "build"), help="where `make` was run")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "open_to_all: the user's bus lets everybody in")


@pytest.fixture(scope="session")
def running_provider() -> Provider:
    with Provider() as provider:
        yield provider


@pytest.fixture
def idp(running_provider: Provider) -> Provider:
    running_provider.up()
    running_provider.call("POST", "/reset")
    running_provider.config(interval=1)
    yield running_provider


@pytest.fixture
def keeper(request: pytest.FixtureRequest, idp: Provider) -> Keeper:
    build = Path(request.config.getoption("--build")).resolve()
    if os.geteuid() != 0:
        pytest.skip("root is needed to run as others")
    if not (build / "tests/daemon/hand-over").exists():
        pytest.skip("not built: make all tests/gateway/gateway-call tests/daemon/hand-over")
    open_to_all = request.node.get_closest_marker("open_to_all") is not None
    with Gateway(build, idp, more="min_uid = 1") as gateway, Keeper(build, gateway, USER, open_to_all) as keeper:
        yield keeper
