# `make help` lists what there is.

TARGET := $(or $(CARGO_TARGET_DIR),target)
VERSION := $(shell sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
DIST := evenkeel-$(VERSION)-linux-$(shell uname -m)

.DEFAULT_GOAL := help
.PHONY: help run build lint test bench compare-faults compare-health dist tools

help: ## This list
	@sed -n 's/^\([a-z-]*\):[^#]*## /  make \1\t/p' Makefile | expand -t 24

run: ## Build, and run the demo: a balancer before three backends to break (ARGS="--listen ADDR --admin ADDR")
	cargo build --profile quick -p evenkeel
	$(TARGET)/quick/evenkeel demo $(ARGS)

build: ## The optimised program, target/release/evenkeel
	cargo build --release -p evenkeel

lint: ## Format, clippy, documentation; a warning is an error
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# End to end, tests wait more than they work: six at a time, also on two cores.
test: tools ## Every test, end to end with nginx, haproxy and prometheus
	RUST_TEST_THREADS=$(or $(RUST_TEST_THREADS),6) cargo test --workspace

bench: tools ## CPU per request beside HAProxy and nginx; BASE=REV compares two builds (ARGS="--quick" and others)
	cargo build --release -p evenkeel -p evenkeel-tests --bin evenkeel --bin bench
ifdef BASE
	rm -rf $(TARGET)/bench-base
	mkdir -p $(TARGET)/bench-base
	git archive $(BASE) | tar -x -C $(TARGET)/bench-base
	cd $(TARGET)/bench-base && CARGO_TARGET_DIR=$(abspath $(TARGET))/bench-base-target cargo build --release -p evenkeel
	$(TARGET)/release/bench --base $(TARGET)/bench-base-target/release/evenkeel $(ARGS)
else
	$(TARGET)/release/bench $(ARGS)
endif

compare-faults: tools ## The same faults on evenkeel, HAProxy and nginx, and what clients see of them (ARGS="--quick" and others)
	cargo build --profile quick -p evenkeel -p evenkeel-tests --bin evenkeel --bin compare-faults
	$(TARGET)/quick/compare-faults $(ARGS)

compare-health: tools ## Times to eject and to return beside HAProxy's, and the requests that failed (ARGS="--quick" and others)
	cargo build --profile quick -p evenkeel -p evenkeel-tests --bin evenkeel --bin compare-health
	$(TARGET)/quick/compare-health $(ARGS)

dist: build ## An archive to install from, target/dist/
	rm -rf $(TARGET)/dist/$(DIST)
	mkdir -p $(TARGET)/dist/$(DIST)
	cp -r $(TARGET)/release/evenkeel README.md LICENSE deploy examples docs $(TARGET)/dist/$(DIST)/
	tar -C $(TARGET)/dist -czf $(TARGET)/dist/$(DIST).tar.gz --owner=0 --group=0 $(DIST)
	cd $(TARGET)/dist && sha256sum $(DIST).tar.gz > $(DIST).tar.gz.sha256

tools:
	@.ci/tools
