# SPDX-License-Identifier: MIT
"""The machine itself, without the package: what the other tests take for granted."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Iterator

import pytest

from cgroup import hierarchies, of_process
from keys import as_user, uids_with_keys
from machine import Machine
from terminal import Ssh

PASSWORD = "correct horse"

# Switches only the effective user id of one thread, as a program full of threads has to, then greets the user's bus.
REACH_BUS = """
use Socket; my ($uid, $nr) = @ARGV;
syscall(int($nr), -1, int($uid), -1) == 0 or die "setresuid: $!";
socket(my $bus, AF_UNIX, SOCK_STREAM, 0) or die "socket: $!";
connect($bus, pack_sockaddr_un("/run/user/$uid/bus")) or die "connect: $!";
my $hex = unpack("H*", $uid); syswrite($bus, "\\0AUTH EXTERNAL $hex\\r\\n");
sysread($bus, my $answer, 100); print $answer;
"""
SETRESUID = {"x86_64": 117, "aarch64": 147}


@pytest.fixture(scope="module")
def bare(suite: str) -> Iterator[Machine]:
    with Machine(suite) as machine:
        machine.add_user("carol", 9, PASSWORD)
        yield machine


def password_login(machine: Machine, command: str) -> Ssh:
    client = Ssh(machine, "carol", command)
    client.expect("[Pp]assword: ")
    client.send(PASSWORD)
    return client


def test_boots_without_failed_unit(bare: Machine) -> None:
    assert bare.run("systemctl", "is-system-running", check=False).stdout == "running\n", bare.sh("systemctl --failed")


def test_login_has_user_manager_and_bus(bare: Machine) -> None:
    with password_login(bare, "echo $XDG_RUNTIME_DIR; systemctl --user is-system-running; "
                              "busctl --user call org.freedesktop.DBus / org.freedesktop.DBus GetId") as client:
        directory, state, answer = client.output().splitlines()
    assert directory == f"/run/user/{bare.uid(9)}"
    assert state == "running"
    assert answer.startswith('s "')


def test_login_has_kernel_keyring(bare: Machine) -> None:
    with password_login(bare, "keyctl add user test:key payload @u >/dev/null; keyctl pipe %user:test:key") as client:
        assert client.output() == "payload"


def test_user_is_told_apart_by_bus_for_a_thread_of_root(bare: Machine) -> None:
    number = SETRESUID[bare.run("uname", "-m").stdout.strip()]
    with password_login(bare, "echo ready; read -r line") as client:
        client.expect("ready")
        answer = bare.run("perl", "-e", REACH_BUS, str(bare.uid(9)), str(number)).stdout
        client.send()
        client.output()
    assert answer.startswith("OK ")


def test_nothing_stays_behind(suite: str) -> None:
    with Machine(suite) as machine:
        uid = machine.add_user("dave", 0)
        subprocess.run([*as_user(uid), "keyctl", "add", "user", "test:left", "secret", "@u"],
                       check=True, capture_output=True)
        home, leader = machine.root.parent, machine.leader
        assert uid in uids_with_keys()

    assert not home.exists()
    assert not Path(f"/proc/{leader}").exists()
    found = subprocess.run([*as_user(uid), "keyctl", "search", "@u", "user", "test:left"], capture_output=True)
    assert found.returncode != 0
    assert not [mount for mount in hierarchies() if (of_process(os.getpid(), mount) / machine.name).exists()]
