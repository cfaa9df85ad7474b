# SPDX-License-Identifier: MIT
"""Whatever a provider, or who stands between, answers: a clear refusal in time, and the next login works.

The bad answers are those of tests/idp/bad_answers.py. They are given to the gateway as it runs in the machine, over its
D-Bus interface and by many callers at once; a whole login over ssh follows each group.
"""

from __future__ import annotations

import os
import socket
import threading
import unicodedata
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Iterator

import pytest

from bad_answers import ENDPOINTS, ESC, BadAnswer, bad_answers, of
from bus import Caller, GatewayError
from host import CA_FILE, GATEWAY, Host
from provider import Provider

# beyond those that really log in, whose names are in the machine's files and nowhere else
CROWD, CROWD_UID = 1000, 30000
WORKERS = 48
# A gateway lets remote hosts begin only so many logins at once, so a new one has its turn with the other half.
PARTS = [pytest.param(slice(start, None, 2), id=f"half-{start}") for start in range(2)]
ENTRIES = 50
# What a refusal may be called: nothing that says "no answer" or "of no known kind".
REFUSALS = {"AnswerLost", "ProviderAnswer", "ProviderUnreachable", "ProviderUntrusted", "ProviderBusy", "ClientRefused",
            "CodeExpired", "AccessDenied", "IdTokenInvalid", "ClockWrong", "NoRefreshToken", "LoginRequired",
            "UserMismatch"}
# what moves the cursor, reorders or hides text
UNSHOWABLE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
# Forgeries that are none for this client: they are good, or about what nobody asked for.
TRUE_TOKENS = {"other_alg", "no_kid", "wrong_sub", "old_auth_time", "wrong_acr", "resigned", "replaced",
               "der_signature"}


class Elsewhere:
    """An address that nothing may be sent to."""

    def __init__(self) -> None:
        self.contacts = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.contacts += 1
            connection.close()

    def close(self) -> None:
        self._socket.close()


class Trial:
    """Bad answers to one gateway, and what became of them."""

    def __init__(self, host: Host, elsewhere: Elsewhere) -> None:
        self.host, self.idp, self.elsewhere = host, host.provider, elsewhere
        self.table = bad_answers(self.idp.issuer, elsewhere.address)
        self.tried = 0
        self.failures: list[str] = []
        self._users = iter(range(CROWD))
        self._lock = threading.Lock()
        self._written = 0
        self.configure()
        with self.caller() as caller:  # so that it runs
            Login(self, caller).cancel()
        self.pid = self._pid()

    def _pid(self) -> str:
        return self.host.machine.run("systemctl", "show", "-P", "MainPID", GATEWAY).stdout.strip()

    def caller(self) -> Caller:
        return Caller(self.host.machine)

    def next_user(self) -> str:
        """A new one each time, as attempts are limited for each."""
        with self._lock:
            return f"crowd{next(self._users)}"

    def configure(self, entries: int = 1) -> None:
        """So that the gateway knows nothing any more of what it fetched; the first entry is called e0."""
        self._written += 1
        text = [f"# {self._written}"]
        for number in range(entries):
            text += [f"[provider e{number}]", f"issuer = {self.idp.issuer}", "client_id = ssh-login",
                     f"ca_file = {CA_FILE}"]
        self.host.configure("\n".join([*text, ""]))

    def judge(self, answer: BadAnswer, endpoint: str, attempt: Callable[[], Any],
              afterwards: Callable[[], Any] = lambda: None) -> None:
        """One bad answer: refused, or harmless; and good again afterwards, where that is tried."""
        failure = self._failure(answer, endpoint, attempt, afterwards)
        with self._lock:
            self.tried += 1
            if failure:
                self.failures.append(f"{endpoint} {answer.name}: {failure}")

    def _failure(self, answer: BadAnswer, endpoint: str, attempt: Callable[[], Any],
                 afterwards: Callable[[], Any]) -> str | None:
        try:
            attempt()
            if endpoint not in answer.harmless:
                return "it was taken"
        except GatewayError as error:
            if error.name not in REFUSALS or not is_showable(error.message):
                return f"refused by {error!r}"
        try:
            afterwards()
        except GatewayError as error:
            return f"the next one fails, too: {error}"
        return None

    def in_parallel(self, work: Callable[[Any], None], items: list[Any]) -> None:
        with ThreadPoolExecutor(WORKERS) as pool:
            for done in [pool.submit(work, item) for item in items]:
                done.result()

    def end(self) -> None:
        """It is still the same gateway, and lets a person in."""
        assert not self.failures, "\n".join(self.failures)
        assert self._pid() == self.pid
        assert self.elsewhere.contacts == 0
        self.idp.clear_faults()
        self.host.configure()
        with self.host.logged_in("alice", "id -un") as client:
            assert client.output() == "alice\n"
        assert self._pid() == self.pid


class Login:
    """One that was begun; its challenge can be shown."""

    def __init__(self, trial: Trial, caller: Caller, entry: str = "e0") -> None:
        self.trial, self.caller, self.user = trial, caller, trial.next_user()
        self.id, *challenge = caller.call("BeginLogin", "ssssss", "ssssts", entry, self.user, "sshd",
                                          f"host-of-{self.user}", "ssh", "none")
        self.code = challenge[2]
        for text in challenge[:3]:
            assert is_showable(text) and text.isascii() and " " not in text, repr(text)
        assert challenge[0].startswith("https://") and challenge[1][:8] in ("", "https://")

    def cancel(self) -> None:
        self.caller.call("CancelLogin", "s", "", self.id)

    def approved(self) -> None:
        """Waits for the verdict."""
        self.trial.idp.approve(self.code, self.user)
        self.caller.call("AwaitLogin", "s", "ss", self.id)

    def grant(self) -> int:
        self.approved()
        fd, = self.caller.call("ClaimGrant", "ss", "h", self.id, self.user)
        assert isinstance(fd, int)
        return fd


def is_showable(text: str) -> bool:
    return not any(character != "\n" and unicodedata.category(character) in UNSHOWABLE for character in text)


@pytest.fixture(scope="module")
def crowd(prepared: Host) -> Iterator[None]:
    others = prepared.machine.read("/etc/passwd")
    people = [f"crowd{n}:x:{CROWD_UID + n}:{CROWD_UID + n}::/nonexistent:/usr/sbin/nologin\n" for n in range(CROWD)]
    prepared.machine.write("/etc/passwd", others + "".join(people))
    yield
    prepared.machine.write("/etc/passwd", others)


@pytest.fixture(scope="module")
def tally(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    """What all tests here tried, said at their end."""
    counts: Counter[str] = Counter()
    yield counts
    capture = request.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        print(f"\nbad answers: {counts['answers']} tried, {counts['survived']} survived")
        print(f"tampered tokens: {counts['tokens']} tried, {counts['refused']} refused")


@pytest.fixture
def trial(host: Host, crowd: None, tally: Counter[str]) -> Iterator[Trial]:
    elsewhere = Elsewhere()
    trial = Trial(host, elsewhere)
    yield trial
    elsewhere.close()
    tally["answers"] += trial.tried
    tally["survived"] += trial.tried - len(trial.failures)


@pytest.mark.parametrize("part", PARTS)
def test_discovery(trial: Trial, part: slice) -> None:
    with trial.caller() as caller:
        for answer in of(trial.table, "discovery")[part]:
            trial.configure()
            answer.strike(trial.idp, "discovery")

            def afterwards() -> None:
                trial.idp.clear_faults()
                Login(trial, caller).cancel()

            trial.judge(answer, "discovery", lambda: Login(trial, caller).cancel(), afterwards)
    trial.end()


@pytest.mark.parametrize("part", PARTS)
def test_device_authorization(trial: Trial, part: slice) -> None:
    with trial.caller() as caller:
        for answer in of(trial.table, "device_authorization")[part]:
            answer.strike(trial.idp, "device_authorization")

            def afterwards() -> None:
                trial.idp.clear_faults()
                Login(trial, caller).cancel()

            trial.judge(answer, "device_authorization", lambda: Login(trial, caller).cancel(), afterwards)
    trial.end()


def test_keys(trial: Trial) -> None:
    """Each entry of the configuration is sent to keys of its own, so that all are fetched at once."""
    answers = of(trial.table, "jwks")
    for first in range(0, len(answers), ENTRIES):
        batch = list(enumerate(answers[first:first + ENTRIES]))
        trial.configure(len(batch))
        callers = [trial.caller() for _ in batch]
        logins = []
        for number, answer in batch:
            query = f"entry={number}"
            answer.strike(trial.idp, "jwks", query=query)
            trial.idp.fault("discovery", "tamper", patch={"jwks_uri": f"{trial.idp.issuer}/jwks?{query}"})
            logins.append(Login(trial, callers[number], f"e{number}"))
        # Where keys are not to be had the document is asked again: it leads to none, either.
        trial.idp.fault("discovery", "tamper", -1, patch={"jwks_uri": f"{trial.idp.issuer}/nowhere"})
        verdicts: list[GatewayError | None] = [None] * len(batch)

        def wait(number: int) -> None:
            try:
                logins[number].approved()
            except GatewayError as error:
                verdicts[number] = error

        def check(numbered: tuple[int, BadAnswer]) -> None:
            number, answer = numbered

            def attempt() -> None:
                error = verdicts[number]
                if error is not None:
                    raise error

            trial.judge(answer, "jwks", attempt, lambda: Login(trial, callers[number], f"e{number}").approved())

        trial.in_parallel(wait, list(range(len(batch))))
        trial.idp.clear_faults()
        trial.in_parallel(check, batch)
        for caller in callers:
            caller.close()
    trial.end()


def test_polls(trial: Trial) -> None:
    """The codes live for the shortest time that there is, as some answers only mean to ask again."""
    trial.idp.config(device_code_ttl=10)

    def work(answer: BadAnswer) -> None:
        with trial.caller() as caller:
            login = Login(trial, caller)
            answer.strike(trial.idp, "token_device", login=login.user)
            trial.judge(answer, "token_device", login.approved)

    trial.in_parallel(work, of(trial.table, "token_device"))
    trial.idp.reset_config()
    trial.idp.config(interval=1)
    trial.end()


def test_refresh_and_revocation(trial: Trial) -> None:
    """Every fourth answer: a host's root may ask for only so many. Those of users are in tests/gateway."""
    trial.idp.config(grace=600)

    def work(answers: tuple[BadAnswer, BadAnswer]) -> None:
        refresh, revocation = answers
        with trial.caller() as caller:
            login = Login(trial, caller)
            fd = login.grant()
            refresh.strike(trial.idp, "token_refresh", login=login.user)
            trial.judge(refresh, "token_refresh", lambda: os.close(caller.call("Refresh", "h", "h", fd)[0]))
            revocation.strike(trial.idp, "revocation", login=login.user)
            trial.judge(revocation, "revocation", lambda: caller.call("Revoke", "h", "", fd))
            os.close(fd)

    trial.in_parallel(work, list(zip(of(trial.table, "token_refresh")[::4], of(trial.table, "revocation")[1::4])))
    trial.end()


# Answers that do not come, or not to an end, and where. No more at once than a host is asked at the same time.
SILENCE = (
    # a refresh is tried once more by itself
    (BadAnswer("hang", "hang", harmless=("token_refresh",)), ENDPOINTS),
    (BadAnswer("trickle", "slow", {"delay_ms": 1000, "chunk": 1}),
     ("discovery", "device_authorization", "token_device")),
    (BadAnswer("endless-head", "raw", {"body": "HTTP/1.1 200 OK\r\n", "open": True}),
     ("jwks", "device_authorization")),
    (BadAnswer("endless-continue", "raw", {"body": "HTTP/1.1 100 Continue\r\n\r\n", "open": True}), ("revocation",)),
)


class Silence:
    """The preparation of each endpoint for an answer that does not come; each returns the call that it strikes."""

    def __init__(self, trial: Trial) -> None:
        self.trial, self.idp = trial, trial.idp
        self._entries = iter(range(1, ENTRIES))

    def prepare(self, answer: BadAnswer, endpoint: str) -> Callable[[], Any]:
        prepare: Callable[[BadAnswer, Caller, str], Callable[[], Any]] = getattr(self, endpoint)
        return prepare(answer, self.trial.caller(), f"e{next(self._entries)}")

    def discovery(self, answer: BadAnswer, caller: Caller, entry: str) -> Callable[[], Any]:
        answer.strike(self.idp, "discovery", 1)
        return lambda: Login(self.trial, caller, entry)

    def device_authorization(self, answer: BadAnswer, caller: Caller, entry: str) -> Callable[[], Any]:
        answer.strike(self.idp, "device_authorization", 1)
        return lambda: Login(self.trial, caller)

    def jwks(self, answer: BadAnswer, caller: Caller, entry: str) -> Callable[[], Any]:
        answer.strike(self.idp, "jwks", query=f"of={entry}")
        self.idp.fault("discovery", "tamper", patch={"jwks_uri": f"{self.idp.issuer}/jwks?of={entry}"})
        return Login(self.trial, caller, entry).approved

    def token_device(self, answer: BadAnswer, caller: Caller, entry: str) -> Callable[[], Any]:
        self.idp.config(device_code_ttl=10)
        login = Login(self.trial, caller)
        self.idp.config(device_code_ttl=600)
        answer.strike(self.idp, "token_device", login=login.user)
        return login.approved

    def token_refresh(self, answer: BadAnswer, caller: Caller, entry: str) -> Callable[[], Any]:
        login = Login(self.trial, caller)
        fd = login.grant()
        answer.strike(self.idp, "token_refresh", 1, login=login.user)
        return lambda: caller.call("Refresh", "h", "h", fd)

    def revocation(self, answer: BadAnswer, caller: Caller, entry: str) -> Callable[[], Any]:
        login = Login(self.trial, caller)
        fd = login.grant()
        answer.strike(self.idp, "revocation", login=login.user)
        return lambda: caller.call("Revoke", "h", "", fd)


def test_no_answer_at_all(trial: Trial) -> None:
    """All at once, as each takes as long as the gateway waits; somebody else logs in meanwhile."""
    trial.configure(ENTRIES)
    silence = Silence(trial)
    with trial.caller() as caller:
        Login(trial, caller).approved()
    with ThreadPoolExecutor(WORKERS) as pool:
        waiting = []
        for answer, endpoints in SILENCE:
            for endpoint in endpoints:
                seen = trial.idp.count("faults")
                waiting.append(pool.submit(trial.judge, answer, endpoint, silence.prepare(answer, endpoint)))
                trial.idp.wait("faults", at_least=seen + 1)
        with trial.caller() as caller:
            Login(trial, caller).approved()
        assert not all(done.done() for done in waiting)
        for done in waiting:
            done.result()
    trial.end()


@pytest.mark.parametrize(("certificate", "versions"), [
    ("expired", {}), ("wrong_name", {}), ("unknown_ca", {}),
    ("good", {"min_version": "TLSv1", "max_version": "TLSv1"}),
    ("good", {"min_version": "TLSv1.1", "max_version": "TLSv1.1"})])
def test_tls(trial: Trial, certificate: str, versions: dict[str, str]) -> None:
    answer = BadAnswer(f"{certificate} {versions}", "tls")
    trial.idp.tls(certificate, **versions)
    with trial.caller() as caller:
        def afterwards() -> None:
            trial.idp.tls()
            Login(trial, caller).cancel()

        trial.judge(answer, "connection", lambda: Login(trial, caller).cancel(), afterwards)
    trial.end()


def test_forged_identities(trial: Trial, tally: Counter[str]) -> None:
    modes = [mode for mode in forge_modes(trial.idp) if mode not in TRUE_TOKENS]

    def work(mode: str) -> None:
        with trial.caller() as caller:
            login = Login(trial, caller)
            trial.idp.forge(mode, login=login.user)
            with pytest.raises(GatewayError) as error:
                login.approved()
            assert error.value.name in REFUSALS, f"{mode}: {error.value}"
            assert is_showable(error.value.message)
            tally["refused"] += 1

    tally["tokens"] += len(modes)
    trial.in_parallel(work, modes)
    # of two of them the answer as a whole could not be read, so that nothing in it can be revoked
    trial.idp.wait("live_grants", at_most=2)
    trial.end()


def forge_modes(idp: Provider) -> list[str]:
    with pytest.raises(Exception, match="there are: ") as error:
        idp.forge("no-such-mode")
    return str(error.value).partition("there are: ")[2].split()


@pytest.mark.parametrize("member", ["user_code", "verification_uri", "verification_uri_complete", "error"])
def test_nothing_hostile_on_the_screen(trial: Trial, member: str) -> None:
    """What the ssh client's terminal is sent by the client, every byte of it."""
    trial.host.configure()
    hostile = f"https://id.example.test/{ESC}[2J\u009b1m\u202e\u2066evil\x07\x08"
    if member == "error":
        trial.idp.fault("device_authorization", "json_error", -1, error=hostile, error_description=hostile)
    else:
        trial.idp.fault("device_authorization", "tamper", -1, patch={member: hostile})
    with trial.host.ssh("alice") as client:
        client.expect("[Pp]assword: ")
        assert "identity provider" in client.raw
        assert is_showable(client.raw.replace("\r", "")), repr(client.raw)
        assert "evil" not in client.raw
    trial.end()
