#!/usr/bin/env bash
# Builds everything and runs every test.
set -euo pipefail
cd "$(dirname "$0")/.."
ci/prepare.sh test
ci/absences.sh
# Before the binary, which holds it.
ci/ui.sh test

# One selection for building and testing, so that nothing is compiled twice.
if cargo nextest --version >/dev/null 2>&1; then
    # The message of a panic says where it was; what called it fills a log that is cut somewhere.
    RUST_BACKTRACE=0 cargo nextest run --workspace --locked
else
    cargo test --workspace --locked
fi
