# SPDX-License-Identifier: MIT
"""The host's clock, which is that of every machine on it: who means to step it waits until nobody minds."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import Iterator

from host_clock import HostClock
from keys import LOCKS

HOUR = 3600


@contextmanager
def steady() -> Iterator[None]:
    """Nobody steps the clock meanwhile."""
    with _held("clock", fcntl.LOCK_SH):
        yield


@contextmanager
def ours() -> Iterator[None]:
    """No other test runs meanwhile that a step of the clock could disturb."""
    with _held("clock", fcntl.LOCK_EX):
        yield


@contextmanager
def stepped(seconds: int) -> Iterator[None]:
    """It is another time of day; and then the right one again, also where this process is killed meanwhile."""
    clock = HostClock()
    try:
        clock.begin(seconds)
        yield
    finally:
        clock.close()


@contextmanager
def _held(name: str, how: int) -> Iterator[None]:
    """A lock that is taken in turns: whoever waits for all others to leave keeps new ones from coming."""
    turn, lock = _open(f"{name}-turn"), _open(name)
    try:
        fcntl.flock(turn, fcntl.LOCK_EX)
        fcntl.flock(lock, how)
        fcntl.flock(turn, fcntl.LOCK_UN)
        yield
    finally:
        os.close(turn)
        os.close(lock)


def _open(name: str) -> int:
    LOCKS.mkdir(mode=0o755, parents=True, exist_ok=True)
    return os.open(LOCKS / f"oidc-keyring-tests.{name}", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
