#!/usr/bin/env bash
# Brings what building, testing and measuring need beyond Rust and Node. Quick when it is there.
#
#   ci/prepare.sh build | demo | test | bench
#
# System packages are installed only as root and only when missing. What tests drive (SDKs, engines,
# a browser) is the matter of tests/clients/setup.
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:-test}

packages=()
need() { # need PROGRAM PACKAGE
    command -v "$1" >/dev/null 2>&1 || packages+=("$2")
}
need cc build-essential
if ! command -v npm >/dev/null 2>&1; then
    need node nodejs
    packages+=(npm)
fi
if [ "$what" = bench ]; then
    need nginx nginx-light
fi
if [ "$what" = demo ]; then
    # A database to replicate, and what a tap is installed with. The demo goes on without them.
    ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || need postgres postgresql
    python3 -c 'import ensurepip' >/dev/null 2>&1 || need uv python3-venv
    if [ "${#packages[@]}" -gt 0 ] && { [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; }; then
        echo "not installed: ${packages[*]}; the demo shows less without them" >&2
        exit 0
    fi
fi
if [ "$what" = test ] || [ "$what" = bench ]; then
    # The oracle for what SQL means, and its client.
    need psql postgresql-client-15
    [ -x /usr/lib/postgresql/15/bin/postgres ] || packages+=(postgresql-15)
    # Whose log is read, and its client. Tests start servers of their own.
    [ -x /usr/sbin/mariadbd ] || need mariadbd mariadb-server
    # Whose files are read. Tests start servers of their own.
    [ -x /usr/sbin/sshd ] || need sshd openssh-server
fi
if [ "${#packages[@]}" -gt 0 ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        echo "error: missing: ${packages[*]}; install them and run this again" >&2
        exit 1
    fi
    echo "installing ${packages[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    # Packages bring services, which nobody here needs: where no policy says otherwise, they are not started.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
        trap 'rm -f "$policy"' EXIT
    fi
    if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null; }; then
        echo "could not install: ${packages[*]}" >&2
        [ "$what" = demo ] || exit 1
    fi
fi

if { [ "$what" = test ] || [ "$what" = bench ]; } && [ -x tests/clients/setup ]; then
    tests/clients/setup
fi
