# SPDX-License-Identifier: MIT
"""What the keeper does over time: renewal, crashes, trouble with the provider, the end."""

from __future__ import annotations

import json
import signal
import time

from keeper import Keeper
from provider import Provider

IDLE_SECONDS = 10
PSS_BAR_KB = 1024


def test_login_and_token(keeper: Keeper, idp: Provider) -> None:
    keeper.log_in()
    token = keeper.token()
    assert idp.introspect(token)["active"]
    account = keeper.account()
    assert account["state"] == "fresh" and account["subject"] == keeper.user and account["renewals"] == 0
    assert account["expires"] > account["next_refresh"] > time.time()

    keeper.bus.terminate()  # not needed for a token that is good
    assert keeper.cli("token").stdout == token + "\n"
    assert keeper.cli("token", "corp").stdout == token + "\n"
    assert keeper.cli("token", "--min-valid", "60").stdout == token + "\n"
    assert keeper.cli("token", "other").returncode == 5
    keeper.process.wait(10)


def test_exit_codes(keeper: Keeper) -> None:
    for argv in (["token"], ["token", "corp"], ["refresh"], ["logout", "corp"]):
        done = keeper.cli(*argv)
        assert done.returncode == 4 and not done.stdout and len(done.stderr.splitlines()) == 1
    assert keeper.cli("status", "--json").stdout == '{"accounts":[]}\n'


def test_provider_renamed(keeper: Keeper, idp: Provider) -> None:
    """The account is there, and what is not is told."""
    keeper.log_in()
    path = keeper.gateway.folder / "etc/oidc-keyring.conf"
    path.write_text(path.read_text().replace("[provider corp]", "[provider other]"))
    for argv in (["refresh"], ["token", "--min-valid=86400"], ["logout", "corp"]):
        done = keeper.cli(*argv)
        assert done.returncode == 4 and not done.stdout
        assert "There is no such provider in the configuration" in done.stderr and "account" not in done.stderr
    assert done.stderr.startswith("oidc-keyring: Logged out here, but the provider could not be told: ")
    assert keeper.account() == {} and idp.count("live_grants") == 1


def test_renewal_without_gap(keeper: Keeper, idp: Provider) -> None:
    """A life of 10 s: whoever reads at any moment finds a live token."""
    idp.config(access_token_ttl=10)
    keeper.log_in()
    readers = [keeper.reader(31) for _ in range(4)]
    seen = [json.loads(reader.communicate()[0]) for reader in readers]
    assert [reader["gaps"] for reader in seen] == [0] * len(readers)
    renewals = keeper.account()["renewals"]
    assert renewals >= 5 and idp.count("token_refresh") == renewals and idp.count("refresh_reuse") == 0
    for reader in seen:
        assert len(reader["tokens"]) >= 5
        for token, _, last in reader["tokens"]:
            details = idp.introspect(token)
            assert not details["active"] or details["exp"] >= last


def test_one_request_for_all(keeper: Keeper, idp: Provider) -> None:
    keeper.log_in()
    idp.fault("token_refresh", "delay", delay_ms=2000)
    callers = [keeper.start_refresh() for _ in range(10)]
    assert [caller.wait() for caller in callers] == [0] * 10
    assert idp.count("token_refresh") == 1 and keeper.account()["renewals"] == 1


def test_killed(keeper: Keeper, idp: Provider) -> None:
    keeper.log_in()
    keeper.cli("refresh")
    before = keeper.token()
    assert list(keeper.manager.store) == ["grant.corp.3"]
    keeper.kill()
    keeper.start()
    assert keeper.account()["state"] == "fresh" and keeper.account()["renewals"] == 1
    assert keeper.token() == before and idp.count("token_refresh") == 1
    assert keeper.cli("refresh").returncode == 0
    assert idp.introspect(keeper.token())["active"] and idp.count("refresh_reuse") == 0


def kill_while_refreshing(keeper: Keeper, idp: Provider) -> None:
    """The provider has rotated, and the answer is on its way to the gateway when the daemon ends."""
    keeper.log_in()
    idp.fault("token_refresh", "delay", delay_ms=1500)
    caller = keeper.start_refresh()
    idp.wait("token_refresh", at_least=1)
    keeper.kill()
    assert caller.wait() != 0


def test_killed_while_refreshing(keeper: Keeper, idp: Provider) -> None:
    """The provider has rotated, the daemon has not heard: the gateway still knows."""
    kill_while_refreshing(keeper, idp)
    keeper.gateway.log.wait("Refresh for")  # the answer came, and there was nobody to give it to
    keeper.start()
    keeper.wait_for(renewals=1)  # nobody asks: when the next refresh is due, the gateway has forgotten
    assert idp.count("token_refresh") == 1 and idp.introspect(keeper.token())["active"]


def test_killed_in_an_outage(keeper: Keeper, idp: Provider) -> None:
    """The next daemon goes on asking, because it cannot know what became of the token."""
    keeper.log_in()
    before = keeper.token()
    idp.down()
    assert keeper.cli("refresh").returncode != 0
    keeper.kill()
    keeper.start()
    keeper.wait_for(state="offline")
    assert keeper.token() == before
    idp.up()
    keeper.wait_for(state="fresh", renewals=1)
    assert idp.count("refresh_reuse") == 0


def test_both_killed(keeper: Keeper, idp: Provider) -> None:
    """The answer had reached the gateway, and its successor has it from the journal."""
    kill_while_refreshing(keeper, idp)
    keeper.gateway.manager.wait_for_stored("answer.", 1)
    keeper.gateway.kill()
    keeper.gateway.start()
    keeper.start()
    keeper.wait_for(renewals=1)
    assert idp.count("token_refresh") == 1 and idp.introspect(keeper.token())["active"]


def test_lost_answer(keeper: Keeper, idp: Provider) -> None:
    """At a provider without a grace: the token lives on, and only shortly before its end is the old one tried."""
    keeper.gateway.configure(more="min_uid = 1\nrotation_grace = 0")
    idp.config(access_token_ttl=10)
    keeper.log_in()
    token = keeper.token()
    idp.fault("token_refresh", "cut_after")
    done = keeper.cli("refresh")
    assert done.returncode == 5 and "lost" in done.stderr
    assert keeper.account()["state"] == "offline" and keeper.token() == token
    assert keeper.cli("token", "--min-valid=60").returncode == 5  # nobody causes it to be asked before
    assert idp.count("token_refresh") == 1 and idp.introspect(token)["active"]
    keeper.wait_for_state("login-required")
    assert idp.count("token_refresh") == 2


def test_lost_answer_and_a_restart(keeper: Keeper, idp: Provider) -> None:
    """The next daemon, too, lets the token live before it sends what may have been exchanged."""
    keeper.gateway.configure(more="min_uid = 1\nrotation_grace = 0")
    keeper.log_in()
    token = keeper.token()
    idp.fault("token_refresh", "cut_after")
    assert keeper.cli("refresh").returncode == 5
    lost = keeper.account()
    keeper.kill()
    keeper.start()
    account = keeper.account()
    assert account["state"] == "offline" and "lost" in account["last_error"]
    assert abs(account["next_refresh"] - lost["next_refresh"]) <= 2 and account["renewals"] == 0
    assert keeper.token() == token and keeper.cli("token").stdout == token + "\n"
    assert keeper.cli("token", "--min-valid=86400").returncode == 5
    assert idp.count("token_refresh") == 1 and idp.introspect(token)["active"]

    idp.config(grace=3600)  # somebody insists, and there is an answer
    assert keeper.cli("refresh").returncode == 0
    keeper.kill()
    keeper.start()
    assert keeper.account()["state"] == "fresh" and keeper.account()["renewals"] == 1


def test_provider_away(keeper: Keeper, idp: Provider) -> None:
    keeper.log_in()
    token = keeper.token()
    idp.down()
    done = keeper.cli("refresh")
    assert done.returncode == 5 and "reach" in done.stderr
    account = keeper.account()
    assert account["state"] == "offline" and account["last_error"] and keeper.token() == token
    assert keeper.cli("token").stdout == token + "\n"
    idp.up()
    keeper.wait_for_state("fresh")
    assert keeper.account()["last_error"] == "" and keeper.token() != token


def test_gateway_away(keeper: Keeper) -> None:
    keeper.log_in()
    keeper.gateway.stop()
    done = keeper.cli("refresh")
    assert done.returncode == 5 and "gateway" in done.stderr
    assert keeper.account()["state"] == "offline"
    keeper.gateway.start()
    keeper.wait_for_state("fresh")


def test_login_ended_by_the_provider(keeper: Keeper, idp: Provider) -> None:
    keeper.log_in()
    token = keeper.token()
    idp.revoke(keeper.user)
    assert keeper.cli("refresh").returncode == 3
    assert keeper.account()["state"] == "login-required" and keeper.token() == token
    asked = idp.count("token_refresh")
    for _ in range(5):
        assert keeper.cli("refresh").returncode == 3
        assert keeper.cli("token", "--min-valid", "86400").returncode == 3
    assert idp.count("token_refresh") == asked

    keeper.kill()  # and that is remembered
    keeper.start()
    assert keeper.cli("refresh").returncode == 3 and idp.count("token_refresh") == asked
    keeper.log_in()
    assert keeper.account()["state"] == "fresh" and idp.introspect(keeper.token())["active"]


def test_second_login(keeper: Keeper, idp: Provider) -> None:
    keeper.log_in()
    first = keeper.token()
    keeper.log_in()
    assert keeper.token() != first and idp.introspect(keeper.token())["active"]
    idp.wait("live_grants", at_most=1)
    assert not idp.introspect(first)["active"]
    assert list(keeper.manager.store) == ["grant.corp.2"]


def test_logout(keeper: Keeper, idp: Provider) -> None:
    keeper.log_in()
    assert keeper.cli("logout").returncode == 0
    assert keeper.token() is None and keeper.account() == {} and not keeper.manager.store
    assert idp.count("live_grants") == 0


def test_hangup(keeper: Keeper, idp: Provider) -> None:
    """There is nothing to read again, and nothing is lost by it."""
    keeper.log_in()
    keeper.process.send_signal(signal.SIGHUP)
    assert keeper.cli("refresh").returncode == 0
    assert keeper.process.poll() is None and idp.count("live_grants") == 1


def test_stop(keeper: Keeper, idp: Provider) -> None:
    keeper.log_in()
    keeper.stop()
    assert keeper.token() is None and idp.count("live_grants") == 0 and not keeper.manager.store


def test_stop_where_logins_are_kept(keeper: Keeper, idp: Provider) -> None:
    keeper.gateway.configure("min_uid = 1\nkeep_on_logout = yes")
    keeper.log_in()
    keeper.stop()
    assert keeper.token() and idp.count("live_grants") == 1


def test_stop_without_provider(keeper: Keeper, idp: Provider) -> None:
    keeper.log_in()
    idp.fault("revocation", "hang", count=-1)
    keeper.stop()  # and that waits no longer than the service manager would
    assert idp.count("revocation") == 1 and keeper.token() is None


def test_idle(keeper: Keeper) -> None:
    keeper.log_in()
    keeper.cli("refresh")
    keeper.cli("status")
    time.sleep(1)  # nothing tells that a process has gone to sleep
    switches = keeper.proc("status", r"^\w*voluntary_ctxt_switches:\s+(\d+)")
    time.sleep(IDLE_SECONDS)
    assert keeper.proc("status", r"^\w*voluntary_ctxt_switches:\s+(\d+)") == switches
    assert keeper.proc("smaps_rollup", r"^Pss: +(\d+)") <= PSS_BAR_KB


def test_nothing_secret_is_told(keeper: Keeper, idp: Provider) -> None:
    keeper.log_in()
    keeper.cli("refresh")
    token = keeper.token()
    keeper.cli("logout")
    keeper.stop()  # so that the log is whole
    assert token not in keeper.log.text + "".join(keeper.manager.messages)
