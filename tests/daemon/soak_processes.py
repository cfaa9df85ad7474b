# SPDX-License-Identifier: MIT
"""What the processes of a soak take, and for how long the machine kept them waiting."""

from __future__ import annotations

import os
import re
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from host_clock import steady_time

LOOKS = 5
# A thread that sleeps for PERIOD may be late by LATE. So many of them make a sample; the samples are of a minute.
PERIOD, LATE, PERIODS, SAMPLES = 0.005, 0.005, 10, 1200
MOST = 3.0  # seconds; no machine that a test can run on withholds more from one renewal
STEAL = 8  # the field of /proc/stat
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Usage:
    processes: int
    keys: int
    gateway_kb: int
    gateway_fds: int
    daemons_kb: int  # of those that were never ended
    daemons_fds: int


def at_rest(look: Callable[[int], int], pids: list[int]) -> int:
    """The sum of what each takes; of each the least of some looks, as nothing tells when it rests."""
    def again() -> list[int]:
        time.sleep(0.1)
        return [look(pid) for pid in pids]
    return sum(map(min, zip(*(again() for _ in range(LOOKS)))))


def memory_kb(pid: int) -> int:
    """Its own and nobody else's: code, which it shares with others, comes and goes as they do."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(map(int, re.findall(r"^(?:Anonymous|Swap): +(\d+)", text, re.MULTILINE)))


def descriptors(pid: int) -> int:
    """But for TCP connections, of which the gateway keeps some to the provider, more or fewer."""
    tcp = {f"socket:[{line.split()[9]}]" for name in ("tcp", "tcp6")
           for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]}
    return sum(_link(fd) not in tcp for fd in Path(f"/proc/{pid}/fd").iterdir())


def _link(path: Path) -> str:
    try:
        return os.readlink(path)
    except OSError:  # closed since
        return ""


def children() -> int:
    """Of our own; the least of some looks."""
    def look() -> int:
        time.sleep(0.1)
        return sum(_parent(pid) == os.getpid() for pid in os.listdir("/proc") if pid.isdigit())
    return min(look() for _ in range(LOOKS))


def _parent(pid: str) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:  # ended since
        return 0


def keys_of(uids: list[int]) -> int:
    users = dict(line.split(":", 1) for line in Path("/proc/key-users").read_text().splitlines())
    users = {int(uid): fields.split() for uid, fields in users.items()}
    return sum(int(users[uid][1].split("/")[0]) for uid in uids if uid in users)


class Withheld:
    """For how long those who renew a token were ready to run, and the machine ran others.

    A machine that is busy with something else makes a renewal late without a fault of anybody's. The kernel counts that
    for each process: what it counted from when a renewal was due to the end of the gap is taken off the gap."""

    def __init__(self, shared: Callable[[], list[int]]) -> None:
        """`shared` tells the processes that renew everybody's tokens."""
        self._shared = shared
        self._samples: deque[tuple[float, float]] = deque([(0.0, 0.0)], maxlen=SAMPLES)
        threading.Thread(target=self._sample, daemon=True).start()

    @staticmethod
    def own(pids: list[int]) -> dict[int, float]:
        """Until now, of processes that are one user's."""
        return {pid: _run_delay(pid) for pid in pids}

    def since(self, due: float, own: dict[int, float]) -> float:
        """From the steady time `due` on, and since own() gave that; what kept everybody waiting kept the samples, too."""
        now = steady_time()
        while self._samples[-1][0] < now:
            time.sleep(PERIOD)
        samples = list(self._samples)
        before = next((counted for at, counted in reversed(samples) if at <= due), samples[0][1])
        mine = sum(seconds - own.get(pid, 0) for pid, seconds in self.own(list(own)).items())
        return max(0.0, min(samples[-1][1] - before + mine, now - due, MOST))

    def _sample(self) -> None:
        """Counts itself, too: the daemons wait for their service manager, which is one of the threads here."""
        late, last = 0.0, {}
        total = 0.0
        while True:
            for _ in range(PERIODS):
                begin = time.monotonic()
                time.sleep(PERIOD)
                missed = time.monotonic() - begin - PERIOD
                late += missed if missed > LATE else 0
            counted = self.own(self._shared()) | {"stolen": _stolen(), "ourselves": late}
            total += sum(seconds - last.get(who, 0) for who, seconds in counted.items()) if last else 0  # also of a new one
            last = counted
            self._samples.append((steady_time(), total))


def _run_delay(pid: int) -> float:
    """Of all its threads."""
    total = 0
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            total += int(Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[1])
    except OSError:  # ended, or a kernel that does not count it
        pass
    return total / 1e9


def _stolen() -> float:
    """By the host of this machine, if it is a virtual one."""
    return int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[STEAL]) / TICKS
