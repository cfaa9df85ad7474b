# SPDX-License-Identifier: MIT
"""What processes use, as the kernel counts it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

NSEC_PER_MSEC = 1e6


@dataclass(frozen=True)
class Usage:
    cpu_ms: float
    pss_kb: int
    private_kb: int  # of it: written, and so nobody else's
    descriptors: int

    @staticmethod
    def of(pid: int) -> Usage:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return Usage(
            cpu_ms=sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / NSEC_PER_MSEC,
            pss_kb=_sum(rollup, r"^Pss: +(\d+)"),
            private_kb=_sum(rollup, r"^Private_Dirty: +(\d+)"),
            descriptors=len(os.listdir(f"/proc/{pid}/fd")))


def switches(pid: int) -> int:
    """Of the processor, to it and to others: each is a wake-up, or the end of a time slice."""
    return _sum(Path(f"/proc/{pid}/status").read_text(), r"ctxt_switches:\s+(\d+)")


def _sum(text: str, pattern: str) -> int:
    return sum(map(int, re.findall(pattern, text, re.MULTILINE)))
