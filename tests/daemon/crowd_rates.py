# SPDX-License-Identifier: MIT
"""What the provider saw in each second, from its own log, held against the mean."""

from __future__ import annotations

import math
import threading
from collections import Counter
from dataclasses import dataclass

PERIOD = 4.0  # the provider remembers 2000 requests


class Requests:
    """All requests since `with` began."""

    def __init__(self, idp) -> None:
        self.all: list[dict] = []
        self._idp, self._seen = idp, 0
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Requests:
        self._seen = sum(self._idp.counters()["requests"].values())
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(PERIOD):
            self.collect()

    def collect(self) -> None:
        with self._lock:
            counters = self._idp.counters()
            total = sum(counters["requests"].values())
            new = total - self._seen
            assert new <= len(counters["recent"]), "the provider has forgotten requests"
            self.all += counters["recent"][len(counters["recent"]) - new:]
            self._seen = total

    def of(self, endpoint: str, begin: float, end: float) -> list[dict]:
        return [one for one in self.all if one["endpoint"] == endpoint and begin <= one["at"] < end]


HARDLY_CHANCE = 0.999


@dataclass(frozen=True)
class Rate:
    """Of what happened at these times, in whole seconds from `begin` on."""

    seconds: int
    number: int
    busiest: int

    @staticmethod
    def of(times: list[float], begin: float, end: float) -> Rate:
        seconds = max(1, int(end - begin))
        counts = Counter(int(at - begin) for at in times if begin <= at < begin + seconds)
        return Rate(seconds, sum(counts.values()), max(counts.values(), default=0))

    @property
    def mean(self) -> float:
        return self.number / self.seconds

    @property
    def ratio(self) -> float:
        return self.busiest / self.mean if self.number else 0.0

    def verdict(self, bar: float) -> str:
        """With few a second, chance alone is above the bar."""
        if self.ratio <= bar:
            return "ok"
        return "chance" if self.busiest <= self.by_chance(HARDLY_CHANCE) else "FAIL"

    def by_chance(self, probability: float = 0.5) -> int:
        """The busiest second of as many that know nothing of each other, at an even rate: no more than that in so
        many runs of all."""
        term = total = math.exp(-self.mean)
        busiest = 0
        while total ** self.seconds < probability:
            busiest += 1
            term *= self.mean / busiest
            total += term
        return busiest
