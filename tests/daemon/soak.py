# SPDX-License-Identifier: MIT
"""Lets many users live with tokens of 5 s at a provider that rotates without grace, while daemons and gateway are
killed and restarted, the provider fails in every way, and people log in, log out and ask; then tells what was lost."""

from __future__ import annotations

import argparse
import ctypes
import errno
import itertools
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), *(str(HERE.parent / name) for name in ("gateway", "idp", "system"))]

from gateway import Gateway  # noqa: E402
from keeper import Keeper  # noqa: E402
from keys import BLOCK, UidBlock  # noqa: E402
from output import Output  # noqa: E402
from provider import Provider  # noqa: E402
from soak_history import History, uncovered  # noqa: E402
from soak_watch import TokenWatch  # noqa: E402

LIFETIME = 5
RESTART_DELAY = 0.2  # RestartSec= of the units
WARM_UP = 10
PATIENCE = 90
RECOVERY = 20  # at the end, before the last look
ANSWER_MEMORY = 60  # from when the answer, or the gateway that took it over, came
CONFIG = "min_uid = 1\nrotation_grace = 0\nkeep_on_logout = yes"  # kept: so that SIGTERM is a restart
LOGIN_OVER = "a new login is needed"
# A reading that was late is not a gap.
GAP = 0.03
DIARY = 2000

# How often each happens in one round; a round is shuffled, so that everything happens.
DECK = {
    "kill the daemon": 22, "restart the daemon": 10, "kill the gateway": 3, "kill both": 2, "restart the gateway": 3,
    "provider down": 1, "provider says 503": 1, "provider is slow": 2, "hang": 1, "cut": 4, "cut_after": 3,
    "truncated": 2, "second login": 8, "logout and login": 6, "oidc-keyring refresh": 16,
}
# These are over for the last part of the run, so that the gateway's memory can be watched.
OF_THE_GATEWAY = ("kill the gateway", "kill both", "restart the gateway")
GATEWAY_PART = 0.6
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
        self.diary.append(f"{time.time():.3f} {text.rstrip()}")

    def _on_line(self, line: str) -> None:
        self.note(line)
        if LOGIN_OVER in line:
            self.soak.history.lost(self.uid, self.name)
            self._absence = self.soak.history.login_ended(self.uid)
            self.soak.submit(self.log_in)

    def log_in(self) -> None:
        """Until it works: a gateway that is killed takes the logins that wait with it."""
        with self._lock:
            self._log_in()

    def _log_in(self) -> None:
        for _ in range(30):
            try:
                self.note("* logs in")
                self.keeper.log_in()
                self.note("* is logged in")
                self._absence.end = min(self._absence.end, time.time())
                return
            except Exception:
                self.soak.history.count("logins that a fault broke off")
                time.sleep(1)  # as a person would; what is broken off does not say when it would work
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
            self.keeper.kill()
            time.sleep(RESTART_DELAY)  # as the service manager does
            self.keeper.start()
            self.note("* is back")

    def restart(self) -> None:
        with self._lock:
            self.note("* told to end")
            self.keeper.stop()
            self.keeper.start()
            self.note("* is back")


@dataclass
class Usage:
    processes: int
    gateway_kb: int
    gateway_fds: int
    daemons_kb: int  # of those that were never ended
    daemons_fds: int


def pss_kb(pid: int) -> int:
    return int(re.search(r"^Pss: +(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)[1])


def program(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
    except OSError:  # gone, the kernel's own, or none of ours
        return ""


def fds(pid: int) -> int:
    """When it is at rest: the least of some looks, as rest is what announces nothing."""
    def look() -> int:
        time.sleep(0.1)
        return len(os.listdir(f"/proc/{pid}/fd"))
    return min(look() for _ in range(5))


class Soak:
    def __init__(self, build: Path, idp: Provider, gateway: Gateway, uids: list[int], seed: int) -> None:
        self.build, self.idp, self.gateway = build, idp, gateway
        self.history = History(idp, LIFETIME)
        self._random = random.Random(seed)
        self._pool = ThreadPoolExecutor(max_workers=12)
        self._futures: list[Future] = []
        self._gateway_lock = threading.Lock()
        self._provider_lock = threading.Lock()
        self.users = [User(self, number, uid) for number, uid in enumerate(uids)]

    def submit(self, work: Callable[..., None], *arguments: object) -> None:
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
        self._futures = []

    # what may happen

    def kill_gateway(self) -> None:
        with self._gateway_lock:
            self.history.cut("the gateway was killed", self.gateway.kill)
            time.sleep(RESTART_DELAY)  # as the service manager does
            self.gateway.start()

    def restart_gateway(self) -> None:
        with self._gateway_lock:
            self.gateway.stop()
            self.gateway.start()

    def kill_both(self, user: User) -> None:
        self.submit(user.kill)
        self.kill_gateway()

    def provider_down(self, seconds: float) -> None:
        with self._provider_lock:
            begin = time.time()
            self.history.cut("the provider's connections were cut", self.idp.down)
            time.sleep(seconds)  # the fault's own length
            self.idp.up()
            # the back-off is no longer than all that was waited before
            self.history.provider_was_unwell(begin, time.time(), 2 * seconds + 4)

    def provider_busy(self, seconds: float) -> None:
        with self._provider_lock:
            begin = time.time()
            self.idp.fault("token_refresh", "status", -1, status=503, headers={"retry-after": "2"})
            time.sleep(seconds)  # the fault's own length
            self.idp.clear_faults()
            self.history.provider_was_unwell(begin, time.time() + 2, 2 * (seconds + 2) + 4)

    def provider_slow(self, seconds: float, delay: float) -> None:
        with self._provider_lock:
            self.idp.fault("token_refresh", "delay", -1, delay_ms=int(delay * 1000))
            time.sleep(seconds)  # the fault's own length
            self.idp.clear_faults()

    def happen(self, kind: str) -> None:
        """All that is random is drawn here, in one thread, so that a seed gives the same run."""
        user = self._random.choice(self.users)
        mortal = self._random.choice([user for user in self.users if not user.spared])
        seconds, delay = self._random.uniform(1.5, 4), self._random.uniform(0.1, 0.4)
        work = {
            "kill the daemon": (mortal.kill,), "restart the daemon": (mortal.restart,),
            "kill the gateway": (self.kill_gateway,), "kill both": (self.kill_both, mortal),
            "restart the gateway": (self.restart_gateway,), "provider down": (self.provider_down, seconds),
            "provider says 503": (self.provider_busy, seconds), "provider is slow": (self.provider_slow, seconds, delay),
            "second login": (user.second_login,), "logout and login": (user.log_out_and_in,),
            "oidc-keyring refresh": (user.refresh,),
        }
        self.history.count(kind)
        if kind in work:
            self.submit(*work[kind])
        else:
            self.idp.fault("token_refresh", kind, login=user.name)

    def rounds(self, seconds: float, pause: float, on_gateway_spared: Callable[[], None]) -> None:
        begin, spared, measured, steady = time.monotonic(), False, False, 0.0
        for number in itertools.count():
            deck = [kind for kind, times in DECK.items() for _ in range(times)]
            self._random.shuffle(deck)
            for kind in deck:
                passed = time.monotonic() - begin
                if passed > seconds:
                    if not measured:  # a short run
                        on_gateway_spared()
                    return
                if passed > GATEWAY_PART * seconds and not spared:
                    spared = True
                    self.settle()
                    steady = time.monotonic() + ANSWER_MEMORY
                if spared and not measured and time.monotonic() > steady:
                    measured = True
                    on_gateway_spared()
                if kind not in OF_THE_GATEWAY or not spared:
                    self.happen(kind)
                time.sleep(pause)
                self.history.collect()
            print(f"round {number + 1}: {self.idp.count('refreshed')} refreshes, {len(self.history.losses)} grants lost",
                  file=sys.stderr, flush=True)

    def usage(self) -> Usage:
        spared = [user.keeper.process.pid for user in self.users if user.spared]
        gateway = self.gateway.process.pid
        return Usage(self._processes(), pss_kb(gateway), fds(gateway),
                     sum(map(pss_kb, spared)), sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in spared))

    def _processes(self) -> int:
        programs = {os.path.realpath(self.build / name) for name in ("oidc-keyringd", "oidc-keyring-gateway")}
        return sum(program(int(pid)) in programs for pid in os.listdir("/proc") if pid.isdigit())

    def log_lines(self, around: float, user: User) -> str:
        """What the daemon said, and what was done to it."""
        return "\n".join("    " + line for line in list(user.diary)
                         if around - 12 < float(line.split(" ", 1)[0]) < around + 8)


@dataclass
class Line:
    name: str
    value: str
    bar: str = ""
    good: bool = True

    def __str__(self) -> str:
        verdict = "" if not self.bar else "ok" if self.good else "FAIL"
        return f"{verdict:<5} {self.name:<56} {self.value}" + (f" (bar: {self.bar})" if self.bar else "")


def report(soak: Soak, seen, first: Usage, middle: Usage, last: Usage, live: int, stored: tuple[int, int, int]) -> bool:
    history = soak.history
    names = {user.uid: user.name for user in soak.users}
    lost, reasons = history.unexplained([(login, at) for _, login, at in history.losses])
    reused, reuse_reasons = history.unexplained(history.reuses())
    begun = [gap for gap in seen.gaps
             if uncovered(gap.begin, gap.end, history.excuses(gap.uid, names[gap.uid])) > GAP]
    gaps = [gap for gap in begun if uncovered(gap.begin, gap.end, history.excuses(gap.uid, names[gap.uid]) +
                                              history.lost_answer_spans(names[gap.uid])) > GAP]
    kept_answers, kept_sent, kept_grants = stored
    grown = last.gateway_kb - middle.gateway_kb, last.daemons_kb - first.daemons_kb
    lines = [
        Line("refreshes", str(soak.idp.count("refreshed"))),
        *(Line(f"  {fault}", str(number)) for fault, number in sorted(history.faults.items())),
        Line("readings at 100 Hz", str(seen.readings)),
        Line("different tokens read", f"{seen.tokens}, of which {seen.of_unknown_end} were revoked at once"),
        Line("stale tokens read", str(len(seen.stale)), "0", not seen.stale),
        Line("times without a key, all", str(len(seen.gaps))),
        Line("  where the gateway died with the token under way", str(len(begun) - len(gaps))),
        Line("gaps while the provider was well", str(len(gaps)), "0", not gaps),
        Line("grants lost with the provider's only answer", f"{sum(reasons.values())} {dict(reasons)}"),
        Line("grants lost otherwise", str(len(lost)), "0", not lost),
        Line("reuse seen by the provider, after such a loss", str(sum(reuse_reasons.values()))),
        Line("reuse seen by the provider otherwise", str(len(reused)), "0", not reused),
        Line("users with a live token at the end", f"{live} of {len(soak.users)}", "all", live == len(soak.users)),
        Line("processes", f"{first.processes} at the start, {last.processes} at the end", "no growth",
             first.processes == last.processes == len(soak.users) + 1),
        Line("descriptors of the gateway", f"{middle.gateway_fds} then {last.gateway_fds}", "no growth",
             last.gateway_fds <= middle.gateway_fds + 4),
        Line("descriptors of the daemons that lived on", f"{first.daemons_fds} then {last.daemons_fds}", "no growth",
             last.daemons_fds <= first.daemons_fds + 4),
        Line("memory of the gateway (PSS)", f"{middle.gateway_kb} kB then {last.gateway_kb} kB", "+ 1024 kB",
             grown[0] <= 1024),
        Line("memory of the daemons that lived on (PSS)", f"{first.daemons_kb} kB then {last.daemons_kb} kB",
             "+ 64 kB each",
             grown[1] <= 64 * sum(user.spared for user in soak.users)),
        Line("entries in the daemons' fd stores after the logouts", str(kept_grants), "0", kept_grants == 0),
        Line("answers in the gateway's fd store after the logouts", str(kept_answers), "0", kept_answers == 0),
        Line("requests cut off by its death that it remembers", str(kept_sent), "no more than grants lost",
             kept_sent <= sum(reasons.values())),
        Line("other trouble", str(len(history.troubles)), "0", not history.troubles),
    ]
    print(*lines, sep="\n")
    explain(soak, gaps, lost, reused, seen)
    return all(line.good for line in lines)


def explain(soak: Soak, gaps: list, lost: list, reused: list, seen) -> None:
    by_uid = {user.uid: user for user in soak.users}
    by_name = {user.name: user for user in soak.users}
    told = [(f"a gap of {gap.end - gap.begin:.2f} s ({errno.errorcode.get(gap.errno)})", by_uid[gap.uid], gap.begin) for gap in gaps[:10]]
    told += [(f"a token read {stale.last_read - stale.expired:.3f} s after its end", by_uid[stale.uid], stale.last_read)
             for stale in seen.stale[:10]]
    told += [("a grant lost", by_name[name], at) for name, at in lost[:10]]
    told += [("a reuse", by_name[name], at) for name, at in reused[:10]]
    for what, user, at in told:
        print(f"\n{what}: {user.name} (uid {user.uid}) at {at:.3f}; the provider's requests around it, then the logs:")
        for request in soak.history.requests(user.name):
            if at - 12 < request["at"] < at + 8:
                print("   ", {name: request.get(name) for name in ("at", "answered", "status", "error", "detail", "fault")})
        print("    cuts:", [cut for cut in soak.history.cuts if at - 12 < cut[0].begin < at + 8])
        print(soak.log_lines(at, user))
    for trouble in soak.history.troubles[:10]:
        print("trouble:", trouble)


def live_tokens(soak: Soak) -> int:
    tokens = (user.keeper.token() for user in soak.users)
    return sum(token is not None and soak.idp.introspect(token)["active"] for token in tokens)


def stores_after_logout(soak: Soak) -> tuple[int, int, int]:
    for user in soak.users:
        soak.submit(user.log_out)
    soak.settle()
    deadline = time.monotonic() + ANSWER_MEMORY + 5
    while soak.gateway.manager.stored("answer.") and time.monotonic() < deadline:
        time.sleep(0.5)
    return (soak.gateway.manager.stored("answer."), soak.gateway.manager.stored("sent."),
            sum(user.keeper.manager.stored("") for user in soak.users))


def run(soak: Soak, seconds: float, pause: float) -> bool:
    middles: list[Usage] = []
    for user in soak.users:
        soak.submit(user.log_in)
    soak.settle()
    watch = TokenWatch(soak.build, soak.idp, [user.uid for user in soak.users], LIFETIME)
    time.sleep(WARM_UP)
    first = soak.usage()
    soak.rounds(seconds, pause, lambda: middles.append(soak.usage()))
    soak.settle()
    soak.idp.clear_faults()
    time.sleep(RECOVERY)
    soak.settle()  # who lost a grant just now is logged in again
    live = live_tokens(soak)
    last = soak.usage()
    soak.history.collect()
    seen = watch.finish()
    return report(soak, seen, first, middles[0], last, live, stores_after_logout(soak))


def name_users(uids: list[int]) -> None:
    """In a mount namespace of our own, so that the host's users stay as they are."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x00020000) != 0:  # CLONE_NEWNS
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    with tempfile.NamedTemporaryFile("w", prefix="passwd.") as file:
        file.write(Path("/etc/passwd").read_text())
        file.writelines(f"soak{n}:x:{uid}:{uid}::/:/usr/sbin/nologin\n" for n, uid in enumerate(uids))
        file.flush()
        os.chmod(file.name, 0o644)
        subprocess.run(["mount", "--bind", file.name, "/etc/passwd"], check=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/soak", description=__doc__)
    parser.add_argument("--build", type=Path, default=HERE.parents[1] / "build",
                        help="where `make check TESTS=` was run")
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=4, help="of faults; about one more is for start and end")
    parser.add_argument("--hours", type=float, help="instead")
    parser.add_argument("--seed", type=int, help="of the choice of faults; default: another one each time")
    return parser.parse_args()


def main() -> int:
    args = arguments()
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(1 << 32)
    seconds = 60 * (args.minutes if args.hours is None else 60 * args.hours)
    pause = min(1.0, seconds / sum(DECK.values()))
    if not (args.build / "tests/daemon/token-watch").exists():
        sys.exit(f"{args.build}: not built, `make all` and `make check TESTS=` there")
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    print(f"tests/soak --users {args.users} --minutes {seconds / 60:g} --seed {seed}", flush=True)
    blocks = [UidBlock() for _ in range(-(-args.users // BLOCK))]
    uids = [uid for block in blocks for uid in block.uids][:args.users]
    try:
        name_users(uids)
        with ExitStack() as stack:
            idp = stack.enter_context(Provider())
            idp.config(interval=1, access_token_ttl=LIFETIME, rotation=True, grace=0)
            gateway = stack.enter_context(Gateway(args.build.resolve(), idp, more=CONFIG, activated=True))
            soak = Soak(gateway.build, idp, gateway, uids, seed)
            for user in soak.users:
                stack.enter_context(user.keeper)
            return 0 if run(soak, seconds, pause) else 1
    finally:
        for block in blocks:
            block.release()


if __name__ == "__main__":
    sys.exit(main())
