#!/usr/bin/env bash
# Builds everything and runs every test.
set -euo pipefail
cd "$(dirname "$0")/.."
WEIR_CACHE=$(ci/prepare.sh test)
export WEIR_CACHE

ci/absences.sh

# The same selection for building and testing, so that nothing is compiled twice.
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --locked
else
    cargo test --workspace --locked
fi

# Real SDKs against a real server.
if [ -x tests/sdk/run ]; then
    tests/sdk/run
fi
