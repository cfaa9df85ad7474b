# SPDX-License-Identifier: MIT
"""The system bus with the policy as it is installed: what a user may not do is refused by the bus, and by the code."""

from __future__ import annotations

import os
import select
import subprocess
import time
from typing import Iterator

import pytest

from host import GATEWAY, Host
from terminal import PATIENCE

NAME, PATH = "org.oidckeyring.Gateway1", "/org/oidckeyring/Gateway1"
ROOT_ONLY = (("Check", "s", "corp"), ("ListBindings", "ss", "", ""), ("ClearBinding", "ss", "corp", "alice"))
OPENED = "/etc/dbus-1/system.d/zz-opened.conf"
OPEN_POLICY = f"""<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <policy context="mandatory">
    <allow send_destination="{NAME}"/>
  </policy>
</busconfig>
"""


def reload_policy(host: Host) -> None:
    host.machine.run("busctl", "call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "ReloadConfig")


@pytest.fixture
def opened(host: Host) -> Iterator[Host]:
    """The policy lets everybody send everything to the gateway."""
    host.machine.write(OPENED, OPEN_POLICY)
    reload_policy(host)
    yield host
    host.machine.sh(f"rm {OPENED}")
    reload_policy(host)


def call(host: Host, user: str, method: str, *arguments: str, interface: str = NAME) -> subprocess.CompletedProcess[str]:
    return host.as_user(user, "dbus-send", "--system", "--print-reply", f"--dest={NAME}", PATH, f"{interface}.{method}",
                        *(f"string:{argument}" for argument in arguments), check=False)


def refused_by_the_bus(done: subprocess.CompletedProcess[str]) -> bool:
    """In its own words, which no code of ours has."""
    return (done.returncode != 0 and "org.freedesktop.DBus.Error.AccessDenied" in done.stderr
            and "Rejected send message" in done.stderr)


@pytest.mark.parametrize("method, signature, arguments", [(name, types, more) for name, types, *more in ROOT_ONLY])
def test_methods_for_root_alone(host: Host, method: str, signature: str, arguments: list[str]) -> None:
    assert refused_by_the_bus(call(host, "alice", method, *arguments))
    assert "Rejected" not in call(host, "root", method, *arguments).stderr


@pytest.mark.parametrize("method, signature, arguments", [(name, types, more) for name, types, *more in ROOT_ONLY])
def test_the_code_refuses_as_well(opened: Host, method: str, signature: str, arguments: list[str]) -> None:
    done = call(opened, "alice", method, *arguments)
    assert done.returncode != 0 and "org.oidckeyring.Error.NotPermitted" in done.stderr


def test_for_somebody_else(host: Host) -> None:
    for method, arguments in (("CheckAccount", ("corp", "bob")), ("BeginLogin", ("corp", "bob", "", "", "", "none"))):
        done = call(host, "alice", method, *arguments)
        assert done.returncode != 0 and "org.oidckeyring.Error.NotPermitted" in done.stderr
    assert call(host, "alice", "CheckAccount", "corp", "alice").returncode == 0


def test_what_is_not_named_is_refused(host: Host) -> None:
    for method, arguments, interface in (
            ("Nonsense", (), NAME), ("Set", (NAME, "Version"), "org.freedesktop.DBus.Properties"),
            ("GetManagedObjects", (), "org.freedesktop.DBus.ObjectManager"),
            ("SetLogLevel", ("debug",), "org.freedesktop.LogControl1")):
        assert refused_by_the_bus(call(host, "alice", method, *arguments, interface=interface)), method


def request_name(host: Host, user: str) -> subprocess.CompletedProcess[str]:
    return host.as_user(user, "dbus-send", "--system", "--print-reply", "--dest=org.freedesktop.DBus", "/",
                        "org.freedesktop.DBus.RequestName", f"string:{NAME}", "uint32:2", check=False)


def test_nobody_else_takes_the_name(host: Host) -> None:
    host.machine.run("systemctl", "stop", GATEWAY)
    for user in ("alice", "root"):
        done = request_name(host, user)
        assert done.returncode != 0 and "org.freedesktop.DBus.Error.AccessDenied" in done.stderr, user
    assert call(host, "alice", "CheckAccount", "corp", "alice").returncode == 0


class Listener:
    """Somebody who waits for signals, with no privileges."""

    def __init__(self, host: Host, user: str) -> None:
        self._host = host
        uid = str(host.uid(user))
        self._process = host.machine.popen("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "stdbuf", "-oL",
                                           "dbus-monitor", "--system", "type='signal'", stdout=subprocess.PIPE,
                                           stderr=subprocess.DEVNULL)
        self.seen = ""

    def __enter__(self) -> Listener:
        return self

    def hear(self, text: str) -> None:
        """Reads on until that comes."""
        end = time.monotonic() + PATIENCE
        while text not in self.seen:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0, end - time.monotonic()))
            part = os.read(self._process.stdout.fileno(), 1 << 16) if ready else b""
            assert part, f"no {text} in {self.seen}"
            self.seen += part.decode()

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def send_signal(host: Host, user: str, interface: str, text: str, member: str = "LoginEnded") -> None:
    host.as_user(user, "dbus-send", "--system", "--type=signal", PATH, f"{interface}.{member}", f"string:{text}")


@pytest.mark.parametrize("user", ["alice", "root"])
def test_signals_in_its_name(host: Host, user: str) -> None:
    """What another interface says arrives, before and after."""
    with Listener(host, "bob") as listener:
        listener.hear("NameAcquired")
        send_signal(host, user, "org.example.Other", "before")
        send_signal(host, user, NAME, "forged")
        send_signal(host, user, NAME, "forged", member="NetworkChanged")
        send_signal(host, user, "org.example.Other", "after")
        listener.hear("after")
    assert "before" in listener.seen and "forged" not in listener.seen
