# SPDX-License-Identifier: MIT
"""Clients with a key, a certificate and an encrypted credential, as installed; and who can read what they hold."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest

from host import ACCOUNT, GATEWAY, Host

FOLDER = "/etc/oidc-keyring/credentials"
ENCRYPTED = "/etc/oidc-keyring/encrypted"


@pytest.fixture
def keys(host: Host) -> Iterator[dict[str, str]]:
    key, certificate = (Path(path).read_text() for path in (host.provider.client_key, host.provider.client_certificate))
    yield {"private_key_jwt": key, "tls_client_auth": key + certificate}
    host.machine.sh(f"rm -rf {FOLDER}/* {ENCRYPTED}/*; systemctl stop {GATEWAY}")


def configure(host: Host, method: str) -> None:
    client = {"private_key_jwt": "ssh-jwt", "tls_client_auth": "ssh-mtls"}[method]
    host.configure(client_id=client, client_auth=method)


def store(host: Host, text: str) -> None:
    host.machine.sh(f"mkdir -p -m 700 {FOLDER}")
    host.machine.write(f"{FOLDER}/{ACCOUNT}", text, 0o600)
    host.machine.sh(f"systemctl stop {GATEWAY}")


@pytest.mark.parametrize("method", ["private_key_jwt", "tls_client_auth"])
def test_login(host: Host, keys: dict[str, str], method: str) -> None:
    configure(host, method)
    store(host, keys[method])
    with host.session("alice"):
        token = host.token("alice")
        assert token and host.is_active(token, "alice")
        host.cli("alice", "refresh")
        assert host.token("alice") != token
        host.cli("alice", "logout")
        host.provider.wait("live_grants", at_most=0)
    proofs = [request for request in host.provider.recent() if request.get("client_id", "").startswith("ssh-")]
    proof = {"private_key_jwt": "assertion", "tls_client_auth": "certificate"}[method]
    assert proofs and all(proof in request for request in proofs)
    assert not any(line in host.journal() for line in keys[method].splitlines())
    check = host.machine.run("oidc-keyring", "check", check=False).stdout
    assert f"{FOLDER}/{ACCOUNT} is there for root alone" in check, check


def test_encrypted(host: Host, keys: dict[str, str]) -> None:
    """As the manual says, by the host's own key."""
    configure(host, "private_key_jwt")
    host.machine.sh(f"systemctl start {GATEWAY}; systemctl stop {GATEWAY}; systemd-creds setup")  # makes the folder
    host.machine.run("systemd-creds", "encrypt", "--with-key=host", f"--name=encrypted_{ACCOUNT}", "-",
                     f"{ENCRYPTED}/{ACCOUNT}", input=keys["private_key_jwt"])
    assert "PRIVATE KEY" not in host.machine.read(f"{ENCRYPTED}/{ACCOUNT}")
    with host.session("alice"):
        assert host.token("alice")
    check = host.machine.run("oidc-keyring", "check", check=False).stdout
    assert f"{ENCRYPTED}/{ACCOUNT} is there, encrypted" in check, check


def test_encrypted_for_another_host(host: Host, keys: dict[str, str]) -> None:
    """As the manual says: nothing starts, the journal says which file it is, and without the file all is well."""
    host.machine.sh(f"systemctl start {GATEWAY}; systemctl stop {GATEWAY}; echo AAAA >{ENCRYPTED}/{ACCOUNT}")
    try:
        assert host.machine.run("systemctl", "start", GATEWAY, check=False).returncode != 0
        host.machine.sh("journalctl --sync")
        assert "CREDENTIALS" in host.journal("-u", GATEWAY)
    finally:
        host.machine.sh(f"rm {ENCRYPTED}/{ACCOUNT}; systemctl stop {GATEWAY}; systemctl reset-failed")
    host.machine.sh(f"systemctl start {GATEWAY}")


def test_nobody_else_reads_it(host: Host, keys: dict[str, str]) -> None:
    configure(host, "private_key_jwt")
    store(host, keys["private_key_jwt"])
    host.machine.sh(f"systemctl start {GATEWAY}")
    loaded = f"/run/credentials/{GATEWAY}"
    modes = host.machine.sh(f"stat -c '%a %U' {loaded} {loaded}/credentials_{ACCOUNT}")
    # The service's own; or root's, with an entry for the service in the access control list, as later systemd does it.
    assert modes in ("500 oidc-keyring\n400 oidc-keyring\n", "550 root\n440 root\n")
    assert host.machine.sh(f"cat {loaded}/credentials_{ACCOUNT}") == keys["private_key_jwt"], "root can, so it is there"
    for path in (loaded, f"{loaded}/credentials_{ACCOUNT}", FOLDER, f"{FOLDER}/{ACCOUNT}"):
        assert host.as_user("alice", "head", "-c1", path, check=False).returncode != 0
        assert host.as_user("alice", "ls", path, check=False).returncode != 0
    pid = host.machine.sh(f"systemctl show -P MainPID {GATEWAY}").strip()
    limits = host.machine.sh(f"cat /proc/{pid}/limits")
    assert "Max core file size        0                    0" in limits
    # Undumpable: its files in /proc are root's, and no process of its own user may look into it.
    assert host.machine.sh(f"stat -c %U /proc/{pid}/mem") == "root\n"
    assert host.as_user("oidc-keyring", "cat", f"/proc/{pid}/environ", check=False).returncode != 0
    assert host.machine.sh(f"systemctl show -P MemorySwapMax {GATEWAY}") == "0\n"


@pytest.mark.parametrize("spoil, message", [
    ("rm {file}", "cannot be had"),
    ("chmod 644 {file}", "can be read or written by others"),
    ("chown alice {file}", "can be read or written by others"),
    ("chmod 755 {folder}", "is open to others than root"),
    ("echo nonsense >{file}", "has no private key"),
])
def test_check(host: Host, keys: dict[str, str], spoil: str, message: str) -> None:
    configure(host, "private_key_jwt")
    store(host, keys["private_key_jwt"])
    host.machine.sh(spoil.format(file=f"{FOLDER}/{ACCOUNT}", folder=FOLDER))
    done = host.machine.run("oidc-keyring", "check", check=False)
    host.machine.sh(f"chmod 700 {FOLDER}")
    assert done.returncode != 0 and message in done.stdout, done.stdout
