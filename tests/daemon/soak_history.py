# SPDX-License-Identifier: MIT
"""What was done to whom and when, and what the provider saw: so that each loss and each gap has its reason, or none."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Callable

# Faults that strike after the provider has done its work: its answer is what is lost.
ANSWER_LOST = ("cut_after", "truncated")
# From the provider's answer to the daemon's having stored it, on a busy machine.
ON_ITS_WAY = 0.5
# How long after such an event a login may end by it: the life of what token there is, and one back-off.
FUSE = 45.0
HANG = 30.0  # what the gateway waits for an answer
# A provider that takes longer is not well: of a life of 5 s the two roundings to whole seconds leave one to spare.
SLOW = 0.2
REUSED = "refresh token already used"


@dataclass
class Span:
    begin: float
    end: float


def uncovered(begin: float, end: float, spans: list[Span]) -> float:
    """What is left of a time when the spans are taken off: the longest piece."""
    longest, at = 0.0, begin
    for span in sorted(spans, key=lambda span: span.begin):
        if span.end <= at:
            continue
        if span.begin >= end:
            break
        longest, at = max(longest, span.begin - at), max(at, span.end)
    return max(longest, end - at)


@dataclass
class Event:
    """An answer of the provider's that may have been lost; it explains one loss and one reuse."""

    at: float
    what: str


class History:
    """Written by many threads."""

    def __init__(self, idp, lifetime: float) -> None:
        self._idp, self._lifetime = idp, lifetime
        self._lock = threading.Lock()
        self.faults: Counter[str] = Counter()
        self.unwell: list[Span] = []  # the provider
        self.absent: dict[int, list[Span]] = defaultdict(list)  # no login, by uid
        self.losses: list[tuple[int, str, float]] = []
        self.cuts: list[tuple[Span, str]] = []  # everything under way was lost
        self.troubles: list[str] = []
        self._requests: dict[tuple[float, str], dict] = {}

    def count(self, fault: str) -> None:
        with self._lock:
            self.faults[fault] += 1

    def trouble(self, text: str) -> None:
        with self._lock:
            self.troubles.append(f"{time.strftime('%T')} {text}")
            print("trouble:", self.troubles[-1], file=sys.stderr, flush=True)

    def cut(self, what: str, work: Callable[[], None]) -> None:
        """Does it: the moment lies somewhere between."""
        begin = time.time()
        work()
        with self._lock:
            self.cuts.append((Span(begin, time.time()), what))

    def provider_was_unwell(self, begin: float, end: float, recovery: float) -> None:
        with self._lock:
            self.unwell.append(Span(begin, end + recovery))

    def login_ended(self, uid: int) -> Span:
        """From now until the span is given its end."""
        span = Span(time.time(), float("inf"))
        with self._lock:
            self.absent[uid].append(span)
        return span

    def lost(self, uid: int, login: str) -> None:
        with self._lock:
            self.losses.append((uid, login, time.time()))

    def collect(self) -> None:
        """The provider remembers its latest requests only."""
        for request in self._idp.recent("token_refresh"):
            if request.get("login"):
                self._requests[request["at"], request["login"]] = request

    def requests(self, login: str) -> list[dict]:
        return [request for (_, its), request in self._requests.items() if its == login]

    def n_requests(self) -> int:
        return len(self._requests)

    def reuses(self) -> list[tuple[str, float]]:
        return [(login, at) for (at, login), request in self._requests.items() if request.get("detail") == REUSED]

    def answers_lost(self, login: str) -> list[Event]:
        events = []
        for request in self.requests(login):
            begin = request["at"]
            end = request.get("answered", begin + HANG) + ON_ITS_WAY
            if request.get("fault") in ANSWER_LOST:
                events.append(Event(begin, f"the provider's answer was cut ({request['fault']})"))
            events += [Event(begin, what) for cut, what in self.cuts if begin <= cut.end and cut.begin <= end][:1]
        return events

    def unexplained(self, ends: list[tuple[str, float]]) -> tuple[list[tuple[str, float]], Counter[str]]:
        """Those that no lost answer explains, and the reasons of the others. Each answer serves once."""
        left: dict[str, list[Event]] = {}
        unexplained, reasons = [], Counter()
        for login, at in sorted(ends, key=lambda end: end[1]):
            events = left.setdefault(login, self.answers_lost(login))
            event = next((event for event in events if event.at <= at <= event.at + FUSE), None)
            if event is None:
                unexplained.append((login, at))
            else:
                events.remove(event)
                reasons[event.what] += 1
        return unexplained, reasons

    def excuses(self, uid: int, login: str) -> list[Span]:
        """When this user may be without a key: not logged in, or the provider was not well for this user."""
        spans = self.unwell + self.absent[uid]
        for request in self.requests(login):
            fault, at = request.get("fault"), request["at"]
            answered = request.get("answered", at)
            if answered - at > SLOW:
                spans = spans + [Span(at - SLOW, answered + self._lifetime)]
            if fault and fault != "delay":
                until = at + (HANG if fault == "hang" else 0) + self._lifetime
                spans = spans + [Span(at, until + 4)]
        return spans

    def lost_answer_spans(self, login: str) -> list[Span]:
        """The gateway was killed, or all connections cut, with this user's token under way: the counted case."""
        return [Span(event.at, event.at + FUSE) for event in self.answers_lost(login)]
