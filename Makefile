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

.PHONY: help env build test lint types rust-test python-test bench bench-rust bench-check wheel demo clean

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

build: env ## build the wheel in release mode and install it with its dependencies into the environment
	rm -rf target/wheels
	maturin build --release --quiet --out target/wheels
	@echo "Installing into $(VENV); the first time this brings torch: 5.5 GB and a few minutes."
	$(PY) -m pip install --quiet --constraint constraints.txt "$$(ls target/wheels/*.whl)[report]"
	$(PY) -m pip install --quiet --force-reinstall --no-deps target/wheels/*.whl

lint: env ## ruff, rustfmt, clippy, layers
	ruff check .
	ruff format --check .
	cargo fmt --check
	cargo clippy --quiet --all-targets -- -D warnings
	PYTHONPATH=python lint-imports

types: build ## mypy --strict, and the stub of the extension against the extension
	mypy
	$(PY) -m mypy.stubtest magnet._core

rust-test: env ## the tests of the Rust core
	cargo test --quiet

python-test: build ## the tests of the package, doctests among them
	$(PY) -m pytest tests
	$(PY) -m pytest --doctest-modules --pyargs magnet

test: lint types rust-test python-test ## everything CI runs

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

clean: ## remove what the other targets made, but for the environment
	rm -rf target dist demo runs bench
