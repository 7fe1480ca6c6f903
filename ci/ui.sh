#!/usr/bin/env bash
# Builds the web application into ui/dist, from where it goes into the binary. Quick when nothing of
# it has changed.
#
#   ci/ui.sh          builds
#   ci/ui.sh test     runs its own tests as well
set -euo pipefail
cd "$(dirname "$0")/../ui"
if ! command -v npm >/dev/null 2>&1; then
    echo "error: npm is missing; install nodejs and npm to build the web application" >&2
    exit 1
fi
if grep -q '"resolved"' package-lock.json; then
    echo "error: ui/package-lock.json names a registry; make it with: npm install --package-lock-only --omit-lockfile-registry-resolved" >&2
    exit 1
fi
if ! cmp -s package-lock.json node_modules/.installed; then
    echo "installing what the web application is made of" >&2
    npm ci --no-audit --no-fund --silent
    cp package-lock.json node_modules/.installed
fi
# What dist was made from: the names and contents of all sources.
stamp=$(git ls-files -z --cached --others --exclude-standard . | sort -z | xargs -0 sha256sum | sha256sum)
if [ "$(cat dist/.made-from 2>/dev/null)" != "$stamp" ]; then
    npm run --silent build >&2
    echo "$stamp" >dist/.made-from
fi
if [ "${1:-}" = test ]; then
    npm test --silent >&2
fi
