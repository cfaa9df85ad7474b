# SPDX-License-Identifier: MIT
"""A control group of a machine's own, on hosts with systemd and on hosts without.

systemd-nspawn puts the machine below the group it is started in. Two machines started from one group would share it,
so each gets its own; on a host with systemd that group has to be a delegated scope, which systemd-run makes.
"""

from __future__ import annotations

import os
import select
import subprocess
from pathlib import Path

UNIFIED = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
NAMED = "/sys/fs/cgroup/systemd"
VISITORS = "visitors"


def host_has_systemd() -> bool:
    return Path("/run/systemd/system").is_dir()


def hierarchies() -> list[Path]:
    """The mount points of the version 2 hierarchy and of systemd's own in version 1, as far as they exist."""
    wanted = {("cgroup2", path) for path in UNIFIED} | {("cgroup", NAMED)}
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    return [Path(fields[1]) for fields in mounts if (fields[2], fields[1]) in wanted]


def of_process(pid: int, mount: Path) -> Path:
    """The group of a process below one mount point."""
    key = "name=systemd" if str(mount) == NAMED else ""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == key:
            return mount / path.lstrip("/")
    raise LookupError(f"process {pid} has no group below {mount}")


class MachineGroup:
    """The groups of one machine. On a host with systemd the scope does the work and there is nothing to make."""

    def __init__(self, name: str) -> None:
        self.name = name

    def launch_prefix(self) -> list[str]:
        if not host_has_systemd():
            return []
        return ["systemd-run", "--quiet", "--scope", "--collect", "--property=Delegate=yes", f"--unit={self.name}"]

    def enter(self) -> None:
        """Called in the child that becomes systemd-nspawn."""
        if host_has_systemd():
            return
        for group in self._groups():
            group.mkdir(exist_ok=True)
            join(group)

    def enter_as_visitor(self, leader: int) -> None:
        """Called in a child that is to run beside the units of the machine with this first process."""
        for mount in hierarchies():
            group = of_process(leader, mount).parent / VISITORS
            group.mkdir(exist_ok=True)
            join(group)

    def kill_visitors(self, leader: int) -> None:
        for mount in hierarchies():
            _kill(of_process(leader, mount).parent / VISITORS)

    def kill(self) -> None:
        """Kills all that is left of the machine and removes the groups."""
        if host_has_systemd():
            subprocess.run(["systemctl", "kill", "--quiet", "--signal=KILL", f"{self.name}.scope"],
                           stderr=subprocess.DEVNULL, check=False)
            return
        for group in self._groups():
            _kill(group)
            for directory, _, _ in os.walk(group, topdown=False):
                _rmdir(Path(directory))

    def _groups(self) -> list[Path]:
        return [of_process(os.getpid(), mount) / self.name for mount in hierarchies()]


def join(group: Path) -> None:
    (group / "cgroup.procs").write_text(str(os.getpid()))


def _kill(group: Path) -> None:
    """Kills all processes of a version 2 group and waits until they are gone."""
    if not (group / "cgroup.kill").exists():
        return
    with (group / "cgroup.events").open("rb", buffering=0) as events:
        (group / "cgroup.kill").write_text("1")
        changed = select.poll()
        changed.register(events, select.POLLPRI)
        while b"populated 1" in os.pread(events.fileno(), 4096, 0):
            changed.poll()


def _rmdir(directory: Path) -> None:
    try:
        directory.rmdir()
    except OSError:
        pass
