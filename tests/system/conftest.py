# SPDX-License-Identifier: MIT
"""Fixtures of the system tests."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from image import SUITES


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--suite", choices=SUITES, default=SUITES[0], help="the Debian that is booted")
    parser.addoption("--deb", type=Path, action="append", default=[], help="the package to install, repeatable")


def pytest_configure(config: pytest.Config) -> None:
    # so that fixtures are torn down, and with them the machines
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


@pytest.fixture(scope="session")
def suite(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--suite"))
