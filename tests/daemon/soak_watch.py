# SPDX-License-Identifier: MIT
"""What all readers of all users see, held against what the provider says of each token."""

from __future__ import annotations

import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

KEY = "oidc:corp"
# The kernel ends a key with the second of its clock, which is behind by up to a tick.
TICK = 0.01


@dataclass
class Gap:
    """No key from the first reading that found none to the last."""

    uid: int
    begin: float
    end: float
    readings: int
    errno: int


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


@dataclass
class Seen:
    readings: int = 0
    tokens: int = 0
    of_unknown_end: int = 0  # revoked before the provider could be asked: taken to have a whole life from then on
    gaps: list[Gap] = field(default_factory=list)
    stale: list[Stale] = field(default_factory=list)


class TokenWatch:
    """One reader of each user's key, 100 times a second."""

    def __init__(self, build: Path, idp, uids: list[int], lifetime: float) -> None:
        self.seen = Seen()
        self._idp, self._lifetime, self._whole = idp, lifetime, False
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
            self._over(int(uid), float(last), int(count))
            self._begun(self._views[int(uid)], float(now), value.strip())
        self._whole = True

    def _over(self, uid: int, last: float, count: int) -> None:
        view, seen = self._views[uid], self.seen
        seen.readings += count
        if view.token is None:
            if count:
                seen.gaps.append(Gap(uid, view.begin, last, count, view.errno))
        elif last > view.expires + TICK:
            seen.stale.append(Stale(uid, view.expires, last))

    def _begun(self, view: _View, now: float, value: str) -> None:
        view.begin, view.token = now, value[1:] if value.startswith("+") else None
        if view.token is None:
            view.errno = int(value[1:] or 0)
            return
        details = self._idp.introspect(view.token)
        self.seen.tokens += 1
        self.seen.of_unknown_end += "exp" not in details
        view.expires = details.get("exp", now + self._lifetime)
