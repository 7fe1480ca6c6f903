#!/usr/bin/env bash
# Proves the cheap ones of the invariants in ARCHITECTURE.md: what a crate does not depend on.
set -euo pipefail
cd "$(dirname "$0")/.."

# With features unified over the workspace, a tree would show everybody's dependencies.
unset CARGO_RESOLVER_FEATURE_UNIFICATION CARGO_UNSTABLE_FEATURE_UNIFICATION

failed=0
absent() {
    local crate=$1 dependency tree
    shift
    tree=$(cargo tree --locked --quiet -p "$crate" -e normal --prefix none -f '{lib}' | sed 's/ (\*)$//' | sort -u)
    for dependency in "$@"; do
        if grep -qx "${dependency//-/_}" <<<"$tree"; then
            echo "error: $crate must not depend on $dependency" >&2
            failed=1
        fi
    done
}

absent weir-core tokio sqlx hyper reqwest datafusion deltalake-core
absent weir-access tokio sqlx hyper axum datafusion weir-catalog
absent weir-catalog hyper axum datafusion deltalake-core
absent weir-flow hyper axum datafusion deltalake-core weir-catalog weir-query weir-model
absent weir-step hyper axum datafusion deltalake-core weir-lake weir-catalog weir-query weir-model
absent weir-extract hyper axum datafusion deltalake-core weir-lake weir-catalog weir-query
absent weir-lake axum sqlx weir-catalog weir-collect weir-query
absent weir-collect axum clap weir-query
absent weir-query axum clap weir-collect
absent weir-serve clap

# Only the command prints; comments and tests may mention it.
if grep -rnE '^\s*(print|eprint)(ln)?!' crates/*/src --include='*.rs' | grep -v '^crates/weir-testkit/'; then
    echo "error: only crates/weir/src/ui.rs writes to the terminal" >&2
    failed=1
fi
exit "$failed"
