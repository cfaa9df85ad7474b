# SPDX-License-Identifier: MIT
"""`persist = yes`, seen from the bus: what is kept for whom, and what ends it."""

from __future__ import annotations

import os
import socket
import subprocess
import threading

import pytest
from conftest import USER, USER_UID, fails
from gateway import Gateway

KEY = os.urandom(32)
OTHER_UID = 5
LOCAL_TIMEOUT = 10  # seconds, pam/gateway-call.c
LOST = "Logins are not kept for after a reboot"


class Host(Gateway):
    """Persists, on a host whose user lingers, with what decrypts its key."""

    def __init__(self, build, idp, more="persist = yes", **options):
        super().__init__(build, idp, more=more, **options)

    def start(self):
        if not (self.folder / "run").exists():
            self.linger(USER)
            (self.folder / "etc/machine-id").write_text(f"{'1' * 32}\n")
            (self.folder / "run").mkdir()
            self.decrypt(KEY)
        super().start()

    def linger(self, user):
        folder = self.folder / "var/lib/systemd/linger"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / user).touch()

    def linger_no_more(self, user):
        (self.folder / "var/lib/systemd/linger" / user).unlink()

    def decrypt(self, key):
        """From now on whoever asks gets this; None: there is nobody to ask."""
        path = self.folder / "run/oidc-keyring-host-key"
        path.unlink(missing_ok=True)
        if key is None:
            return
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()

        def serve():
            while True:
                client, _ = listener.accept()
                client.sendall(key)
                client.close()

        threading.Thread(target=serve, daemon=True).start()

    @property
    def file(self):
        return self.state / f"grants/{USER_UID}/corp"

    def again(self):
        """A gateway after a reboot: the service manager has kept nothing."""
        self.stop()
        self.manager.store.clear()
        self.start()


@pytest.fixture
def host(build, idp):
    with Host(build, idp) as host:
        yield host


@pytest.fixture
def root(host):
    return host.caller()


@pytest.fixture
def user(host):
    return host.caller(USER_UID)


def restored(caller, after=""):
    tag = caller.start("RestoreGrant", "s", after)
    return tag, caller.finish(tag)[0]


def log_in(user, idp):
    return user.log_in(idp, USER)


def test_a_login_comes_back(host, user, idp):
    tag, grant = log_in(user, idp)
    assert grant["kept_on_disk"] == 1
    renewed = user.start("Refresh", "h", tag)
    user.finish(renewed)
    host.again()
    back, kept = restored(user)
    assert kept["access_token"] is None and kept["generation"] == 1 and kept["expires_usec"] == 0 and kept["user"] == USER
    assert user.call("Refresh", "h", back)[0]["generation"] == 2
    assert idp.count("refresh_reuse") == 0 and idp.count("device_authorization") == 1
    fails("UnknownAccount", restored, user, "corp")


def test_nothing_of_it_is_readable(host, user, idp):
    log_in(user, idp)
    assert host.file.stat().st_mode & 0o7777 == 0o600
    assert USER.encode() not in host.file.read_bytes()


def test_for_its_owner_alone(host, root, user, idp):
    log_in(user, idp)
    fails("UnknownAccount", restored, root)
    fails("UnknownAccount", restored, host.caller(OTHER_UID))
    assert restored(user)


@pytest.mark.parametrize("more", ["", "persist = no"])
def test_off(build, idp, more):
    with Host(build, idp, more=more) as host:
        user = host.caller(USER_UID)
        _, grant = log_in(user, idp)
        assert not grant.get("kept_on_disk") and not (host.state / "grants").exists()
        fails("UnknownAccount", restored, user)


def test_switched_off(host, user, idp):
    tag, _ = log_in(user, idp)
    host.configure("persist = no")
    assert user.call("Refresh", "h", tag)[0]["kept_on_disk"] == 0
    assert not host.file.exists() and not host.file.parent.exists()


@pytest.mark.parametrize("provider", ["corp", "another"])
def test_switched_off_while_nobody_refreshes(host, user, idp, provider):
    log_in(user, idp)
    host.configure("persist = no")
    path = host.folder / "etc/oidc-keyring.conf"
    path.write_text(path.read_text().replace("[provider corp]", f"[provider {provider}]"))
    host.again()
    assert not host.file.exists() and not host.file.parent.exists()


def test_a_mistake_in_the_configuration_takes_nothing_away(host, user, idp):
    log_in(user, idp)
    host.configure("persist = perhaps")
    host.again()
    fails("Configuration", restored, user)
    host.configure("persist = yes")
    assert restored(user)


def test_who_lingers_no_more(host, user, idp):
    tag, _ = log_in(user, idp)
    host.linger_no_more(USER)
    assert user.call("Refresh", "h", tag)[0]["kept_on_disk"] == 0
    assert not host.file.exists()


def refused(host, user, idp):
    """Revoked, and gone."""
    grants = idp.count("live_grants")
    fails("UnknownAccount", restored, user)
    assert not host.file.exists()
    idp.wait("live_grants", at_most=grants - 1)


@pytest.mark.parametrize("more", ["min_uid = 100", "allow_users = games", "user_map = {map}"])
def test_policy_is_asked_again(host, user, idp, more):
    log_in(user, idp)
    (host.folder / "map").write_text(f"{USER} {idp.issuer} somebody-else\n")
    host.configure(f"persist = yes\n{more.format(map=host.folder / 'map')}")
    refused(host, user, idp)


def test_lingering_is_asked_again(host, user, idp):
    log_in(user, idp)
    host.linger_no_more(USER)
    refused(host, user, idp)


def test_the_binding_is_asked_again(host, root, user, idp):
    log_in(user, idp)
    assert host.cli("unbind", USER).returncode == 0
    refused(host, user, idp)


def test_another_client(host, user, idp):
    log_in(user, idp)
    host.configure("persist = yes", client_id="other")
    fails("UnknownAccount", restored, user)
    host.log.wait("is not as this host wrote it")
    assert not host.file.exists()


def test_revoked(host, user, idp):
    tag, _ = log_in(user, idp)
    newer = user.start("Refresh", "h", tag)
    user.finish(newer)
    user.call("Revoke", "h", newer)
    assert not host.file.exists()


def test_revoked_by_who_has_an_older_one(host, user, idp):
    tag, _ = log_in(user, idp)
    user.call("Refresh", "h", tag)
    user.call("Revoke", "h", tag)
    assert not host.file.exists()


def test_revoked_by_root(host, root, idp):
    """As the module does it with what the user's daemon did not take."""
    tag, grant = log_in(root, idp)
    assert grant["kept_on_disk"] == 1 and host.file.exists()
    root.call("Revoke", "h", tag)
    assert not host.file.exists()


def test_another_login_takes_its_place(host, user, idp):
    first, _ = log_in(user, idp)
    second, _ = log_in(user, idp)
    user.call("Revoke", "h", first)
    tag, kept = restored(user)
    assert kept["generation"] == 0 and user.call("Refresh", "h", tag)[0]["generation"] == 1


def test_another_login_takes_its_place_amid_a_refresh(host, user, idp):
    """The answer for the former one comes late: it is given, and does not take the place of the other's."""
    first, _ = log_in(user, idp)
    login = user.begin(USER)
    idp.approve(login["code"], USER)
    user.call("AwaitLogin", "s", login["id"])
    idp.fault("token_refresh", "delay", delay_ms=2000)
    late = user.start("Refresh", "h", first)
    idp.wait("token_refresh", at_least=1)
    second = user.call("ClaimGrant", "ss", login["id"], USER)[0]
    assert not user.is_answered(late) and second["kept_on_disk"] == 1
    answer = user.finish(late)[0]
    assert answer["generation"] == 1 and answer["kept_on_disk"] == 0
    user.call("Revoke", "h", late)
    tag, kept = restored(user)
    assert kept["refresh_token"] == second["refresh_token"]
    assert user.call("Refresh", "h", tag)[0]["kept_on_disk"] == 1


def test_ended_by_the_provider(host, user, idp):
    tag, _ = log_in(user, idp)
    idp.revoke(USER)
    fails("LoginRequired", user.call, "Refresh", "h", tag)
    assert not host.file.exists()


def test_no_key(build, idp):
    """Logins and refreshes go on, and it is told once."""
    with Host(build, idp) as host:
        host.decrypt(None)
        root, user = host.caller(), host.caller(USER_UID)
        tag, grant = log_in(user, idp)
        assert grant["kept_on_disk"] == 0
        assert user.call("Refresh", "h", tag)[0]["generation"] == 1
        host.log.wait("remove /var/lib/oidc-keyring-host-key")
        assert host.log.text.count(LOST) == 1
        finding = next(one for one in root.call("Check", "s", "corp")[0] if one[1] == "persist")
        assert finding[0] == "error" and "oidc-keyring-host-key" in finding[2]


def test_a_key_that_does_not_come(host, idp):
    """A TPM that hangs costs no login: whoever asks meanwhile is answered before the module gives up, and not again."""
    host.decrypt(None)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(host.folder / "run/oidc-keyring-host-key"))
        silent.listen()
        silent.setblocking(False)
        host.again()
        root, user = host.caller(), host.caller(USER_UID)
        login = user.begin(USER)
        idp.approve(login["code"], USER)
        user.call("AwaitLogin", "s", login["id"])
        claimed = user.start("ClaimGrant", "ss", login["id"], USER)
        assert root.finish(root.start("CheckAccount", "ss", "corp", USER), LOCAL_TIMEOUT - 2) == ["allowed"]
        assert user.finish(claimed)[0]["kept_on_disk"] == 0
        user.call("Refresh", "h", claimed)
        silent.accept()
        with pytest.raises(BlockingIOError):
            silent.accept()
        assert next(one for one in root.call("Check", "s", "corp")[0] if one[1] == "persist")[0] == "error"
        client, _ = silent.accept()
        client.sendall(KEY)
        client.close()
    tag, _ = log_in(user, idp)
    assert user.call("Refresh", "h", tag)[0]["kept_on_disk"] == 1  # late, and not too late


def test_check(host, root):
    assert ["ok", "persist"] in [finding[:2] for finding in root.call("Check", "s", "corp")[0]]


def test_a_key_that_is_there_later(host, user, idp):
    """Nobody loses a login because its key could not be had at a start."""
    log_in(user, idp)
    host.decrypt(b"")
    host.again()
    with pytest.raises(Exception) as error:
        restored(user)
    assert error.value.name != "UnknownAccount" and host.file.exists()
    host.decrypt(KEY)
    host.again()
    assert restored(user)


def test_a_disk_that_cannot_be_written(host, user, idp):
    tag, _ = log_in(user, idp)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", host.state], check=True)
    try:
        assert user.call("Refresh", "h", tag)[0]["kept_on_disk"] == 0
        host.log.wait(LOST)
    finally:
        subprocess.run(["umount", host.state], check=True)
