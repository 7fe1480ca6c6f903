# What people and CI run. Each target prepares what it needs, and is quick the second time.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help build demo test bench torture lint docs compare-dbt

TARGET := $(or $(CARGO_TARGET_DIR),target)

help: ## Show this
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

build: ## Build the binary for daily use, with the web application
	@ci/prepare.sh build
	@ci/ui.sh
	@cargo build --workspace --bin weir --locked

demo: build ## Start Weir with a made-up company; show queries and their answers
	@ci/prepare.sh demo
	@$(TARGET)/debug/weir demo $(DEMO)

test: ## Build everything and run every test
	@ci/test.sh

bench: ## Measure, and write a table with ratios
	@ci/prepare.sh bench
	@if [ -x benches/run ]; then benches/run $(BENCH); else echo "there are no benchmarks yet" >&2; exit 1; fi

torture: ## Crash, starve and corrupt it, for long
	@ci/prepare.sh test
	@if [ -x tests/torture/run ]; then tests/torture/run $(TORTURE); else echo "there are no torture tests yet" >&2; exit 1; fi

lint: ## Formatting, clippy, absences, licences
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets --locked -- -D warnings
	@ci/absences.sh
	@if command -v cargo-deny >/dev/null; then cargo deny --locked check bans licenses sources; \
	  else echo "cargo-deny is not installed; licences are not checked" >&2; fi

compare-dbt: build ## Build PROJECT=dir with dbt-core and with Weir, and compare every row
	@tests/dbt/setup
	@$${XDG_CACHE_HOME:-$$HOME/.cache}/weir/dbt/bin/python tests/dbt/compare.py --weir $(TARGET)/debug/weir $(COMPARE) $(PROJECT)

docs: build ## Write the generated reference pages
	@$(TARGET)/debug/weir reference docs
