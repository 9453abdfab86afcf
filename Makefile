# `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# One environment may serve several clones: make test VENV=/somewhere/venv
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
PY := $(BIN)/python
export PYO3_PYTHON := $(abspath $(PY))
export PATH := $(abspath $(BIN)):$(PATH)
DEMO ?= demo
# Processes that share the Python tests.
WORKERS ?= $(shell nproc)
MINUTES ?= 120

# An environment of its own, with the lowest versions that pyproject.toml allows.
LOWEST_VENV ?= $(VENV)-lowest
LOWEST := $(LOWEST_VENV)/bin/python

.PHONY: help env release build test lint types rust-test python-test test-lowest test-debug nightly sanitize valgrind miri torture soak mutants fuzz fuzz-keep bench bench-rust bench-check wheel demo results clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The stamp names what was installed, so that a change of the dependencies is noticed.
$(VENV)/.installed: pyproject.toml constraints.txt
	@command -v cargo > /dev/null || { echo "Magnet needs Rust: https://rustup.rs"; exit 1; }
	test -x $(PY) || $(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Magnet needs Python 3.11 or newer, found " + sys.version + "; name another with PYTHON=")'
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --upgrade 'pip>=25.1'
	$(PY) -m pip install --quiet --constraint constraints.txt --group dev
	touch $@

env: $(VENV)/.installed ## make the environment

release: env
	rm -rf target/wheels
	maturin build --release --quiet --out target/wheels

build: release ## build the wheel in release mode and install it with its dependencies into the environment
	@echo "Installing into $(VENV); the first time this brings torch: 5.5 GB and a few minutes."
	$(PY) -m pip install --quiet --constraint constraints.txt "$$(ls target/wheels/*.whl)[report]"
	$(PY) -m pip install --quiet --force-reinstall --no-deps target/wheels/*.whl

lint: env ## ruff, rustfmt, clippy, layers
	ruff check .
	ruff format --check .
	cargo fmt --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo clippy --quiet --all-targets -- -D warnings
	cargo clippy --quiet --tests --manifest-path fuzz/Cargo.toml --target-dir target/fuzz/replay -- -D warnings
	PYTHONPATH=python lint-imports

types: build ## mypy --strict, and the stub of the extension against the extension
	mypy
	$(PY) -m mypy.stubtest magnet._core

rust-test: env ## the tests of the Rust core, and the corpus of its fuzzers
	cargo test --quiet
	cargo test --quiet --manifest-path fuzz/Cargo.toml --target-dir target/fuzz/replay

python-test: build ## the tests of the package, doctests among them, and the share of its lines that they run
	$(PY) -m pytest -n $(WORKERS) --cov --cov-report=term:skip-covered --doctest-modules --pyargs tests magnet

test: lint types rust-test python-test ## everything CI runs

test-lowest: release ## the tests with the lowest versions allowed, in an environment of their own
	test -x $(LOWEST) || $(PYTHON) -m venv $(LOWEST_VENV)
	$(LOWEST) scripts/lowest.py > target/lowest.txt
	$(LOWEST) -m pip install --quiet --upgrade 'pip>=25.1'
	$(LOWEST) -m pip install --quiet --constraint target/lowest.txt --group test "$$(ls target/wheels/*.whl)[report]"
	$(LOWEST) -m pip install --quiet --force-reinstall --no-deps target/wheels/*.whl
	$(LOWEST) -m pytest tests

# One level of optimisation, without which the tests of the kernels would take hours; every check stays on.
test-debug: build ## the tests of the package over kernels that check for overflow, bounds and broken assumptions
	CARGO_PROFILE_DEV_OPT_LEVEL=1 PYO3_BUILD_EXTENSION_MODULE=1 cargo build --quiet --lib --target-dir target/checked
	rm -rf target/checked/python && mkdir target/checked/python && cp -r python/magnet target/checked/python
	cp target/checked/debug/libmagnet_core.so target/checked/python/magnet/_core.abi3.so
	PYTHONPATH=target/checked/python $(PY) -m pytest -n $(WORKERS) tests

# Tools that watch the native code while the tests of the Rust core run. All but memcheck need the nightly compiler; the
# sanitizers have it build the standard library too, whose locks ThreadSanitizer would not see otherwise.
NIGHTLY ?= nightly
NIGHTLY_PARTS := miri rust-src
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
SANITIZERS ?= address thread
# Parts of the names of the tests to run, and what else the test binary takes: make miri TESTS="csr topk --exact"
TESTS ?=
# A test asks for what no machine has.
export ASAN_OPTIONS ?= allocator_may_return_null=1
# Thousands of times the same, in which no memory is used that other tests do not use.
TOO_LONG := exp_is_accurate signed_log1p_is_accurate the_bound_of_the_logarithm edges_of_hubs large_counts
MEMCHECK := valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite

nightly: env
	@have="$$(rustup component list --installed --toolchain $(NIGHTLY) 2>&1 || true)"; \
	for part in $(NIGHTLY_PARTS); do grep -q "^$$part" <<< "$$have" || { \
	    echo "Not there: $$part. rustup toolchain install $(NIGHTLY) $(addprefix --component ,$(NIGHTLY_PARTS))"; exit 1; }; done

sanitize: nightly ## the Rust tests under AddressSanitizer and ThreadSanitizer; SANITIZERS=thread is one
	for kind in $(SANITIZERS); do echo "== $$kind"; \
	    RUSTFLAGS="-Zsanitizer=$$kind" CARGO_PROFILE_TEST_OPT_LEVEL=1 cargo +$(NIGHTLY) test --quiet -Zbuild-std \
	        --target $(HOST) --target-dir target/$$kind --lib -- $(TESTS); done

valgrind: env ## the Rust tests under memcheck, on the paths that it knows: plain Rust and AVX2
	CARGO_PROFILE_TEST_OPT_LEVEL=1 cargo test --quiet --target-dir target/valgrind --lib \
	    --config 'target."cfg(all())".runner = "$(MEMCHECK)"' -- $(addprefix --skip ,$(TOO_LONG)) $(TESTS)

# Tree Borrows, as the queues of Rayon break the older rules; its threads outlive the tests.
miri: nightly ## the Rust tests in Miri, which knows what Rust forbids: plain Rust, small sizes, two threads
	MIRIFLAGS="-Zmiri-tree-borrows -Zmiri-permissive-provenance -Zmiri-ignore-leaks -Zmiri-num-cpus=2" \
	    cargo +$(NIGHTLY) miri test --quiet --target-dir target/miri --lib -- --test-threads 1 $(TESTS)

torture: build ## kills, power cuts, refusing disks, damage and commands at once; QUICK=1 is a look of ten minutes
	$(PY) -m torture

soak: build ## MINUTES of answers from sixteen threads while runs are saved and loaded: the same bits, no more memory
	$(PY) -m torture.soak --minutes $(MINUTES)

$(VENV)/.fuzz: pyproject.toml | env
	$(PY) -m pip install --quiet --constraint constraints.txt --group fuzz
	touch $@

# One after the other, each MINUTES long (20, if nothing is said); TARGETS="knn features" are some of both kinds.
fuzz: MINUTES = 20
fuzz: build $(VENV)/.fuzz ## every kernel by cargo-fuzz and every loader by atheris, MINUTES each; needs nightly Rust and cargo-fuzz
	$(PY) -m torture.fuzz --minutes $(MINUTES) $(TARGETS)

fuzz-keep: build $(VENV)/.fuzz ## bring the fewest inputs that reach all that fuzzing has reached into the corpus
	$(PY) -m torture.fuzz --keep $(TARGETS)

mutants: build ## faults put in by hand: do the tests notice them?
	$(PY) -m torture.mutants

bench-rust: env ## cargo bench of the kernels (criterion), two minutes
	cargo bench --quiet

# Torch's idle threads would otherwise spin beside ours, and ours wait for a core.
RACE = OMP_WAIT_POLICY=PASSIVE $(PY) benches/rivals.py

$(VENV)/.rivals: pyproject.toml | env
	$(PY) -m pip install --quiet --constraint constraints.txt --group rivals
	touch $@

bench: build $(VENV)/.rivals ## the same work done by the libraries we compare with: a table, also in bench/
	$(RACE) --out bench

bench-check: build $(VENV)/.rivals ## what became slower by a fifth, by the ratio to a rival in the same run
	$(RACE) --check

wheel: env ## sdist, then a cp311-abi3 manylinux wheel from the sdist, in dist/
	rm -rf dist target/sdist && mkdir -p dist target/sdist
	maturin sdist --out dist
	tar -xzf dist/magnet_rec-*.tar.gz -C target/sdist --strip-components=1
	cd target/sdist && maturin build --release --quiet --zig --compatibility manylinux2014 --out $(CURDIR)/dist

demo: build ## train on the embedded data, compare, recommend, explain, plot
	magnet demo --out $(DEMO) --overwrite

results: build ## docs/results.md and its plots out of the stored experiments in results/, without training
	magnet results --store results --out docs/results.md --overwrite

clean: ## remove what the other targets made, but for the environment
	rm -rf target dist demo runs bench
