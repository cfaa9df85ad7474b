# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# What the tests and the demo need of the host: nothing is installed that is there already.

need_root() {
        [ "$(id -u)" = 0 ] || { echo "$0: this needs root: sudo $0" >&2; exit 1; }
}

need_packages() {
        missing=
        need mmdebstrap command -v mmdebstrap
        need systemd-container command -v systemd-nspawn
        need debian-archive-keyring test -e /usr/share/keyrings/debian-archive-keyring.gpg
        need iproute2 command -v ip
        need python3 test -x /usr/bin/python3
        need python3-pytest /usr/bin/python3 -c 'import pytest'
        need python3-pexpect /usr/bin/python3 -c 'import pexpect'
        need keyutils command -v keyctl
        need openssl command -v openssl
        need npm command -v npm
        [ -z "$missing" ] && return 0

        command -v apt-get >/dev/null || {
                echo "$0: this is missing, by the names that Debian has for it:$missing" >&2
                exit 1
        }
        echo "installing$missing" >&2
        export DEBIAN_FRONTEND=noninteractive
        apt-get -q -q update
        # shellcheck disable=SC2086
        apt-get -q -y install --no-install-recommends $missing </dev/null >&2
}

# need PACKAGE TEST...: the package is missing where the test fails
need() {
        package=$1
        shift
        "$@" >/dev/null 2>&1 || missing="$missing $package"
}
