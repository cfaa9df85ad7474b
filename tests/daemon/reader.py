# SPDX-License-Identifier: MIT
"""A program of the user's that reads a key 100 times a second for so many SECONDS; without them it takes the key away."""

from __future__ import annotations

import ctypes
import json
import sys
import time

KEYUTILS = ctypes.CDLL("libkeyutils.so.1", use_errno=True)
KEYUTILS.keyctl_search.restype = ctypes.c_long
KEYUTILS.keyctl_read.restype = ctypes.c_long
USER_KEYRING = -4


def read_key(description: str) -> str | None:
    """The key as a program of the calling user finds it."""
    serial = KEYUTILS.keyctl_search(USER_KEYRING, b"user", description.encode(), 0)
    buffer = ctypes.create_string_buffer(65536)
    size = KEYUTILS.keyctl_read(serial, buffer, len(buffer)) if serial > 0 else -1
    return buffer.raw[:size].decode() if size >= 0 else None


def clear_key(description: str) -> None:
    serial = KEYUTILS.keyctl_search(USER_KEYRING, b"user", description.encode(), 0)
    if serial > 0:
        KEYUTILS.keyctl_unlink(serial, USER_KEYRING)


def main() -> None:
    if len(sys.argv) == 2:
        return clear_key(sys.argv[1])
    seen: dict[str, list[float]] = {}
    gaps, end = 0, time.time() + float(sys.argv[2])
    while True:
        token, now = read_key(sys.argv[1]), time.time()
        gaps += token is None
        if token:
            seen.setdefault(token, [now, now])[1] = now
        if now >= end:
            break
        time.sleep(0.01)  # the pace of the reader
    print(json.dumps({"tokens": [[token, *times] for token, times in seen.items()], "gaps": gaps}))


if __name__ == "__main__":
    main()
