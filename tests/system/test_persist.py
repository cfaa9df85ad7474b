# SPDX-License-Identifier: MIT
"""`persist = yes`: a login that outlives a reboot, for whom it is meant and nobody else."""

from __future__ import annotations

import socket
from typing import Iterator

import pytest

from host import ACCOUNT, DAEMON, GATEWAY, STATE, Host, wait_until
from test_secrets import Secrets, files_with

HOST_KEY = "/var/lib/oidc-keyring-host-key"
REFUSED = "is not as this host wrote it"


@pytest.fixture
def lingering(host: Host) -> Iterator[Host]:
    """Alice lingers, and the provider's logins are kept."""
    host.configure(persist="yes")
    host.machine.sh("loginctl enable-linger alice")
    yield host
    host.machine.sh("loginctl disable-linger alice; loginctl disable-linger bob")


def file_of(host: Host, user: str) -> str:
    return f"{STATE}/grants/{host.uid(user)}/{ACCOUNT}"


def is_kept(host: Host, user: str) -> bool:
    return host.machine.run("test", "-s", file_of(host, user), check=False).returncode == 0


def log_in(host: Host, user: str = "alice") -> str:
    with host.session(user):
        token = host.token(user)
    assert token
    return token


def reboot(host: Host) -> None:
    host.machine.reboot()
    host.forget_journal()


def is_back(host: Host, user: str, before: str) -> bool:
    token = host.token(user)
    return token is not None and token != before and host.is_active(token, user)


def test_a_login_outlives_a_reboot(lingering: Host) -> None:
    host = lingering
    before = log_in(host)
    assert is_kept(host, "alice") and host.account("alice")["kept_on_disk"]
    reboot(host)
    wait_until(lambda: is_back(host, "alice", before))
    assert host.account("alice")["state"] == "fresh"
    assert host.provider.count("device_authorization") == 1
    assert host.provider.count("refresh_reuse") == 0 and host.provider.count("revocation") == 0
    assert is_kept(host, "alice")


def test_power_cut(lingering: Host) -> None:
    host = lingering
    before = log_in(host)
    host.cli("alice", "refresh")
    host.machine.cut_power()
    host.machine.boot()
    host.forget_journal()
    wait_until(lambda: is_back(host, "alice", before))
    assert host.provider.count("device_authorization") == 1 and host.provider.count("refresh_reuse") == 0


def test_off_by_default(host: Host) -> None:
    host.machine.sh(f"loginctl enable-linger alice; rm -rf {HOST_KEY}")
    try:
        before = log_in(host)
        host.cli("alice", "refresh")
        assert not host.account("alice")["kept_on_disk"]
        host.machine.sh(f"! ls -d {STATE}/grants {HOST_KEY}")
        reboot(host)
        assert host.account("alice")["state"] == "none" and not host.is_active(before, "alice")
        with host.session("alice"):
            assert host.provider.count("device_authorization") == 2
    finally:
        host.machine.sh("loginctl disable-linger alice")


def test_who_does_not_linger(lingering: Host) -> None:
    """The session's end ends the login, and nothing was written."""
    host = lingering
    with host.session("bob"):
        assert not is_kept(host, "bob")
    host.machine.sh(f"systemctl stop user@{host.uid('bob')}.service")
    host.provider.wait("live_grants", at_most=0)


def test_another_user_does_not_get_it(lingering: Host) -> None:
    host = lingering
    host.machine.sh("loginctl enable-linger bob")
    before = log_in(host)
    reboot(host)
    wait_until(lambda: is_back(host, "alice", before))
    assert host.account("bob")["state"] == "none"
    assert host.machine.run("busctl", "call", "org.oidckeyring.Gateway1", "/org/oidckeyring/Gateway1",
                            "org.oidckeyring.Gateway1", "RestoreGrant", "s", "", check=False).returncode != 0
    for user in ("alice", "bob"):
        for path in (file_of(host, "alice"), f"{HOST_KEY}/key", "/run/oidc-keyring-host-key"):
            assert host.as_user(user, "cat", path, check=False).returncode != 0


def test_no_daemon_for_whom_nothing_is_kept(lingering: Host) -> None:
    host = lingering
    host.machine.sh("loginctl enable-linger bob")
    before = log_in(host)
    reboot(host)
    wait_until(lambda: is_back(host, "alice", before))
    assert host.daemon_pid("bob") == ""


def asks_for_a_login(host: Host, text: str = REFUSED) -> None:
    """After a reboot with a file that is not to be used: it is told, it is gone, and the way back works."""
    wait_until(lambda: text in host.journal("-u", GATEWAY))
    assert not is_kept(host, "alice")
    assert host.account("alice")["state"] == "none"
    assert host.provider.count("refresh_reuse") == 0
    log_in(host)
    assert is_kept(host, "alice")


def test_rolled_back(lingering: Host) -> None:
    """A backup of the folder is restored while the machine is down."""
    host = lingering
    log_in(host)
    host.machine.sh(f"cp -a {STATE} {STATE}.backup")
    host.cli("alice", "refresh")
    host.machine.poweroff()
    state = host.machine.root / STATE[1:]
    for entry in (state, state.with_name(state.name + ".backup")):
        assert entry.is_dir()
    state.rename(state.with_name("old"))
    state.with_name(state.name + ".backup").rename(state)
    host.machine.boot()
    host.forget_journal()
    asks_for_a_login(host)
    host.machine.sh("rm -r /var/lib/old")


def test_on_another_host(lingering: Host) -> None:
    host = lingering
    log_in(host)
    was = host.machine.read("/etc/machine-id")
    host.machine.poweroff()
    host.machine.write("/etc/machine-id", f"{'5' * 32}\n", 0o444)
    try:
        host.machine.boot()
        host.forget_journal()
        # with another machine ID the key cannot be decrypted, so nothing is said of the file
        wait_until(lambda: "Logins are not kept for after a reboot" in host.journal("-u", GATEWAY))
        assert host.account("alice")["state"] == "none"
        with host.session("alice"):
            assert host.token("alice")
    finally:
        host.machine.write("/etc/machine-id", was, 0o444)
        reboot(host)


def test_a_key_that_cannot_be_decrypted(lingering: Host) -> None:
    """Logins go on, `check` and the journal say what to do, and that helps."""
    host = lingering
    log_in(host)
    host.machine.sh(f"systemctl stop {GATEWAY}; dd if=/dev/zero of={HOST_KEY}/key bs=1 seek=60 count=8 conv=notrunc")
    try:
        with host.session("alice"):
            assert host.token("alice") and not host.account("alice")["kept_on_disk"]
        assert f"remove {HOST_KEY}" in host.journal("-u", GATEWAY)
        checked = host.machine.run("oidc-keyring", "check", check=False)
        assert checked.returncode != 0 and f"remove {HOST_KEY}" in " ".join(checked.stdout.split())
    finally:
        host.machine.sh(f"rm -r {HOST_KEY}; systemctl stop {GATEWAY}")
    host.cli("alice", "refresh")
    assert host.account("alice")["kept_on_disk"]


def test_disk_full(lingering: Host) -> None:
    """The login goes on, and what is there is not left to grow old."""
    host = lingering
    log_in(host)
    host.machine.sh(f"systemctl stop {GATEWAY}; cp -a {STATE} {STATE}.kept; "
                    f"mount -t tmpfs -o size=64k,mode=0711 none {STATE}; cp -a {STATE}.kept/. {STATE}/; "
                    f"chown oidc-keyring: {STATE}; head -c 1M /dev/zero >{STATE}/full 2>/dev/null || true")
    try:
        host.cli("alice", "refresh")
        assert not host.account("alice")["kept_on_disk"] and not is_kept(host, "alice")
        assert "Logins are not kept for after a reboot" in host.journal("-u", GATEWAY)
    finally:
        host.machine.sh(f"systemctl stop {GATEWAY}; umount {STATE}; rm -r {STATE}.kept")
    host.cli("alice", "refresh")
    assert is_kept(host, "alice")


def test_logout(lingering: Host) -> None:
    host = lingering
    log_in(host)
    host.cli("alice", "logout")
    host.provider.wait("live_grants", at_most=0)
    host.machine.run("test", "!", "-e", f"{STATE}/grants/{host.uid('alice')}")


def test_lingers_no_more(lingering: Host) -> None:
    host = lingering
    log_in(host)
    host.machine.sh("loginctl disable-linger alice")
    host.provider.wait("live_grants", at_most=0, timeout=40)  # logind waits 10 s
    assert not is_kept(host, "alice")


def test_stopped_by_hand_and_started_again(lingering: Host) -> None:
    host = lingering
    before = log_in(host)
    runtime = f"XDG_RUNTIME_DIR=/run/user/{host.uid('alice')}"
    host.as_user("alice", "env", runtime, "systemctl", "--user", "stop", DAEMON)
    assert host.provider.count("revocation") == 0
    host.as_user("alice", "env", runtime, "systemctl", "--user", "start", DAEMON)
    wait_until(lambda: is_back(host, "alice", before))
    assert host.provider.count("refresh_reuse") == 0


def test_the_token_outlives_its_daemon(lingering: Host) -> None:
    """The next one is given the login without its token, which is in the key and good."""
    host = lingering
    before = log_in(host)
    runtime = f"XDG_RUNTIME_DIR=/run/user/{host.uid('alice')}"
    host.as_user("alice", "env", runtime, "systemctl", "--user", "stop", DAEMON)
    host.provider.down()
    try:
        host.as_user("alice", "env", runtime, "systemctl", "--user", "start", DAEMON)
        wait_until(lambda: host.account("alice")["state"] == "offline")
        assert host.token("alice") == before
    finally:
        host.provider.up()
    host.cli("alice", "refresh")
    assert is_back(host, "alice", before)


def test_provider_out_of_reach_at_boot(lingering: Host) -> None:
    host = lingering
    before = log_in(host)
    host.provider.down()
    try:
        reboot(host)
        wait_until(lambda: host.account("alice")["state"] == "offline")
        assert "none yet" in host.cli("alice", "status").stdout
    finally:
        host.provider.up()
    host.cli("alice", "refresh")
    assert is_back(host, "alice", before) and host.provider.count("device_authorization") == 1


def test_no_secret_is_written(lingering: Host) -> None:
    host = lingering
    log_in(host)
    host.cli("alice", "refresh")
    assert is_kept(host, "alice")
    assert files_with(host, Secrets(host)) == []


def test_modes(lingering: Host) -> None:
    host = lingering
    log_in(host)
    shown = host.machine.sh(f"stat -c '%U %a %n' {STATE}/grants/* {file_of(host, 'alice')} {HOST_KEY} {HOST_KEY}/key "
                            "/run/oidc-keyring-host-key")
    assert [line.rsplit(" ", 1)[0] for line in shown.splitlines()] == [
        "oidc-keyring 700", "oidc-keyring 600", "root 700", "root 600", "oidc-keyring 600"]


SWTPM = """[Unit]
Description=A TPM in software
[Service]
ExecStart=/usr/bin/swtpm socket --tpm2 --tpmstate dir=/var/lib/tpm --server type=tcp,port={port},bindaddr=127.0.0.1 \\
    --ctrl type=tcp,port={control},bindaddr=127.0.0.1 --flags not-need-init,startup-clear
StateDirectory=tpm
[Install]
WantedBy=multi-user.target
"""

WITH_TPM = """[Unit]
After=tpm.service
[Service]
Environment=WITH_KEY=host+tpm2 SYSTEMD_TPM2_DEVICE=swtpm:host=127.0.0.1,port={port}
PrivateNetwork=no
RestrictAddressFamilies=AF_INET
"""


@pytest.fixture
def with_tpm(lingering: Host) -> Iterator[Host]:
    """What makes and decrypts the key has a TPM, which is a program on a socket."""
    machine = lingering.machine
    machine.sh("apt-get -q -y install --no-install-recommends swtpm swtpm-libs '^libtss2-(esys|tcti-swtpm|mu|rc)[-.0-9t]*[0-9t]$'",
               timeout=300)
    port = two_free_ports()
    machine.write("/etc/systemd/system/tpm.service", SWTPM.format(port=port, control=port + 1))
    machine.write("/etc/systemd/system/oidc-keyring-host-key@.service.d/tpm.conf", WITH_TPM.format(port=port))
    machine.sh(f"rm -rf {HOST_KEY}; systemctl daemon-reload; systemctl enable --now tpm.service")
    yield lingering
    machine.sh(f"systemctl disable --now tpm.service; rm -r /etc/systemd/system/tpm.service {HOST_KEY} /var/lib/tpm "
               "/etc/systemd/system/oidc-keyring-host-key@.service.d; systemctl daemon-reload")


def two_free_ports() -> int:
    """The first of two that follow each other."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
                return port
            except OSError:
                pass


def test_with_a_tpm(with_tpm: Host) -> None:
    """The key is good with this TPM alone; one that was cleared keeps nobody from logging in."""
    host = with_tpm
    before = log_in(host)
    assert is_kept(host, "alice")
    alone = host.machine.run("systemd-creds", "decrypt", "--name=oidc-keyring-host-key", f"{HOST_KEY}/key", "/dev/null",
                             check=False)
    assert alone.returncode != 0, "not without the TPM"
    reboot(host)
    wait_until(lambda: is_back(host, "alice", before))
    assert host.provider.count("device_authorization") == 1 and host.provider.count("refresh_reuse") == 0

    host.machine.sh(f"systemctl stop tpm.service {GATEWAY}; rm -r /var/lib/tpm; systemctl start tpm.service")
    with host.session("alice"):
        assert host.token("alice") and not host.account("alice")["kept_on_disk"]
    assert f"remove {HOST_KEY}" in host.journal("-u", GATEWAY)
