# `make help` lists what there is. Everything runs from the virtual environment.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
BENCH_VENV ?= .venv-bench
# More arguments for pytest or the demo, for example: make test-unit ARGS='-k windows -x'
ARGS ?=
# More arguments for the resolver, for example: make lock LOCK='--upgrade-package numpy'
LOCK ?=

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

.PHONY: install
install: $(VENV)/.project ## create .venv from the locked requirements, with the project in it

# Each stamp is renewed only when what it was made from has changed.
$(VENV)/.locked: requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, $(PYTHON) is " + sys.version.split()[0])'
	@echo 'Setting up $(VENV): once, some minutes.'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/.project: $(VENV)/.locked pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-index --no-build-isolation --editable .
	@touch $@

$(VENV):
	@echo 'There is no $(VENV) yet: run "make install" first.' >&2; exit 1

.PHONY: demo
demo: $(VENV)/.project ## simulate pumps, train, watch 20 of them live (minutes); ARGS='--seed 7'
	@$(BIN)/foreshock demo $(ARGS)

.PHONY: check
check: lint types imports ## lint, format check, types, import rules

.PHONY: lint types imports
lint: | $(VENV)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
types: | $(VENV)
	$(BIN)/mypy
imports: | $(VENV)
	$(BIN)/lint-imports

.PHONY: format
format: | $(VENV) ## sort imports and format, in place
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format

.PHONY: test
test: $(VENV)/.project ## all tests, with coverage: 90 % overall, every line and branch of stream/core
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report
	$(BIN)/coverage report --include='stream/core/*' --fail-under=100

.PHONY: test-unit
test-unit: | $(VENV) ## the tests that need no server
	$(BIN)/python -m pytest -m 'not integration' $(ARGS)

.PHONY: mutation
mutation: | $(VENV) ## plant defects in stream/core: the tests must catch 90 % of them (minutes)
	$(BIN)/python -m tests.mutation

.PHONY: bench-install
bench-install: $(BENCH_VENV)/.locked ## create .venv-bench: the project's requirements and the peers it is compared with

$(BENCH_VENV)/.locked: requirements/bench.txt
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	@touch $@

.PHONY: bench bench-quick bench-report
bench: $(BENCH_VENV)/.locked ## measure all against peers and the machine's limit (hours); ARGS='latency' for a part
	$(BENCH_VENV)/bin/python -m benchmarks $(ARGS)
bench-quick: $(BENCH_VENV)/.locked ## measure in 3 minutes and say which ratios have moved; ARGS='--strict'
	$(BENCH_VENV)/bin/python -m benchmarks --quick $(ARGS)
bench-report: | $(VENV) ## make docs/benchmarks.md, its plots and the figures of docs/sizing.md from the results
	$(BIN)/python -m benchmarks.report

.PHONY: fetch
fetch: | $(VENV) ## fetch Kafka and Alertmanager, build InfluxDB for the tests (minutes, once)
	$(BIN)/python -m tests.services fetch

.PHONY: services
services: | $(VENV) ## run Kafka and InfluxDB until Ctrl-C, and print how to use them
	$(BIN)/python -m tests.services

.PHONY: lock
lock: ## renew requirements/*.txt from pyproject.toml; what need not change stays
	@tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(PYTHON) -m venv "$$tools"; \
	"$$tools/bin/python" -m pip install --quiet --disable-pip-version-check uv; \
	compile() { \
	  "$$tools/bin/uv" pip compile --quiet --universal --generate-hashes \
	    --no-emit-index-url --no-header --python-version 3.11 $(LOCK) "$$@"; \
	}; \
	compile pyproject.toml --group dev -o requirements/dev.txt; \
	compile pyproject.toml -c requirements/dev.txt -o requirements/run.txt; \
	echo hatchling | compile - -c requirements/dev.txt -o requirements/build.txt; \
	cp requirements/run.txt requirements/bench.txt; \
	compile pyproject.toml --group bench -o requirements/bench.txt

.PHONY: clean
clean: ## remove what was made, but neither .venv nor .cache
	rm -rf build dist .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find stream models connectors benchmarks tests -name __pycache__ -type d -prune -exec rm -rf {} +
