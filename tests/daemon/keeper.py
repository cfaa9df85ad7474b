# SPDX-License-Identifier: MIT
"""oidc-keyringd on a bus of its own, started and restarted with its fd store as a service manager would."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator

from gateway import Caller
from output import Output
from service_manager import ServiceManager

# A user's bus that lets everybody in, as no user's bus does.
OPEN_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>{address}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
  </policy>
</busconfig>
"""

CODE = re.compile(r"\b[A-Z]{4}-[A-Z]{4}\b")
STOP_SECONDS = 15  # TimeoutStopSec= of the unit
READER = Path(__file__).resolve().parent / "reader.py"


class Login:
    """A running `oidc-keyring login`; what it has written so far is in `out` and `err`."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.process, self.out, self.err = process, Output(), Output()
        self._following = [self.out.follow(process.stdout), self.err.follow(process.stderr)]

    def code(self) -> str:
        """Waits until it has shown one."""
        self.out.wait_until(lambda: CODE.search(self.out.text) is not None)
        return CODE.search(self.out.text).group()

    def finish(self) -> int:
        status = self.process.wait(60)
        for thread in self._following:
            thread.join()
        return status


class Keeper:
    """Started by `with`; the gateway is the one of tests/gateway."""

    def __init__(self, build: Path, gateway, user: str, open_to_all: bool = False, log: Output | None = None) -> None:
        self.build, self.gateway, self.user = build, gateway, user
        self.log = log or Output()
        self._open_to_all = open_to_all
        self._callers: list[Caller] = []
        self.inside: list[object] = []  # what daemon and command are started by
        self.uid = pwd.getpwnam(user).pw_uid

    def __enter__(self) -> Keeper:
        self.folder = Path(tempfile.mkdtemp(prefix="oidc-keyringd."))
        os.chown(self.folder, self.uid, self.uid)
        self.environment = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS")},
            "XDG_RUNTIME_DIR": str(self.folder),
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={self.folder / 'bus'}",
            "DBUS_SYSTEM_BUS_ADDRESS": self.gateway.environment["DBUS_SYSTEM_BUS_ADDRESS"]}
        self.manager = ServiceManager(self.folder / "notify")
        self.bus = subprocess.Popen(
            ["dbus-daemon", *self._bus_options(), "--nofork", "--print-address"], stdout=subprocess.PIPE, text=True, user=self.uid, group=self.uid, extra_groups=[],
            env=self.environment)
        assert self.bus.stdout.readline()
        self.start()
        return self

    def start(self) -> None:
        """With what is stored. Returns when it says that it is ready, and so has its name."""
        self.process = self.manager.start(*self.inside, self.build / "oidc-keyringd", env=self.environment, user=self.uid,
                                          group=self.uid, extra_groups=[], stderr=subprocess.PIPE)
        self._following = self.log.follow(self.process.stderr)
        self.manager.wait_until_ready(self.log)

    def _bus_options(self) -> list[str]:
        address = self.environment["DBUS_SESSION_BUS_ADDRESS"]
        if not self._open_to_all:
            return ["--session", f"--address={address}"]
        (self.folder / "bus.conf").write_text(OPEN_BUS.format(address=address))
        self.folder.chmod(0o755)
        return [f"--config-file={self.folder / 'bus.conf'}"]

    def caller(self, uid: int | None = None) -> Caller:
        """Of the daemon, by "user:METHOD", and of the gateway."""
        caller = Caller(self.build / "tests/gateway/gateway-call", self.environment, self.uid if uid is None else uid)
        self._callers.append(caller)
        return caller

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """For good: the store is emptied."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(STOP_SECONDS) == 0
        self._following.join()

    def __exit__(self, *_: object) -> None:
        for caller in self._callers:
            caller.close()
        if self.process.poll() is None:
            self.stop()
        self.bus.terminate()
        self.bus.wait()
        self._following.join()
        subprocess.run(["/usr/bin/python3", "-B", READER, "oidc:corp"], user=self.uid, check=True)
        subprocess.run(["rm", "-rf", self.folder], check=True)

    def run(self, *argv: object, check: bool = False) -> subprocess.CompletedProcess:
        return subprocess.run(list(map(str, argv)), env=self.environment, user=self.uid, group=self.uid,
                              extra_groups=[], text=True, capture_output=True, check=check)

    def cli(self, *argv: str) -> subprocess.CompletedProcess:
        return self.run(*self.inside, self.build / "oidc-keyring", *argv)

    def start_refresh(self) -> subprocess.Popen:
        """`oidc-keyring refresh`, not waited for."""
        return subprocess.Popen([self.build / "oidc-keyring", "refresh"], env=self.environment, user=self.uid,
                                group=self.uid, extra_groups=[], stderr=subprocess.DEVNULL)

    def log_in_again(self, *argv: str) -> Login:
        """`oidc-keyring login` without a terminal."""
        process = subprocess.Popen([self.build / "oidc-keyring", "login", *argv], env=self.environment, user=self.uid,
                                   group=self.uid, extra_groups=[], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return Login(process)

    def account(self) -> dict:
        accounts = json.loads(self.cli("status", "--json").stdout)["accounts"]
        return accounts[0] if accounts else {}

    def approved(self) -> list[object]:
        """The command that hands over the grant of a login, as the module does."""
        caller = Caller(self.build / "tests/gateway/gateway-call", self.environment, self.uid)
        with contextlib.closing(caller):
            login = caller.begin(self.user)
            self.gateway.idp.approve(login["code"], self.user)
            caller.call("AwaitLogin", "s", login["id"])
        return [self.build / "tests/daemon/hand-over", login["id"], self.user]

    def log_in(self) -> None:
        self.run(*self.approved(), check=True)

    def reader(self, seconds: float) -> subprocess.Popen:
        """A program of the user that reads the token 100 times a second; prints [token, first, last] and gaps."""
        return subprocess.Popen(["/usr/bin/python3", "-B", READER, "oidc:corp", str(seconds)], user=self.uid,
                                group=self.uid, extra_groups=[], text=True, stdout=subprocess.PIPE)

    def token(self) -> str | None:
        seen = json.loads(self.reader(0).communicate()[0])
        return seen["tokens"][0][0] if seen["tokens"] else None

    @contextlib.contextmanager
    def follow(self, *argv: object, ready: str, errors: bool = False) -> Iterator[Output]:
        """What a program of the user's writes, from its line `ready` on, which may be one of its errors."""
        output = Output()
        process = subprocess.Popen(list(map(str, argv)), env=self.environment, user=self.uid, group=self.uid,
                                   extra_groups=[], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        first = (process.stderr if errors else process.stdout).readline()
        assert ready in first.decode(), first
        following = output.follow(process.stdout)
        try:
            yield output
        finally:
            process.terminate()
            process.wait()
            process.stderr.close()
            following.join()

    def signals(self) -> contextlib.AbstractContextManager[Output]:
        """The daemon's, none missed."""
        return self.follow("busctl", "--user", "--match=type='signal',path_namespace='/org/oidckeyring/Keyring1'",
                           "monitor", ready="Monitoring", errors=True)

    def desktop(self) -> contextlib.AbstractContextManager[Output]:
        """One that shows notifications: see fake-desktop.c."""
        return self.follow(self.build / "tests/daemon/fake-desktop", ready="ready")

    def wait_for(self, **values: object) -> None:
        """Until the account has these; asks again with every signal of the daemon's."""
        with self.signals() as signals:
            signals.wait_until(lambda: values.items() <= self.account().items())

    def wait_for_state(self, state: str) -> None:
        self.wait_for(state=state)

    def proc(self, name: str, pattern: str) -> int:
        text = Path(f"/proc/{self.process.pid}/{name}").read_text()
        return sum(map(int, re.findall(pattern, text, re.MULTILINE)))
