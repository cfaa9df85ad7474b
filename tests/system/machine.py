# SPDX-License-Identifier: MIT
"""A Debian machine with a real systemd, logind, D-Bus, sshd and PAM, booted by systemd-nspawn.

It needs root and nothing of the host but the kernel: neither the host's init, nor its PAM, nor its sshd are touched.
It shares the host's network, so its sshd listens on a loopback port that was free. Whatever way the owner of a
machine ends, the machine ends with it, and its files, control groups and kernel keys go.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Sequence

import cgroup
import image
from keys import UidBlock

SCRATCH = Path(os.environ.get("OIDC_KEYRING_TEST_SCRATCH", "/var/tmp"))
BOOT_TIMEOUT = 120.0
HALT_TIMEOUT = 60.0
RUN_TIMEOUT = 120.0
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HOSTNAME = "testhost"

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Machine:
    """One machine. Use it as a context manager: it is booted inside and gone afterwards."""

    def __init__(self, suite: str = "bookworm") -> None:
        self.suite = suite
        self.leader = 0
        self.ssh_port = free_port()
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._uids = UidBlock()
        self.name = f"oidc-keyring-machine-{self._uids.first}"
        self._group = cgroup.MachineGroup(self.name)
        self._home = SCRATCH / self.name
        self.root = self._home / "root"

    def __enter__(self) -> Machine:
        try:
            self._remove_home()  # of a run that was killed
            self._home.mkdir(mode=0o755)
            image.unpack(image.image(self.suite, "machine", image.machine_packages(self.suite)), self.root)
            self._prepare()
            self.boot()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # life

    def boot(self) -> None:
        """Starts the machine and returns when its systemd says that start-up is finished."""
        with _notify_socket(self._home / "notify") as events:
            with self.console.open("ab") as console:
                self._nspawn = subprocess.Popen(
                    self._nspawn_command(), stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                    start_new_session=True, preexec_fn=self._become_nspawn, env=self._nspawn_environment())
            self._await_ready(events)

    def poweroff(self) -> None:
        """Shuts the machine down in an orderly way and returns when it is gone."""
        self._end(signal.SIGTERM)

    def cut_power(self) -> None:
        """Ends it without telling anybody in it."""
        self._group.kill()
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        if self._nspawn is None:
            return
        self._group.kill_visitors(self.leader)
        self._nspawn.send_signal(number)
        try:
            self._nspawn.wait(HALT_TIMEOUT)
        except subprocess.TimeoutExpired:
            pass
        self._group.kill()
        self._nspawn.wait()
        self._nspawn = None
        self.leader = 0

    def reboot(self) -> None:
        self.poweroff()
        self.boot()

    def close(self) -> None:
        self.poweroff()
        self._remove_home()
        self._uids.release()

    # use

    @property
    def console(self) -> Path:
        return self._home / "console.log"

    def enter_command(self, *argv: str) -> list[str]:
        """The command that runs argv as root in the machine; it must be started through `join`."""
        return ["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--",
                "env", "-i", f"PATH={PATH}", "HOME=/root", "TERM=xterm", "LANG=C.UTF-8", *argv]

    def mounted(self, path: str) -> Path:
        """Where the host finds what the machine itself has mounted, such as its /run."""
        return Path("/proc", str(self.leader), "root", path)

    def join(self) -> None:
        """To be called in a child before it becomes `enter_command`: makes it a part of the machine's groups."""
        die_with_parent(signal.SIGKILL)
        self._group.enter_as_visitor(self.leader)

    def run(self, *argv: str, check: bool = True, input: str | None = None,
            timeout: float = RUN_TIMEOUT) -> subprocess.CompletedProcess[str]:
        """Runs a command as root in the machine; what it wrote is text."""
        done = subprocess.run(self.enter_command(*argv), capture_output=True, preexec_fn=self.join,
                              text=True, errors="replace", timeout=timeout, cwd="/", **_stdin(input))
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(argv)!r} ended with {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def sh(self, script: str, **kwargs: Any) -> str:
        """Runs a shell script as root in the machine and returns what it wrote."""
        return self.run("sh", "-ec", script, **kwargs).stdout

    def popen(self, *argv: str, **kwargs: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(self.enter_command(*argv), preexec_fn=self.join, text=True, cwd="/", **kwargs)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Replaces a file of the machine, whether it is booted or not."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        part.write_text(text)
        part.chmod(mode)
        part.rename(target)

    def read(self, path: str) -> str:
        return (self.root / path.lstrip("/")).read_text()

    def uid(self, index: int) -> int:
        """The machine's user id of that index; no one else uses its kernel keyring meanwhile."""
        return self._uids.uids[index]

    def add_user(self, name: str, index: int, password: str | None = None) -> int:
        uid = self.uid(index)
        self._chroot("groupadd", "-g", str(uid), name)
        self._chroot("useradd", "-m", "-u", str(uid), "-g", str(uid), "-s", "/bin/bash", name)
        if password is not None:
            self._chroot("chpasswd", input=f"{name}:{password}\n")
        return uid

    def install(self, *packages: Path) -> None:
        """Installs Debian packages, given as files, with apt and their dependencies."""
        self._apt_install(packages)

    def reinstall(self, *packages: Path) -> None:
        """As an upgrade does: the same files again, with all maintainer scripts."""
        self._apt_install(packages, "--reinstall")

    def _apt_install(self, packages: Sequence[Path], *options: str) -> None:
        if not packages:
            return
        names = []
        for package in packages:
            shutil.copy(package, self.root / "var/tmp" / package.name)
            names.append(f"/var/tmp/{package.name}")
        self.run("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "install", *options, *names,
                 timeout=600)

    # parts

    def _prepare(self) -> None:
        self.write("/etc/hostname", f"{HOSTNAME}\n")
        self.write("/etc/hosts", f"127.0.0.1 localhost {HOSTNAME}\n")
        self.write("/etc/systemd/journald.conf.d/test.conf",
                   "[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\nForwardToConsole=no\n")
        # later ones shut out an address with many failures, and here everybody has the same
        penalties = "" if self.suite == "bookworm" else "PerSourcePenalties no\n"
        self.write("/etc/ssh/sshd_config.d/00-test.conf",
                   f"ListenAddress 127.0.0.1:{self.ssh_port}\nKbdInteractiveAuthentication yes\n{penalties}")
        for timer in ("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer"):
            self._chroot("systemctl", "mask", "--quiet", timer)

    def _chroot(self, *argv: str, input: str | None = None) -> None:
        subprocess.run(["chroot", str(self.root), *argv], check=True, text=True, capture_output=True, cwd="/",
                       env={"PATH": PATH, "LANG": "C.UTF-8"}, **_stdin(input))

    def _nspawn_command(self) -> list[str]:
        return [*self._group.launch_prefix(), "systemd-nspawn", "--quiet", f"--directory={self.root}", "--boot",
                f"--machine={self.name}", f"--hostname={HOSTNAME}", "--register=no", "--keep-unit",
                "--settings=no", "--system-call-filter=@keyring @memlock", "--notify-ready=yes", "--console=pipe",
                "--link-journal=no", "--resolv-conf=replace-host", "--timezone=off"]

    def _nspawn_environment(self) -> dict[str, str]:
        return {"PATH": PATH, "LANG": "C.UTF-8", "NOTIFY_SOCKET": str(self._home / "notify"),
                # later suites run on the unified hierarchy only, whatever the host has
                "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}

    def _become_nspawn(self) -> None:
        die_with_parent()
        self._group.enter()

    def _await_ready(self, events: socket.socket) -> None:
        assert self._nspawn is not None
        with open(os.pidfd_open(self._nspawn.pid), "rb") as death:
            while True:
                readable, _, _ = select.select([events, death], [], [], BOOT_TIMEOUT)
                if events not in readable:
                    raise RuntimeError(f"the machine did not finish booting\n{self._console_tail()}")
                if self._take_event(events.recv(65536).decode(errors="replace").splitlines()):
                    return

    def _take_event(self, lines: list[str]) -> bool:
        for line in lines:
            if line.startswith("X_NSPAWN_LEADER_PID="):
                self.leader = int(line.partition("=")[2])
        return "READY=1" in lines

    def _console_tail(self) -> str:
        return self.console.read_text(errors="replace")[-4000:]

    def _remove_home(self) -> None:
        self._group.kill()
        if self._home.exists():
            shutil.rmtree(self._home)


def exit_when_told() -> None:
    """Lets the machines end with a program that is told to, as by a terminal that was closed."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda got, _: sys.exit(128 + got))


def die_with_parent(by: int = signal.SIGTERM) -> None:
    """Called in a child: it gets this signal when its parent is gone."""
    _libc.prctl(_PR_SET_PDEATHSIG, by)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _stdin(text: str | None) -> dict[str, Any]:
    return {"stdin": subprocess.DEVNULL} if text is None else {"input": text}


def _notify_socket(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    events = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    events.bind(str(path))
    return events
