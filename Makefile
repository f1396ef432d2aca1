# A machine needs git, make and Python 3.11 or newer; everything else is installed below.
.DEFAULT_GOAL := help
SHELL := /bin/sh

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
# The tree is installed as it stands (--no-deps: what it needs is in the pinned file).
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# The linter of the Dockerfile comes as a program for this platform only; CI has it.
ifeq ($(shell uname -sm),Linux x86_64)
HADOLINT := $(BIN)/hadolint Dockerfile
else
HADOLINT := @echo "Dockerfile not linted: hadolint is packaged for Linux on x86_64 only"
endif

.PHONY: help demo rehearse-storm rehearse-outage test lint wheel-test proof-honesty bench-requests clean

help: ## Show what there is to make.
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/.demo ## See it work against a sandbox on this machine.
	@$(BIN)/python tools/demo.py

rehearse-storm: $(VENV)/.demo ## A third of the requests fails, answers get lost: still each once.
	@$(BIN)/python -m tools.rehearse storm

rehearse-outage: $(VENV)/.demo ## The gateway goes away in the middle of an apply.
	@$(BIN)/python -m tools.rehearse outage

test: $(VENV)/.test lint ## Lint, types, import contracts, generated files, tests.
	$(BIN)/python -m pytest -q -n auto

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/zizmor --quiet --offline --no-progress .github
	$(HADOLINT)
	$(BIN)/reconciler schema check
	$(BIN)/python tools/generate_docs.py --check

wheel-test: $(VENV)/.test ## Build the wheel and use it away from the checkout.
	$(BIN)/python tools/test_wheel.py

proof-honesty: $(VENV)/.test ## Thousands of requests that try to catch the sandbox at a lie.
	HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest -q --timeout=0 tests/sandbox/test_schemathesis.py

bench-requests: $(VENV)/.test ## Failures, requests and time against servers that refuse.
	$(BIN)/python -m benchmarks.requests

clean: ## Remove the environment and what tools left behind.
	rm -rf $(VENV) .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache build dist

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "this Python cannot make virtual environments (on Debian: apt install python3-venv)"; exit 1; }

$(VENV)/.demo: $(BIN)/python requirements/demo.txt pyproject.toml
	$(INSTALL) --require-hashes -r requirements/demo.txt
	$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: $(BIN)/python requirements/test.txt pyproject.toml
	$(INSTALL) --require-hashes -r requirements/test.txt
	$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.demo
