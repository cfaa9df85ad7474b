# SPDX-License-Identifier: MIT
"""A user name belongs to the identity that logged in with it first."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from conftest import USER, USER_UID
from gateway import Gateway, GatewayError


def verdict(root, idp, login):
    """The outcome of a login of USER that `login` approves."""
    code = root.begin(USER)
    idp.approve(code["code"], login)
    try:
        root.call("AwaitLogin", "s", code["id"])
    except GatewayError as error:
        return error.name
    return "success"


@pytest.fixture
def heir(idp):
    """Another identity that has the user's name now."""
    idp.account("heir", preferred_username=USER)
    return "heir"


def test_another_identity_of_the_same_name(gateway, root, idp, heir):
    assert verdict(root, idp, USER) == "success"
    assert verdict(root, idp, heir) == "IdentityChanged"
    command = f"oidc-keyring unbind --provider=corp {USER}"
    gateway.log.wait(command)
    line = next(line for line in gateway.log.text.splitlines() if command in line)
    assert f"bound to subject {USER}," in line and "subject heir approved: refused" in line
    assert verdict(root, idp, USER) == "success"

    # Nothing of it is left at the provider but the two logins that succeeded.
    idp.wait("live_grants", at_most=2)

    cleared = gateway.cli(*command.split()[1:])
    assert cleared.returncode == 0 and f"{USER} is not bound at corp any more" in cleared.stdout
    gateway.log.wait(f"to subject {USER} of {idp.issuer} was cleared by uid 0")
    assert verdict(root, idp, heir) == "success"
    assert verdict(root, idp, USER) == "IdentityChanged"


def test_a_login_that_fails_binds_nobody(gateway, root, idp):
    assert verdict(root, idp, "mallory") == "UserMismatch"
    idp.forge("wrong_aud")
    assert verdict(root, idp, USER) == "IdTokenInvalid"
    assert "No user is bound" in gateway.cli("bindings").stdout


def test_bindings_outlive_the_gateway(gateway, root, idp, heir):
    assert verdict(root, idp, USER) == "success"
    gateway.stop()
    gateway.start()
    assert verdict(gateway.caller(), idp, heir) == "IdentityChanged"


def test_another_issuer(gateway, root, idp):
    assert verdict(root, idp, USER) == "success"
    file = gateway.state / f"bindings/corp/{USER}"
    file.write_text(file.read_text().replace(idp.issuer, "https://id.example.com"))
    assert verdict(root, idp, USER) == "IdentityChanged"
    gateway.log.wait("or the issuer was changed")
    gateway.log.wait("it was bound at issuer https://id.example.com")


def test_not_wanted(build, idp, heir):
    with Gateway(build, idp, more="bind_subject = no") as gateway:
        root = gateway.caller()
        assert verdict(root, idp, USER) == verdict(root, idp, heir) == "success"
        assert not (gateway.state / "bindings").exists()


def test_a_folder_that_cannot_be_written(gateway, root, idp):
    """Whoever is bound already does not mind, whoever is not is refused, and `check` says so."""
    assert verdict(root, idp, USER) == "success"
    assert ["ok", "bindings"] in [finding[:2] for finding in root.call("Check", "s", "corp")[0]]
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", gateway.state], check=True)
    try:
        assert verdict(root, idp, USER) == "StateUnusable"
        assert next(finding for finding in root.call("Check", "s", "corp")[0] if finding[1] == "bindings")[0] == "error"
    finally:
        subprocess.run(["umount", gateway.state], check=True)
    subprocess.run(["mount", "--bind", gateway.state, gateway.state], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", gateway.state], check=True)
        assert verdict(root, idp, USER) == "success"
    finally:
        subprocess.run(["umount", gateway.state], check=True)


def test_a_damaged_binding(gateway, root, idp):
    assert verdict(root, idp, USER) == "success"
    file = gateway.state / f"bindings/corp/{USER}"
    os.truncate(file, file.stat().st_size - 1)
    assert verdict(root, idp, USER) == "StateUnusable"
    gateway.log.wait(f"unbind --provider=corp {USER}")
    assert "(cannot be read)" in gateway.cli("bindings").stdout
    assert gateway.cli("unbind", USER).returncode == 0
    assert verdict(root, idp, USER) == "success"


def test_commands(gateway, root, idp):
    empty = gateway.cli("bindings", "--json")
    assert empty.returncode == 0 and json.loads(empty.stdout) == {"bindings": []}
    missing = gateway.cli("unbind", USER)
    assert missing.returncode == 4 and "not bound" in missing.stderr
    assert gateway.cli("unbind").returncode == 2 and gateway.cli("bindings", "x").returncode == 2

    assert verdict(root, idp, USER) == "success"
    table = gateway.cli("bindings").stdout.splitlines()
    assert table[0].split() == ["USER", "PROVIDER", "SUBJECT", "ISSUER", "SINCE"]
    assert table[1].split()[:4] == [USER, "corp", USER, idp.issuer]
    binding, = json.loads(gateway.cli("bindings", "--json").stdout)["bindings"]
    since = (gateway.state / f"bindings/corp/{USER}").stat().st_mtime
    assert binding == {"user": USER, "provider": "corp", "subject": USER, "issuer": idp.issuer, "since": int(since)}
    assert gateway.cli("unbind", "--provider", "elsewhere", USER).returncode == 4

    gateway.stop()
    away = gateway.cli("bindings")
    assert away.returncode == 5 and "systemctl status oidc-keyring-gateway" in away.stderr
    gateway.start()


def test_for_root_alone(gateway, root, idp):
    assert verdict(root, idp, USER) == "success"
    for command in ("bindings", "--json"), ("unbind", USER):
        refused = gateway.cli(*command, uid=USER_UID)
        assert refused.returncode == 1 and "only root" in refused.stderr and not refused.stdout
    other = gateway.caller(USER_UID)
    for method in "ListBindings", "ClearBinding":
        with pytest.raises(GatewayError) as error:
            other.call(method, "ss", "", USER)
        assert error.value.name == "AccessDenied"
    assert (gateway.state / f"bindings/corp/{USER}").exists()


def test_the_terminal_is_not_steered(gateway, root):
    folder = gateway.state / "bindings/corp"
    folder.mkdir(parents=True)
    (folder / "a\x1b[2J\x9b").write_text("version 1\nissuer https://id.example\nsubject 1\n")
    output = gateway.cli("bindings").stdout
    assert "a?[2J?" in output and "\x1b" not in output and "\x9b" not in output


def test_more_than_a_page(gateway, root):
    names = {"club": [f"u{i:04}" for i in range(700)], "corp": [f"u{i:04}" for i in range(1801)]}
    for provider, users in names.items():
        folder = gateway.state / "bindings" / provider
        folder.mkdir(parents=True)
        for user in users:
            (folder / user).write_text(f"version 1\nissuer https://id.example\nsubject of-{user}\n")
    listed = json.loads(gateway.cli("bindings", "--json").stdout)["bindings"]
    assert [(b["provider"], b["user"]) for b in listed] == [(p, u) for p, users in names.items() for u in users]
    assert all(b["subject"] == f"of-{b['user']}" for b in listed)
