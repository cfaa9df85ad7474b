# SPDX-License-Identifier: MIT
"""The gateway as built, against the test provider, with neither systemd nor a machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Callable, Iterator

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "idp")]

from gateway import USER_UID, Caller, Gateway, GatewayError  # noqa: E402, F401
from provider import Provider  # noqa: E402

# What logs in: a user of every Debian system.
USER = "backup"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--build", default=str(HERE.parents[1] / "build"), help="where `make check_PROGRAMS` was run")


@pytest.fixture(scope="session")
def build(request: pytest.FixtureRequest) -> Path:
    folder = Path(request.config.getoption("--build"))
    if os.geteuid() != 0:
        pytest.skip("root is the caller of most methods")
    if not (folder / "tests/gateway/gateway-call").exists():
        pytest.skip("not built: make all tests/gateway/gateway-call")
    return folder


@pytest.fixture(scope="session")
def running_provider() -> Provider:
    with Provider() as provider:
        yield provider


@pytest.fixture
def idp(running_provider: Provider) -> Provider:
    running_provider.call("POST", "/reset")
    running_provider.config(interval=1)
    yield running_provider


@pytest.fixture
def gateway(build: Path, idp: Provider) -> Iterator[Gateway]:
    with Gateway(build, idp) as gateway:
        yield gateway


@pytest.fixture
def root(gateway: Gateway) -> Caller:
    return gateway.caller()


def fails(name: str, function: Callable, *arguments: object, **more: object) -> GatewayError:
    """The error of that name, with which the call must end."""
    with pytest.raises(GatewayError) as error:
        function(*arguments, **more)
    assert error.value.name == name, error.value
    return error.value
