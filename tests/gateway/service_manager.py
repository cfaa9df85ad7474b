# SPDX-License-Identifier: MIT
"""What a service sees of its service manager: the notification socket, and the store of descriptors behind it."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import threading
from collections import deque
from pathlib import Path

MESSAGES_KEPT = 10000
FIRST_PASSED = 2000
# A shell would keep descriptors from 10 on to itself.
LAUNCHER = """
import os, sys
for place, fd in enumerate(map(int, sys.argv[1].split(",")), 3):
    os.dup2(fd, place)
    os.close(fd)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


class ServiceManager:
    """Starts one service, as often as wanted, each time with what it has stored."""

    def __init__(self, path: Path) -> None:
        self.store: dict[str, list[int]] = {}
        self.messages: deque[str] = deque(maxlen=MESSAGES_KEPT)
        self._path = path
        self._changed = threading.Condition()
        self._ready = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        path.chmod(0o777)
        threading.Thread(target=self._run, daemon=True).start()

    def start(self, *argv: object, env: dict[str, str], **options: object) -> subprocess.Popen:
        """With what is stored, as LISTEN_FDS. `wait_until_ready` tells when it is up."""
        self._take_up_what_was_sent()
        self._ready = False
        stored = [(name, fd) for name, fds in self.store.items() for fd in fds]
        env = env | {"NOTIFY_SOCKET": str(self._path)}
        if not stored:
            return subprocess.Popen(list(map(str, argv)), env=env, **options)
        env |= {"LISTEN_FDS": str(len(stored)), "LISTEN_FDNAMES": ":".join(name for name, _ in stored)}
        # from above all of their places, and not left open where they came from
        passed = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST_PASSED) for _, fd in stored]
        try:
            return subprocess.Popen(["/usr/bin/python3", "-IS", "-c", LAUNCHER, ",".join(map(str, passed)), *map(str, argv)],
                                    env=env, pass_fds=passed, **options)
        finally:
            for fd in passed:
                os.close(fd)

    def wait_until_ready(self, what_it_says: object, timeout: float = 15) -> None:
        self._wait(lambda: self._ready, what_it_says, timeout)

    def wait_for_stored(self, prefix: str, number: int, timeout: float = 15) -> None:
        """Until so many descriptors of that kind are stored."""
        self._wait(lambda: self.stored(prefix) == number, self.store, timeout)

    def stored(self, prefix: str) -> int:
        return sum(len(fds) for name, fds in self.store.items() if name.startswith(prefix))

    def _take_up_what_was_sent(self) -> None:
        """All that a former process wrote before it ended: messages are in order, and this one comes last."""
        mine, theirs = os.pipe()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(str(self._path))
            socket.send_fds(sender, [b"BARRIER=1"], [theirs])
        os.close(theirs)
        os.read(mine, 1)  # until the other end is closed
        os.close(mine)

    def _wait(self, condition, what: object, timeout: float) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, timeout), str(what)

    def _run(self) -> None:
        while True:
            data, fds, _, _ = socket.recv_fds(self._socket, 4096, 8)
            with self._changed:
                self._take(data.decode(), fds)
                self._changed.notify_all()

    def _take(self, message: str, fds: list[int]) -> None:
        self.messages.append(message)
        fields = dict(line.split("=", 1) for line in message.splitlines())
        self._ready = self._ready or fields.get("READY") == "1"
        if "FDSTORE" in fields:
            self.store.setdefault(fields["FDNAME"], []).extend(fds)
            return
        for fd in fds:
            os.close(fd)
        for fd in self.store.pop(fields["FDNAME"], []) if "FDSTOREREMOVE" in fields else ():
            os.close(fd)
