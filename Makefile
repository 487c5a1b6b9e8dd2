# `make help` explains every target. Needs: make, bash, and Python 3.11 or newer (3.11 to 3.13 are tested).

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
UV ?= uv

# What makes an environment ours: the same locked packages, the same project file, the same folder.
FINGERPRINT = $$(cat requirements.lock pyproject.toml <(pwd) | $(BIN)/python -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())')

# The newest interpreter that the lock serves and that can build an environment; PYTHON=... overrides the choice.
FIND_PYTHON = for candidate in $${PYTHON:-python3.13 python3.12 python3.11 python3}; do \
	"$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2> /dev/null && { echo "$$candidate"; exit; }; done; \
	echo "error: no Python 3.11 or newer with the venv module was found (looked for: $${PYTHON:-python3.13 python3.12 python3.11 python3}). Install one, or name it: make env PYTHON=/path/to/python3.12" >&2; exit 1

# pip says which package it is at; one line in twenty is enough to see that it moves.
PROGRESS = awk '/^(Collecting|Requirement already satisfied)/ { if (++n % 20 == 0) { print "   " n " packages resolved"; fflush() } } \
	/^Installing collected/ { print "   unpacking them"; fflush() }'

.PHONY: help
help: ## Explain the targets (this list)
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: env
env: ## Build .venv from requirements.lock; quick when nothing changed. The command is .venv/bin/tamiz
	@if $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null && [ "$$(cat $(VENV)/.made-from 2> /dev/null)" = "$(FINGERPRINT)" ]; then exit 0; fi; \
	python=$$($(FIND_PYTHON)); \
	$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || { echo "-> building $(VENV) with $$($$python --version)"; rm -rf $(VENV); "$$python" -m venv $(VENV); }; \
	echo "-> installing $$(grep -c '==' requirements.lock) packages (some minutes the first time)"; \
	$(BIN)/python -m pip install --disable-pip-version-check --no-input --progress-bar off --require-hashes -r requirements.lock | $(PROGRESS); \
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .; \
	echo "$(FINGERPRINT)" > $(VENV)/.made-from; \
	echo "-> ready: $(BIN)/tamiz --help"

.PHONY: run
run: env ## See it work: simulate a CRM, train, promote, and serve on 127.0.0.1:8000. Ctrl-C ends all of it
	@exec $(BIN)/tamiz demo

.PHONY: lint
lint: env ## Check style, formatting, types and the direction of imports
	@echo "-> ruff"; $(BIN)/ruff check --quiet . && $(BIN)/ruff format --check --quiet .
	@echo "-> mypy"; $(BIN)/mypy --no-error-summary
	@echo "-> import-linter"; output=$$($(BIN)/lint-imports 2>&1) || { echo "$$output"; exit 1; }

.PHONY: format
format: env ## Rewrite the files in the house style
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

.PHONY: test
test: env lint ## Environment, lint and all tests but the slow ones, on up to four cores (under eight minutes on two)
	@$(PYTEST) -q -m "not slow and not real" --numprocesses logical --maxprocesses 4 --dist loadfile

.PHONY: test-slow
test-slow: env ## The slow tests: larger worlds, whole runs
	@$(PYTEST) -q -m "slow and not real" --timeout=900

.PHONY: docs
docs: env ## Write the generated documents again: docs/signals.md and the contracts of the API
	@$(BIN)/tamiz signals --markdown > docs/signals.md
	@$(BIN)/tamiz openapi > docs/openapi.json
	@$(BIN)/tamiz openapi --salesforce > docs/openapi-salesforce.json

.PHONY: messages
messages: env ## Find every text of the console and bring the catalogues of translations up to date
	@$(BIN)/python -m serving.console.messages

.PHONY: audit
audit: env ## Look for known holes: bandit over the code; pip-audit over the lock, where its database can be reached
	@echo "-> bandit"; $(BIN)/bandit --quiet --configfile pyproject.toml --recursive data features models training serving tamiz.py
	@echo "-> pip-audit"; $(BIN)/python -m tests.known_holes requirements.lock

.PHONY: check-real
check-real: env ## What real data shows, as a table. TAMIZ_DATASETS=DIR says where the public data sets are
	@[ -d "$${TAMIZ_DATASETS:-}" ] || { echo "error: say where the data sets are: make check-real TAMIZ_DATASETS=DIR" >&2; exit 2; }
	@TAMIZ_DATASETS="$$(cd "$$TAMIZ_DATASETS" && pwd)" $(BIN)/python -m benchmarks.real

.PHONY: bench
bench: env ## Measure the speeds that the documents quote, on this machine
	@$(BIN)/python -m benchmarks

.PHONY: bench-large
bench-large: env ## Pages and a job over every lead with 200,000 leads and 5 million activities, on both databases (an hour, 20 GB of disk)
	@$(BIN)/python -m benchmarks.large

.PHONY: soak
soak: env ## Mixed load for half an hour: memory flat, nothing fails, p99 stable. SOAK_MINUTES=1 to try it
	@$(BIN)/python -m benchmarks.soak --minutes $(or $(SOAK_MINUTES),30)

.PHONY: lock
lock: ## Resolve pyproject.toml again into requirements.lock (needs uv; UV=/path/to/uv)
	@command -v $(UV) > /dev/null || { echo "error: uv was not found; install it, or name it: make lock UV=/path/to/uv" >&2; exit 2; }
	@{ sed -n '/^#/p; /^#/!q' requirements.lock; \
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --extra dev $(LOCK_OPTIONS) pyproject.toml; \
	} > requirements.lock.new
	@mv requirements.lock.new requirements.lock; echo "-> $$(grep -c '==' requirements.lock) packages; make env installs them"

.PHONY: clean
clean: ## Remove the environment and every cache; TAMIZ_HOME (./var) stays
	@rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
