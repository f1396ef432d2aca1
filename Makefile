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

.PHONY: help demo rehearse-storm rehearse-outage test lint docs wheel-test proof proof-full proof-honesty \
	bench-requests clean

help: ## Show what there is to make.
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/.demo ## See it work against a sandbox on this machine.
	@$(BIN)/python tools/demo.py

rehearse-storm: $(VENV)/.demo ## A third of the requests fails, answers get lost: still each once.
	@$(BIN)/python -m tools.rehearse storm

rehearse-outage: $(VENV)/.demo ## The gateway goes away in the middle of an apply.
	@$(BIN)/python -m tools.rehearse outage

test: $(VENV)/.test lint ## Lint, types, import contracts, generated files, tests.
	$(BIN)/python -m pytest -q -n auto --dist worksteal

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/zizmor --quiet --offline --no-progress .github action.yml examples/ci/github/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml examples/ci/github/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions action.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci examples/ci/gitlab/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec examples/postgresql/compose.yaml
	$(BIN)/shellcheck ci/*.sh
	$(HADOLINT)
	$(BIN)/reconciler schema check
	$(BIN)/python tools/generate_docs.py --check

docs: $(VENV)/.docs ## The site, in build/docs; any warning is an error.
	$(BIN)/sphinx-build -q -W -n --keep-going -b html -d build/doctrees -c docs . build/docs

wheel-test: $(VENV)/.test ## Build the wheel and use it away from the checkout.
	$(BIN)/python tools/test_wheel.py

proof: $(VENV)/.test ## Every gate of docs/guarantees.md, at a size that fits into CI.
	$(BIN)/python -m proof.model --update-states 4000
	$(BIN)/python -m proof.simulation --seeds 1000
	$(BIN)/python -m proof.simulation --seeds 300 --stale
	$(BIN)/python -m proof.simulation --seeds 300 --paused
	$(BIN)/python -m proof.simulation --seeds 300 --shared
	$(BIN)/python -m proof.simulation --seeds 300 --updates
	$(BIN)/python -m proof.simulation --seeds 200 --updates --stale
	$(BIN)/python -m proof.simulation --seeds 5 --kill-points
	$(BIN)/python -m proof.updates --kills 1000
	$(BIN)/python -m proof.endings
	$(BIN)/python -m proof.endings --mutants
	$(BIN)/python -m proof.simulation --mutants
	$(BIN)/python -m proof.syscalls --stride 9
	$(BIN)/python -m proof.kernel --stride 61 --steps 4
	$(BIN)/python -m proof.rivals --rounds 2
	$(BIN)/python -m proof.postgres --rounds 1
	$(BIN)/python -m proof.postgres --mutants
	$(BIN)/python -m proof.objects --rounds 1
	$(BIN)/python -m proof.objects --mutants
	$(BIN)/python -m proof.signals --rounds 3
	$(BIN)/python -m proof.canary --rude 2
	$(BIN)/python -m proof.fuzz --documents 5000 --trees 100
	$(BIN)/python -m proof.pages
	$(BIN)/python -m proof.load --count 1000

proof-full: $(VENV)/.test proof-honesty ## The same at full size: more than an hour.
	$(BIN)/python -m proof.model --states 200000
	$(BIN)/python -m proof.model --mutants
	$(BIN)/python -m proof.simulation --seeds 10000
	$(BIN)/python -m proof.simulation --seeds 3000 --stale
	$(BIN)/python -m proof.simulation --seeds 3000 --paused
	$(BIN)/python -m proof.simulation --seeds 3000 --shared
	$(BIN)/python -m proof.simulation --seeds 3000 --updates
	$(BIN)/python -m proof.simulation --seeds 3000 --updates --stale
	$(BIN)/python -m proof.simulation --seeds 50 --kill-points
	$(BIN)/python -m proof.updates
	$(BIN)/python -m proof.endings
	$(BIN)/python -m proof.endings --mutants
	$(BIN)/python -m proof.updates --puts 2 --kills 10000
	$(BIN)/python -m proof.simulation --mutants
	$(BIN)/python -m proof.syscalls --stride 1
	$(BIN)/python -m proof.kernel --stride 1
	$(BIN)/python -m proof.rivals --rounds 20
	$(BIN)/python -m proof.postgres --rounds 20
	$(BIN)/python -m proof.postgres --mutants
	$(BIN)/python -m proof.objects --rounds 20
	$(BIN)/python -m proof.objects --mutants
	$(BIN)/python -m proof.signals --rounds 30
	$(BIN)/python -m proof.canary --rude 10
	$(BIN)/python -m proof.fuzz --documents 100000 --trees 1000
	$(BIN)/python -m proof.pages
	$(BIN)/python -m proof.load --count 10000
	HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest -q -n auto --timeout=0 \
		tests/engine/test_machine.py tests/core/test_laws.py tests/state/test_damage.py tests/state/test_bucket_machine.py tests/specs/test_fuzz.py

proof-honesty: $(VENV)/.test ## Thousands of requests that try to catch the sandbox at a lie.
	HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest -q --timeout=0 tests/sandbox/test_schemathesis.py \
		tests/sandbox/test_reads_schemathesis.py

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

$(VENV)/.docs: $(VENV)/.test requirements/docs.txt
	$(INSTALL) --require-hashes -r requirements/docs.txt
	@touch $@
