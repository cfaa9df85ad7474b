# SPDX-License-Identifier: MIT
"""Every method of the daemon by every caller with everything that is wrong: refused, with nothing left behind."""

from __future__ import annotations

from typing import Iterator

import pytest
from gateway import Caller, GatewayError
from keeper import Keeper
from provider import Provider
from refusals import Refusals, odd_fds, wrong_signatures

SIGNATURES = {"AddGrant": "h", "GetToken": "su", "ReadToken": "su", "Refresh": "s", "Logout": "s"}
PATH, INTERFACE = "user:/org/oidckeyring/Keyring1", "org.oidckeyring.Keyring1"
STANDARD = "org.freedesktop.DBus"
ROOT, STRANGER = 0, 65534
ODD_NAMES = ("nobody", "CORP", "corp ", "../corp", "c", "corp.", "*", "x" * 4096)


@pytest.fixture
def own(keeper: Keeper) -> Caller:
    return keeper.caller()


@pytest.fixture
def grant(keeper: Keeper, own: Caller, idp: Provider) -> int:
    """Logged in; the tag of a grant that the daemon does not have."""
    keeper.log_in()
    tag, _ = own.log_in(idp, keeper.user)
    return tag


@pytest.fixture
def refusals(keeper: Keeper, own: Caller, grant: int, capsys: pytest.CaptureFixture) -> Iterator[Refusals]:
    def alive() -> None:
        assert own.call("user:GetToken", "su", "corp", 0)[0] > 0

    before = keeper.token()
    refusals = Refusals(keeper.process.pid, alive)
    yield refusals
    assert keeper.token() == before and keeper.account()["renewals"] == 0
    assert own.call("user:AddGrant", "h", grant)[0].endswith("/corp")
    assert own.call("user:Refresh", "s", "corp") == []
    assert own.call("user:Logout", "s", "") == []
    with capsys.disabled():
        print(f"\nrefused calls: {refusals.tried}")


def test_types(refusals: Refusals, own: Caller) -> None:
    for method, signature in SIGNATURES.items():
        for wrong, arguments in wrong_signatures(signature):
            refusals.expect("InvalidArgs", own, f"user:{method}", wrong, *arguments)


def test_descriptors(refusals: Refusals, own: Caller, grant: int) -> None:
    for fd in odd_fds(grant):
        refusals.expect("BadGrant", own, "user:AddGrant", "h", fd)


def test_names(refusals: Refusals, own: Caller) -> None:
    for name in ODD_NAMES:
        refusals.expect("UnknownAccount", own, "user:GetToken", "su", name, 0)
        refusals.expect("UnknownAccount", own, "user:ReadToken", "su", name, 0)
        refusals.expect("UnknownAccount", own, "user:Refresh", "s", name)
        refusals.expect("UnknownAccount", own, "user:Logout", "s", name)


def test_interface(refusals: Refusals, own: Caller) -> None:
    refusals.expect("UnknownMethod", own, "user:Nonsense", "")
    refusals.expect("UnknownObject", own, f"user:/elsewhere {INTERFACE} Logout", "s", "")
    for interface, name in ((INTERFACE, "Version"), (f"{INTERFACE}.Account", "State"), (f"{INTERFACE}.Account", "Expires")):
        path = PATH if interface == INTERFACE else f"{PATH}/account/corp"
        refusals.expect("PropertyReadOnly", own, f"{path} {STANDARD}.Properties Set", "ssv", interface, name, "x")
        refusals.expect("UnknownProperty", own, f"{path} {STANDARD}.Properties Get", "ss", interface, "AccessToken")


@pytest.mark.open_to_all
def test_others_on_an_open_bus(keeper: Keeper, refusals: Refusals, own: Caller, idp: Provider) -> None:
    """The bus would let them; the daemon asks the bus who they are, which the bus has from the kernel."""
    for uid in (ROOT, STRANGER):
        other = keeper.caller(uid)
        tag, _ = other.log_in(idp, keeper.user) if uid == ROOT else (None, None)
        for fd in odd_fds(tag):
            refusals.expect("AccessDenied", other, "user:AddGrant", "h", fd)
        if tag is not None:
            refusals.expect("AccessDenied", other, "user:AddGrant", "h", tag)
        for method, signature in SIGNATURES.items():
            for wrong, arguments in wrong_signatures(signature):
                refusals.expect("AccessDenied", other, f"user:{method}", wrong, *arguments)
        for name in ("", "corp", *ODD_NAMES):
            refusals.expect("AccessDenied", other, "user:GetToken", "su", name, 0)
            refusals.expect("AccessDenied", other, "user:ReadToken", "su", name, 0)
            refusals.expect("AccessDenied", other, "user:Refresh", "s", name)
            refusals.expect("AccessDenied", other, "user:Logout", "s", name)
        for path in (PATH, f"{PATH}/account/corp", "user:/"):
            refusals.expect("AccessDenied", other, f"{path} {STANDARD}.Properties Get", "ss", INTERFACE, "Version")
            refusals.expect("AccessDenied", other, f"{path} {STANDARD}.Properties GetAll", "s", f"{INTERFACE}.Account")
            refusals.expect("AccessDenied", other, f"{path} {STANDARD}.Properties Set", "ssv", INTERFACE, "Version", "x")
            refusals.expect("AccessDenied", other, f"{path} {STANDARD}.Introspectable Introspect", "")
            refusals.expect("AccessDenied", other, f"{path} {STANDARD}.ObjectManager GetManagedObjects", "")


@pytest.mark.parametrize("uid", [ROOT, STRANGER])
def test_others_do_not_get_onto_the_bus(keeper: Keeper, uid: int) -> None:
    """A bus as users have it: only its owner passes its authentication, even where the socket can be reached."""
    keeper.folder.chmod(0o755)
    with pytest.raises(GatewayError) as error:
        keeper.caller(uid).call("user:GetToken", "su", "", 0)
    assert error.value.name in ("NoReply", "AccessDenied", "Disconnected"), error.value
    assert keeper.cli("token").returncode == 4, "and its owner does"
