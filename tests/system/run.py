# SPDX-License-Identifier: MIT
"""Builds everything from a tree and passes every test; the last line it prints is `N passed, N failed`."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

sys.dont_write_bytecode = True

from buildroot import PLACE, USER, BuildRoot  # noqa: E402
from image import CACHE, SUITES  # noqa: E402
from keys import LOCKS  # noqa: E402
from machine import exit_when_told  # noqa: E402

HERE = Path(__file__).resolve().parent
TREE = HERE.parent.parent
JOBS = os.cpu_count() or 1

PYTEST = "/usr/bin/python3 -B -m pytest -p no:cacheprovider -q --durations=12 --color=no --tb=short"
CHECK = f"{PLACE}/check"
CONFIGURE = "autoreconf -fi && mkdir build && cd build && ../configure --enable-werror"
# skipped, in part or as a whole, for anybody else
ROOTS_TESTS = "TESTS='tests/pam/test-user-bus tests/unit/test-http'"
AUTOMAKE_COUNTS = re.compile(r"^# (PASS|XFAIL|FAIL|XPASS|ERROR): +(\d+)$", re.MULTILINE)
# What a log says of how much was tried; the name of what it was tried with is left out.
FIGURE = re.compile(
    r"^(?:(?:tampered tokens|bad answers|hostile keys|published vectors|refused calls|fault matrix): .+"
    r"|\S+: lines .+, branches .+|[\w -]+: findings \d+, explained \d+)$|\b\d+ failures injected, \d+ refused$", re.MULTILINE)
NUMBER = re.compile(r"\d+")
# Those with many users. The soak is as long as it takes to see whether the gateway grows, and leaves the host's clock alone.
MANY = {"soak": "tests/soak --minutes 2 --no-clock-steps", "crowd": "tests/crowd --quick"}
MANY_LINE = re.compile(r"^(?:ok   |FAIL |     ) \S.*$|^ {8}\S.*$|^\|.*\|$", re.MULTILINE)


# The longest, whose subject is the same everywhere, run on one Debian each, unless they are asked for.
LONGEST = {"test_fault_matrix.py": "bookworm", "test_persist.py": "trixie", "test_hostile.py": "sid"}


@dataclass
class Result:
    passed: int = 0
    failed: int = 0

    def __add__(self, other: Result) -> Result:
        return Result(self.passed + other.passed, self.failed + other.failed)

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed"


class Run:
    """The steps, each with a log of its own, and what came of them."""

    def __init__(self, logs: Path, suites: list[str], everywhere: bool) -> None:
        self.logs = logs
        self.suites = suites
        self.everywhere = everywhere
        self.package: Path | None = None

    def step(self, name: str, work: Callable[[Path], Result]) -> Result:
        log = self.logs / f"{name}.log"
        start = time.monotonic()
        try:
            result = work(log)
        except Exception as error:  # one step that breaks does not hide what the others say
            with log.open("a") as output:
                output.write(f"\n{type(error).__name__}: {error}\n")
            result = Result(0, 1)
        text = [f"  {figure}" for figure in figures(log.read_text(errors="replace") if log.exists() else "")]
        if result.failed:
            text.append(f"---- {log}\n{_tail(log)}\n----")
        text.append(f"{name}: {result} ({time.monotonic() - start:.0f} s)")
        print("\n".join(text), flush=True)  # at once: other steps print, too
        return result

    # building

    def sources(self, root: BuildRoot, thorough: bool) -> Result:
        """What is read, and what is built to be shipped; then the daemon, while the gateway has its tests."""
        root.copy_tree("check")
        total = self.step("configure-sources", lambda log: _status(root.run(CHECK, CONFIGURE, log)))
        for target in ("check-format", "check-headers"):
            total += self.step(target, lambda log, target=target: self._make(root, target, log))
        total += self.step("shellcheck", lambda log: _status(root.run(CHECK, _SHELLCHECK, log)))
        if thorough:
            total += self.step("package", lambda log: self._build_package(root, log))
        total += self.step("analyze", lambda log: _status(root.run(CHECK, "tests/analyze", log)))
        if thorough:
            total += self.step("distcheck", lambda log: self._make(root, f"-j{JOBS} distcheck", log))
        total += self.step("compile-for-daemon", lambda log: self._make(root, f"-j{JOBS} check TESTS=", log))
        return total + self.service_tests(root, "daemon")

    def programs(self, root: BuildRoot) -> Result:
        """What is built to be run here: in parts, and as services with the real provider."""
        root.copy_tree("check")
        total = self.step("configure", lambda log: _status(root.run(CHECK, CONFIGURE, log)))
        total += self.step("compile", lambda log: self._make(root, f"-j{JOBS} all", log))
        total += self.step("unit-tests", lambda log: self._unit_tests(root, "", USER, log))
        total += self.step("unit-tests-of-root", lambda log: self._unit_tests(root, ROOTS_TESTS, "root", log))
        return total + self.service_tests(root, "gateway")

    def build(self, root: BuildRoot, thorough: bool) -> Result:
        """Both at the same time: the one computes, the other mostly waits."""
        with ThreadPoolExecutor(1) as pool, BuildRoot(TREE) as other:
            sources = pool.submit(self.sources, other, thorough)
            return self.programs(root) + sources.result()

    def _make(self, root: BuildRoot, target: str, log: Path) -> Result:
        return _status(root.run(f"{CHECK}/build", f"make {target}", log))

    def _unit_tests(self, root: BuildRoot, variables: str, user: str, log: Path) -> Result:
        script = f"make -j{JOBS} check {variables} || {{ cat test-suite.log; exit 1; }}"
        status = root.run(f"{CHECK}/build", script, log, user=user)
        if status == 0 and not variables:  # else what is told last is what failed, or what was told before
            with log.open("a") as output:
                for one in sorted((root.root / f"{CHECK}/build/tests/unit".lstrip("/")).glob("*.log")):
                    output.write(one.read_text(errors="replace"))
        counts = {name: int(number) for name, number in AUTOMAKE_COUNTS.findall(log.read_text(errors="replace"))}
        failed = sum(counts.get(name, 0) for name in ("FAIL", "XPASS", "ERROR"))
        passed = counts.get("PASS", 0) + counts.get("XFAIL", 0)
        return Result(passed, failed or (1 if status or not passed else 0))

    def _build_package(self, root: BuildRoot, log: Path) -> Result:
        self.package = root.build_package(log, self.logs)
        return Result(1, 0)

    def service_tests(self, root: BuildRoot, name: str) -> Result:
        """The programs as built, on buses of their own, with the real provider."""
        return self.step(name, lambda log: self._service_tests(root, name, log))

    def _service_tests(self, root: BuildRoot, name: str, log: Path) -> Result:
        report = f"{CHECK}/{name}.xml"
        status = root.run(CHECK, f"{PYTEST} --junit-xml={report} --build=build tests/{name}", log,
                          user="root", folders=(CACHE,))
        result = _junit(root.root / report.lstrip("/"))
        ran = status == 0 and result.passed > 0
        return result if ran or result.failed else Result(result.passed, 1)

    def many(self, root: BuildRoot, name: str) -> Result:
        result = self.step(name, lambda log: _status(
            root.run(CHECK, MANY[name], log, user="root", folders=(CACHE, LOCKS))))
        log = self.logs / f"{name}.log"
        print(*MANY_LINE.findall(log.read_text(errors="replace") if log.exists() else ""), sep="\n", flush=True)
        return result

    def coverage(self, root: BuildRoot) -> Result:
        return self.step("coverage", lambda log: _status(
            root.run(CHECK, "tests/coverage --lines", log, user="root", folders=(CACHE,))))

    # testing

    def provider_tests(self) -> Result:
        return self.step("provider", lambda log: self._pytest(log, str(TREE / "tests/idp")))

    def system_tests(self) -> Result:
        with ThreadPoolExecutor(len(self.suites)) as pool:
            return sum(pool.map(self._suite, self.suites), Result())

    def _suite(self, suite: str) -> Result:
        left_out = [f"--ignore={HERE / name}" for name, place in LONGEST.items() if place != suite and not self.everywhere]
        return self.step(f"system-{suite}", lambda log: self._pytest(
            log, str(HERE), f"--suite={suite}", f"--deb={self.package}", *left_out))

    def figures(self) -> Result:
        result = self.step("figures", lambda log: self._command(log, "tests/figures"))
        print((self.logs / "figures.log").read_text(errors="replace"), flush=True)
        return result

    def demo(self) -> Result:
        return self.step("demo", lambda log: self._command(log, "tests/demo", "--auto"))

    def _command(self, log: Path, name: str, *options: str) -> Result:
        with log.open("wb") as output:
            done = subprocess.run([TREE / name, *options, "--deb", str(self.package)], stdin=subprocess.DEVNULL,
                                  stdout=output, stderr=subprocess.STDOUT)
        return _status(done.returncode)

    def _pytest(self, log: Path, *argv: str) -> Result:
        report = log.with_suffix(".xml")
        with log.open("wb") as output:
            done = subprocess.run(
                [*PYTEST.split(), f"--junit-xml={report}", *argv],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=HERE)
        result = _junit(report)
        if done.returncode != 0 and not result.failed:
            result.failed = 1
        return result


_SHELLCHECK = ("grep -rlE '^#!/bin/(ba)?sh' --include='*' . | grep -v '^./build' "
               "| xargs -r shellcheck --severity=warning -x -P .")


def figures(text: str) -> list[str]:
    """The lines that are figures, each kind once: those that differ in nothing but their numbers are added up."""
    kinds: dict[str, list[str]] = {}
    for line in FIGURE.findall(text):
        kinds.setdefault(NUMBER.sub("%s", line.replace("%", "%%")), []).append(line)
    return [lines[0] if len(lines) == 1 else kind % tuple(map(sum, zip(*(map(int, NUMBER.findall(line)) for line in lines))))
            for kind, lines in kinds.items()]


def _status(returncode: int) -> Result:
    return Result(0, 1) if returncode else Result(1, 0)


def _junit(report: Path) -> Result:
    result = Result()
    for suite in xml.parse(report).getroot().iter("testsuite"):
        bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        result += Result(int(suite.get("tests", 0)) - bad - int(suite.get("skipped", 0)), bad)
    return result


def _tail(log: Path, lines: int = 120) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else "(nothing)"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/run", description=__doc__)
    parser.add_argument("--quick", action="store_true",
                        help="without the booted machines, the package and distcheck")
    parser.add_argument("--coverage", action="store_true", help="also tests/coverage, which repeats many tests")
    parser.add_argument("--suite", choices=SUITES, action="append", help="only this Debian, repeatable; default: all")
    parser.add_argument("--everywhere", action="store_true",
                        help="the longest system tests on every Debian, instead of one each; implied by --suite")
    return parser.parse_args()


def main() -> int:
    args = arguments()
    exit_when_told()
    logs = Path(tempfile.mkdtemp(prefix="oidc-keyring-run.", dir="/var/tmp"))
    print(f"logs and reports are in {logs}", flush=True)
    run = Run(logs, args.suite or list(SUITES), args.everywhere or bool(args.suite))

    total = run.provider_tests()
    with BuildRoot(TREE) as root:
        total += run.build(root, thorough=not args.quick)
        for name in MANY:
            total += run.many(root, name)
        if args.coverage:
            total += run.coverage(root)
    if not args.quick and run.package is not None:
        total += run.system_tests()
        total += run.demo()
        total += run.figures()

    good = total.passed > 0 and not total.failed
    if good:
        shutil.rmtree(logs)
    print(total, flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
