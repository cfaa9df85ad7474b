# SPDX-License-Identifier: MIT
"""The walls around gateway and daemon, tried from the inside: a hostile program in the sandbox of the shipped unit."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

from host import DAEMON, GATEWAY, Host
from walls import EXPOSURE_BAR, exposure

PROBE = Path(__file__).with_name("probe.pl")
# Everywhere a service could write if nobody kept it from that, with what is mounted for it alone.
FOLDERS = ("/", "/boot", "/dev", "/dev/mqueue", "/dev/shm", "/etc", "/etc/oidc-keyring", "/home", "/home/alice", "/media",
           "/mnt", "/opt", "/proc/sys/kernel", "/root", "/run", "/run/dbus", "/run/lock", "/run/oidc-keyring-gateway",
           "/run/systemd/system", "/run/user", "/srv", "/sys/fs/cgroup", "/tmp", "/usr", "/usr/libexec", "/usr/local/bin",
           "/var", "/var/cache", "/var/lib", "/var/log", "/var/mail", "/var/spool", "/var/tmp")
UNIX, INET, INET6, NETLINK = 1, 2, 10, 16
NOT_FOR_ANYBODY = ("writable-code", "ptrace", "become-root", "personality", "chroot", "mount", "module", "clock",
                   "user-namespace", "performance-counters", "memory-of-others", "bpf", "userfaultfd", "io-uring")
# Later service managers ask the kernel itself (PR_SET_MDWE) and not a filter.
WALLED_BY_THE_KERNEL = {"writable-code": {"EACCES"}}


class Findings:
    """What the probe said; for sockets of one family, whether one of any kind could be made."""

    def __init__(self, text: str) -> None:
        self.answers: dict[str, set[str]] = defaultdict(set)
        for line in text.splitlines():
            what, answer = line.rsplit(" ", 1)
            self.answers[what].add(answer)

    def refused(self, *names: str) -> bool:
        """By a filter: whatever gets past it fails for another reason, or succeeds."""
        return all(self.answers[name] in ({"EPERM"}, WALLED_BY_THE_KERNEL.get(name)) for name in names)

    @property
    def families(self) -> set[int]:
        return {int(what.removeprefix("socket-")) for what, answers in self.answers.items()
                if what.startswith("socket-") and "ok" in answers}

    @property
    def writable(self) -> set[str]:
        return {what.removeprefix("write-") for what, answers in self.answers.items()
                if what.startswith("write-") and "ok" in answers}

    def status(self, name: str) -> str:
        return "".join(self.answers[f"status-{name}"])


def in_the_place_of(unit: str, host: Host, folder: str) -> str:
    """A unit like the shipped one, whose program is the probe; as text for a file of another name."""
    text = host.machine.read(f"/usr/lib/systemd/{folder}/{unit}")
    kept = [line for line in text.splitlines()
            if not re.match(r"(Type|BusName|ExecStart|ExecReload|Restart|RestartSec|NotifyAccess)=", line)]
    kept.insert(kept.index("[Service]") + 1, f"Type=oneshot\nExecStart=/usr/bin/perl /usr/local/lib/probe.pl {' '.join(FOLDERS)}")
    return "\n".join([*kept, ""])


@pytest.fixture
def probed(host: Host) -> Host:
    host.machine.write("/usr/local/lib/probe.pl", PROBE.read_text())
    return host


def gateway_findings(host: Host) -> Findings:
    host.machine.write("/etc/systemd/system/walls-probe.service", in_the_place_of(GATEWAY, host, "system"))
    host.machine.sh("systemctl daemon-reload; systemctl start walls-probe.service")
    output = host.machine.sh("journalctl --sync; journalctl -q -o cat -u walls-probe.service _COMM=perl")
    host.machine.sh("rm /etc/systemd/system/walls-probe.service; systemctl daemon-reload")
    return Findings(output)


def daemon_findings(host: Host, user: str) -> Findings:
    host.machine.write("/etc/systemd/user/walls-probe.service", in_the_place_of(DAEMON, host, "user"))
    manager = ("env", f"XDG_RUNTIME_DIR=/run/user/{host.uid(user)}", "systemctl", "--user")
    host.as_user(user, *manager, "daemon-reload")
    host.as_user(user, *manager, "start", "walls-probe.service")
    output = host.machine.sh("journalctl --sync; journalctl -q -o cat _SYSTEMD_USER_UNIT=walls-probe.service _COMM=perl")
    host.machine.sh("rm /etc/systemd/user/walls-probe.service")
    return Findings(output)


def test_exposure_of_the_gateway(host: Host) -> None:
    assert exposure(host) <= EXPOSURE_BAR


def test_sandbox_of_the_gateway(probed: Host) -> None:
    findings = gateway_findings(probed)
    assert findings.refused(*NOT_FOR_ANYBODY, "keyring")
    assert findings.families == {UNIX, INET, INET6, NETLINK}  # the last to see that the network changes
    state = probed.machine.run("systemctl", "show", "-P", "StateDirectory", GATEWAY).stdout.split()
    assert findings.writable <= {f"/var/lib/{name}" for name in state}
    assert {name for name in findings.answers if name.startswith("write-")} >= {f"write-{name}" for name in FOLDERS}
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(findings.status(name), 16) == 0
    assert (findings.status("NoNewPrivs"), findings.status("Seccomp")) == ("1", "2")


def test_sandbox_of_the_daemon(probed: Host) -> None:
    with probed.session("alice"):
        findings = daemon_findings(probed, "alice")
    assert findings.refused(*NOT_FOR_ANYBODY)
    assert findings.answers["keyring"] == {"ok"}
    assert findings.families == {UNIX}
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(findings.status(name), 16) == 0
    assert (findings.status("NoNewPrivs"), findings.status("Seccomp")) == ("1", "2")


def test_the_probe_can_find_something(probed: Host) -> None:
    """Without a sandbox, as root, all of it is open or fails for other reasons than a filter's."""
    findings = Findings(probed.machine.run("perl", "/usr/local/lib/probe.pl", *FOLDERS).stdout)
    assert findings.families >= {UNIX, INET, INET6, NETLINK}
    assert findings.writable >= {"/", "/etc", "/run", "/tmp", "/usr", "/var", "/dev/shm"}
    assert not any(findings.refused(name) for name in ("writable-code", "ptrace", "become-root", "chroot", "mount"))
    assert int(findings.status("CapEff"), 16) != 0


@pytest.mark.parametrize("name", ["oidc-keyring-gateway", "oidc-keyringd"])
def test_the_running_process(host: Host, name: str) -> None:
    with host.session("alice"):
        host.cli("alice", "refresh")
        pid = host.machine.sh(f"pgrep -o -f libexec/{name}").strip()
        status = dict(re.findall(r"^(\w+):\s+(\S+)", host.machine.sh(f"cat /proc/{pid}/status"), re.MULTILINE))
        mounts = host.machine.sh(f"cat /proc/{pid}/mountinfo")
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert all(int(status[name], 16) == 0 for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"))
    assert status["Uid"] != "0"
    if name == "oidc-keyring-gateway":
        assert int(status["CapBnd"], 16) == 0
        root = next(line.split() for line in mounts.splitlines() if line.split()[4] == "/")
        assert "ro" in root[5].split(",")
