# SPDX-License-Identifier: MIT
"""User ids of the tests' own, and the kernel keys they leave behind.

The kernel's keyrings are not namespaced: a key in a machine belongs to the host's user of the same number. Each
machine therefore takes a block of numbers that no one else uses, and its keys are cleared on the host afterwards.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path
from typing import TextIO

# still a regular user's, for which systemd starts a manager at every kind of login
FIRST_UID = 59000
BLOCK = 20
BLOCKS = 20
LOCKS = Path("/run/lock")


class UidBlock:
    """A block of user ids that is ours until it is released."""

    def __init__(self) -> None:
        self._lock, number = _take_free_block()
        self.first = FIRST_UID + number * BLOCK
        self.uids = range(self.first, self.first + BLOCK)
        self.clear_keys()

    def clear_keys(self) -> None:
        for uid in sorted(uids_with_keys() & set(self.uids)):
            clear_keys(uid)

    def release(self) -> None:
        self.clear_keys()
        self._lock.close()


def uids_with_keys() -> set[int]:
    lines = Path("/proc/key-users").read_text().splitlines()
    return {int(line.split(":", 1)[0]) for line in lines}


def clear_keys(uid: int) -> None:
    for keyring in ("@u", "@us"):
        subprocess.run(as_user(uid) + ["keyctl", "clear", keyring], check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def as_user(uid: int) -> list[str]:
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]


def _take_free_block() -> tuple[TextIO, int]:
    LOCKS.mkdir(mode=0o755, parents=True, exist_ok=True)
    for number in range(BLOCKS):
        lock = open(LOCKS / f"oidc-keyring-tests.{number}", "w", opener=_open_private)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock, number
        except BlockingIOError:
            lock.close()
    raise RuntimeError(f"all {BLOCKS} blocks of user ids are in use by other machines")


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
