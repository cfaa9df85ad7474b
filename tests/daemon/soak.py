# SPDX-License-Identifier: MIT
"""Lets many users live with tokens of 5 s at a provider that rotates without grace, while daemons and gateway are
killed and restarted, the provider fails in every way, and people log in, log out and ask; then tells what was lost."""

from __future__ import annotations

import argparse
import itertools
import os
import random
import resource
import shutil
import signal
import sys
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from typing import Callable

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), *(str(HERE.parent / name) for name in ("gateway", "idp", "system"))]

from gateway import Gateway  # noqa: E402
import host_clock  # noqa: E402
from host_clock import HostClock, may_be_set, steady_time  # noqa: E402
from keeper import Keeper  # noqa: E402
from keys import BLOCK, UidBlock  # noqa: E402
from output import Output  # noqa: E402
from own_host import CLONE_NEWNS, name_users, unshare  # noqa: E402
from provider import Provider  # noqa: E402
from soak_history import SLOW, History, Span  # noqa: E402
from soak_processes import Usage, Withheld, at_rest, children, descriptors, keys_of, memory_kb  # noqa: E402
from soak_report import End, report  # noqa: E402
from soak_watch import TokenWatch  # noqa: E402

LIFETIME = 5
RESTART_DELAY = 0.2  # RestartSec= of the units
WARM_UP = 10
PATIENCE = 90
RECOVERY = 60  # at the end at most, until everybody has a token: the gateway waits 30 s for an answer that hangs
ANSWER_MEMORY = 20  # the gateway's, from when the answer, or the gateway that took it over, came
CONFIG = "min_uid = 1\nrotation_grace = 0\nkeep_on_logout = yes"  # kept: so that SIGTERM is a restart
LOGIN_OVER = "a new login is needed"
OFFLINE = "cannot be renewed at the moment"
DIARY = 2000
COLLECT = 5  # seconds; the provider remembers its last 2000 requests, which are of half a minute
READINGS = 100  # of each user's key in a second
CLOCK_HOURS = 12  # by which the clock is wrong at most

# How often each happens in one round; a round is shuffled, so that everything happens.
DECK = {
    "kill the daemon": 22, "restart the daemon": 10, "kill the gateway": 3, "kill both": 2, "restart the gateway": 3,
    "provider down": 1, "provider says 503": 1, "provider is slow": 2, "hang": 1, "cut": 4, "cut_after": 3,
    "truncated": 2, "second login": 8, "logout and login": 6, "oidc-keyring refresh": 16,
    "clock set forward and back": 1, "clock set back and forward": 1,
}
CLOCK = {"clock set forward and back": 1, "clock set back and forward": -1}
# These are over for the last part of the run, so that the gateway's memory can be watched.
OF_THE_GATEWAY = ("kill the gateway", "kill both", "restart the gateway")
GATEWAY_PART = 0.6
WATCHED = 10  # seconds at least for which its memory is watched
SPARED = 5  # each so many-th user's daemon is never ended


class User:
    """One user and all that is theirs; one thing at a time happens to it."""

    def __init__(self, soak: Soak, number: int, uid: int) -> None:
        self.soak, self.uid, self.name = soak, uid, f"soak{number}"
        self.spared = number % SPARED == 0
        self.diary: deque[str] = deque(maxlen=DIARY)
        self.keeper = Keeper(soak.build, soak.gateway, self.name, log=Output(self._on_line))
        self._lock = threading.Lock()
        self._absence = soak.history.login_ended(uid)

    def note(self, text: str) -> None:
        self.diary.append(f"{steady_time():.3f} {text.rstrip()}")

    def _on_line(self, line: str) -> None:
        self.note(line)
        if OFFLINE in line:
            self.soak.history.offline[self.uid].append(steady_time())
        if LOGIN_OVER in line:
            self.soak.history.lost(self.uid, self.name)
            self._absence = self.soak.history.login_ended(self.uid)
            self.soak.submit(self.log_in)

    def log_in(self) -> None:
        """Until it works: a gateway that is killed takes the logins that wait with it."""
        with self._lock:
            self._log_in()

    def _log_in(self) -> None:
        tries = 0
        while tries < 30 and not self.soak.over:
            try:
                self.note("* logs in")
                self.keeper.log_in()
                self.note("* is logged in")
                self._absence.end = min(self._absence.end, steady_time())
                return
            except Exception:
                self.soak.history.count("logins that a fault broke off")
                tries += host_clock.is_right()  # else none can work
                time.sleep(1)  # as a person would; what is broken off does not say when it would work
        if not self.soak.over:
            self.soak.history.trouble(f"{self.name} cannot log in")

    def second_login(self) -> None:
        with self._lock:
            self._log_in()

    def log_out_and_in(self) -> None:
        with self._lock:
            self._absence = self.soak.history.login_ended(self.uid)
            self.note("* logs out")
            self.keeper.cli("logout")
            if self.keeper.token() is not None:
                self.soak.history.trouble(f"{self.name} has a key after the logout")
            self._log_in()

    def log_out(self) -> None:
        with self._lock:
            self._absence = self.soak.history.login_ended(self.uid)
            self.keeper.cli("logout")

    def refresh(self) -> None:
        self.keeper.cli("refresh")

    def kill(self) -> None:
        with self._lock:
            self.note("* killed")
            down = self.soak.history.daemon_ended(self.uid)
            self.keeper.kill()
            time.sleep(RESTART_DELAY)  # as the service manager does
            self._start(down)

    def restart(self) -> None:
        with self._lock:
            self.note("* told to end")
            down = self.soak.history.daemon_ended(self.uid)
            self.keeper.stop()
            self._start(down)

    def _start(self, down: Span) -> None:
        self.keeper.start()
        down.end = steady_time()
        self.note("* is back")


class Soak:
    def __init__(self, build: Path, idp: Provider, gateway: Gateway, clock: HostClock | None, uids: list[int],
                 seed: int) -> None:
        self.build, self.idp, self.gateway = build, idp, gateway
        self.history = History(idp, LIFETIME)
        self.over = False  # one way or the other: nothing new is begun
        self.readings_due = 0.0
        gateway.log = Output(self.history.on_gateway_line)
        self._clock, self._clock_lock = clock, threading.Lock()
        self._deck = {kind: times for kind, times in DECK.items() if clock is not None or kind not in CLOCK}
        self._random = random.Random(seed)
        self._pool = ThreadPoolExecutor(max_workers=12)
        self._futures: list[Future] = []
        self._gateway_lock = threading.Lock()
        self._provider_lock = threading.Lock()
        self.users = [User(self, number, uid) for number, uid in enumerate(uids)]
        self._by_uid = dict(zip(uids, self.users))

    def watch(self) -> TokenWatch:
        gateway = self.gateway
        withheld = Withheld(lambda: [gateway.process.pid, gateway.bus.pid, self.idp.pid])
        return TokenWatch(self.build, self.idp, list(self._by_uid), LIFETIME, withheld, self._pids)

    def _pids(self, uid: int) -> list[int]:
        keeper = self._by_uid[uid].keeper
        return [keeper.process.pid, keeper.bus.pid]

    def close(self) -> None:
        self.over = True
        self._pool.shutdown(cancel_futures=True)

    def collect(self) -> None:
        while not self.over:
            self.history.collect()
            time.sleep(COLLECT)

    def submit(self, work: Callable[..., None], *arguments: object) -> None:
        if self.over:
            return
        self._futures.append(self._pool.submit(self._guarded, work, *arguments))

    def _guarded(self, work: Callable[..., None], *arguments: object) -> None:
        try:
            work(*arguments)
        except Exception as error:
            self.history.trouble(f"{work.__qualname__}: {type(error).__name__}: {str(error)[-2000:]}")

    def settle(self) -> None:
        """Until what was begun is over."""
        deadline = time.monotonic() + PATIENCE
        while pending := [future for future in self._futures if not future.done()]:  # also what others have begun
            if wait(pending, timeout=deadline - time.monotonic()).not_done:
                raise TimeoutError("what was begun does not end:\n" + "\n".join(self.history.troubles))
        self._futures = [future for future in self._futures if not future.done()]

    # what may happen

    def kill_gateway(self) -> None:
        def start() -> None:
            time.sleep(RESTART_DELAY)  # as the service manager does
            self.gateway.start()
        with self._gateway_lock:
            down = self.history.gateway_ended()
            self.history.cut("the gateway was killed", self.gateway.kill, start)
            down.end = steady_time()

    def restart_gateway(self) -> None:
        with self._gateway_lock:
            down = self.history.gateway_ended()
            self.gateway.stop()
            self.gateway.start()
            down.end = steady_time()

    def kill_both(self, user: User) -> None:
        self.submit(user.kill)
        self.kill_gateway()

    def provider_down(self, seconds: float) -> None:
        with self._provider_lock:
            begin = steady_time()
            self.history.cut("the provider's connections were cut", self.idp.down,
                             lambda: time.sleep(seconds))  # the fault's own length
            self.idp.up()
            # the back-off is no longer than all that was waited before
            self.history.provider_was_unwell(begin, steady_time(), 2 * seconds + 4)

    def provider_busy(self, seconds: float) -> None:
        with self._provider_lock:
            begin = steady_time()
            self.idp.fault("token_refresh", "status", -1, status=503, headers={"retry-after": "2"})
            time.sleep(seconds)  # the fault's own length
            self.idp.clear_faults()
            self.history.provider_was_unwell(begin, steady_time() + 2, 2 * (seconds + 2) + 4)

    def provider_slow(self, seconds: float, delay: float) -> None:
        with self._provider_lock:
            begin = steady_time()
            self.idp.fault("token_refresh", "delay", -1, delay_ms=int(delay * 1000))
            time.sleep(seconds)  # the fault's own length
            self.idp.clear_faults()
            if delay > SLOW:
                self.history.slow.append(Span(begin, steady_time() + SLOW))

    def set_clock(self, seconds: int, duration: float) -> None:
        with self._clock_lock:
            self._clock.step(seconds, duration, self.history.steps.append)

    def happen(self, kind: str) -> None:
        """All that is random is drawn here, in one thread, so that a seed gives the same run."""
        user = self._random.choice(self.users)
        mortal = self._random.choice([user for user in self.users if not user.spared])
        seconds, delay = self._random.uniform(1.5, 4), self._random.uniform(0.1, 0.4)
        wrong = self._random.randrange(1800, CLOCK_HOURS * 3600)
        work = {
            "kill the daemon": (mortal.kill,), "restart the daemon": (mortal.restart,),
            "kill the gateway": (self.kill_gateway,), "kill both": (self.kill_both, mortal),
            "restart the gateway": (self.restart_gateway,), "provider down": (self.provider_down, seconds),
            "provider says 503": (self.provider_busy, seconds), "provider is slow": (self.provider_slow, seconds, delay),
            "second login": (user.second_login,), "logout and login": (user.log_out_and_in,),
            "oidc-keyring refresh": (user.refresh,),
            **{kind: (self.set_clock, sign * wrong, seconds) for kind, sign in CLOCK.items()},
        }
        self.history.count(kind)
        if kind in work:
            self.submit(*work[kind])
        else:
            self.idp.fault("token_refresh", kind, login=user.name)

    def rounds(self, seconds: float) -> Usage | None:
        """For so long; what is used when the gateway that nobody ends any more has come to rest."""
        begin, middle = time.monotonic(), None
        spared_at, steady_at = begin + GATEWAY_PART * seconds, float("inf")
        pause = min(1.0, seconds / sum(self._deck.values()))
        for number in itertools.count(1):
            deck = [kind for kind, times in self._deck.items() for _ in range(times)]
            self._random.shuffle(deck)
            for kind in deck:
                now = time.monotonic()
                if now > begin + seconds:
                    return middle
                if now > spared_at and steady_at == float("inf"):
                    self.settle()
                    steady_at = time.monotonic() + ANSWER_MEMORY
                if middle is None and steady_at < now < begin + seconds - WATCHED:
                    middle = self.usage()
                if kind not in OF_THE_GATEWAY or now < spared_at:
                    self.happen(kind)
                time.sleep(pause)
            print(f"round {number}: {self.idp.count('refreshed')} refreshes, {len(self.history.losses)} grants lost",
                  file=sys.stderr, flush=True)

    def usage(self) -> Usage:
        spared = [user.keeper.process.pid for user in self.users if user.spared]
        gateway = [self.gateway.process.pid]
        return Usage(children(), keys_of([user.uid for user in self.users]),
                     at_rest(memory_kb, gateway), at_rest(descriptors, gateway),
                     at_rest(memory_kb, spared), at_rest(descriptors, spared))


def live_tokens(soak: Soak) -> int:
    tokens = (user.keeper.token() for user in soak.users)
    return sum(token is not None and soak.idp.introspect(token)["active"] for token in tokens)


def recover(soak: Soak) -> int:
    """How many users have a live token after it."""
    soak.settle()
    soak.idp.clear_faults()
    deadline = time.monotonic() + RECOVERY
    while (live := live_tokens(soak)) < len(soak.users) and time.monotonic() < deadline:
        time.sleep(1)
    soak.settle()  # who lost a grant just now is logged in again
    return live


def log_everybody_out(soak: Soak) -> tuple[int, int, int]:
    """What is stored afterwards: answers and requests by the gateway, grants by the daemons."""
    for user in soak.users:
        soak.submit(user.log_out)
    soak.settle()
    stored = soak.gateway.manager.stored
    deadline = time.monotonic() + ANSWER_MEMORY + 5
    while stored("answer.") and time.monotonic() < deadline:
        time.sleep(0.5)
    return stored("answer."), stored("sent."), sum(user.keeper.manager.stored("") for user in soak.users)


def run(soak: Soak, seconds: float) -> bool:
    for user in soak.users:
        soak.submit(user.log_in)
    soak.settle()
    begin = time.monotonic()
    watch = soak.watch()
    threading.Thread(target=soak.collect, daemon=True).start()
    threading.Thread(target=host_clock.watch, args=(soak.history.steps.append,), daemon=True).start()
    time.sleep(WARM_UP)
    first = soak.usage()
    middle = soak.rounds(seconds)
    live = recover(soak)
    last = soak.usage()
    seen = watch.finish()
    soak.readings_due = (time.monotonic() - begin) * READINGS * len(soak.users)
    soak.history.collect()
    return report(soak, seen, End(first, middle, last, live, *log_everybody_out(soak)))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/soak", description=__doc__)
    parser.add_argument("--build", type=Path, default=HERE.parents[1] / "build", metavar="FOLDER",
                        help="where `make all` and `make check TESTS=` were run; default: build in the tree")
    parser.add_argument("--users", type=int, default=50, metavar="N", help="default: %(default)s")
    parser.add_argument("--minutes", type=float, default=4, metavar="N",
                        help="of faults, default: %(default)s; about one more is for start and end")
    parser.add_argument("--hours", type=float, metavar="N", help="instead")
    parser.add_argument("--seed", type=int, metavar="N",
                        help="of the choice of faults, which is printed; default: another one each time")
    parser.add_argument("--no-clock-steps", action="store_true",
                        help="leave the host's clock alone. Else, where it may be set, as in a container it may not, it is "
                        f"wrong by up to {CLOCK_HOURS} hours for some seconds, forward or back, now and then; whatever ends "
                        "this program, it is set back. Other programs of the host see that, and all kernel keys with a "
                        "timeout end when it is set forward")
    return parser.parse_args()


def check_needs(build: Path) -> None:
    for name in ("oidc-keyringd", "oidc-keyring-gateway", "oidc-keyring", "tests/daemon/token-watch",
                 "tests/daemon/hand-over", "tests/gateway/gateway-call"):
        if not (build / name).exists():
            sys.exit(f"tests/soak: there is no {build / name}; run `make all` and `make check TESTS=` in {build}, or name "
                     "another --build")
    for command, package in (("dbus-daemon", "dbus"), ("keyctl", "keyutils"), ("openssl", "openssl")):
        if shutil.which(command) is None:
            sys.exit(f"tests/soak: there is no {command} here; install the package {package}")


def soak_with(args: argparse.Namespace, seconds: float, uids: list[int], clock: HostClock | None) -> bool:
    with ExitStack() as stack:
        idp = stack.enter_context(Provider())
        idp.config(interval=1, access_token_ttl=LIFETIME, rotation=True, grace=0)
        gateway = Gateway(args.build.resolve(), idp, more=CONFIG, activated=True, options=(f"--answer-memory={ANSWER_MEMORY}",))
        soak = Soak(gateway.build, idp, gateway, clock, uids, args.seed)
        stack.enter_context(gateway)
        for user in soak.users:
            stack.enter_context(user.keeper)
        stack.callback(soak.close)
        return run(soak, seconds)


def main() -> int:
    args = arguments()
    check_needs(args.build)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda got, _: sys.exit(128 + got))
    if args.seed is None:
        args.seed = random.SystemRandom().randrange(1 << 32)
    seconds = 60 * (args.minutes if args.hours is None else 60 * args.hours)
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    steps = not args.no_clock_steps and may_be_set()
    command = (f"tests/soak --users {args.users} --minutes {seconds / 60:g} --seed {args.seed}"
               + ("" if steps else " --no-clock-steps"))
    print(command, flush=True)
    blocks = [UidBlock() for _ in range(-(-args.users // BLOCK))]
    uids = [uid for block in blocks for uid in block.uids][:args.users]
    clock = HostClock() if steps else None
    good = False
    try:
        unshare(CLONE_NEWNS)
        name_users({f"soak{n}": uid for n, uid in enumerate(uids)})
        good = soak_with(args, seconds, uids, clock)
    finally:
        if clock is not None:
            clock.close()
        for block in blocks:
            block.release()
        if not good:
            print(f"It failed: {command}", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
