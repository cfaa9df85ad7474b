# SPDX-License-Identifier: MIT
"""A name is its first owner's, and nobody keeps a person out by asking for codes: as people and administrators see it."""

from __future__ import annotations

from contextlib import ExitStack

from host import STATE, Host


def log_in_as(host: Host, login: str) -> tuple[bool, str]:
    """Whether alice's prompt lets in whoever approves as `login`, and what it shows."""
    with host.ssh("alice", "id -un") as client:
        host.provider.approve(host.shown_code(client), login)
        client.send()
        return client.finish() == 0, client.screen


def test_somebody_else_with_the_same_name(host: Host) -> None:
    host.provider.account("heir", preferred_username="alice")
    assert log_in_as(host, "alice")[0]
    entered, screen = log_in_as(host, "heir")
    assert not entered
    assert "This user name belongs to another identity than the one that approved. Ask the administrator" in screen
    assert "assword: " not in screen
    command = "oidc-keyring unbind --provider=corp alice"
    assert command in host.journal("-u", "oidc-keyring-gateway")

    table = host.machine.run("oidc-keyring", "bindings").stdout
    assert ["alice", "corp", "alice", host.provider.issuer] in [line.split()[:4] for line in table.splitlines()]
    assert "only root" in host.as_user("alice", "oidc-keyring", "bindings", check=False).stderr
    assert "alice is not bound at corp any more" in host.machine.run(*command.split()).stdout
    assert "was cleared by uid 0" in host.journal("-u", "oidc-keyring-gateway")
    assert log_in_as(host, "heir")[0]


def test_where_it_is_kept(host: Host) -> None:
    assert log_in_as(host, "alice")[0]
    owner = host.machine.sh(f"stat -c '%U %a' {STATE} {STATE}/bindings {STATE}/bindings/corp/alice")
    assert owner.splitlines() == ["oidc-keyring 711", "oidc-keyring 700", "oidc-keyring 600"]


def test_no_room_on_the_disk(host: Host) -> None:
    """Who is bound gets in; who is not is told, and so is the administrator."""
    assert log_in_as(host, "alice")[0]
    host.machine.sh(f"systemctl stop oidc-keyring-gateway; cp -a {STATE} {STATE}.kept; "
                    f"mount -t tmpfs -o size=64k,mode=0700 none {STATE}; cp -a {STATE}.kept/. {STATE}/; "
                    f"chown oidc-keyring: {STATE}; head -c 1M /dev/zero >{STATE}/full 2>/dev/null || true")
    try:
        assert log_in_as(host, "alice")[0]
        with host.ssh("bob", "id -un") as client:
            host.provider.approve(host.shown_code(client), "bob")
            client.send()
            client.expect("cannot tell which identity this user name belongs to")
        assert "User bob, who is not bound yet" in host.journal("-u", "oidc-keyring-gateway")
        findings = host.machine.run("oidc-keyring", "check", check=False).stdout
        assert any(line.startswith("error") and "bindings:" in line for line in findings.splitlines()), findings
    finally:
        host.machine.sh(f"systemctl stop oidc-keyring-gateway; umount {STATE}; rm -r {STATE}.kept")


def test_too_many_codes(host: Host) -> None:
    with ExitStack() as waiting:
        for _ in range(4):
            host.shown_code(waiting.enter_context(host.ssh("alice")))
        asked = host.provider.count("device_authorization")
        with host.ssh("alice", "id -un") as client:
            client.expect("Too many logins are waiting or were tried. Wait a minute, then try again.")
        assert host.provider.count("device_authorization") == asked
        with host.ssh("bob", "id -un") as client:
            host.provider.approve(host.shown_code(client), "bob")
            client.send()
            assert client.output() == "bob\n"


def test_the_prompt_says_what_it_is_for(host: Host) -> None:
    """The same host in the prompt and in what the provider learns, in which somebody may see it."""
    name = host.machine.sh("hostname").strip()
    with host.ssh("alice") as client:
        client.expect(rf"Log in to {name} as alice \(sshd, from 127\.0\.0\.1\)")
        host.shown_code(client)
    assert host.provider.recent("device_authorization")[-1]["user_agent"].endswith(f" ({name})")
