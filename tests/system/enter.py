# SPDX-License-Identifier: MIT
"""Boots a throw-away machine, runs a command in it as root (a shell by default), and removes it."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from image import SUITES
from machine import Machine, exit_when_told


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/machine", description=__doc__)
    parser.add_argument("--suite", choices=SUITES, default=SUITES[0])
    parser.add_argument("--deb", type=Path, action="append", default=[], help="a package to install, repeatable")
    parser.add_argument("command", nargs="*", help="what to run in the machine; put -- before it")
    return parser.parse_args()


def main() -> int:
    args = arguments()
    exit_when_told()
    with Machine(args.suite) as machine:
        machine.install(*args.deb)
        print(f"{args.suite} is up; its sshd listens on 127.0.0.1 port {machine.ssh_port}", file=sys.stderr)
        command = machine.enter_command(*(args.command or ["bash", "-l"]))
        return subprocess.run(command, preexec_fn=machine.join, cwd="/").returncode


if __name__ == "__main__":
    sys.exit(main())
