# SPDX-License-Identifier: MIT
"""A clean Debian 12, the oldest that is supported, to build in: what is built there runs on later ones too.

Nothing is installed on the host for it, and what the package's Build-Depends do not name is not there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

import cgroup
import image
from keys import UidBlock
from machine import PATH, SCRATCH, die_with_parent

SUITE = "bookworm"
USER = "builder"
# where in it things are built
PLACE = "/srv"
# what building takes that Debian takes for granted, and what the checks of the sources need
TOOLS = ("build-essential", "fakeroot", "autoconf", "automake", "libtool", "clang-format", "clang-tidy", "cppcheck",
         "keyutils", "python3-minimal", "shellcheck", "xz-utils")
# and what it takes to run the programs there on a bus of their own
TEST_TOOLS = ("dbus", "gcovr", "openssl", "procps", "python3", "python3-pytest", "systemd")
BUILD_PACKAGE = f"DEB_BUILD_OPTIONS='nocheck parallel={os.cpu_count() or 1}' dpkg-buildpackage -b -us -uc"
LEFT_OUT = (".git", "node_modules", "build", "autom4te.cache", "__pycache__", "*.o", "*.lo", "*.la", ".libs", ".deps",
            "config.status", "config.log", "Makefile")


class BuildRoot:
    """Use it as a context manager. PLACE in it holds what is built, and is gone afterwards."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree
        self._uids = UidBlock()
        self.name = f"oidc-keyring-build-{self._uids.first}"
        self._group = cgroup.MachineGroup(self.name)
        self._home = SCRATCH / self.name
        self.root = self._home / "root"

    def __enter__(self) -> BuildRoot:
        try:
            self._remove_home()
            self._home.mkdir(mode=0o755)
            packages = [*TOOLS, *TEST_TOOLS, *build_dependencies(self._tree / "debian/control")]
            image.unpack(image.image(SUITE, "build", packages), self.root)
            (self.root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
            self._chroot("useradd", "-m", "-u", str(self._uids.first), USER)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._remove_home()
        self._uids.release()

    def copy_tree(self, name: str) -> Path:
        """Copies the tree's sources to PLACE/NAME, without what builds left in it; where that is on the host."""
        target = self.root / PLACE.lstrip("/") / name
        target.mkdir(parents=True)
        sources = subprocess.run(self._pack_command(), stdout=subprocess.PIPE, check=True).stdout
        subprocess.run(["tar", "-xf", "-", "-C", target], input=sources, check=True)
        self._chroot("chown", "-R", USER, PLACE)
        return target

    def run(self, directory: str, script: str, log: Path, timeout: float = 1800, user: str = USER,
            folders: tuple[Path, ...] = ()) -> int:
        """Runs a shell script; its output is added to the log. Returns the exit status.

        That is done as an ordinary user unless another is named, who finds these folders of the host's, too.
        """
        who = [f"--user={user}", *(f"--bind={folder}" for folder in folders)]
        command = [*self._group.launch_prefix(), "systemd-nspawn", "--quiet", f"--directory={self.root}",
                   f"--machine={self.name}", "--register=no", "--keep-unit", "--settings=no", "--as-pid2", "--pipe",
                   "--system-call-filter=@keyring @memlock", "--link-journal=no", "--resolv-conf=off", "--timezone=off",
                   *who, f"--chdir={directory}", "--setenv=LANG=C.UTF-8", "sh", "-ec", script]
        with log.open("ab") as output:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                  start_new_session=True, preexec_fn=self._become_nspawn, timeout=timeout,
                                  env={"PATH": PATH, "LANG": "C.UTF-8", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"})
        return done.returncode

    def _become_nspawn(self) -> None:
        die_with_parent()
        self._group.enter()

    def _pack_command(self) -> list[str]:
        """Only what git knows or would add, where there is git; else all but what builds are known to leave."""
        if (self._tree / ".git").exists() and shutil.which("git"):
            listing = f"git -c safe.directory='*' -C {self._tree} ls-files -z --cached --others --exclude-standard"
            return ["sh", "-ec", f"{listing} | tar -C {self._tree} --null --ignore-failed-read -T - -cf -"]
        return ["tar", "-C", str(self._tree), *(f"--exclude={pattern}" for pattern in LEFT_OUT), "-cf", "-", "."]

    def _chroot(self, *argv: str) -> None:
        subprocess.run(["chroot", str(self.root), *argv], check=True, env={"PATH": PATH}, stdin=subprocess.DEVNULL,
                       capture_output=True)

    def _remove_home(self) -> None:
        self._group.kill()
        if self._home.exists():
            shutil.rmtree(self._home)

    def build_package(self, log: Path, target: Path) -> Path:
        """Builds the Debian package of the tree and puts it into the target directory."""
        sources = self.copy_tree("package/oidc-keyring")
        if self.run(f"{PLACE}/package/oidc-keyring", BUILD_PACKAGE, log) != 0:
            raise RuntimeError(f"the package was not built\n{log.read_text(errors='replace')[-4000:]}")
        built = list(sources.parent.glob("oidc-keyring_*.deb"))
        if len(built) != 1:
            raise RuntimeError(f"expected one package, found {[path.name for path in built]}")
        return Path(shutil.copy(built[0], target))


@contextmanager
def built_package(tree: Path, given: Path | None) -> Iterator[Path]:
    """The package that was given, or else one that is built now and removed afterwards."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="oidc-keyring-package.", dir=SCRATCH) as target:
        with BuildRoot(tree) as root:
            package = root.build_package(Path(target) / "build.log", Path(target))
        yield package


def build_dependencies(control: Path) -> list[str]:
    """The names in Build-Depends; of alternatives the first, as the archive's builders take it."""
    match = re.search(r"^Build-Depends:((?:.*\n)(?:[ \t].*\n)*)", control.read_text(), re.MULTILINE)
    assert match, f"{control} has no Build-Depends"
    clauses = (clause.split("|")[0].strip() for clause in match.group(1).split(","))
    names = [re.split(r"[ (]", clause)[0] for clause in clauses if clause]
    return ["debhelper" if name == "debhelper-compat" else name for name in names]
