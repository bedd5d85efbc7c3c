# Every target does its own set-up (scripts/setup): Python >= 3.11 and make are all that must be there.
SHELL := /bin/bash
BIN   := .venv/app/bin
SETUP  = @sh scripts/python -I scripts/setup
ARGS  ?=
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help demo test up check format bench lock clean

help:  ## This list
	@echo "Firestation: the runbook engine for incidents in AI systems."
	@echo
	@sed -nE 's/^([a-z]+):.*## /\1\t/p' Makefile | while IFS=$$'\t' read -r name does; do printf '  make %-8s %s\n' "$$name" "$$does"; done
	@echo
	@echo "ARGS are passed on, PYTHON chooses the interpreter: make test PYTHON=python3.12 ARGS='-k clock'"

demo:  ## A whole incident in front of you; ARGS=--auto has the demo play the fire captain
	$(SETUP) demo
	@$(BIN)/firestation demo $(ARGS)

test:  ## Every test, the example's too; ARGS='tests/unit -k clock' runs just those
	$(SETUP) test
	@scripts/test $(ARGS)

up:  ## The station: Temporal server and UI, worker and gateway, until you press Ctrl-C
	$(SETUP) up
	@exec $(BIN)/firestation up $(ARGS)

check:  ## Lint, format, types, and who may import whom
	$(SETUP) check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/ruff check --config scripts/lint/environment.toml firestation activities workflows worker gateway cli
	$(BIN)/ruff check --config scripts/lint/examples.toml examples
	$(BIN)/mypy
	$(BIN)/lint-imports

format:  ## Format the code, and repair what the linter can
	$(SETUP) check
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench:  ## Measure what the README claims
	$(SETUP) bench
	@$(BIN)/python -m benchmarks $(ARGS)

lock: export ARGS := $(ARGS)
lock:  ## Write the hashed requirements anew after a change of pyproject.toml; ARGS=--upgrade takes newer versions
	$(SETUP) lock

clean:  ## Remove the environments and caches; a station's state and evidence are never touched
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
