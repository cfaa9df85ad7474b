# SPDX-License-Identifier: MIT
"""The token in the session: who finds it, what it is, and what is left when the session is over."""

from __future__ import annotations

import json
import subprocess

from host import DAEMON, KEY, Host, wait_until
from keys import as_user
from terminal import PATIENCE

READ = f"keyctl pipe %user:{KEY}"
WHOAMI = "curl -sS --cacert /etc/ssl/test-provider-ca.pem -H \"Authorization: Bearer $({token})\" {issuer}/api/whoami"


def test_first_command_reads_a_live_token(host: Host) -> None:
    with host.logged_in("alice", READ) as client:
        token = client.output()
    assert host.is_active(token, "alice")


def test_resource_server_knows_the_user(host: Host) -> None:
    command = WHOAMI.format(token="oidc-keyring token", issuer=host.provider.issuer)
    with host.logged_in("alice", command) as client:
        assert "alice" in client.output()
    assert host.provider.count("whoami_ok") == 1


def test_key_is_named_owned_and_limited(host: Host) -> None:
    describe = f"keyctl rdescribe $(keyctl search @u user {KEY}) '|'; keyctl timeout 2>/dev/null; grep {KEY} /proc/keys"
    with host.logged_in("alice", describe) as client:
        described, listed = client.output().splitlines()
    kind, uid, _, permissions, description = described.split("|")
    assert (kind, uid, description) == ("user", str(host.uid("alice")), KEY)
    assert permissions == "002f0000"
    assert listed.split()[3] != "perm", "the kernel ends the key by itself"


def test_systemd_user_service_reads_it(host: Host) -> None:
    with host.logged_in("alice", f"systemd-run --user --quiet --pipe --wait {READ}") as client:
        assert host.is_active(client.output(), "alice")


def test_second_login_reads_it(host: Host) -> None:
    with host.session("alice"), host.logged_in("alice", READ) as second:
        assert host.is_active(second.output(), "alice")


def test_login_by_ssh_key_finds_it(host: Host) -> None:
    with host.session("alice"), host.ssh_by_key("alice", READ) as second:
        assert host.is_active(second.output(), "alice")
    assert host.provider.count("device_authorization") == 1


def test_process_outside_the_session_reads_it(host: Host) -> None:
    with host.session("alice"):
        by_key = host.as_user("alice", "sh", "-c", READ).stdout
        by_command = host.as_user("alice", "oidc-keyring", "token").stdout.strip()
        assert by_key == by_command and host.is_active(by_key, "alice")


def test_other_user_does_not_read_it(host: Host) -> None:
    with host.session("alice"):
        serial = host.as_user("alice", "keyctl", "search", "@u", "user", KEY).stdout.strip()
        done = host.as_user("bob", "keyctl", "pipe", serial, check=False)
        assert done.returncode != 0 and "Permission denied" in done.stderr


def test_process_of_another_user_with_the_keyring_inherited(host: Host) -> None:
    """Whoever is started with the user's keyring, as by sudo, has got no token with it."""
    bob = host.uid("bob")
    script = (f"key=$(keyctl search @s user {KEY}); keyctl rdescribe @s; sudo -n setpriv --reuid={bob} --regid={bob} "
              "--clear-groups sh -c \"id -u; keyctl rdescribe @s; keyctl pipe $key 2>&1\"; true")
    host.machine.write("/etc/sudoers.d/test", "alice ALL=(ALL) NOPASSWD: ALL\n", 0o440)
    try:
        with host.logged_in("alice", script) as client:
            own, uid, inherited, *said = client.output().splitlines()
        assert uid == str(bob) and own == inherited and own.startswith("keyring;")
        assert len(said) == 1 and said[0].endswith("Permission denied")
    finally:
        host.machine.sh("rm /etc/sudoers.d/test")


def test_daemon_is_started_by_the_bus_once(host: Host) -> None:
    with host.session("alice"), host.session("alice"):
        pids = host.daemon_pid("alice").split()
        active = host.as_user("alice", "env", f"XDG_RUNTIME_DIR=/run/user/{host.uid('alice')}",
                              "systemctl", "--user", "is-active", DAEMON).stdout
    assert len(pids) == 1
    assert active == "active\n"


def test_object_on_the_bus_shows_the_account(host: Host) -> None:
    call = ("busctl --user --json=short get-property org.oidckeyring.Keyring1 "
            "/org/oidckeyring/Keyring1/account/corp org.oidckeyring.Keyring1.Account ")
    names = ("Name", "State", "Issuer", "Subject")
    with host.logged_in("alice", "; ".join(call + name for name in names)) as client:
        values = [json.loads(line)["data"] for line in client.output().splitlines()]
    assert values == ["corp", "fresh", host.provider.issuer, "alice"]


def test_last_logout_leaves_nothing(host: Host) -> None:
    with host.session("alice"):
        token = host.token("alice")
        assert token and host.is_active(token, "alice")
    host.machine.sh(f"systemctl stop user@{host.uid('alice')}.service")
    host.provider.wait("live_grants", at_most=0, timeout=PATIENCE)
    assert host.token("alice") is None
    found = subprocess.run([*as_user(host.uid("alice")), "keyctl", "search", "@u", "user", KEY], capture_output=True)
    assert found.returncode != 0
    assert not host.is_active(token, "alice")


def test_daemon_killed_keeps_the_grant(host: Host) -> None:
    """Also when it is killed more often than a service may be started by default."""
    with host.session("alice"):
        killed = ""
        for _ in range(8):
            wait_until(lambda: host.daemon_pid("alice") not in ("", killed))
            killed = host.daemon_pid("alice")
            host.machine.run("kill", "-KILL", killed)
        wait_until(lambda: host.account("alice")["state"] == "fresh")
        host.cli("alice", "refresh")
        token = host.token("alice")
        assert token and host.is_active(token, "alice")
    assert host.provider.count("refresh_reuse") == 0


def test_daemon_restarted_keeps_the_grant(host: Host) -> None:
    """A restart is no logout, although both send the same signal."""
    runtime = f"XDG_RUNTIME_DIR=/run/user/{host.uid('alice')}"
    with host.session("alice"):
        host.cli("alice", "refresh")
        before, token = host.daemon_pid("alice"), host.token("alice")
        host.as_user("alice", "env", runtime, "systemctl", "--user", "restart", DAEMON)
        assert host.daemon_pid("alice") not in ("", before)
        account = host.account("alice")
        assert account["state"] == "fresh" and account["renewals"] == 1
        assert host.token("alice") == token and token and host.is_active(token, "alice")
        assert host.provider.count("revocation") == 0

        host.as_user("alice", "env", runtime, "systemctl", "--user", "stop", DAEMON)
        assert host.token("alice") is None and not host.is_active(token, "alice")
        assert host.provider.count("live_grants") == 0
