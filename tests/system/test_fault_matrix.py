# SPDX-License-Identifier: MIT
"""All that may happen to a grant, in a booted machine: docs/fault-matrix.md says what must come of each."""

from __future__ import annotations

import re
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Callable, Iterator

import pytest

import clock
from faults import DAMAGE, DIALECTS, LIVES, LOST, TROUBLE
from host import DAEMON, GATEWAY, Host, fingerprint, wait_until
from matrix import (DAEMON_PROGRAM, DOORS_OPEN, ENTER, NETWORK, PROVIDER_NAME, Matrix, Network, Person, address_of,
                    time_to_stop)
from provider import Provider
from test_renewal import expiries, start_readers, stop_readers

ANSWER_MS = 2500  # within which a refresh can be disturbed
SLEPT = "/run/slept"
KEPT_JOURNAL = "/etc/systemd/journald.conf.d/zz-kept.conf"
NO_KEY = 6  # what oidc-keyring ends with


@pytest.fixture(scope="module")
def whole(prepared: Host, provider: Provider, request: pytest.FixtureRequest) -> Iterator[Matrix]:
    machine = prepared.machine
    provider.reset()
    with Network(machine) as network, Provider(host=PROVIDER_NAME, listen=address_of(machine, 1)) as own:
        matrix = Matrix(machine, own, provider, network)
        matrix.begin_matrix()
        yield matrix
        matrix.end_matrix()
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print("", matrix.table(), sep="\n")


@pytest.fixture
def matrix(whole: Matrix, request: pytest.FixtureRequest) -> Iterator[Matrix]:
    whole.begin_test()
    yield whole
    whole.is_complete(request.node.name)


# kill -9, restart and upgrade, at a provider that rotates strictly, has no grace and ends what is used again


def disturbed(matrix: Matrix, fault: str, disturb: Callable[[Person], object]) -> None:
    """Whatever happens while the provider has rotated and not answered yet, nobody has to ask again."""
    person = matrix.person("strict")
    person.fault("delay", delay_ms=ANSWER_MS)
    caller = person.start_refresh()
    disturb(person)
    caller.communicate(timeout=60)
    person.await_renewed()
    person.shows(fault)


def test_daemon_killed_or_restarted_amid_a_refresh(matrix: Matrix) -> None:
    disturbed(matrix, "kill -9 of the daemon amid a refresh", Person.kill_daemon)
    disturbed(matrix, "the daemon restarted amid a refresh", lambda person: person.systemctl("restart", DAEMON))


def test_kill_just_after_a_rotation_loses_nothing(matrix: Matrix) -> None:
    person = matrix.person("strict")
    refresh = person.start("oidc-keyring", "refresh", "strict")
    wait_until(lambda: matrix.provider.count("refreshed") >= 1)
    matrix.machine.run("pkill", "-KILL", "-u", person.name, "-f", "libexec/oidc-keyringd")
    refresh.communicate(timeout=60)
    person.await_renewed()
    person.shows("kill -9 of the daemon just after a rotation")


def test_both_killed_once_the_gateway_had_the_answer(matrix: Matrix) -> None:
    def kill_both(person: Person) -> None:
        person.kill_daemon()
        matrix.gateway_says(f"Refresh for {person.name} ")
        matrix.kill_gateway()

    disturbed(matrix, "kill -9 of both, once the answer was there", kill_both)


def test_gateway_killed_before_the_answer(matrix: Matrix) -> None:
    """The one case that is counted, and told: without a grace nobody can have the answer again."""
    person = matrix.person("strict")
    person.fault("delay", delay_ms=ANSWER_MS)
    caller = person.start_refresh()
    matrix.kill_gateway()
    caller.communicate(timeout=60)
    matrix.gateway_says("its answer is lost")
    wait_until(lambda: "lost" in str(person.status()["last_error"]))
    person.shows("kill -9 of the gateway before the answer, no grace")

    matrix.provider.config(grace=30)
    person = matrix.person()
    person.fault("delay", delay_ms=ANSWER_MS)
    caller = person.start_refresh()
    matrix.kill_gateway()
    caller.communicate(timeout=60)
    person.wait_for_requests(2)
    person.wait_for_state("fresh")
    person.shows("kill -9 of the gateway before the answer, within the grace")


def test_gateway_restarted_or_upgraded_amid_a_refresh(matrix: Matrix, packages: list[Path]) -> None:
    def restart_both(person: Person) -> None:
        person.systemctl("restart", DAEMON)
        matrix.machine.run("systemctl", "restart", GATEWAY)

    def upgrade(_: Person) -> None:
        matrix.machine.run("env", "DEBIAN_FRONTEND=noninteractive", "dpkg", "-i",
                           *(f"/var/tmp/{package.name}" for package in packages))

    disturbed(matrix, "the gateway restarted amid a refresh",
              lambda _: matrix.machine.run("systemctl", "restart", GATEWAY))
    disturbed(matrix, "both restarted amid a refresh", restart_both)
    disturbed(matrix, "the package upgraded amid a refresh", upgrade)


# answers that are lost

def lose_answers(matrix: Matrix, account: str, suffix: str) -> list[Person]:
    people = matrix.people(len(LOST), account)

    def lose(case: tuple[Person, str]) -> None:
        person, what = case
        kind, details = LOST[what]
        person.fault(kind, **details)
        person.refresh()
        person.shows(f"{what}, {suffix}")

    matrix.in_parallel(lose, zip(people, LOST))
    return people


def test_a_lost_rotated_answer_loses_nothing_and_the_next_caller_does_not_hang(
        matrix: Matrix, capsys: pytest.CaptureFixture[str]) -> None:
    for person in lose_answers(matrix, "strict", "no grace"):
        begin = time.monotonic()
        token = person.run("oidc-keyring", "token", "strict")
        longer = person.run("oidc-keyring", "token", "--min-valid=3600", "strict")
        took = time.monotonic() - begin
        assert (token.returncode, token.stdout) == (0, f"{person.before}\n")
        assert longer.returncode == 5 and "lost" in longer.stderr
        assert person.count("token_refresh") == 1, "nobody was kept waiting for the provider"
        with capsys.disabled():
            print(f"two callers after a lost answer: {took:.2f} s")
    matrix.provider.config(grace=30)
    lose_answers(matrix, "corp", "within the grace")


# trouble at the provider

FAILURES = 3  # before the one that is looked at, so that the next does not come at once


def test_trouble_that_passes(matrix: Matrix) -> None:
    def go_through(case: tuple[Person, str]) -> None:
        person, what = case
        kind, details = TROUBLE[what]
        person.fault(kind, -1, **details)
        assert [person.refresh() for _ in range(FAILURES)] == [5] * FAILURES
        person.mark()
        assert person.refresh() == 5
        person.shows(what)
        matrix.provider.clear_faults(person.name)
        person.wait_for_requests(2)
        person.wait_for_state("fresh")
        person.shows(f"{what}, and well again")

    matrix.in_parallel(go_through, zip(matrix.people(len(TROUBLE)), TROUBLE))


def test_retry_after_holds_for_the_whole_host(matrix: Matrix) -> None:
    def go_through(case: tuple[str, int]) -> None:
        account, status = case
        first, second = people[account]
        first.fault("status", status=status, headers={"retry-after": "6"})
        assert (first.refresh(), second.refresh()) == (5, 5)
        first.shows(f"{status} with Retry-After")
        second.shows(f"{status} with Retry-After for another user")
        for person in (first, second):
            person.wait_for_state("fresh")
        first.shows(f"{status} with Retry-After, when that is over")
        second.shows(f"{status} with Retry-After for another user, when that is over")

    statuses = {"busy": 503, "throttled": 429}
    people = {account: matrix.people(2, account) for account in statuses}
    matrix.in_parallel(go_through, statuses.items())


def test_slow_answer(matrix: Matrix) -> None:
    person = matrix.person()
    person.fault("slow", delay_ms=100, chunk=40)
    assert person.refresh() == 0
    person.shows("an answer that comes in drops")


@pytest.fixture(scope="module")
def meanwhile(whole: Matrix) -> dict[str, Future[None]]:
    """What takes its time, all at once: none of it concerns the others."""
    whole.begin_test()
    tasks = (silent_provider, half_a_minute_of_503, last_session_closed, session_of_one_who_lingers)
    with clock.steady(), ThreadPoolExecutor(len(tasks)) as pool:
        futures = {task.__name__: pool.submit(task, whole) for task in tasks}
    return futures


def silent_provider(matrix: Matrix) -> None:
    person, neighbour = matrix.person("strict"), matrix.person()
    elsewhere = Person(matrix, person.name, "other")
    elsewhere.log_in()
    person.fault("hang")
    caller = person.start_refresh()
    assert (elsewhere.refresh(), neighbour.refresh()) == (0, 0)
    elsewhere.shows("another account of the user whose provider is silent")
    neighbour.shows("another user while a provider is silent")
    assert caller.poll() is None, "it was silent all the time"
    caller.communicate(timeout=60)
    person.shows("no answer at all")


def half_a_minute_of_503(matrix: Matrix) -> None:
    """The life is what is left of a token of five minutes when its renewal begins."""
    person = matrix.person()
    person.fault("tamper", patch={"expires_in": 80})
    assert person.refresh() == 0
    person.mark()
    readers = start_readers(matrix, person.name)
    person.fault("status", -1, status=503)
    assert person.refresh() == 5
    end = time.monotonic() + 30
    while time.monotonic() < end:
        assert person.run("oidc-keyring", "token", "corp").stdout == f"{person.before}\n"
    person.shows_several("30 s of 503 before the token's end")
    matrix.provider.clear_faults(person.name)
    person.wait_for_state("fresh")
    assert stop_readers(readers)[1] == []
    person.shows_several("30 s of 503 before the token's end, and well again")


def test_half_a_minute_of_503_before_an_expiry_fails_no_reader(
        matrix: Matrix, meanwhile: dict[str, Future[None]]) -> None:
    meanwhile["half_a_minute_of_503"].result()


def test_a_silent_provider_blocks_neither_another_account_nor_other_users(
        matrix: Matrix, meanwhile: dict[str, Future[None]]) -> None:
    meanwhile["silent_provider"].result()


# sessions that end


def session_of_one_who_lingers(matrix: Matrix) -> None:
    person = logged_in_and_out(matrix)
    wait_until(lambda: "State=lingering" in matrix.machine.run("loginctl", "show-user", person.name).stdout)
    person.shows("last session closed by one who lingers")


def last_session_closed(matrix: Matrix) -> None:
    person = logged_in_and_out(matrix, linger=False)
    wait_until(lambda: matrix.machine.run("systemctl", "is-active", matrix.manager_of(person.name),
                                          check=False).returncode != 0)
    person.shows("last session closed")
    matrix.machine.sh(f"loginctl enable-linger {person.name}")
    wait_until(lambda: matrix.has_bus(person.name))


def logged_in_and_out(matrix: Matrix, linger: bool = True) -> Person:
    person = matrix.person()
    if not linger:
        matrix.machine.sh(f"loginctl disable-linger {person.name}")
    with matrix.session(person.name):
        person.mark()
    return person


def test_last_session_closed(matrix: Matrix, meanwhile: dict[str, Future[None]]) -> None:
    meanwhile["last_session_closed"].result()
    meanwhile["session_of_one_who_lingers"].result()


def test_logout(matrix: Matrix) -> None:
    person, kept = matrix.person(), matrix.person("kept")
    assert person.run("oidc-keyring", "logout", "corp").returncode == 0
    person.shows("oidc-keyring logout")
    matrix.machine.sh(f"systemctl stop {matrix.manager_of(kept.name)}")
    kept.shows("last session closed with keep_on_logout")
    matrix.machine.sh(f"systemctl start {matrix.manager_of(kept.name)}")


# logins while others are there


def test_second_login_while_the_first_lives(matrix: Matrix) -> None:
    person = matrix.person()
    readers = start_readers(matrix, person.name)
    first = person.before
    person.log_in(mark=False)
    person.shows("second login while the first lives")
    seen, gaps = stop_readers(readers)
    assert not gaps
    assert {token.fingerprint for token in seen} == {fingerprint(str(token)) for token in (first, person.token())}


def test_two_logins_at_once(matrix: Matrix) -> None:
    person = matrix.person()
    readers = start_readers(matrix, person.name)
    matrix.in_parallel(lambda _: person.log_in(mark=False), range(2))
    wait_until(lambda: person.count("revocation") == 2)
    person.shows("two logins at once while another lives")
    assert stop_readers(readers)[1] == []


# the provider out of reach


def test_provider_out_of_reach(matrix: Matrix) -> None:
    def gone_from_dns() -> None:
        matrix.name_of_provider(False)
        matrix.machine.run("systemctl", "restart", GATEWAY)  # which remembers names for a while

    idp = matrix.provider
    outages = {"the provider's name gone from DNS": (gone_from_dns, lambda: matrix.name_of_provider(True)),
               "TLS broken": (lambda: idp.tls("unknown_ca"), idp.tls), "the provider down": (idp.down, idp.up)}
    people = matrix.people(3)
    prompts = idp.count("device_authorization")
    for outage, (break_it, mend_it) in outages.items():
        break_it()
        try:
            assert all(matrix.in_parallel(Person.refresh, people))
            for person in people:
                person.shows(outage)
        finally:
            mend_it()
        for person in people:
            person.wait_for_state("fresh")
            person.shows(f"{outage}, and back")
            person.mark()
    assert idp.count("device_authorization") == prompts, "nobody was asked to log in"


def test_network_that_goes_and_comes_back(matrix: Matrix, capsys: pytest.CaptureFixture[str]) -> None:
    """The gateway in a network of its own, with a connection to the provider that it keeps."""
    people = matrix.people(3)
    try:
        matrix.move_gateway(f"--net={NETWORK}")
        assert matrix.in_parallel(Person.refresh, people) == [0] * len(people)
        matrix.in_parallel(Person.mark, people)
        matrix.network.unplug()
        begin = time.monotonic()
        assert matrix.in_parallel(Person.refresh, people) == [5] * len(people)
        with capsys.disabled():
            print(f"refresh while the interface is down: {time.monotonic() - begin:.1f} s")
        for person in people:
            person.shows("the interface down")
        matrix.network.plug()
        for person in people:
            person.wait_for_state("fresh")
            person.shows("the interface up again")
        matrix.in_parallel(Person.mark, people)
        matrix.network.set_address(3)
        assert matrix.in_parallel(Person.refresh, people) == [0] * len(people)
        for person in people:
            person.shows("another address of the host, and a refresh")
    finally:
        matrix.network.plug()
        matrix.move_gateway()


# the end of a grant

def test_dialects_of_the_end(matrix: Matrix) -> None:
    def end(case: tuple[Person, str]) -> None:
        person, dialect = case
        (kind, details), tries = DIALECTS[dialect]
        person.fault(kind, -1, **details)
        codes = [person.refresh() for _ in range(tries)]  # the daemon's own attempts count, too
        assert codes[-1] == 3 and codes == [5] * codes.count(5) + [3] * codes.count(3)
        matrix.provider.clear_faults(person.name)
        assert [person.refresh() for _ in range(3)] == [3] * 3
        person.shows(dialect)

    matrix.in_parallel(end, zip(matrix.people(len(DIALECTS), "strict"), DIALECTS))


def test_a_revoked_grant_does_not_block_callers(matrix: Matrix, capsys: pytest.CaptureFixture[str]) -> None:
    person = matrix.person()
    matrix.provider.revoke(person.name)
    assert person.refresh() == 3
    begin = time.monotonic()
    for argv in (["refresh", "corp"], ["token", "--min-valid=3600", "corp"]):
        assert matrix.in_parallel(lambda _: person.run("oidc-keyring", *argv).returncode, range(10)) == [3] * 10
    with capsys.disabled():
        print(f"20 callers after the end: {time.monotonic() - begin:.2f} s")
    person.shows("revoked by the provider, and 20 callers")


def test_token_that_is_left_expires(matrix: Matrix) -> None:
    matrix.provider.config(access_token_ttl=6)
    person = matrix.person()
    matrix.provider.revoke(person.name)
    wait_until(lambda: person.token() is None)
    person.shows("revoked by the provider, and the token expired")
    matrix.provider.reset_config()
    matrix.provider.config(interval=1)
    person.log_in(mark=False)
    person.shows("revoked by the provider, and oidc-keyring login")


# lives and clocks

def test_expires_in(matrix: Matrix) -> None:
    def renew(case: tuple[Person, str]) -> None:
        person, what = case
        person.fault("tamper", patch={"expires_in": LIVES[what]})
        assert person.refresh() == 0
        if what == "zero":
            person.wait_for_requests(2)
            person.wait_for_state("fresh")
        person.shows(f"expires_in {what}", lives=True)

    matrix.in_parallel(renew, zip(matrix.people(len(LIVES)), LIVES))


def test_lives_of_seconds_and_of_a_day(matrix: Matrix) -> None:
    matrix.provider.config(access_token_ttl=86400)
    person = matrix.person()
    account = person.status()
    assert account["next_refresh"] - time.time() > 86400 / 5
    person.shows("tokens of 24 h", lives=True)

    matrix.provider.config(access_token_ttl=5)
    person = matrix.person()
    readers = start_readers(matrix, person.name)
    person.wait_for_requests(4)
    seen, gaps = stop_readers(readers)
    ends = expiries(matrix, person.name)
    assert not gaps and len(seen) >= 4 and not [token for token in seen if token.last > ends[token.fingerprint]]
    person.shows_several("tokens of 5 s")


@pytest.mark.steps_the_clock
def test_clock_set(matrix: Matrix) -> None:
    """Of this host alone: the provider's clock stays right. The kernel ends keys by the time of day."""
    person = matrix.person()
    for hours, there, back in ((3, "clock set 3 h forward", "clock set back"),
                               (-3, "clock set 3 h back", "clock set forward")):
        person.mark()
        with clock.stepped(hours * clock.HOUR):
            wait_until(lambda: person.token() == person.before, 5)  # others have the same clock
            person.shows(there)
            assert person.key_ends_in_minutes()
            assert person.refresh() == 0
            person.shows(f"{there}, and a refresh")
        wait_until(lambda: person.token() is not None)
        person.mark()
        person.shows(back)
        assert person.key_ends_in_minutes()


def test_a_reader_of_an_expired_token_waits_no_longer_than_the_provider(
        matrix: Matrix, capsys: pytest.CaptureFixture[str]) -> None:
    """Asleep as on a machine that is suspended: nothing of ours runs while the clocks go on."""
    matrix.provider.config(access_token_ttl=8)
    person = matrix.person()
    pids = [matrix.daemon_pid(person.name), matrix.gateway_pid()]
    matrix.machine.run("kill", "-STOP", *pids)
    person.mark()
    wait_until(lambda: person.token() is None)
    time.sleep(2)  # the kernel ends the key that much earlier than the token
    person.fault("delay", delay_ms=500)
    reader = person.start("oidc-keyring", "token", "corp")
    begin = time.monotonic()
    matrix.machine.run("kill", "-CONT", *pids)
    token, _ = reader.communicate(timeout=60)
    took = time.monotonic() - begin
    assert matrix.provider.introspect(token.strip())["active"]
    person.shows("asleep until the token had expired")
    with capsys.disabled():
        print(f"reader of an expired token, with a provider that takes 0.50 s: {took:.2f} s")


def test_suspended_for_hours(matrix: Matrix) -> None:
    """Daemon and gateway go on where CLOCK_BOOTTIME is ahead; nothing has told them that they slept."""
    person = matrix.person()
    matrix.machine.sh(f"install -m 4755 $(command -v nsenter) {ENTER}; touch {SLEPT}; "
                      f"unshare --time={SLEPT} --boottime {8 * clock.HOUR} true")
    try:
        matrix.move_gateway(f"--time={SLEPT}")
        enter = f"--time={SLEPT} setpriv --reuid={person.name} --regid={person.name} --init-groups"
        person.change_daemon(*DOORS_OPEN, "ExecStart=", f"ExecStart={ENTER} {enter} {DAEMON_PROGRAM}")
        person.wait_for_requests(1)
        person.wait_for_state("fresh")
        person.shows("suspended for 8 hours")
        places = {matrix.machine.sh(f"readlink /proc/{pid}/ns/time")
                  for pid in (matrix.daemon_pid(person.name), matrix.gateway_pid())}
        assert len(places) == 1 and places != {matrix.machine.sh("readlink /proc/1/ns/time")}
    finally:
        person.change_daemon()
        matrix.move_gateway()


# the keyring


def test_keyring_full(matrix: Matrix) -> None:
    person = matrix.person()
    person.run("oidc-keyring", "logout", check=True)
    person.fill_keyring()
    try:
        person.log_in(NO_KEY)
        person.shows("no room in the keyring")
        assert person.refresh() == NO_KEY
        token = person.run("oidc-keyring", "token", "corp", check=True).stdout.strip()
        assert matrix.provider.introspect(token)["active"]
    finally:
        person.run("keyctl", "clear", "@u", check=True)
    wait_until(lambda: person.status()["key_serial"] != 0)
    person.shows("no room in the keyring, and room again")


def test_token_too_large_for_a_key(matrix: Matrix) -> None:
    person = matrix.person()
    person.run("oidc-keyring", "logout", check=True)
    matrix.provider.config(access_token_bytes=40000)
    person.log_in(NO_KEY)
    person.shows("a token of 40 kB")
    token = person.run("oidc-keyring", "token", "corp", check=True).stdout.strip()
    assert len(token) >= 40000 and matrix.provider.introspect(token)["active"]


def test_key_changed_by_another_process(matrix: Matrix) -> None:
    def spoil(case: tuple[Person, str]) -> None:
        person, what = case
        person.run("sh", "-c", DAMAGE[what].format(f"$(keyctl search @u user {person.key})"), check=True)
        assert person.token() != person.before
        assert person.run("oidc-keyring", "token", "corp", check=True).stdout == f"{person.before}\n"
        person.shows(f"the {what} by another process, and a program asks")

    matrix.in_parallel(spoil, zip(matrix.people(len(DAMAGE)), DAMAGE))


def test_keyctl_forbidden(matrix: Matrix) -> None:
    sandbox = ("SystemCallFilter=~@keyring", "SystemCallErrorNumber=EPERM")
    person, walled = matrix.people(2)
    command = person.command("oidc-keyring", "token", "corp")
    done = matrix.machine.run(command[0], *(f"--property={line}" for line in sandbox), *command[1:])
    assert done.stdout == f"{person.before}\n"
    person.shows("keyctl forbidden to a program that asks")

    walled.run("oidc-keyring", "logout", check=True)
    walled.change_daemon(*sandbox)
    try:
        walled.log_in(NO_KEY)
        walled.shows("keyctl forbidden to the daemon")
        token = walled.run("oidc-keyring", "token", "corp", check=True).stdout.strip()
        assert matrix.provider.introspect(token)["active"]
    finally:
        walled.change_daemon()


def test_keys_left_over_from_a_crash(matrix: Matrix) -> None:
    """All that held the grant was killed. What is left ends by the kernel's hand."""
    person = matrix.person()
    manager = matrix.manager_of(person.name)
    matrix.machine.sh(f"systemctl kill --signal=KILL {manager}; systemctl stop {manager}; systemctl start {manager}")
    person.shows("kill -9 of all that the user runs")
    assert person.key_ends_in_minutes()
    person.log_in(mark=False)
    person.shows("kill -9 of all that the user runs, and a new login")


# last, as the machine is another one after it


def test_machine_that_shuts_down_while_the_provider_hangs(matrix: Matrix, capsys: pytest.CaptureFixture[str]) -> None:
    """Each daemon is given its 5 s, and what its unit allows beyond that is not needed."""
    told, hanging = matrix.people(2)
    hanging.fault("hang", -1, "revocation")
    matrix.machine.write(KEPT_JOURNAL, "[Journal]\nStorage=persistent\n")
    matrix.machine.sh("systemctl restart systemd-journald; journalctl --flush")
    try:
        matrix.machine.reboot()
        lines = matrix.machine.sh("journalctl -q -b -1 -o short-monotonic --no-pager")
    finally:
        matrix.machine.sh(f"rm -rf {KEPT_JOURNAL} /var/log/journal; systemctl restart systemd-journald")
    assert not re.search(r"oidc-keyring.*State '.*' timed out", lines), "nothing had to be killed"
    for person, fault in ((told, "the machine shuts down"), (hanging, "the machine shuts down and the provider hangs")):
        wait_until(lambda: matrix.has_bus(person.name))
        person.shows(fault)
        took = time_to_stop(lines, matrix.manager_of(person.name))
        with capsys.disabled():
            print(f"{fault}: the user's manager takes {took:.1f} s")
        assert took < 5 + 15  # of oidc-keyringd(8), and TimeoutStopSec= of its unit
