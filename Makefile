# The few commands that a newcomer needs. `make help` lists them.

# What .cargo/config.toml sets for cargo, for the programs that are started here.
export ASSENT_PACKS ?= $(CURDIR)/../shared/packs
export ASSENT_RUNTIME ?= $(CURDIR)/.runtime
# cargo-deny, where scripts/install-tools puts it.
export PATH := $(CURDIR)/.tools/bin:$(PATH)

# For `pipefail`: a test that fails must not be hidden by what its output is piped to.
SHELL = /bin/bash

TARGET = $(or $(CARGO_TARGET_DIR),target)
ASSENT = $(TARGET)/release/assent

.PHONY: help demo test compliance lint build runtime

help:            ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST)

demo: build      ## enrol, scan, find, withdraw and verify on sample photos, in a temporary folder
	scripts/install-tools pip
	$(ASSENT) runtime fetch
	$(ASSENT) demo

# What the tests run is built with them: cargo would build a third of it anew for the program alone.
test:            ## every test; those of the ledger, of the commands and of what is asked of a vault run on SQLite and PostgreSQL
	scripts/install-tools compile
	scripts/install-tools pip
	scripts/install-tools postgres
	scripts/install-tools heif
	mkdir -p target
	cargo test --workspace --locked --no-run
	$(TARGET)/debug/assent runtime fetch
	set -o pipefail; scripts/with-postgres cargo test --workspace --locked | tee target/tests.log
	ASSENT_TEST_DATABASE=postgres scripts/with-postgres cargo test --workspace --locked --test cli -- --skip packs:: --skip evaluate:: --skip runtime:: --skip server::
	ASSENT_TEST_DATABASE=postgres scripts/with-postgres cargo test --workspace --locked --test engine -- resident:: service:: everybody:: on_request:: jobs::
	cargo test --locked --package assent-gallery --features model --lib model::
	$(TARGET)/debug/compliance check < target/tests.log

compliance:      ## docs/compliance.md anew, of the last run of the tests
	$(TARGET)/debug/compliance write < target/tests.log

lint:            ## formatting, clippy, the dependency graph, the documentation
	scripts/install-tools compile
	scripts/install-tools deny
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo deny check bans licenses sources
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

build:           ## the program, in target/release
	scripts/install-tools compile
	cargo build --release --locked --package assent-cli

# Tests run networks, so the library must be there. It is fetched once; a whole one is left alone.
runtime:         ## the inference library, in .runtime
	scripts/install-tools compile
	scripts/install-tools pip
	cargo run --quiet --locked --package assent-cli -- runtime fetch
