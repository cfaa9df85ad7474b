# SPDX-License-Identifier: MIT
"""A keyring that is full, forbidden, or changed by others; and several logins that want the same key."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from typing import Iterator

import pytest

from keeper import Keeper
from provider import Provider

KEY = "oidc:corp"
TROUBLE = "kernel.keys.maxbytes"
CALM_SECONDS = 3


@contextlib.contextmanager
def full_quota(keeper: Keeper) -> Iterator[None]:
    """Not a byte is left for another key of the user."""
    names = []
    try:
        for size in (4000, 1000, 100, 10, 1):
            while keeper.run("keyctl", "add", "user", f"fill-{len(names)}", "x" * size, "@u").returncode == 0:
                names.append(f"fill-{len(names)}")
        assert names
        yield
    finally:
        for name in names:  # revoked first, because what is only unlinked counts until the kernel has come by
            keeper.run("keyctl", "revoke", f"%user:{name}")
            keeper.run("keyctl", "unlink", f"%user:{name}", "@u")


def serial(keeper: Keeper) -> str:
    return keeper.run("keyctl", "search", "@u", "user", KEY, check=True).stdout.strip()


def goes_on_without_a_key(keeper: Keeper, idp: Provider) -> None:
    handed_over = keeper.run(*keeper.approved())
    assert handed_over.returncode == 1 and "NoKeyring" in handed_over.stderr
    account = keeper.account()
    assert account["state"] == "fresh" and account["key_serial"] == 0 and TROUBLE in account["last_error"]
    assert "/proc/key-users" in account["last_error"]
    assert TROUBLE in keeper.cli("status").stdout

    first = keeper.cli("token", "corp")
    assert first.returncode == 0 and not first.stderr and idp.introspect(first.stdout.strip())["active"]
    done = keeper.cli("refresh")
    assert done.returncode == 6 and TROUBLE in done.stderr and len(done.stderr.splitlines()) == 1
    second = keeper.cli("token", "--min-valid=60")
    assert second.returncode == 0 and second.stdout != first.stdout and idp.introspect(second.stdout.strip())["active"]
    assert keeper.account()["renewals"] == 1 and TROUBLE in keeper.account()["last_error"]
    assert keeper.log.text.count("cannot be put into the keyring") == 1


def test_quota(keeper: Keeper, idp: Provider) -> None:
    with full_quota(keeper):
        goes_on_without_a_key(keeper, idp)
        assert keeper.token() is None
        time.sleep(1)  # nothing tells that a process has gone to sleep
        switches = keeper.proc("status", r"^\w*voluntary_ctxt_switches:\s+(\d+)")
        time.sleep(CALM_SECONDS)
        assert keeper.proc("status", r"^\w*voluntary_ctxt_switches:\s+(\d+)") == switches
    token = keeper.cli("token").stdout.strip()
    assert keeper.token() == token and keeper.account()["last_error"] == ""
    assert "is in the keyring again" in keeper.log.text


def test_quota_and_the_next_renewal(keeper: Keeper, idp: Provider) -> None:
    """The key is there again without anybody asking."""
    idp.config(access_token_ttl=10)
    with full_quota(keeper):
        assert keeper.run(*keeper.approved()).returncode == 1
        idp.wait("refreshed", at_least=1, timeout=20)
        assert keeper.token() is None
    with keeper.signals() as signals:
        signals.wait_until(lambda: keeper.token() is not None)
    assert idp.introspect(keeper.token())["active"] and idp.count("refresh_reuse") == 0


@pytest.mark.parametrize("error", ["EPERM", "ENOSYS"])
def test_forbidden(keeper: Keeper, idp: Provider, error: str) -> None:
    keeper.stop()
    keeper.inside = [keeper.build / "tests/daemon/without-keyring", error]
    keeper.start()
    goes_on_without_a_key(keeper, idp)
    keeper.kill()
    keeper.start()
    assert idp.introspect(keeper.cli("token").stdout.strip())["active"]
    assert keeper.cli("logout").returncode == 0 and idp.count("live_grants") == 0


@pytest.mark.parametrize("damage", [
    ("update", "SERIAL", "evil"), ("add", "user", KEY, "evil", "@u"), ("timeout", "SERIAL", "0"),
    ("setperm", "SERIAL", "0x3f3f3f3f"), ("setperm", "SERIAL", "0x00010000"), ("revoke", "SERIAL"),
    ("unlink", "SERIAL", "@u"), ("invalidate", "SERIAL"), ("clear", "@u")], ids=lambda damage: "-".join(damage[::2]))
def test_changed_by_others(keeper: Keeper, idp: Provider, damage: tuple[str, ...]) -> None:
    keeper.log_in()
    token = keeper.token()

    def spoil() -> None:
        argv = [serial(keeper) if word == "SERIAL" else word for word in damage]
        keeper.run("keyctl", *argv, check=True)
        assert keeper.token() != token or damage[0] in ("timeout", "setperm")

    spoil()
    assert keeper.cli("token").stdout == token + "\n" and keeper.token() == token
    spoil()
    assert keeper.account()["key_serial"] == int(serial(keeper)) and keeper.token() == token
    assert idp.count("token_refresh") == 0
    spoil()
    assert keeper.cli("refresh").returncode == 0
    token = keeper.token()
    assert idp.introspect(token)["active"] and keeper.cli("token").stdout == token + "\n"
    described = keeper.run("keyctl", "rdescribe", serial(keeper), check=True).stdout
    assert described == f"user;{keeper.uid};{keeper.uid};002f0000;{KEY}\n"

    spoil()
    keeper.bus.terminate()  # nobody is left to ask
    keeper.process.wait(10)
    done = keeper.cli("token", "corp")
    assert done.returncode == 5 and not done.stdout


def test_left_over(keeper: Keeper) -> None:
    """Everything that held the grant was killed: the token is good until the kernel ends it."""
    keeper.log_in()
    token = keeper.token()

    def begin_without_grant() -> None:
        keeper.kill()
        for name in list(keeper.manager.store):
            for fd in keeper.manager.store.pop(name):
                os.close(fd)
        keeper.start()
        assert keeper.account() == {}

    begin_without_grant()
    assert keeper.token() == token and keeper.cli("token").stdout == token + "\n"
    keeper.run("keyctl", "timeout", serial(keeper), "0", check=True)  # killed between two calls
    done = keeper.cli("token")
    assert done.returncode == 4 and not done.stdout
    begin_without_grant()
    assert keeper.token() is None


def test_logins_at_once(keeper: Keeper, idp: Provider) -> None:
    """While a first one lives: one is left, and whoever reads finds a token that is good at any moment."""
    keeper.log_in()
    first = keeper.token()
    reader = keeper.reader(8)
    commands = [keeper.approved() for _ in range(3)]
    processes = [subprocess.Popen(command, env=keeper.environment, user=keeper.uid, stdout=subprocess.DEVNULL)
                 for command in commands]
    assert [process.wait(20) for process in processes] == [0] * len(processes)
    idp.wait("live_grants", at_most=1)
    seen = json.loads(reader.communicate()[0])
    assert seen["gaps"] == 0
    revoked = sorted(request["at"] for request in idp.recent("revocation"))
    last = {token: last for token, _, last in seen["tokens"]}
    assert len(revoked) == 3 and idp.introspect(keeper.token())["active"]
    assert last.pop(first) <= revoked[0]
    # one that was there for less than the reader's pace was not seen
    stale = sorted(last[token] for token in last if not idp.introspect(token)["active"])
    assert all(last <= at for last, at in zip(reversed(stale), reversed(revoked)))
    assert len(keeper.manager.store) == 1 and keeper.account()["state"] == "fresh"
