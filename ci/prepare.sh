#!/usr/bin/env bash
# Brings what the tests need beyond Rust and Node. Quick when it is there already.
#
#   ci/prepare.sh build | test | bench
#
# System packages are installed only as root and only when missing; packages of npm and pip go into
# a cache folder, at the versions of their lock files, and the folder's path is printed last.
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:-test}
cache=${TESTKIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/weir}
mkdir -p "$cache"

say() { echo "prepare: $*" >&2; }

packages=()
need() { # need PROGRAM PACKAGE
    command -v "$1" >/dev/null 2>&1 || packages+=("$2")
}

need cc build-essential
if [ "$what" != build ]; then
    need curl curl
    need strace strace
    need chromium chromium
    need python3 python3
    python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || packages+=(python3-venv)
fi
if [ "$what" = bench ]; then
    need nginx nginx-light
fi
if [ "${#packages[@]}" -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        say "installing ${packages[*]}"
        export DEBIAN_FRONTEND=noninteractive
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${packages[@]}"; } >/dev/null ||
            say "could not install ${packages[*]}; tests that need them will say so"
    else
        say "missing: ${packages[*]}; install them, or tests that need them will say so"
    fi
fi

# A folder is made anew when its lock file changes, and only then.
fresh() { # fresh FOLDER FILE...
    local folder=$1 sum
    shift
    sum=$(cat "$@" | sha256sum | cut -d' ' -f1)
    [ -f "$folder/.made-from" ] && [ "$(cat "$folder/.made-from")" = "$sum" ] && return 0
    echo "$sum" >"$folder.sum"
    return 1
}

clients=tests/clients
if [ "$what" != build ] && [ -f "$clients/package.json" ]; then
    if ! fresh "$cache/node" "$clients/package.json" "$clients/package-lock.json"; then
        say "installing the SDKs of npm"
        rm -rf "$cache/node" && mkdir -p "$cache/node"
        cp "$clients/package.json" "$clients/package-lock.json" "$cache/node/"
        npm ci --prefix "$cache/node" --no-audit --no-fund --silent >&2
        mv "$cache/node.sum" "$cache/node/.made-from"
    fi
    # Modules are looked for next to the scripts that import them.
    [ -e "$clients/node_modules" ] || ln -sfn "$cache/node/node_modules" "$clients/node_modules"
fi
requirements=$clients/requirements.txt
if [ "$what" != build ] && [ -f "$requirements" ]; then
    if ! fresh "$cache/python" "$requirements"; then
        say "installing the SDKs of PyPI"
        rm -rf "$cache/python"
        python3 -m venv "$cache/python"
        "$cache/python/bin/pip" install --quiet --disable-pip-version-check -r "$requirements" >&2
        mv "$cache/python.sum" "$cache/python/.made-from"
    fi
fi
echo "$cache"
