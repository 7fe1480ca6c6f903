#!/usr/bin/env bash
# Builds everything and runs every test.
set -euo pipefail
cd "$(dirname "$0")/.."
# Tests find what was prepared by these; names that begin with WEIR_ are the product's own.
TESTKIT_CACHE=$(ci/prepare.sh test)
export TESTKIT_CACHE
if [ -x "$TESTKIT_CACHE/python/bin/python3" ]; then
    export TESTKIT_PYTHON="$TESTKIT_CACHE/python/bin/python3"
fi

ci/absences.sh

# The same selection for building and testing, so that nothing is compiled twice.
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --locked
else
    cargo test --workspace --locked
fi
