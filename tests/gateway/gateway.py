# SPDX-License-Identifier: MIT
"""A gateway of one's own: on a private bus, configured for the test provider, with callers of any uid."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

from output import Output
from service_manager import ServiceManager

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <include>{policy}</include>
{activation}
</busconfig>
"""

# Holds back calls until the gateway is there, as the service manager makes the bus do.
ACTIVATION = """  <servicedir>{folder}</servicedir>
"""
SERVICE = """[D-BUS Service]
Name=org.oidckeyring.Gateway1
Exec=/bin/sleep 20
"""

# Lets everybody send everything, as a careless administrator might.
OPEN_POLICY = """  <policy context="mandatory">
    <allow send_destination="org.oidckeyring.Gateway1"/>
  </policy>
</busconfig>
"""

# Of the user that logs in; those below it are not managed.
USER_UID = 34

CONFIG = """[provider corp]
issuer    = {issuer}
client_id = {client_id}
ca_file   = {ca_file}
{more}
"""


def unit_environment() -> dict[str, str]:
    """What the service manager sets for the gateway."""
    unit = (Path(__file__).parents[2] / "gateway/oidc-keyring-gateway.service.in").read_text()
    pairs = (line.removeprefix("Environment=") for line in unit.splitlines() if line.startswith("Environment="))
    return dict(pair.split("=", 1) for pair in pairs)


class GatewayError(Exception):
    """An error that the gateway answered with; `name` is its last word."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name.rpartition(".")[2]
        self.message = message


class Caller:
    """One connection to the bus."""

    def __init__(self, program: Path, environment: dict[str, str], uid: int) -> None:
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                         env=environment, user=uid, bufsize=1)
        self._answers: dict[int, queue.Queue] = {}
        self._next = 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._process.stdout:
            answer = json.loads(line)
            self._answers[answer["tag"]].put(answer)

    def start(self, method: str, signature: str, *arguments: object) -> int:
        """Calls and does not wait; the tag is for finish(), and is the descriptor that the answer brings."""
        self._next += 1
        self._answers[self._next] = queue.Queue()
        self._process.stdin.write("\t".join(map(str, (self._next, method, signature, *arguments))) + "\n")
        return self._next

    def finish(self, tag: int, timeout: float = 40) -> list:
        answer = self._answers[tag].get(timeout=timeout)
        if "error" in answer:
            raise GatewayError(answer["error"], answer["message"])
        return answer["values"]

    def is_answered(self, tag: int) -> bool:
        return not self._answers[tag].empty()

    def call(self, method: str, signature: str, *arguments: object) -> list:
        return self.finish(self.start(method, signature, *arguments))

    def begin(self, user: str, *, provider: str = "corp", rhost: str = "192.0.2.7", qr: str = "none") -> dict:
        names = ("id", "uri", "uri_complete", "code", "expires_usec", "qr")
        return dict(zip(names, self.call("BeginLogin", "ssssss", provider, user, "sshd", rhost, "ssh", qr)))

    def log_in(self, idp, user: str) -> tuple[int, dict]:
        """A whole login: the descriptor's tag and the grant."""
        login = self.begin(user)
        idp.approve(login["code"], user)
        self.call("AwaitLogin", "s", login["id"])
        tag = self.start("ClaimGrant", "ss", login["id"], user)
        return tag, self.finish(tag)[0]

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(10)


class Gateway:
    """Started on its own bus by `with`; ends with it."""

    def __init__(self, build: Path, idp, *, client_id: str = "ssh-login", more: str = "", secret: str = "",
                 options: tuple[str, ...] = (), open_to_all: bool = False, activated: bool = False) -> None:
        self.build, self.idp, self.options = build, idp, options
        self._open_to_all, self._activated = open_to_all, activated
        self._client_id, self._more, self._secret = client_id, more, secret
        self.log = Output()
        self._processes: list[subprocess.Popen] = []
        self._callers: list[Caller] = []

    def __enter__(self) -> Gateway:
        self.folder = Path(tempfile.mkdtemp(prefix="oidc-keyring-gateway."))
        self.folder.chmod(0o755)
        bus_path = self.folder / "bus"
        policy = (Path(__file__).parents[2] / "gateway/org.oidckeyring.Gateway1.conf").read_text()
        policy = policy.replace('user="oidc-keyring"', 'user="root"')
        if self._open_to_all:
            policy = policy.replace("</busconfig>", OPEN_POLICY)
        (self.folder / "policy.conf").write_text(policy)
        services = self.folder / "services"
        services.mkdir()
        (services / "gateway.service").write_text(SERVICE)
        (self.folder / "bus.conf").write_text(BUS_CONFIG.format(
            path=bus_path, policy=self.folder / "policy.conf",
            activation=ACTIVATION.format(folder=services) if self._activated else ""))
        self.environment = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=f"unix:path={bus_path}",
                                CREDENTIALS_DIRECTORY=str(self.folder / "credentials"), **unit_environment())
        (self.folder / "credentials").mkdir()
        if self._secret:
            (self.folder / "credentials/credentials_corp").write_text(self._secret + "\n")
        (self.folder / "etc").mkdir()
        self.state = self.folder / "var/lib/oidc-keyring"
        self.state.mkdir(parents=True)
        self.configure(self._more)
        self.bus = subprocess.Popen(["dbus-daemon", f"--config-file={self.folder / 'bus.conf'}", "--nofork",
                                     "--print-address"], stdout=subprocess.PIPE, text=True,
                                    stderr=subprocess.DEVNULL if self._activated else None)  # tells each activation
        self._processes.append(self.bus)
        assert self.bus.stdout.readline()
        self.manager = ServiceManager(self.folder / "notify")
        self.start()
        return self

    def configure(self, more: str, issuer: str | None = None, client_id: str | None = None) -> None:
        if "min_uid" not in more:
            more = f"{more}\nmin_uid = {USER_UID}"
        (self.folder / "etc/oidc-keyring.conf").write_text(CONFIG.format(
            issuer=issuer or self.idp.issuer, client_id=client_id or self._client_id, ca_file=self.idp.ca_file, more=more))

    def start(self) -> None:
        """With what is stored. Returns when it says that it is ready, and so has its name."""
        wrapper = os.environ.get("GATEWAY_WRAPPER", "").split()
        self.process = self.manager.start(
            *wrapper, self.build / "oidc-keyring-gateway", f"--root={self.folder}", *self.options,
            env=self.environment, stderr=subprocess.PIPE)
        self._processes.append(self.process)
        self._following = self.log.follow(self.process.stderr)
        self.manager.wait_until_ready(self.log)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def processor_ticks(self) -> int:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        status = self.process.wait(50)
        self._following.join()
        return status

    def caller(self, uid: int = 0) -> Caller:
        caller = Caller(self.build / "tests/gateway/gateway-call", self.environment, uid)
        self._callers.append(caller)
        return caller

    def cli(self, *arguments: str, uid: int = 0) -> subprocess.CompletedProcess:
        return subprocess.run([self.build / "oidc-keyring", *arguments], env=self.environment, text=True, user=uid,
                              capture_output=True, timeout=60)

    def __exit__(self, *_: object) -> None:
        for caller in self._callers:
            caller.close()
        for process in reversed(self._processes):
            if process.poll() is None:
                process.terminate()
                process.wait(50)
        self._following.join()
        shutil.rmtree(self.folder)
        assert self.process.returncode == 0, self.log.text
