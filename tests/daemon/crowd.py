# SPDX-License-Identifier: MIT
"""Lets many users of one host log in within a minute, live with short tokens at a provider that rotates without grace,
and live through two outages of it; then tells what the provider saw of it in each second, and what it cost."""

from __future__ import annotations

import argparse
import fcntl
import queue
import random
import resource
import shutil
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable, Iterator

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), *(str(HERE.parent / name) for name in ("gateway", "idp", "system"))]

from crowd_rates import Rate, Requests  # noqa: E402
from gateway import Caller, Gateway, GatewayError  # noqa: E402
from host_clock import steady_time  # noqa: E402
from keeper import Keeper  # noqa: E402
from keys import LOCKS, clear_keys, uids_with_keys  # noqa: E402
from output import Output  # noqa: E402
from own_host import CLONE_NEWNS, OwnNetwork, count_as_logged_in, name_users, unshare  # noqa: E402
from process_usage import Usage, switches  # noqa: E402
from provider import Provider  # noqa: E402
from soak_report import Line  # noqa: E402

FIRST_UID = 66000  # nobody's: above those of regular users, below those of containers
CONFIG = "min_uid = 1\nrotation_grace = 0\nkeep_on_logout = yes"  # kept: nothing is revoked when it is over
ANOTHER_TRY = (60.0, 70.0)  # of whom the gateway tells to wait a minute
# Each is a connection of root's, of which the bus gives 256 to one user.
DOORS = 200
PATIENCE = 600
AT_ONCE = 4  # are started or ended
IDLE = 8.0
LATE = 0.5  # may be noted, on a busy machine, what has happened
UNDER_WAY = 10  # a request that has begun before has ended
SPREAD = 0.03  # that each user of the host is given after a signal; all at once would be over too soon to be judged
STACK = 1 << 18  # of some threads for each user
# What a daemon says, of which the first is said once in an outage.
AWAY, BACK = "cannot be renewed at the moment", "could be renewed again"


@dataclass(frozen=True)
class Pace:
    """Of a whole run, and of the people in it."""

    users: int
    life: int  # of a token
    arrival: float  # all come within that
    thinking: tuple[float, float]  # from the code to its approval
    interval: int  # between two polls of a login
    bar: float  # of the busiest second, times the mean


FULL = Pace(users=1000, life=60, arrival=60, thinking=(4, 12), interval=5, bar=2)
# Chance is most of it there.
QUICK = Pace(users=150, life=20, arrival=10, thinking=(1, 2), interval=1, bar=3)


@dataclass
class Login:
    """What one person has seen of it."""

    refused: int = 0
    approved: float = 0.0
    answered: float = 0.0
    ready: float = 0.0  # the token is in the keyring


class Person(Keeper):
    """One user, with daemon and bus."""

    def __init__(self, crowd: Crowd, number: int) -> None:
        super().__init__(crowd.build, crowd.gateway, f"crowd{number}", log=Output(self._on_line))
        self.crowd, self.login = crowd, Login()
        self.source = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"

    def _on_line(self, line: str) -> None:
        self.crowd.diary.append((steady_time(), self.uid, line.strip()))

    def leave(self) -> None:
        for process in (self.process, self.bus):
            process.kill()
            process.wait()
        self._following.join()
        self.bus.stdout.close()
        shutil.rmtree(self.folder)

    def come(self, draw: random.Random) -> None:
        """Logs in from a place of its own; comes again when it is told to."""
        time.sleep(draw.uniform(0, self.crowd.pace.arrival))  # when a person comes
        while not self._log_in_at(draw):
            self.login.refused += 1
            time.sleep(draw.uniform(*ANOTHER_TRY))  # what the message asks for

    def _log_in_at(self, draw: random.Random) -> bool:
        with self.crowd.door() as door:
            try:
                challenge = door.begin(self.user, rhost=self.source)
            except GatewayError as error:
                assert error.name == "TooManyLogins", error
                return False
            tag = door.start("AwaitLogin", "s", challenge["id"])
            time.sleep(draw.uniform(*self.crowd.pace.thinking))  # as a person would
            self.gateway.idp.approve(challenge["code"], self.user)
            self.login.approved = steady_time()
            door.finish(tag)
            self.login.answered = steady_time()
            subprocess.run([self.build / "tests/daemon/hand-over", challenge["id"], self.user], env=self.environment,
                           stdout=subprocess.DEVNULL, check=True)
            self.login.ready = steady_time()
        return True


@dataclass(frozen=True)
class Phase:
    name: str
    begin: float
    end: float


@dataclass
class Outage:
    signal: bool
    begin: float
    end: float = 0.0
    offline: int = 0  # at its end
    back: list[float] = field(default_factory=list)  # when each of them was, from its end

    def __str__(self) -> str:
        return f"{self.end - self.begin:.0f} s" + (" that ends with a signal" if self.signal else "")


class Crowd:
    def __init__(self, build: Path, idp: Provider, gateway: Gateway, requests: Requests, pace: Pace) -> None:
        self.build, self.idp, self.gateway, self.requests, self.pace = build, idp, gateway, requests, pace
        self.diary: list[tuple[float, int, str]] = []  # of the daemons; the gateway's lines are of uid 0
        gateway.log = Output(lambda line: self.diary.append((steady_time(), 0, line.strip())))
        self.phases: list[Phase] = []
        self.outages: list[Outage] = []
        self.people = [Person(self, number) for number in range(pace.users)]
        self._doors: queue.SimpleQueue[Caller] = queue.SimpleQueue()

    def __enter__(self) -> Crowd:
        for _ in range(min(DOORS, len(self.people))):
            self._doors.put(self.gateway.caller())
        self._each(Person.__enter__)
        return self

    def __exit__(self, *_: object) -> None:
        self._each(Person.leave)

    def _each(self, work: Callable[[Person], object]) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(work, self.people))

    @contextmanager
    def door(self) -> Iterator[Caller]:
        """One connection to the system bus, as each process that logs somebody in has."""
        caller = self._doors.get()
        try:
            yield caller
        finally:
            self._doors.put(caller)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        begin = steady_time()
        yield
        self.phases.append(Phase(name, begin, steady_time()))
        print(f"{name}: {self.phases[-1].end - begin:.0f} s", file=sys.stderr, flush=True)

    def log_in(self, draw: random.Random) -> None:
        threads = [threading.Thread(target=person.come, args=(random.Random(draw.random()),), daemon=True)
                   for person in self.people]
        with self.phase("the logins"):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE)
        missing = [person.user for person in self.people if not person.login.ready]
        assert not missing, missing

    def live(self, name: str, lives: float) -> None:
        with self.phase(name):
            time.sleep(lives * self.pace.life)  # the time that is counted in

    def outage(self, seconds: float, network: OwnNetwork | None) -> None:
        outage = Outage(network is not None, steady_time())
        self.outages.append(outage)
        self._end_service()
        time.sleep(seconds)  # its own length
        offline = self._offline(steady_time())
        outage.end, outage.offline = steady_time(), len(offline)
        self.idp.up()
        with self.phase(f"after an outage of {outage}, until all are back"):
            if network is not None:
                network.come_up()
            begin = time.monotonic()
            while self._offline(steady_time()) or time.monotonic() < begin + SPREAD * len(self.people):
                assert time.monotonic() < begin + PATIENCE, "some never come back"
                time.sleep(0.2)  # of hundreds none in particular is awaited
        outage.back = [at - outage.end for at, uid, line in self.diary
                       if uid in offline and BACK in line and at > outage.end]
        self.live("the life after it", 1)

    def _end_service(self) -> None:
        """Without the loss of an answer, which could be the only one that there is."""
        self.idp.fault("token_refresh", "status", -1, status=503)
        begin = steady_time() - UNDER_WAY
        while not all("answered" in one for one in self.idp.recent("token_refresh") if one["at"] > begin):
            time.sleep(0.05)  # the provider does not tell by itself
        self.idp.down()
        self.idp.clear_faults()

    def _offline(self, now: float) -> set[int]:
        """Who has said so, and not yet that it is over."""
        offline: set[int] = set()
        for at, uid, line in list(self.diary):
            if at <= now and AWAY in line:
                offline.add(uid)
            elif at <= now and BACK in line:
                offline.discard(uid)
        return offline

    def with_token(self) -> int:
        """How many find a token in their keyring that the provider knows as good."""
        uids = [str(person.uid) for person in self.people]
        seen = subprocess.run([self.build / "tests/daemon/token-watch", "oidc:corp", *uids], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True, check=True).stdout
        values = (line.split(" ", 4)[4] for line in seen.splitlines())
        return sum(self.idp.introspect(value[1:])["active"] for value in values if value.startswith("+"))


@dataclass(frozen=True)
class Cost:
    """Between two looks."""

    gateway: tuple[Usage, Usage]
    daemons: list[tuple[Usage, Usage]]
    refreshes: int

    @property
    def gateway_ms(self) -> float:
        return (self.gateway[1].cpu_ms - self.gateway[0].cpu_ms) / self.refreshes

    @property
    def daemon_ms(self) -> float:
        return sum(last.cpu_ms - first.cpu_ms for first, last in self.daemons) / self.refreshes


def cost_of(crowd: Crowd, name: str, lives: float) -> Cost:
    """Of some lives in which nothing happens."""
    def look() -> list[Usage]:
        return [Usage.of(one.process.pid) for one in (crowd.gateway, *crowd.people)]
    first = look()
    crowd.live(name, lives)
    last = look()
    crowd.requests.collect()
    phase = crowd.phases[-1]
    gateway, *daemons = zip(first, last)
    return Cost(gateway, daemons, len(crowd.requests.of("token_refresh", phase.begin, phase.end)))


def wakeups(crowd: Crowd) -> tuple[int, int]:
    """Of the daemons that had nothing to do for a while: how many there were, how often they woke up."""
    def look() -> dict[str, int]:
        return {person.user: switches(person.process.pid) for person in crowd.people}
    begin, first = steady_time(), look()
    time.sleep(IDLE)  # the time in which nothing is to happen
    last, end = look(), steady_time()
    crowd.requests.collect()
    busy = {request["login"] for request in crowd.requests.of("token_refresh", begin - 2, end + 2)}
    idle = first.keys() - busy
    return len(idle), sum(last[user] - first[user] for user in idle)


def rates(crowd: Crowd) -> Iterator[tuple[str, Rate]]:
    """Of each phase, of what it is about."""
    def rate(endpoint: str, begin: float, end: float) -> Rate:
        return Rate.of([one["at"] for one in crowd.requests.of(endpoint, begin, end)], begin, end)

    logins, *others = crowd.phases
    yield f"{logins.name}: codes", rate("device_authorization", logins.begin, logins.begin + crowd.pace.arrival)
    yield f"{logins.name}: polls", rate("token_device", logins.begin, logins.begin + crowd.pace.arrival)
    attempts = [at for at, uid, line in crowd.diary if uid == 0 and "Refresh for" in line]
    for outage in crowd.outages:
        yield f"attempts in an outage of {outage}", Rate.of(attempts, outage.begin, outage.end)
    for phase in others:
        # a signal is sent when the changes of a second have settled
        yield phase.name, rate("token_refresh", phase.begin + ("signal" in phase.name), phase.end)


def print_rates(crowd: Crowd) -> bool:
    good = True
    print("\n| phase | seconds | requests | mean | busiest second | by chance | busiest to mean | |\n"
          "|---|---|---|---|---|---|---|---|")
    for name, rate in rates(crowd):
        print(f"| {name} | {rate.seconds} | {rate.number} | {rate.mean:.1f} | {rate.busiest} | {rate.by_chance()} "
              f"| {rate.ratio:.2f} | {rate.verdict(crowd.pace.bar)} |")
        good = good and rate.verdict(crowd.pace.bar) != "FAIL"
    return good


def median(values: list[float]) -> float:
    return statistics.median(values) if values else 0.0


def login_lines(crowd: Crowd) -> list[Line]:
    logins = [person.login for person in crowd.people]
    early = sum(poll["waited"] < poll["interval"] - LATE for poll in crowd.idp.counters()["early"])
    waits = [login.answered - login.approved for login in logins]
    hand_overs = [login.ready - login.answered for login in logins]
    phase = crowd.phases[0]
    return [
        Line("logged in", f"{len(logins)} who came within {crowd.pace.arrival:.0f} s, the last after "
             f"{phase.end - phase.begin:.0f} s"),
        Line("  told to wait a minute", f"{sum(login.refused > 0 for login in logins)}, "
             f"{sum(login.refused for login in logins)} times"),
        Line("  polls earlier than the interval", str(early), "0", early == 0),
        Line("  from approval to the verdict", f"median {median(waits):.2f} s, longest {max(waits):.2f} s",
             f"{crowd.pace.interval} s and a second", max(waits) <= crowd.pace.interval + 1),
        Line("  from the verdict to the token", f"median {median(hand_overs):.2f} s, longest {max(hand_overs):.2f} s"),
    ]


def outage_lines(crowd: Crowd) -> list[Line]:
    return [Line(f"back after an outage of {outage}", f"{len(outage.back)} of {outage.offline}, half of them after "
                 f"{median(outage.back):.1f} s, the last after {max(outage.back, default=0):.1f} s")
            for outage in crowd.outages]


def cost_lines(alone: Usage, cost: Cost, idle: tuple[int, int]) -> list[Line]:
    gateway, daemons = cost.gateway[1], [last for _, last in cost.daemons]
    number = len(daemons)
    return [
        Line("gateway: CPU", f"{cost.gateway_ms:.2f} ms a refresh"),
        Line("gateway: memory (PSS)", f"{gateway.pss_kb} kB, without users {alone.pss_kb} kB: "
             f"{(gateway.pss_kb - alone.pss_kb) / number:.1f} kB each"),
        Line("gateway: descriptors", f"{gateway.descriptors}, without users {alone.descriptors}"),
        Line("daemon: CPU", f"{cost.daemon_ms:.2f} ms a refresh"),
        Line("daemon: memory (PSS)", f"{sum(one.pss_kb for one in daemons) / number:.0f} kB, "
             f"of it private and written {sum(one.private_kb for one in daemons) / number:.0f} kB"),
        Line(f"daemon: wake-ups in {IDLE:.0f} s without a refresh", f"{idle[1]} of {idle[0]} daemons", "0",
             idle[1] == 0),
    ]


def end_lines(crowd: Crowd, live: int) -> list[Line]:
    within = [(outage.begin, outage.end + LATE) for outage in crowd.outages]
    throttled = [line for at, uid, line in crowd.diary if AWAY in line and not any(a <= at <= b for a, b in within)]
    over = [line for _, _, line in crowd.diary if "a new login is needed" in line]
    reuse = crowd.idp.count("refresh_reuse")
    for line in (throttled + over)[:10]:
        print("trouble:", line)
    return [
        Line("refreshes", str(crowd.idp.count("refreshed"))),
        Line("refused or failed while the provider was well", str(len(throttled)), "0", not throttled),
        Line("logins lost", str(len(over)), "0", not over),
        Line("reuse seen by the provider", str(reuse), "0", reuse == 0),
        Line("users with a good token at the end", f"{live} of {len(crowd.people)}", "all", live == len(crowd.people)),
    ]


def run(crowd: Crowd, network: OwnNetwork | None, alone: Usage, args: argparse.Namespace) -> bool:
    first_life, life = "the first life after the logins", crowd.pace.life
    outages = [(life / 2, network)] if args.quick else [(life, None), (life, network)]
    crowd.log_in(random.Random(args.seed))
    if args.quick:
        cost = cost_of(crowd, first_life, 1)
    else:
        crowd.live(first_life, 1)
        cost = cost_of(crowd, "two more lives", 2)
    idle = wakeups(crowd)
    for seconds, signal in outages:
        crowd.outage(seconds, signal)
    live = crowd.with_token()
    crowd.requests.collect()
    good = print_rates(crowd)
    lines = login_lines(crowd) + outage_lines(crowd) + cost_lines(alone, cost, idle) + end_lines(crowd, live)
    print("", *lines, sep="\n")
    return good and all(line.good for line in lines)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/crowd", description=__doc__)
    parser.add_argument("--build", type=Path, default=HERE.parents[1] / "build",
                        help="where `make check TESTS=` was run")
    parser.add_argument("--users", type=int, help=f"default: {FULL.users}, or {QUICK.users}")
    parser.add_argument("--life", type=int, help=f"of a token, in seconds; default: {FULL.life}, or {QUICK.life}")
    parser.add_argument("--quick", action="store_true", help="a minute or two instead of a quarter of an hour")
    parser.add_argument("--seed", type=int, default=1, help="of when people come, and how long they think")
    return parser.parse_args()


@contextmanager
def only_one() -> Iterator[None]:
    """The kernel's keys are not namespaced."""
    LOCKS.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (LOCKS / "oidc-keyring-tests.crowd").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    args = arguments()
    threading.stack_size(STACK)
    if not (args.build / "tests/daemon/token-watch").exists():
        sys.exit(f"{args.build}: not built, `make all` and `make check TESTS=` there")
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    pace = QUICK if args.quick else FULL
    pace = replace(pace, users=args.users or pace.users, life=args.life or pace.life)
    print(f"tests/crowd --users {pace.users} --life {pace.life} --seed {args.seed}", flush=True)
    uids = range(FIRST_UID, FIRST_UID + pace.users)
    with only_one(), ExitStack() as stack:
        stack.callback(lambda: [clear_keys(uid) for uid in uids_with_keys() & set(uids)])
        unshare(CLONE_NEWNS)
        name_users({f"crowd{number}": uid for number, uid in enumerate(uids)})
        count_as_logged_in(uids)
        network = OwnNetwork() if OwnNetwork.is_permitted() else None
        idp = stack.enter_context(Provider())
        idp.config(interval=pace.interval, access_token_ttl=pace.life, rotation=True, grace=0)
        gateway = Gateway(args.build.resolve(), idp, more=CONFIG)
        requests = Requests(idp)
        crowd = Crowd(gateway.build, idp, gateway, requests, pace)
        stack.enter_context(gateway)
        alone = Usage.of(gateway.process.pid)
        stack.enter_context(requests)
        stack.enter_context(crowd)
        return 0 if run(crowd, network, alone, args) else 1


if __name__ == "__main__":
    sys.exit(main())
