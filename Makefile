# One target a line with its help behind `##`; `make help` prints them.

CARGO ?= cargo
# The model checker explores every interleaving with at most this many preemptions.
LOOM_PREEMPTIONS ?= 2
# How long each fuzz target runs.
FUZZ_SECONDS ?= 600
# How long the soak lasts, and how many orders of each scenario it begins with.
SOAK_SECONDS ?= 600
SOAK_SEEDS ?= 5000
LOOM = RUSTFLAGS="--cfg loom -Cdebug-assertions" LOOM_MAX_PREEMPTIONS=$(LOOM_PREEMPTIONS) $(CARGO) test --lib --release --target-dir target/loom

.PHONY: help lint test check loom soak fuzz bench bench-vm bench-check bench-processes bench-peers bench-calls oracle test-peers

help: ## Lists the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

lint: ## Formatting, clippy with warnings denied, documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" $(CARGO) doc --workspace --no-deps --document-private-items

test: ## Every functional test and the model checks; what CI runs
	$(CARGO) test --workspace
	$(MAKE) --no-print-directory loom

check: lint test ## lint and test

loom: ## Model checks of the lock-free parts
	$(LOOM) -p vega-scheduler loom_
	$(LOOM) -p vega-runtime loom_

soak: ## What takes longer: a storm of processes for SOAK_SECONDS, more orders, cases, damaged programs and preemptions
	VEGA_SOAK_SECONDS=$(SOAK_SECONDS) $(CARGO) test --release --test soak -- --nocapture
	PROPTEST_CASES=10000 VEGA_MUTATIONS=20000 VEGA_SEEDS=$(SOAK_SEEDS) $(CARGO) test --workspace --release
	$(MAKE) --no-print-directory loom LOOM_PREEMPTIONS=3

fuzz: ## Fuzzes each target for FUZZ_SECONDS; needs cargo-fuzz (cargo install cargo-fuzz)
	fuzz/run $(FUZZ_SECONDS)

bench: bench-vm bench-check bench-processes bench-calls ## Every benchmark, release profile

bench-vm: ## The VM beside Lua, LuaJIT, CPython and Erlang, as far as they are installed
	$(CARGO) build --release
	benches/vm/run

bench-check: ## What checking costs, for 10,000 to 100,000 generated lines
	$(CARGO) build --release
	benches/check/run

bench-processes: ## What processes cost
	$(CARGO) build --release
	target/release/vega bench spawn
	target/release/vega bench idle --count 1000000 --rounds 1
	target/release/vega bench ping-pong
	$(CARGO) bench --bench resolver

bench-peers: ## What processes cost beside Erlang, Go and tokio, as far as they are installed
	$(CARGO) build --release
	benches/peers/run

bench-calls: ## What agent calls cost: beside the anthropic package, in flight, over TLS, streaming, left, in a queue
	benches/calls/run

oracle: ## Plays the cases of processes with Erlang/OTP and writes what happens, for the tests to compare with
	cd tests/oracle && escript oracle.escript cases.txt > erlang.txt

test-peers: ## Integration tests against programs of others, where they can be installed
	tests/peers/run
