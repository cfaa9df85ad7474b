# SPDX-License-Identifier: MIT
"""What a run of many users changes of its host, in namespaces of its own: names, the network, who is logged in."""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Iterable

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
SIOCSIFFLAGS, SIOCSIFADDR = 0x8914, 0x8916
IFF_UP = 1
CAP_NET_ADMIN = 12
CHANGES, BETWEEN_CHANGES = 3, 0.6
LOGGED_IN = Path("/run/systemd/users")


def unshare(flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    if flags & CLONE_NEWNS:
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def name_users(names: dict[str, int]) -> None:
    """As dbus-daemon and the gateway want them."""
    with tempfile.NamedTemporaryFile("w", prefix="passwd.") as file:
        file.write(Path("/etc/passwd").read_text())
        file.writelines(f"{name}:x:{uid}:{uid}::/:/usr/sbin/nologin\n" for name, uid in names.items())
        file.flush()
        os.chmod(file.name, 0o644)
        subprocess.run(["mount", "--bind", file.name, "/etc/passwd"], check=True)


def count_as_logged_in(uids: Iterable[int]) -> None:
    """What logind would write of them, and of nobody else."""
    LOGGED_IN.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", LOGGED_IN], check=True)
    for uid in uids:
        (LOGGED_IN / str(uid)).write_text("STATE=active\n")


class OwnNetwork:
    """One with a loopback interface and nothing else, whose addresses can change."""

    @staticmethod
    def is_permitted() -> bool:
        """Not so for root in some containers."""
        effective = re.search(r"^CapEff:\s+(\w+)", Path("/proc/self/status").read_text(), re.MULTILINE)[1]
        return int(effective, 16) >> CAP_NET_ADMIN & 1 == 1

    def __init__(self) -> None:
        unshare(CLONE_NEWNET)
        self._number = 1
        self._request(SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", IFF_UP))

    def come_up(self) -> None:
        """As an interface does: not all of it at once."""
        for _ in range(CHANGES):
            self._number += 1
            address = socket.inet_aton(f"127.0.1.{self._number}")
            self._request(SIOCSIFADDR, struct.pack("16sHH4s16x", b"lo:1", socket.AF_INET, 0, address))
            time.sleep(BETWEEN_CHANGES)  # its own pace

    @staticmethod
    def _request(number: int, interface: bytes) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, number, interface)
