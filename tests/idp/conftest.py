# SPDX-License-Identifier: MIT
import pytest

from client import Client
from provider import Provider


@pytest.fixture(scope="session")
def running():
    with Provider() as provider:
        yield provider


@pytest.fixture
def idp(running):
    running.reset()
    running.tls()
    yield running


@pytest.fixture
def client(idp):
    return Client(idp)
