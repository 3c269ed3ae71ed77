# What people and CI run. `make` without a target explains itself.
# Everything is installed into $(VENV) from requirements.lock; nothing else on the machine changes,
# but for `make test`, which asks apt for the servers that are missing.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= $(shell cores=$$(nproc); echo $$(( cores > 3 ? cores : 3 )))
STAMP := $(VENV)/.installed

.PHONY: help
help: ## Show this list
	@echo 'leasehold: credentials that die on their own'
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

.PHONY: demo
demo: $(STAMP) ## Show a lease from issue to expiry, nothing to install (about half a minute)
	@$(BIN)/leasehold demo $(ARGS)

.PHONY: test
test: $(STAMP) ## Run all tests, against real servers
	@tools/servers
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

.PHONY: lint
lint: $(STAMP) ## Check style, types, layers, sizes
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy daemon plugins
	$(BIN)/lint-imports
	tools/sizes
	tools/lockfile

.PHONY: fuzz
fuzz: $(STAMP) ## Send 20,000 requests at random to a real daemon (about ten minutes)
	@tools/servers
	FUZZ_REQUESTS=$${FUZZ_REQUESTS:-20000} $(BIN)/python -m pytest -q -s tests/integration/test_fuzz.py $(ARGS)

.PHONY: models
models: $(STAMP) ## Search models and fuzz parsers for as long as a release is held to (hours)
	LEASEHOLD_EXAMPLES=$${LEASEHOLD_EXAMPLES:-400} $(BIN)/python -m pytest -s -n $(JOBS) --dist worksteal \
	  tests/component/test_*_life.py tests/component/test_interleavings.py tests/component/leases/test_upgrading.py \
	  tests/unit/test_fuzzed.py $(ARGS)

.PHONY: chaos
chaos: $(STAMP) ## Break things under load, and count what is left (about 20 minutes)
	@tools/servers
	PYTHONPATH=tests $(BIN)/python -m chaos $(ARGS)

.PHONY: chaos-long
chaos-long: $(STAMP) ## The same as a release is held to: thousands of kills (hours)
	@tools/servers
	PYTHONPATH=tests $(BIN)/python -m chaos --size long $(ARGS)

.PHONY: bench
bench: $(STAMP) ## Measure speed, as ratios in one run
	@tools/servers
	$(BIN)/python tests/bench/run.py $(ARGS)

$(STAMP): requirements.lock pyproject.toml
	@tools/bootstrap '$(PYTHON)' '$(VENV)'
	@touch $@
