# SPDX-License-Identifier: MIT
"""Every method of the gateway by every caller with everything that is wrong: refused, with nothing left behind."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from conftest import USER, USER_UID, fails
from gateway import Gateway
from refusals import Refusals, odd_fds, wrong_signatures

SIGNATURES = {"BeginLogin": "ssssss", "AwaitLogin": "s", "CancelLogin": "s", "ClaimGrant": "ss", "CheckAccount": "ss",
              "Refresh": "h", "Revoke": "h", "RestoreGrant": "s", "Check": "s", "ListBindings": "ss", "ClearBinding": "ss"}
ROOT_ONLY = ("Check", "ListBindings", "ClearBinding")
PATH, INTERFACE = "/org/oidckeyring/Gateway1", "org.oidckeyring.Gateway1"
PROPERTIES = "org.freedesktop.DBus.Properties"
OWNER_UID, OTHER_UID = USER_UID, 5  # USER, and somebody with a name who is neither that nor root
OWNER, OTHER = USER, "games"
NEVER = ("", "0" * 32, "f" * 31, "f" * 33, "g" * 32, "F" * 32, "x" * 4096, "../" * 8)


@pytest.fixture
def callers(gateway):
    return {0: gateway.caller(), OWNER_UID: gateway.caller(OWNER_UID), OTHER_UID: gateway.caller(OTHER_UID)}


@pytest.fixture
def refusals(gateway, callers, idp, capsys):
    """After one whole login, whose connection to the provider is kept."""
    def alive():
        assert callers[0].call("CheckAccount", "ss", "", USER) == ["allowed"]

    tag, _ = callers[0].log_in(idp, USER)
    refusals = Refusals(gateway.process.pid, alive)
    refusals.tag = tag
    yield refusals
    # The login table, at the end of it all, is empty: a whole login works.
    tag, _ = callers[0].log_in(idp, USER)
    assert callers[0].call("Revoke", "h", tag) == []
    with capsys.disabled():
        print(f"\nrefused calls: {refusals.tried}")


def requests(idp):
    return idp.counters()["requests"]


def begin(user=USER, provider="", service="sshd", rhost="", tty="", qr="none"):
    return "BeginLogin", "ssssss", provider, user, service, rhost, tty, qr


def almost(login_id):
    """Shorter, longer, and of the same length with one digit that is another."""
    yield from (login_id[:-1], login_id + "0", login_id.upper() + " ")
    for place in (0, 1, 4, 15, 16, 31):
        yield login_id[:place] + f"{int(login_id[place], 16) ^ 1:x}" + login_id[place + 1:]
    if login_id.upper() != login_id:  # one of a million ids has no letter
        yield login_id.upper()


def test_types(refusals, callers):
    for uid, caller in callers.items():
        for method, signature in SIGNATURES.items():
            for wrong, arguments in wrong_signatures(signature):
                # the bus has its say first: also on descriptors that a waiting call would keep
                fds = 1 if uid == 0 or method in ("Refresh", "Revoke") else 0
                denied = wrong.count("h") > fds or (method in ROOT_ONLY and uid != 0)
                name = "AccessDenied" if denied else "InvalidArgs"
                refusals.expect(name, caller, method, wrong, *arguments)
    assert refusals.methods == set(SIGNATURES)


def test_all_methods_are_in_the_table(callers):
    text = callers[0].call(f"{PATH} org.freedesktop.DBus.Introspectable Introspect", "")[0]
    interface = next(one for one in ElementTree.fromstring(text) if one.get("name") == INTERFACE)
    assert {method.get("name"): "".join(argument.get("type") for argument in method if argument.get("direction") == "in")
            for method in interface.iter("method")} == SIGNATURES


def test_root_only_on_an_open_bus(build, idp):
    """Where the policy of the bus lets everybody in, the code still does not."""
    with Gateway(build, idp, open_to_all=True) as gateway:
        for uid in (OWNER_UID, OTHER_UID):
            caller = gateway.caller(uid)
            for method in ROOT_ONLY:
                fails("NotPermitted", caller.call, method, SIGNATURES[method], *("corp", USER)[:len(SIGNATURES[method])])
            fails("UnknownMethod", caller.call, "Nonsense", "")
            fails("PropertyReadOnly", caller.call, f"{PATH} {PROPERTIES} Set", "ssv", INTERFACE, "Version", "9")


def test_descriptors(refusals, callers, idp):
    asked = requests(idp)
    for caller, tag in ((callers[0], refusals.tag), (callers[OTHER_UID], None)):
        for method in ("Refresh", "Revoke"):
            for fd in odd_fds(tag):
                refusals.expect("BadGrant", caller, method, "h", fd)
            if tag is not None:
                refusals.expect("UnknownProvider", caller, method, "h", f"elsewhere:{tag}")
                refusals.expect("Configuration", caller, method, "h", f"issuer:{tag}")
    assert requests(idp) == asked, "all of that without the provider"


def test_nothing_is_kept(refusals, callers):
    for caller in callers.values():
        for after in ("", "cor", "corp", "x" * 4096, "../corp", "\xff"):
            refusals.expect("UnknownAccount", caller, "RestoreGrant", "s", after)


def test_callers(refusals, callers, idp):
    root, owner, other = (callers[uid] for uid in (0, OWNER_UID, OTHER_UID))
    for user in (USER, "root", "no-such-user", "", "*", "x" * 4096):
        if user != OWNER:
            refusals.expect("NotPermitted", owner, *begin(user))
            refusals.expect("NotPermitted", owner, "CheckAccount", "ss", "", user)
        refusals.expect("NotPermitted", other, *begin(user))
        refusals.expect("NotPermitted", other, "CheckAccount", "ss", "", user)
    # Root may speak for everybody, but not make everybody somebody who logs in here.
    for user in ("root", "daemon", OTHER, "no-such-user", "", "*", "../etc", f"{USER} ", f"{USER}\x01", USER.upper(), "0", str(USER_UID),
                 "x" * 4096):
        refusals.expect("UserNotAllowed", root, *begin(user))
    refusals.expect("UserNotAllowed", other, *begin(OTHER))
    for provider in ("elsewhere", "CORP", "corp ", "../corp", "x" * 4096):
        for caller in (root, owner):
            refusals.expect("UnknownProvider", caller, *begin(USER, provider=provider))
            refusals.expect("UnknownProvider", caller, "CheckAccount", "ss", provider, USER)
        refusals.expect("UnknownProvider", root, "Check", "s", provider)
    for qr in ("", "UTF8", "color", "x" * 4096):
        for caller in (root, owner, other):
            refusals.expect("InvalidArgs", caller, *begin(USER, qr=qr))
    for caller in (owner, other):
        for method in ROOT_ONLY:
            refusals.expect("AccessDenied", caller, method, SIGNATURES[method], *("corp", USER)[:len(SIGNATURES[method])])
    assert idp.count("device_authorization") == 1, "all of that without the provider"


def test_interface(refusals, callers):
    """What is not there is not there for anybody, and nothing can be set."""
    for uid, caller in callers.items():
        refusals.expect("UnknownMethod" if uid == 0 else "AccessDenied", caller, "Nonsense", "")
        refusals.expect("UnknownObject" if uid == 0 else "UnknownObject|UnknownMethod|AccessDenied", caller,
                        f"/elsewhere {INTERFACE} Check", "s", "")
        refusals.expect("AccessDenied", caller, f"{PATH} {PROPERTIES} Set", "ssv", INTERFACE, "Version", "9")
        refusals.expect("UnknownProperty", caller, f"{PATH} {PROPERTIES} Get", "ss", INTERFACE, "Nonsense")
        refusals.expect("AccessDenied", caller, f"{PATH} org.freedesktop.DBus.ObjectManager GetManagedObjects", "")
        assert caller.call(f"{PATH} {PROPERTIES} Get", "ss", INTERFACE, "Version")


def test_order(gateway, refusals, callers, idp):
    root, owner, other = (callers[uid] for uid in (0, OWNER_UID, OTHER_UID))
    for caller in callers.values():
        for never in NEVER:
            for method, more in (("AwaitLogin", ()), ("CancelLogin", ()), ("ClaimGrant", (USER,))):
                refusals.expect("UnknownLogin", caller, method, SIGNATURES[method], never, *more)

    for begun_by, strangers in ((root, (owner, other)), (owner, (root, other))):
        login = begun_by.begin(USER)["id"], USER
        waiting = begun_by.begin(USER)
        n_successes = gateway.log.text.count(": success")
        for stranger in strangers:
            refusals.expect("UnknownLogin", stranger, "AwaitLogin", "s", waiting["id"])
            refusals.expect("UnknownLogin", stranger, "CancelLogin", "s", waiting["id"])
            refusals.expect("UnknownLogin", stranger, "ClaimGrant", "ss", waiting["id"], USER)
        for wrong in almost(waiting["id"]):
            for method, more in (("AwaitLogin", ()), ("CancelLogin", ()), ("ClaimGrant", (USER,))):
                refusals.expect("UnknownLogin", begun_by, method, SIGNATURES[method], wrong, *more)
        # before it was approved, and before its verdict was asked for
        refusals.expect("UnknownLogin", begun_by, "ClaimGrant", "ss", waiting["id"], USER)
        # cancelled: it is over for everything
        begun_by.call("CancelLogin", "s", login[0])
        for method, more in (("AwaitLogin", ()), ("CancelLogin", ()), ("ClaimGrant", (USER,))):
            refusals.expect("UnknownLogin|Cancelled", begun_by, method, SIGNATURES[method], login[0], *more)

        # approved, and nobody has asked for the verdict yet
        logins = idp.count("logins")
        idp.approve(waiting["code"], USER)
        idp.wait("logins", at_least=logins + 1)
        gateway.log.wait_until(lambda: gateway.log.text.count(": success") > n_successes)
        refusals.expect("UnknownLogin", begun_by, "ClaimGrant", "ss", waiting["id"], USER)
        begun_by.call("AwaitLogin", "s", waiting["id"])
        for stranger in strangers:
            refusals.expect("UnknownLogin", stranger, "ClaimGrant", "ss", waiting["id"], USER)
        for user in ("root", OTHER, "", f"{USER} ", USER.upper()):
            refusals.expect("UnknownLogin", begun_by, "ClaimGrant", "ss", waiting["id"], user)
        for wrong in almost(waiting["id"]):
            refusals.expect("UnknownLogin", begun_by, "ClaimGrant", "ss", wrong, USER)
        tag = begun_by.start("ClaimGrant", "ss", waiting["id"], USER)
        begun_by.finish(tag)
        for method, more in (("AwaitLogin", ()), ("CancelLogin", ()), ("ClaimGrant", (USER,))):
            refusals.expect("UnknownLogin", begun_by, method, SIGNATURES[method], waiting["id"], *more)
        begun_by.call("Revoke", "h", tag)
        refusals.expect("LoginRequired", begun_by, "Refresh", "h", tag)
