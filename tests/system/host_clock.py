# SPDX-License-Identifier: MIT
"""The host's clock: a time that does not change with it, and setting it wrong for seconds.

As a program it sets the clock, each time by a line "SECONDS DURATION" of its input, and back again: after so many
seconds, or when its input ends, however the one who wrote that has ended."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Callable

# What CLOCK_REALTIME showed when this began, and CLOCK_MONOTONIC from then on.
ORIGIN = time.time() - time.monotonic()
LOOK = 0.01
LONG = 600
SET = 0.3  # by less it may only seem so, to who was kept waiting between two looks at a clock


def steady_time() -> float:
    """CLOCK_REALTIME as it would be if nobody set it."""
    return ORIGIN + time.monotonic()


def is_right() -> bool:
    return abs(time.time() - steady_time()) < SET


def may_be_set() -> bool:
    """Tried by setting it to what it is: a container is seldom allowed to."""
    try:
        time.clock_settime_ns(time.CLOCK_REALTIME, time.clock_gettime_ns(time.CLOCK_REALTIME))
    except PermissionError:
        return False
    return True


def watch(clock_was_set: Callable[[float], None]) -> None:
    """For ever: tells when somebody else has set the clock, or was about to, by the steady time."""
    before, ahead = steady_time(), 0.0
    while True:
        time.sleep(LOOK)
        wall, now = time.time(), steady_time()
        if abs(wall - now - ahead) > SET:
            clock_was_set(before)
        before, ahead = now, wall - now


class HostClock:
    """Set wrong by another process, which sets it back even when this one is killed."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["/usr/bin/python3", "-IBS", Path(__file__).resolve()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            start_new_session=True)

    def step(self, seconds: int, duration: float, at_each_step: Callable[[float], None]) -> None:
        """Whole seconds, as the kernel counts the timeouts of keys in them. `at_each_step` is told by the steady time
        when the clock was set, and when it was set back."""
        at_each_step(self.begin(seconds, duration))
        at_each_step(self._when_set())

    def begin(self, seconds: int, duration: float = LONG) -> float:
        """The same, until it is over or closed; the steady time when the clock was set."""
        self._process.stdin.write(f"{seconds} {duration}\n")
        self._process.stdin.flush()
        return self._when_set()

    def _when_set(self) -> float:
        return ORIGIN + float(self._process.stdout.readline())

    def close(self) -> None:
        """The clock is right when it returns."""
        self._process.stdin.close()
        self._process.wait()


def _set(ahead_ns: int) -> None:
    """So many nanoseconds ahead of CLOCK_MONOTONIC."""
    now_ns = time.monotonic_ns()
    time.clock_settime_ns(time.CLOCK_REALTIME, ahead_ns + now_ns)
    with suppress(BrokenPipeError):  # whoever asked for it has been killed
        print(now_ns / 1e9, flush=True)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    while line := sys.stdin.readline():
        seconds, duration = line.split()
        right_ns = time.time_ns() - time.monotonic_ns()
        try:
            _set(right_ns + int(seconds) * 10**9)
            select.select([sys.stdin], [], [], float(duration))
        finally:
            _set(right_ns)
    os._exit(0)  # without a last word to a pipe that may be broken


if __name__ == "__main__":
    main()
