# SPDX-License-Identifier: MIT
"""Programs on a terminal in the machine, as a person sees them."""

from __future__ import annotations

import re
from typing import Sequence, TextIO, TypeVar

import pexpect

from machine import Machine

Self = TypeVar("Self", bound="Terminal")

PATIENCE = 90.0
# what the ssh client in the machine keeps: its key and the hosts that it knows
CLIENT = "/var/lib/ssh-client"
# what terminals do not show: operating system commands and control sequences
_ESCAPES = re.compile(r"\x1b\][^\x07\x1b]*(\x07|\x1b\\)|\x1b\[[0-?]*[ -/]*[@-~]")
_MARK = "=====8<====="


class Terminal:
    """A program with a terminal of its own. `screen` is all that it has shown so far."""

    def __init__(self, machine: Machine, *argv: str) -> None:
        command, *args = machine.enter_command(*argv)
        self._log: list[str] = []
        self._echo: TextIO | None = None
        self._child = pexpect.spawn(command, args, preexec_fn=machine.join, timeout=PATIENCE, encoding="utf-8",
                                    codec_errors="replace", dimensions=(60, 120), cwd="/")
        self._child.logfile_read = self
        self._child.delaybeforesend = None

    def echo_to(self, stream: TextIO) -> None:
        """Shows what is on the screen from now on to somebody else, too."""
        self._echo = stream

    # what pexpect wants of a log file
    def write(self, text: str) -> None:
        self._log.append(text)
        if self._echo is not None:
            self._echo.write(text)
            self._echo.flush()

    def flush(self) -> None:
        pass

    @property
    def raw(self) -> str:
        """All that the terminal was sent."""
        return "".join(self._log)

    @property
    def screen(self) -> str:
        return _ESCAPES.sub("", self.raw).replace("\r\n", "\n")

    def expect(self, pattern: str) -> re.Match[str]:
        """Waits until the pattern is on the screen, after what was found before."""
        try:
            self._child.expect(pattern)
        except (pexpect.EOF, pexpect.TIMEOUT) as error:
            raise AssertionError(f"{pattern!r} was not shown ({type(error).__name__}), but:\n{self.screen}") from None
        assert isinstance(self._child.match, re.Match)
        return self._child.match

    def send(self, line: str = "") -> None:
        self._child.sendline(line)

    def interrupt(self) -> None:
        """Control-C."""
        self._child.sendintr()

    def finish(self) -> int:
        """Waits for the program's end and returns its exit status."""
        try:
            self._child.expect(pexpect.EOF)
        except pexpect.TIMEOUT:
            raise AssertionError(f"the program did not end; it showed:\n{self.screen}") from None
        self._child.close()
        return self._child.exitstatus if self._child.exitstatus is not None else -self._child.signalstatus

    def hang_up(self) -> None:
        """The terminal goes away under the program, as when a window is closed."""
        self._child.close(force=True)

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()


class MachineTerminal(Terminal):
    """A program on a terminal that the machine itself knows, as programs need that ask for their terminal's name."""

    def __init__(self, machine: Machine, command: str) -> None:
        super().__init__(machine, "script", "--quiet", "--return", "--command", f"exec {command}",
                         "/dev/null")


class Ssh(Terminal):
    """An ssh client in the machine that logs in to the machine's own sshd by keyboard-interactive.

    A mark tells the output of the command from what the client itself shows before.
    """

    def __init__(self, machine: Machine, user: str, command: str | None = None, options: Sequence[str] = (),
                 marked: bool = True) -> None:
        remote = [] if command is None else [f"echo '{_MARK}'; {command}" if marked else command]
        super().__init__(machine, *ssh_command(machine, user, *options), *remote)

    def output(self) -> str:
        """Waits for the end of the session and returns what its command wrote."""
        status = self.finish()
        _, mark, output = self.screen.partition(f"{_MARK}\n")
        if status != 0 or not mark:
            raise AssertionError(f"no session, or its command failed ({status}); the client showed:\n{self.screen}")
        return output


def ssh_command(machine: Machine, user: str, *options: str) -> list[str]:
    known = machine.read("/etc/ssh/ssh_host_ed25519_key.pub").split()[:2]
    machine.write(f"{CLIENT}/known_hosts", f"[127.0.0.1]:{machine.ssh_port} {' '.join(known)}\n")
    # of two values the client takes the first
    settings = (*options, "PreferredAuthentications=keyboard-interactive", "HostKeyAlgorithms=ssh-ed25519",
                f"UserKnownHostsFile={CLIENT}/known_hosts", f"IdentityFile={CLIENT}/key")
    return ["ssh", "-F", "none", "-p", str(machine.ssh_port), *(f"-o{setting}" for setting in settings),
            f"{user}@127.0.0.1"]
