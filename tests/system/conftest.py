# SPDX-License-Identifier: MIT
"""Fixtures of the system tests."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Iterator

import pytest

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "idp")]

import clock  # noqa: E402
from host import Host  # noqa: E402
from image import SUITES  # noqa: E402
from machine import Machine, exit_when_told  # noqa: E402
from provider import Provider  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--suite", choices=SUITES, default=SUITES[0], help="the Debian that is booted")
    parser.addoption("--deb", type=Path, action="append", default=[], help="the package to install, repeatable")


def pytest_configure(config: pytest.Config) -> None:
    # so that fixtures are torn down, and with them the machines
    exit_when_told()


    config.addinivalue_line("markers", "steps_the_clock: of the host; no other test runs meanwhile")


@pytest.fixture(autouse=True)
def clock_of_the_host(request: pytest.FixtureRequest) -> Iterator[None]:
    """Machines of several suites may be tested at the same time."""
    with clock.ours() if request.node.get_closest_marker("steps_the_clock") else clock.steady():
        yield


@pytest.fixture(scope="session")
def suite(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--suite"))


@pytest.fixture(scope="session")
def packages(request: pytest.FixtureRequest) -> list[Path]:
    paths = list(request.config.getoption("--deb"))
    assert paths, "these tests need the package: --deb FILE"
    return paths


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture(scope="session")
def machine(suite: str) -> Iterator[Machine]:
    with Machine(suite) as booted:
        yield booted


@pytest.fixture(scope="session")
def prepared(machine: Machine, provider: Provider, packages: list[Path]) -> Host:
    host = Host(machine, provider)
    host.set_up(packages)
    return host


@pytest.fixture
def host(prepared: Host) -> Iterator[Host]:
    prepared.begin()
    yield prepared
    prepared.end()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Lets fixtures know that their test failed, and shows the journal of the machine with it."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.when == "call" and report.failed:
        funcargs = getattr(item, "funcargs", {})
        host = funcargs.get("host") or funcargs.get("matrix")
        if host is not None:
            report.sections.append(("journal of the machine", host.journal()[-20000:]))
