# SPDX-License-Identifier: MIT
"""Boots a small machine with an OpenID provider of its own, and lets you log in to it over ssh.

You approve the login on the provider's page, with a browser on this computer; any name for the password will do. Then
you see the token of the session, its renewal, and a program that uses it. Everything is removed when you leave.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "idp")]

from buildroot import built_package  # noqa: E402
from host import Host  # noqa: E402
from image import SUITES  # noqa: E402
from machine import Machine, exit_when_told  # noqa: E402
from provider import Provider  # noqa: E402
from terminal import Ssh, ssh_command  # noqa: E402

TOKEN_LIFE = 20
TOUR_PATH = "/usr/local/bin/tour"

# Runs in the session. Each command is shown before it runs.
TOUR = r"""#!/bin/sh
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { printf '\n$ %s\n' "$1"; eval "$1"; echo; }

say "You are logged in as $(id -un), and your session has a token:"
show 'oidc-keyring status'
show 'keyctl pipe %user:oidc:corp | cut -c1-40'

say "A program uses it. This one asks the provider's resource server who it is:"
show 'curl -sS -H "Authorization: Bearer $(oidc-keyring token)" ISSUER/api/whoami'

say "It lives for LIFE s only, and is renewed without you. Waiting for that..."
old=$(keyctl pipe %user:oidc:corp)
while new=$(keyctl pipe %user:oidc:corp) && [ "$new" = "$old" ]; do sleep 1; done
show 'keyctl pipe %user:oidc:corp | cut -c1-40'
show 'curl -sS -H "Authorization: Bearer $(oidc-keyring token)" ISSUER/api/whoami'
[ -n "$new" ] || exit 1

say "A service of yours, outside this shell, finds it too:"
show 'systemd-run --user --quiet --pipe --wait oidc-keyring status'
[ "$1" = stay ] || exit 0

say "The shell is yours now. Try 'oidc-keyring --help'; 'exit' ends it all."
exec bash -l
"""

HOW_TO = """
Two things to do now. The login that starts below shows an address and a code (and both as a QR code):
  1. open the address in a browser on this computer, and give the code;
  2. log in there as \033[1malice\033[0m, with any password, and say yes.
No browser here? Forward the port from where you have one:  ssh -L {port}:localhost:{port} THIS-COMPUTER

$ ssh alice@testhost
"""


def prepare(host: Host, package: Path) -> None:
    host.set_up([package])
    host.begin()
    host.provider.config(interval=2, access_token_ttl=TOKEN_LIFE)
    host.configure(allow_loopback_http="yes")
    tour = TOUR.replace("ISSUER", host.provider.issuer).replace("LIFE", str(TOKEN_LIFE))
    host.machine.write(TOUR_PATH, tour, 0o755)


def by_hand(host: Host) -> bool:
    """The person's own terminal is that of the ssh client."""
    print(HOW_TO.format(port=host.provider.port), flush=True)
    command = ssh_command(host.machine, "alice", "LogLevel=ERROR")
    done = subprocess.run(host.machine.enter_command(*command, "-t", TOUR_PATH, "stay"),
                          preexec_fn=host.machine.join, cwd="/")
    return done.returncode == 0


def by_itself(host: Host) -> bool:
    """Somebody approves and presses Enter, as a person would."""
    print("\n$ ssh alice@testhost", flush=True)
    host.provider.approve_next("alice", delay=2)
    with Ssh(host.machine, "alice", TOUR_PATH, ["LogLevel=ERROR"], marked=False) as client:
        client.echo_to(sys.stdout)
        client.expect("Press Enter")
        client.send()
        return client.finish() == 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/demo", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--auto", action="store_true", help="approves by itself, and needs no terminal")
    parser.add_argument("--suite", choices=SUITES, default=SUITES[0], help="the Debian that is booted")
    parser.add_argument("--deb", type=Path, help="the package; built first where it is not given")
    return parser.parse_args()


def main() -> int:
    args = arguments()
    exit_when_told()
    if not args.auto and not sys.stdin.isatty():
        print("tests/demo: there is no terminal here; --auto needs none", file=sys.stderr)
        return 2

    print("Building the package; the first time this fetches a small Debian, a minute or two...", flush=True)
    with built_package(HERE.parent.parent, args.deb) as package:
        print("Booting a machine with it and starting a provider...", flush=True)
        with Provider(http=True) as provider, Machine(args.suite) as machine:
            host = Host(machine, provider)
            prepare(host, package)
            good = by_itself(host) if args.auto else by_hand(host)
            print("\nRemoving the machine...", flush=True)
    print("The login went through." if good else "The login did not go through.", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
