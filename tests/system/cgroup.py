# SPDX-License-Identifier: MIT
"""A control group of a machine's own, on hosts with systemd and on hosts without.

systemd-nspawn puts the machine below the group it is started in. Two machines started from one group would share it,
so each gets its own; on a host with systemd that group has to be a delegated scope, which systemd-run makes.
"""

from __future__ import annotations

import os
from pathlib import Path

UNIFIED = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
NAMED = "/sys/fs/cgroup/systemd"


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
        self._made: list[Path] = []

    def launch_prefix(self) -> list[str]:
        if not host_has_systemd():
            return []
        return ["systemd-run", "--quiet", "--scope", "--collect", "--property=Delegate=yes", f"--unit={self.name}"]

    def make(self) -> None:
        if host_has_systemd():
            return
        for mount in hierarchies():
            group = of_process(os.getpid(), mount) / self.name
            group.mkdir(exist_ok=True)
            self._made.append(group)

    def enter(self) -> None:
        """Called in the child that becomes systemd-nspawn."""
        for group in self._made:
            join(group)

    def remove(self) -> None:
        for top in self._made:
            for directory, _, _ in os.walk(top, topdown=False):
                _rmdir(Path(directory))
        self._made = []


def join(group: Path) -> None:
    (group / "cgroup.procs").write_text(str(os.getpid()))


def payload_groups(leader: int) -> list[Path]:
    """A group beside the machine's own units for what the tests start in it, in each hierarchy."""
    groups = []
    for mount in hierarchies():
        group = of_process(leader, mount).parent / "visitors"
        group.mkdir(exist_ok=True)
        groups.append(group)
    return groups


def _rmdir(directory: Path) -> None:
    try:
        directory.rmdir()
    except OSError:
        pass
