# SPDX-License-Identifier: MIT
"""What all readers of all users see, held against what the provider says of each token."""

from __future__ import annotations

import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from host_clock import ORIGIN
from soak_processes import Withheld

KEY = "oidc:corp"
# The kernel ends a key with the second of its clock, which is behind by up to a tick; and who sets that takes a moment.
TICK = 0.01
MEASURED = 50  # one of so many renewals that are in time, as that takes a moment


@dataclass
class Gap:
    """No key from the first reading that found none to the last."""

    uid: int
    begin: float
    end: float
    readings: int
    errno: int
    withheld: float  # from those who might have ended it, since the renewal before was due


@dataclass
class Stale:
    uid: int
    expired: float
    last_read: float


@dataclass
class _View:
    """Of one user: what the last line said."""

    token: str | None = None
    begin: float = 0.0
    expires: float = 0.0
    errno: int = 0
    born: float = 0.0  # the last token
    due: float = 0.0  # its own renewal: one that is late gives a token that is older when it comes
    withheld: dict[int, float] = field(default_factory=dict)  # when it was born


@dataclass
class Seen:
    readings: int = 0
    tokens: int = 0
    of_unknown_end: int = 0  # revoked before the provider could be asked: taken to have a whole life from then on
    gaps: list[Gap] = field(default_factory=list)
    stale: list[Stale] = field(default_factory=list)
    most_withheld: float = 0.0  # from one renewal that came in time nevertheless


class TokenWatch:
    """One reader of each user's key, 100 times a second."""

    def __init__(self, build: Path, idp, uids: list[int], lifetime: float, withheld: Withheld,
                 pids: Callable[[int], list[int]]) -> None:
        """`pids` tells the processes that are a user's."""
        self.seen = Seen()
        self._idp, self._lifetime, self._whole = idp, lifetime, False
        self._withheld, self._pids = withheld, pids
        self._views = {uid: _View() for uid in uids}
        self._process = subprocess.Popen(
            [build / "tests/daemon/token-watch", KEY, *map(str, uids)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def finish(self) -> Seen:
        """Everything, also what is open: a gap that has not ended, ends now."""
        self._process.stdin.close()
        self._thread.join()
        assert self._process.wait() == 0
        assert self._whole, "what was read has not been followed to its end"
        return self.seen

    def _follow(self) -> None:
        for line in self._process.stdout:
            uid, last, now, count, value = line.split(" ", 4)
            self._over(int(uid), ORIGIN + float(last), int(count))
            self._begun(int(uid), ORIGIN + float(now), value.strip())
        self._whole = True

    def _over(self, uid: int, last: float, count: int) -> None:
        view, seen = self._views[uid], self.seen
        seen.readings += count
        if view.token is None:
            if count:
                seen.gaps.append(Gap(uid, view.begin, last, count, view.errno, self._since(view.due, uid, view)))
        elif last > view.expires + TICK:
            seen.stale.append(Stale(uid, view.expires, last))

    def _begun(self, uid: int, now: float, value: str) -> None:
        view = self._views[uid]
        renewed = view.token is not None
        view.begin, view.token = now, value[1:] if value.startswith("+") else None
        if view.token is None:
            view.errno = int(value[1:] or 0)
            return
        if renewed and self.seen.tokens % MEASURED == 0:
            withheld = self._since(view.born + self._lifetime / 2, uid, view)
            self.seen.most_withheld = max(self.seen.most_withheld, withheld)
        view.due, view.born, view.withheld = view.born + self._lifetime / 2, now, Withheld.own(self._pids(uid))
        details = self._idp.introspect(view.token)
        self.seen.tokens += 1
        self.seen.of_unknown_end += "exp" not in details
        view.expires = details.get("exp", now + self._lifetime)

    def _since(self, due: float, uid: int, view: _View) -> float:
        """A daemon that is a new one by now has waited since it began."""
        return self._withheld.since(due, dict.fromkeys(self._pids(uid), 0.0) | view.withheld)
