# SPDX-License-Identifier: MIT
"""Calls that must be refused, tried one after the other against a process that must not suffer from it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Callable, Iterator

from gateway import Caller, GatewayError

PATIENCE = 10.0

# Kinds of odd-fd.h that are no grant at all, and those that are made from a good one.
STRANGE = ("pipe", "socket", "zero", "file", "path", "directory", "epoll", "huge")
SPOILT = ("unsealed", "without-write", "without-grow", "without-shrink", "without-seal", "empty", "garbage", "truncated",
          "halved", "oversized", "twice", "control", "nul", "number", "no-token", "account")
VALUES = {"s": "x", "o": "/", "u": 1, "i": 1, "t": 1, "v": "x", "h": "pipe"}


def odd_fds(tag: int | None) -> list[str]:
    """All of them, with the tag of a good grant; or those that need none."""
    return [*STRANGE, *(f"{kind}:{tag}" for kind in SPOILT if tag is not None)]


def wrong_signatures(signature: str) -> Iterator[tuple[str, list]]:
    """Too few arguments, too many, and another type in each place; with arguments to each."""
    wrong = {signature[:-1], signature + "s", signature + "h", ""} - {signature}
    for place, right in enumerate(signature):
        wrong |= {signature[:place] + other + signature[place + 1:] for other in "suvth" if other != right}
    for one in sorted(wrong):
        yield one, [VALUES[letter] for letter in one]


@dataclass
class Refusals:
    """One process under test: what was tried, and that it stays as it was."""

    pid: int
    alive: Callable[[], None]
    tried: int = 0
    methods: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.alive()
        self._fds = self._count()

    def _count(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def expect(self, names: str, caller: Caller, method: str, signature: str, *arguments: object) -> None:
        """One of these errors, twice in a row; afterwards a good call is answered, and nothing is held."""
        for _ in range(2):
            try:
                answer = caller.call(method, signature, *arguments)
            except GatewayError as error:
                assert error.name in names.split("|"), f"{method}({signature}) {arguments}: {error}"
            else:
                raise AssertionError(f"{method}({signature}) {arguments} was answered: {answer}")
        self.tried += 2
        self.methods.add(method)
        self.alive()
        self._holds_nothing(f"{method}({signature}) {arguments}")

    def _holds_nothing(self, what: str) -> None:
        end = time.monotonic() + PATIENCE
        while self._count() > self._fds:
            assert time.monotonic() < end, f"{what}: {self._count()} descriptors instead of {self._fds}"
