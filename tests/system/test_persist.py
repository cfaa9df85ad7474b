# SPDX-License-Identifier: MIT
"""`persist = yes`: a login that outlives a reboot, for whom it is meant and nobody else."""

from __future__ import annotations

from typing import Iterator

import pytest

from host import ACCOUNT, DAEMON, GATEWAY, STATE, Host, wait_until

HOST_KEY = "/var/lib/oidc-keyring-host-key"


@pytest.fixture
def lingering(host: Host) -> Iterator[Host]:
    """Alice lingers, and the provider's logins are kept."""
    host.configure(persist="yes")
    host.machine.sh("loginctl enable-linger alice")
    yield host
    host.machine.sh(f"loginctl disable-linger alice; loginctl disable-linger bob; systemctl stop {GATEWAY}; "
                    f"rm -rf {STATE}/grants")


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
