# SPDX-License-Identifier: MIT
"""Looks for secrets in all memory of a process that can be read: for root, whatever the process says of dumps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, Iterator

# Enough of a token to be sure that it is this one, little enough to find what was overwritten in part.
FRAGMENT = 16
BLOCK = 1 << 22
MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \S+ *(.*)")
# Pages of the kernel's own.
UNREADABLE = ("[vvar]", "[vvar_vclock]", "[vsyscall]")


@dataclass(frozen=True)
class Found:
    kind: str
    endpoint: str
    mapping: str
    guarded: bool
    around: str

    def __str__(self) -> str:
        return f"{self.kind} of {self.endpoint} in {self.mapping}: {self.around}"


def fragments(value: str) -> set[bytes]:
    """The beginning, the middle and the end of a long secret; a short one whole."""
    text = value.encode()
    if len(text) <= FRAGMENT:
        return {text, text.replace(b"-", b"")}
    places = (0, (len(text) - FRAGMENT) // 2, len(text) - FRAGMENT)
    return {text[place:place + FRAGMENT] for place in places}


def needles(secrets: Iterable[dict[str, Any]]) -> dict[bytes, dict[str, Any]]:
    """What to look for. That a fragment is of one secret only is not so for the headers of JWTs."""
    result: dict[bytes, dict[str, Any]] = {}
    common: set[bytes] = set()
    for secret in secrets:
        parts = secret["value"].split(".")[1:] if secret["kind"] == "id_token" else [secret["value"]]
        for fragment in set().union(*map(fragments, parts)):
            common |= {fragment} if fragment in result else set()
            result[fragment] = secret
    return {fragment: secret for fragment, secret in result.items() if fragment not in common}


@dataclass
class Mapping:
    name: str
    begin: int
    end: int
    guarded: bool = False  # kept out of swap, of core dumps and of children


def mappings(pid: int) -> Iterator[Mapping]:
    mapping = None
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        match = MAPPING.fullmatch(line)
        if match:
            mapping = Mapping(match[4] or "anonymous memory", int(match[1], 16), int(match[2], 16))
        elif line.startswith("VmFlags:") and mapping is not None:
            mapping.guarded = {"lo", "dd", "wf"} <= set(line.split())
            if mapping.name not in UNREADABLE and "rd" in line.split():
                yield mapping


def blocks(pid: int) -> Iterator[tuple[Mapping, bytes]]:
    """All that can be read, in blocks that overlap by a fragment."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for mapping in mappings(pid):
            for place in range(mapping.begin, mapping.end, BLOCK):
                memory.seek(place)
                try:
                    yield mapping, memory.read(min(BLOCK + FRAGMENT, mapping.end - place))
                except OSError:  # gone since, or a file that is shorter than its mapping
                    continue


def search(pid: int, secrets: Iterable[dict[str, Any]]) -> list[Found]:
    wanted = needles(secrets)
    assert wanted
    pattern = re.compile(b"|".join(map(re.escape, wanted)))
    result, size = [], 0
    for mapping, block in blocks(pid):
        size += len(block)
        for match in pattern.finditer(block):
            secret = wanted[match[0]]
            around = block[max(0, match.start() - 40):match.end() + 24]
            result.append(Found(secret["kind"], secret["endpoint"], mapping.name, mapping.guarded, repr(around)))
    assert size > 1 << 20, "the memory of a process is larger than that"
    return result


def kinds(found: Iterable[Found]) -> set[str]:
    return {one.kind for one in found}
