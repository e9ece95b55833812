# GitOps Portal. `make run` is all that a fresh clone needs (Python ≥ 3.11 and Git ≥ 2.38); the work is done in scripts/.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help run setup setup-dev test check format bench soak lock demo-reset tools checks screenshots clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  Variables: HOST (127.0.0.1)  PORT (8000)  PORTAL_DATA_DIR (var/)  PYTHON (python3)  TESTS (what make test runs)  BENCH (which benchmarks, --rounds N)"

run: setup ## set up what is missing and serve the portal with its demo organisation
	@exec $(VENV) scripts/serve.py

setup: ## virtual environment, locked packages and browser assets
	@$(PYTHON) scripts/setup.py

setup-dev: ## the same, with what tests and linters need
	@$(PYTHON) scripts/setup.py --dev

test: setup-dev ## run every test, with PostgreSQL, Redis and a browser where they can be had
	@$(VENV) scripts/run_tests.py $(TESTS)

check: setup-dev ## linters, types, layers, migrations, locked requirements
	@sh scripts/check.sh

format: setup-dev ## let ruff sort imports and format
	@$(VENV) -m ruff check --fix-only --quiet . ; $(VENV) -m ruff format .

bench: setup-dev ## measure against Git and against the budgets
	@$(VENV) -m tests.bench $(BENCH)

soak: setup-dev ## the full figures: long races, crashes and fuzzing (hours)
	@$(VENV) scripts/run_tests.py --only soak

lock: setup-dev ## write requirements*.txt anew from requirements*.in
	@sh scripts/lock.sh

demo-reset: setup ## throw the demo organisation away and tell it anew (asks first; FORCE=1 does not)
	@$(VENV) scripts/demo_reset.py

tools: ## pinned helm and kubectl into .tools/
	@$(PYTHON) scripts/get_tools.py

checks: setup ## schemas of Kubernetes and cfn-lint into .tools/checks/ (270 MB)
	@$(VENV) scripts/get_checks.py

screenshots: setup-dev ## pictures of every page of a running portal into build/screenshots/
	@$(VENV) scripts/screenshots.py

clean: ## remove caches and build results (never var/, never .venv)
	@rm -rf build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis test-results
	@find apps gitops_portal tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
