# SPDX-License-Identifier: MIT
"""The programs where somebody meets them at a prompt, and the gateway where an administrator sends it a signal."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from conftest import USER, fails

PAGES = {"oidc-keyring": "oidc-keyring.1", "oidc-keyringd": "oidc-keyringd.8",
         "oidc-keyring-gateway": "oidc-keyring-gateway.8"}
DOCS = Path(__file__).parents[2] / "docs"
MISTAKES = [*((program, argument) for program in PAGES for argument in ("--nonsense", "nonsense", "-x")),
            *(("oidc-keyring-gateway", f"--{option}={value}") for option in ("idle-timeout", "answer-memory")
              for value in ("soon", "-1", "604801", ""))]


@pytest.fixture(params=PAGES)
def program(request, build) -> Path:
    return build / request.param


def run(program: Path, *arguments: str, **more) -> subprocess.CompletedProcess:
    return subprocess.run([program, *arguments], text=True, timeout=20,
                          **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more})


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help(program, option):
    """It fits a terminal and has the options of the man page, and those alone."""
    done = run(program, option)
    assert done.returncode == 0 and not done.stderr
    assert done.stdout.startswith(f"Usage: {program.name} ")
    assert max(map(len, done.stdout.splitlines())) <= 80
    page = (DOCS / PAGES[program.name]).read_text()
    options = page if program.name != "oidc-keyring" else page[page.index(".Sh EXIT STATUS") - 400:]
    assert set(re.findall(r"--([a-z-]+)", done.stdout)) == set(re.findall(r"^\.It Fl (?:. , )?-([a-z-]+)", options, re.M))


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(program, option):
    done = run(program, option)
    assert done.returncode == 0 and not done.stderr
    assert re.fullmatch(rf"{program.name} \d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_output_that_cannot_be_written(program, option):
    with open("/dev/full", "w") as full:
        assert run(program, option, stdout=full).returncode == 1


@pytest.mark.parametrize("name, argument", MISTAKES)
def test_wrong_arguments(build, name, argument):
    """What was wrong is said, nothing is done."""
    done = run(build / name, argument)
    assert done.returncode == 2 and not done.stdout
    assert name in done.stderr and 1 <= len(done.stderr.splitlines()) <= 2


def hang_up(gateway) -> None:
    """Returns when it has taken the signal."""
    gateway.process.send_signal(signal.SIGHUP)
    status = Path(f"/proc/{gateway.process.pid}/status")
    bit = 1 << (signal.SIGHUP - 1)
    end = time.monotonic() + 10
    while int(re.search(r"^ShdPnd:\s*(\w+)", status.read_text(), re.M).group(1), 16) & bit:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_reload(gateway, root, idp):
    """What is known of the provider is forgotten; what is under way or kept for somebody is not."""
    tag, _ = root.log_in(idp, USER)
    answer = root.call("Refresh", "h", tag)[0]
    waiting = root.begin(USER)
    asked = idp.count("discovery")
    hang_up(gateway)
    assert root.call("Refresh", "h", tag)[0] == answer
    idp.approve(waiting["code"], USER)
    assert root.call("AwaitLogin", "s", waiting["id"]) == [idp.issuer, USER]
    assert idp.count("discovery") == asked
    root.log_in(idp, USER)
    assert idp.count("discovery") == asked + 1


def test_broken_configuration(gateway, root, idp):
    """Under it nobody is let in and nothing renewed. Who has a code is not disturbed, and nobody's login is over."""
    tag, _ = root.log_in(idp, USER)
    waiting = root.begin(USER)
    gateway.configure("refresh_at = soon")
    hang_up(gateway)
    assert "oidc-keyring.conf:5" in fails("Configuration", root.begin, USER).message
    fails("Configuration", root.call, "Refresh", "h", tag)
    idp.approve(waiting["code"], USER)
    root.call("AwaitLogin", "s", waiting["id"])
    gateway.configure("")
    root.log_in(idp, USER)
    assert root.call("Refresh", "h", tag)[0]["generation"] == 1


def test_stop_with_logins_waiting(gateway, root, idp):
    """Whoever waits hears at once that it is over, and the next gateway knows nothing of it."""
    logins = [root.begin(USER) for _ in range(3)]
    calls = [root.start("AwaitLogin", "s", login["id"]) for login in logins]
    root.call("CheckAccount", "ss", "corp", USER)  # so those before it have been heard
    assert gateway.stop() == 0
    for call in calls:
        fails("Cancelled", root.finish, call)
    idp.approve(logins[0]["code"], USER)
    gateway.start()
    fails("UnknownLogin", root.call, "AwaitLogin", "s", logins[0]["id"])
    fails("UnknownLogin", root.call, "ClaimGrant", "ss", logins[0]["id"], USER)
    root.log_in(idp, USER)
    assert idp.count("live_grants") == 1
