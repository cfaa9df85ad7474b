# SPDX-License-Identifier: MIT
"""What came of a soak, line by line, and what there is to know of whatever should not have been."""

from __future__ import annotations

import errno
from collections import Counter
from dataclasses import dataclass

from soak_history import CLOCK_SET, Span, uncovered
from soak_processes import Usage
from soak_watch import Gap, Seen

# One reading in a hundredth of a second; what two in a row do not find was away.
GAP = 0.01
AROUND = (12, 8)  # seconds before and after something bad that are told
TOLD = 6  # of each kind
# Growth that is none: what is under way at every look, an arena that is used for the first time, and in the gateway, by
# and by, eight connections to the provider instead of one or two, and the answers of as many renewals as there are.
FDS_MORE, GATEWAY_KB_MORE, DAEMON_KB_MORE = 4, 2048, 64
WITHHELD = "a busy machine"


@dataclass
class End:
    """What was measured after the last fault."""

    first: Usage
    middle: Usage | None  # when the gateway that is there at the end had come to rest
    last: Usage
    live: int
    kept_answers: int
    kept_sent: int
    kept_grants: int


@dataclass
class Line:
    name: str
    value: object
    bar: str = ""
    good: bool = True

    def __str__(self) -> str:
        verdict = "" if not self.bar else "ok" if self.good else "FAIL"
        return f"{verdict:<5} {self.name:<56} {self.value}" + (f" (bar: {self.bar})" if self.bar else "")


class Gaps:
    """Each with its reason, or none."""

    def __init__(self, soak, seen: Seen) -> None:
        self.reasons: Counter[str] = Counter()
        self.longest: dict[str, float] = {}
        self.bad: list[Gap] = []
        self.withheld: list[Gap] = []
        self.at_steps: list[float] = []
        for user in soak.users:
            excuses = soak.history.excuses(user.uid, user.name)
            for gap in seen.gaps:
                if gap.uid == user.uid:
                    self._judge(gap, excuses)

    def _judge(self, gap: Gap, excuses: dict[str, list[Span]]) -> None:
        reason = self._reason(gap, excuses)
        if any(span.begin <= gap.begin and gap.end <= span.end + GAP for span in excuses[CLOCK_SET]):
            self.at_steps.append(gap.end - gap.begin)
        if reason is None:
            self.bad.append(gap)
            return
        if WITHHELD in reason:
            self.withheld.append(gap)
        if gap.end - gap.begin > GAP:
            self.reasons[reason] += 1
            self.longest[reason] = max(self.longest.get(reason, 0), gap.end - gap.begin)

    @staticmethod
    def _reason(gap: Gap, excuses: dict[str, list[Span]]) -> str | None:
        length = gap.end - gap.begin
        left = {name: uncovered(gap.begin, gap.end, spans) for name, spans in excuses.items()}
        left["several of these"] = uncovered(gap.begin, gap.end, sum(excuses.values(), []))
        for name, seconds in left.items():
            if seconds <= GAP:
                return name
        name, seconds = min(left.items(), key=lambda item: item[1])
        if seconds > GAP + gap.withheld:
            return None
        return f"{name}, and {WITHHELD}" if seconds < length else WITHHELD

    def lines(self) -> list[Line]:
        return [Line("times without a key when the clock was set", f"{len(self.at_steps)}, the longest "
                     f"{max(self.at_steps, default=0):.3f} s"),
                Line("times without a key, excused", sum(self.reasons.values())),
                *(Line(f"  {name}", f"{number}, the longest {self.longest[name]:.2f} s")
                  for name, number in sorted(self.reasons.items())),
                Line("gaps while the provider was well", len(self.bad), "0", not self.bad)]


def grown(name: str, before: int, after: int, more: int, unit: str = "") -> Line:
    bar = f"+ {more}{unit} at most" if more else "no growth"
    return Line(name, f"{before}{unit} then {after}{unit}", bar, after <= before + more)


def usage_lines(soak, end: End) -> list[Line]:
    first, middle, last = end.first, end.middle, end.last
    spared = sum(user.spared for user in soak.users)
    lines = [
        Line("processes", f"{first.processes} then {last.processes}", "the same", first.processes == last.processes),
        grown("keys of all users", first.keys, last.keys, 0),
        grown("descriptors of the daemons that lived on", first.daemons_fds, last.daemons_fds, 0),
        grown("memory of the daemons that lived on", first.daemons_kb, last.daemons_kb, DAEMON_KB_MORE * spared, " kB"),
    ]
    if middle is None:
        return lines + [Line("descriptors and memory of the gateway", f"{last.gateway_fds}, {last.gateway_kb} kB; a run of "
                             "2 minutes tells whether they grow")]
    return lines + [grown("descriptors of the gateway", middle.gateway_fds, last.gateway_fds, FDS_MORE),
                    grown("memory of the gateway", middle.gateway_kb, last.gateway_kb, GATEWAY_KB_MORE, " kB")]


def report(soak, seen: Seen, end: End) -> bool:
    """Prints it; whether all is good."""
    history = soak.history
    lost, reasons = history.unexplained([(uid, login, at) for uid, login, at in history.losses])
    uids = {user.name: user.uid for user in soak.users}
    reused, reuse_reasons = history.unexplained([(uids[login], login, at) for login, at in history.reuses()])
    stale = [one for one in seen.stale if not history.came_to_life(one.uid, one.last_read)]
    gaps = Gaps(soak, seen)
    lines = [
        Line("refreshes", soak.idp.count("refreshed")),
        *(Line(f"  {fault}", number) for fault, number in sorted(history.faults.items())),
        Line("readings at 100 Hz", f"{seen.readings}, {100 * seen.readings / soak.readings_due:.1f} % of those due"),
        Line("tokens read", f"{seen.tokens}, of which {seen.of_unknown_end} were revoked at once"),
        Line("stale tokens read", len(stale), "0", not stale),
        Line("  of keys that the clock brought back for a moment", len(seen.stale) - len(stale)),
        *gaps.lines(),
        Line("most that the machine withheld from one in time", f"{seen.most_withheld:.2f} s"),
        Line("grants lost with the provider's only answer", sum(reasons.values())),
        *(Line(f"  {reason}", number) for reason, number in sorted(reasons.items())),
        Line("grants lost otherwise", len(lost), "0", not lost),
        Line("reuse seen by the provider, after such a loss", sum(reuse_reasons.values())),
        Line("reuse seen by the provider otherwise", len(reused), "0", not reused),
        Line("users with a live token at the end", f"{end.live} of {len(soak.users)}", "all", end.live == len(soak.users)),
        *usage_lines(soak, end),
        Line("grants in the daemons' fd stores after the logouts", end.kept_grants, "0", end.kept_grants == 0),
        Line("answers in the gateway's fd store after the logouts", end.kept_answers, "0", end.kept_answers == 0),
        Line("requests cut off by its death that it remembers", end.kept_sent, "no more than grants lost",
             end.kept_sent <= sum(reasons.values())),
        Line("other trouble", len(history.troubles), "0", not history.troubles),
    ]
    explain(soak, gaps, lost, reused, stale)
    print(*lines, sep="\n", flush=True)
    return all(line.good for line in lines)


def explain(soak, gaps: Gaps, lost: list, reused: list, stale: list) -> None:
    names = {user.uid: user.name for user in soak.users}
    withheld = sorted(gaps.withheld, key=lambda gap: gap.begin - gap.end)[:1]
    told = [(f"{'a' if gap in gaps.bad else 'the longest excused'} gap of {gap.end - gap.begin:.2f} s "
             f"({errno.errorcode.get(gap.errno)}), {gap.withheld:.2f} s withheld",
             names[gap.uid], gap.begin) for gap in gaps.bad[:TOLD] + withheld]
    told += [(f"a token read {one.last_read - one.expired:.3f} s after its end", names[one.uid], one.last_read)
             for one in stale[:TOLD]]
    told += [("a grant lost", name, at) for _, name, at in lost[:TOLD]]
    told += [("a reuse", name, at) for _, name, at in reused[:TOLD]]
    for what, name, at in told:
        print(f"\n{what}: {name} at {at:.3f}")
        print(*around(soak, name, at), sep="\n")
    for trouble in soak.history.troubles[:TOLD]:
        print("trouble:", trouble)


def around(soak, name: str, at: float) -> list[str]:
    """What the provider, the daemon and the gateway have said of the user, and what was done, in the order of time."""
    history = soak.history
    user = next(user for user in soak.users if user.name == name)
    events = [(request["at"], f"provider: {request}") for request in history.requests(name)]
    events += [(float(stamp), f"daemon: {text}") for stamp, text in (line.split(" ", 1) for line in list(user.diary))]
    events += [(when, f"gateway: {line}") for when, line in list(history.gateway_lines)
               if f" {name} " in line or f"uid {user.uid}" in line or "Refresh" not in line]
    events += [(cut.span.begin, f"* {cut.what}") for cut in history.cuts]
    events += [(when, "* the clock was set") for when in history.steps]
    return [f"    {when:.3f} {text}" for when, text in sorted(events) if at - AROUND[0] < when < at + AROUND[1]]
