# Two commands matter to a newcomer: `make demo` and `make test`. Both set up what they need first
# (scripts/setup.sh), say what they install, and need nothing on standard input.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: demo test search check generate bench lint help setup

PLUMBLINE := .venv/bin/plumbline
PYTEST_ARGS ?=
# A test is a good part waiting for servers, so tests run beside each other; those of one module stay together,
# as they share their servers. PYTEST_ARGS="-n 0 --pdb" runs them one by one in this terminal.
PYTEST := .venv/bin/python -m pytest -n logical --maxprocesses 4 --dist loadscope --no-loadscope-reorder
DEMO_ARGS ?=

help: ## List what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

demo: ## Watch a real model degrade: real flights, real servers, real pages (DEMO_EXIT=1 stops after the proof)
	@scripts/setup.sh demo
	@.venv/bin/python -m examples.demo $(DEMO_ARGS)

test: setup ## Run every test, end-to-end tests with the real servers included (PYTEST_ARGS=... narrows)
	@$(PYTEST) $(PYTEST_ARGS) </dev/null

search: setup ## Try the property tests on many random examples (CONTRIBUTING.md says what to do with a find)
	@$(PYTEST) -m hypothesis --hypothesis-profile=search --timeout=0 $(PYTEST_ARGS) </dev/null

check: setup ## Check the catalogue, the series budget and that the generated files are up to date
	@$(PLUMBLINE) check

generate: setup ## Rewrite rules, dashboards, Alertmanager and scrape configuration, then test them
	@$(PLUMBLINE) generate
	@$(PYTEST) -q tests/plumbline_alerting tests/plumbline_dashboards </dev/null

bench: setup ## Run the benchmarks
	@set -e; for script in benchmarks/*.py; do echo "== $$script"; .venv/bin/python $$script; done

lint: ## Check style and form (ruff) and types (mypy)
	@scripts/setup.sh lint
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy

setup:
	@scripts/setup.sh
