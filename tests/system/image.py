# SPDX-License-Identifier: MIT
"""Debian roots for the booted machine, made once per suite and package list.

An image is a tar file outside the tree. That of a machine holds a minimal Debian with systemd, D-Bus, sshd and the
libraries the package needs, so that it is ready after unpacking; nothing of the package itself is in it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Sequence

SUITES = ("bookworm", "trixie", "sid")
CACHE = Path(os.environ.get("OIDC_KEYRING_TEST_CACHE", "/var/cache/oidc-keyring-tests"))

PACKAGES = (
    # the machine
    "systemd", "systemd-sysv", "dbus", "dbus-user-session", "libpam-systemd", "openssh-server", "openssh-client",
    "sudo", "login", "util-linux", "procps", "libpam-runtime", "ca-certificates",
    # what tests run inside
    "keyutils", "curl",
    # what the package depends on, so that installing it needs no network
    "libcurl4", "libeconf0", "libjson-c5", "libkeyutils1", "libpam0g", "libqrencode4", "libssl3", "libsystemd0",
)

# Names that later suites gave to the same libraries.
RENAMED = {
    "libcurl4": "libcurl4t64",
    "libpam0g": "libpam0g",
    "libssl3": "libssl3t64",
}

# A mirror may lag behind sid by more than the few days for which its release file is valid.
APT_OPTIONS = (
    'Acquire::Check-Valid-Until "false"',
    'APT::Install-Recommends "false"',
    'APT::Sandbox::User "root"',
)


def machine_packages(suite: str) -> list[str]:
    if suite == "bookworm":
        return list(PACKAGES)
    return [RENAMED.get(name, name) for name in PACKAGES]


def image(suite: str, purpose: str, packages: Sequence[str]) -> Path:
    """Returns the image of a suite with these packages, which is made first where it is missing."""
    if suite not in SUITES:
        raise ValueError(f"unknown suite {suite!r}, known are {', '.join(SUITES)}")

    recipe = "\n".join([suite, *packages, *APT_OPTIONS])
    stem = f"{suite}-{purpose}"
    path = CACHE / f"{stem}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}.tar"
    with _locked(stem):
        if not path.exists():
            _build(suite, packages, path)
            _forget_others(stem, path)
    return path


def unpack(path: Path, root: Path) -> None:
    root.mkdir(mode=0o755)
    subprocess.run(["tar", "--numeric-owner", "--xattrs", "--xattrs-include=*", "-xpf", path, "-C", root], check=True)


def _build(suite: str, packages: Sequence[str], path: Path) -> None:
    part = path.with_suffix(".part")
    command = ["mmdebstrap", "--quiet", "--variant=minbase", "--format=tar", "--skip=cleanup/apt/lists",
               f"--include={','.join(packages)}", *(f"--aptopt={option}" for option in APT_OPTIONS), suite, str(part)]
    log = path.with_suffix(".log")
    with log.open("wb") as output:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        part.unlink(missing_ok=True)
        raise RuntimeError(f"mmdebstrap could not make a root of {suite}:\n{log.read_text(errors='replace')[-4000:]}")
    part.rename(path)


def _forget_others(stem: str, path: Path) -> None:
    for other in CACHE.glob(f"{stem}-*"):
        if other.stem != path.stem:
            other.unlink()


@contextmanager
def _locked(stem: str) -> Iterator[None]:
    CACHE.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (CACHE / f".{stem}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
