# SPDX-License-Identifier: MIT
"""What a program writes, followed as it comes, so that a test can wait for it."""

from __future__ import annotations

import threading
from collections import deque
from typing import BinaryIO, Callable

LINES_KEPT = 100000


class Output:
    """Of one program after the other; `text` is what has been read of it so far, `each` is told every line."""

    def __init__(self, each: Callable[[str], None] | None = None) -> None:
        self._lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._each = each
        self._changed = threading.Condition()

    def follow(self, stream: BinaryIO) -> threading.Thread:
        """Until its end; the thread has ended then, too."""
        thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        thread.start()
        return thread

    def _read(self, stream: BinaryIO) -> None:
        for line in stream:
            text = line.decode(errors="replace")
            if self._each is not None:
                self._each(text)
            with self._changed:
                self._lines.append(text)
                self._changed.notify_all()
        stream.close()

    def __str__(self) -> str:
        return self.text

    @property
    def text(self) -> str:
        return "".join(self._lines)

    def wait_until(self, condition: Callable[[], bool], timeout: float = 15) -> None:
        """Asks now, and again with every line that comes."""
        with self._changed:
            assert self._changed.wait_for(condition, timeout), self.text

    def wait(self, text: str, timeout: float = 15) -> str:
        """Until a line with this text has come, which is the answer."""
        self.wait_until(lambda: text in self.text, timeout)
        return next(line for line in self._lines if text in line)
