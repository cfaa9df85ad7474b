# SPDX-License-Identifier: MIT
"""What was done to whom and when, and what the provider saw: so that each loss and each gap has its reason, or none.

All times are the steady one of host_clock.py, which is also the provider's."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from typing import Callable, Iterator

from host_clock import steady_time

# Faults that strike after the provider has done its work: its answer is what is lost.
ANSWER_LOST = ("cut_after", "truncated")
# From the provider's answer to the gateway's having it in its journal, on a busy machine.
ON_ITS_WAY = 1.0
LOST = 30.0  # the longest that such an answer may leave somebody without a key: the first back-offs of the daemon
HANG = 30.0  # what the gateway waits for an answer
# A provider that takes longer is not well: of a life of 5 s the two roundings to whole seconds leave that to spare.
SLOW = 0.2
BACK_OFF = 2.0  # of the daemon, after the first failure
# A clock that is set forward ends all keys at once. All daemons of the host wake up to write them again.
STEP = 0.1
CLOCK_SET = "the clock was set"
REUSED = "refresh token already used"
GATEWAY_LINES = 50000
KEPT = ("at", "answered", "status", "error", "detail", "fault")
# What the gateway says of an answer that it lost: one that its predecessor waited for, and one of its own.
TOLD_LOST = re.compile(r"A refresh of uid (\d+) was under way when the gateway ended"
                       r"|Refresh for \S+ \(uid (\d+)\) through \S+ AnswerLost")


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
    """An answer of the provider's that was lost. Until an answer comes it explains one loss and one reuse."""

    at: float
    what: str
    until: float


@dataclass
class Cut:
    """Everything under way was lost at a moment of the span; the gateway has told whose until `told`."""

    span: Span
    what: str
    told: float


class History:
    """Written by many threads."""

    def __init__(self, idp, lifetime: float) -> None:
        self._idp, self._lifetime = idp, lifetime
        self._lock = threading.Lock()
        self.faults: Counter[str] = Counter()
        self.unwell: list[Span] = []  # the provider
        self.slow: list[Span] = []  # so that renewals queue for the few connections there are to it
        self.absent: dict[int, list[Span]] = defaultdict(list)  # no login, by uid
        self.down: dict[int, list[Span]] = defaultdict(list)  # no daemon
        self.offline: dict[int, list[float]] = defaultdict(list)  # when the daemon said so
        self.gateway_down: list[Span] = []
        self.steps: list[float] = []  # of the host's clock
        self.losses: list[tuple[int, str, float]] = []
        self.cuts: list[Cut] = []
        self.troubles: list[str] = []
        self.gateway_lines: deque[tuple[float, str]] = deque(maxlen=GATEWAY_LINES)
        self._told_lost: dict[int, list[float]] = defaultdict(list)
        self._requests: dict[str, dict[float, dict]] = defaultdict(dict)

    def count(self, fault: str) -> None:
        with self._lock:
            self.faults[fault] += 1

    def trouble(self, text: str) -> None:
        with self._lock:
            self.troubles.append(f"{time.strftime('%T')} {text}")
            print("trouble:", self.troubles[-1], file=sys.stderr, flush=True)

    def on_gateway_line(self, line: str) -> None:
        now, told = steady_time(), TOLD_LOST.search(line)
        with self._lock:
            self.gateway_lines.append((now, line.rstrip()))
            if told:
                self._told_lost[int(told[1] or told[2])].append(now)

    def cut(self, what: str, work: Callable[[], None], until_told: Callable[[], None]) -> None:
        """Does it: the moment lies somewhere between."""
        begin = steady_time()
        work()
        end = steady_time()
        until_told()
        with self._lock:
            self.cuts.append(Cut(Span(begin, end), what, steady_time() + ON_ITS_WAY))

    def provider_was_unwell(self, begin: float, end: float, recovery: float) -> None:
        with self._lock:
            self.unwell.append(Span(begin, end + recovery))

    def login_ended(self, uid: int) -> Span:
        """From now until the span is given its end."""
        return self._begin(self.absent[uid])

    def daemon_ended(self, uid: int) -> Span:
        return self._begin(self.down[uid])

    def gateway_ended(self) -> Span:
        return self._begin(self.gateway_down)

    def _begin(self, spans: list[Span]) -> Span:
        span = Span(steady_time(), float("inf"))
        with self._lock:
            spans.append(span)
        return span

    def lost(self, uid: int, login: str) -> None:
        with self._lock:
            self.losses.append((uid, login, steady_time()))

    def collect(self) -> None:
        """The provider remembers its latest requests only."""
        recent = self._idp.recent()
        for request in recent:
            if request["endpoint"] == "token_refresh" and request.get("login"):
                self._requests[request["login"]][request["at"]] = {name: request[name] for name in KEPT if name in request}

    def requests(self, login: str) -> list[dict]:
        return list(self._requests[login].values())

    def reuses(self) -> list[tuple[str, float]]:
        return [(login, at) for login, requests in self._requests.items() for at, request in requests.items()
                if request.get("detail") == REUSED]

    def answers_lost(self, uid: int, login: str) -> list[Event]:
        """By the provider's record, and by what the gateway itself has told: not whatever was under way then."""
        events = []
        for request in self.requests(login):
            begin = request["at"]
            end = request.get("answered", begin + HANG) + ON_ITS_WAY
            whats = [f"the provider's answer was cut ({request['fault']})"] if request.get("fault") in ANSWER_LOST else [
                cut.what for cut in self.cuts
                if begin <= cut.span.end and cut.span.begin <= end and self._was_told(uid, cut)]
            events += [Event(begin, what, self._next_answer(login, begin)) for what in whats[:1]]
        return events

    def _next_answer(self, login: str, after: float) -> float:
        return min((request["answered"] for request in self.requests(login)
                    if request["at"] > after and request.get("status") == 200 and request.get("fault", "delay") == "delay"),
                   default=float("inf"))

    def _was_told(self, uid: int, cut: Cut) -> bool:
        return any(cut.span.begin <= at <= cut.told for at in self._told_lost[uid])

    def unexplained(self, ends: list[tuple[int, str, float]]) -> tuple[list[tuple[int, str, float]], Counter[str]]:
        """Those that no lost answer explains, and the reasons of the others. Each answer serves once."""
        left: dict[str, list[Event]] = {}
        unexplained, reasons = [], Counter()
        for uid, login, at in sorted(ends, key=lambda end: end[2]):
            events = left.setdefault(login, self.answers_lost(uid, login))
            event = next((event for event in events if event.at <= at <= event.until), None)
            if event is None:
                unexplained.append((uid, login, at))
            else:
                events.remove(event)
                reasons[event.what] += 1
        return unexplained, reasons

    # why a user may be without a key

    def excuses(self, uid: int, login: str) -> dict[str, list[Span]]:
        return {
            "not logged in": self.absent[uid],
            "provider down, or saying 503": self.unwell,
            "fault of the provider's in this renewal": list(self._faults(login)),
            "provider slower than 0.2 s": self.slow + list(self._slow(login)),
            "answer lost": [Span(event.at, min(event.until, event.at + LOST) + SLOW)
                            for event in self.answers_lost(uid, login)] + list(self._told(uid, login)),
            "daemon was being started": [Span(span.begin, span.end + SLOW) for span in self.down[uid]],
            "gateway was ending or being started": [Span(span.begin, span.end + SLOW) for span in self.gateway_down],
            "call of a gateway that died": list(self._broken_calls(uid)),
            CLOCK_SET: list(self._steps(uid)),
        }

    def _faults(self, login: str) -> Iterator[Span]:
        for request in self.requests(login):
            if request.get("fault", "delay") != "delay":
                until = request["at"] + (HANG if request["fault"] == "hang" else 0) + self._lifetime
                yield Span(request["at"], until + 2 * BACK_OFF)

    def _slow(self, login: str) -> Iterator[Span]:
        for request in self.requests(login):
            if request.get("answered", 0) - request["at"] > SLOW:
                yield Span(request["at"] - SLOW, request["answered"] + self._lifetime)

    def _told(self, uid: int, login: str) -> Iterator[Span]:
        """Also what the provider has never seen: the gateway knows only that it was about to ask."""
        for cut in self.cuts:
            if self._was_told(uid, cut):
                begin = cut.span.begin
                yield Span(begin, min(self._next_answer(login, begin), begin + LOST) + SLOW)

    def _broken_calls(self, uid: int) -> Iterator[Span]:
        """The daemon was told that its call had failed, and came again after its back-off."""
        for span in self.gateway_down:
            for said in self.offline[uid]:
                if span.begin <= said <= span.end:
                    yield Span(span.begin, max(said + BACK_OFF, span.end) + SLOW)

    def _steps(self, uid: int) -> Iterator[Span]:
        for at in self.steps:
            yield Span(at, at + STEP)
            for down in self.down[uid]:
                if down.begin <= at + STEP and at <= down.end:
                    yield Span(at, down.end + STEP)

    def came_to_life(self, uid: int, last_read: float) -> bool:
        """A key that has ended is there again when the clock is set back, until the daemon, if there is one then, has
        written it as it should be."""
        return any(span.begin <= last_read <= span.end + SLOW for span in self._steps(uid))
