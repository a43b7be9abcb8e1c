# Every command of the project; `make` alone lists them. Each first brings .venv to what it needs.
PORT ?= 8000
DATA ?= .data
STEPS ?= 10000

# What test-fast plays: pure cores, tables, and routes in this process on SQLite, none over a network.
fast = $(addprefix tests/,access billing/test_events.py billing/test_lifecycle.py billing/test_money.py \
	billing/test_pass_terms.py billing/test_transitions.py content grants identity limits metering offers \
	operators reports surface tokens test_health.py test_logs.py test_problems.py test_settings.py)

# A shell that forbids compiled modules makes each process compile the frameworks anew, for seconds.
unexport PYTHONDONTWRITEBYTECODE

python = .venv/bin/python
environment = sh requirements/install.sh

.DEFAULT_GOAL := help
.PHONY: help install run test test-fast test-browser soak bench check migration lock

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s%s\n", $$1, $$2}' Makefile

install: ## Make the runtime environment in .venv (PYTHON=… chooses the interpreter)
	@$(environment) runtime

run: ## Start the sample newspaper with its local Stripe (PORT=8000 DATA=.data)
	@$(environment) runtime
	@exec .venv/bin/paywall demo --port "$(PORT)" --data "$(DATA)"

test: ## Run every test but the browser's, PostgreSQL included
	@$(environment) test
	@$(python) -m pytest -n 3 --dist loadgroup -m "not browser"

test-fast: ## Run the quick tests: pure cores, tables, and routes in process on SQLite
	@$(environment) test
	@TEST_DATABASE_URL=none $(python) -m pytest -q -n 2 -m "not browser and not postgres" -k "not postgresql" $(fast)

test-browser: ## Click through the real pages in the system's Chromium
	@sh requirements/chromium.sh >/dev/null
	@$(environment) browser
	@$(python) -m pytest -n 2 --dist loadfile -m browser

soak: ## Play histories, kills and orders of events on and on (STEPS=10000; SEED=… repeats one round; may be interrupted)
	@$(environment) test
	@$(python) -m tests.soak --steps "$(STEPS)" $(if $(SEED),--seed "$(SEED)")

bench: ## Compare times within one run (PART=reads, origin, open-loop, scale, reports, pages, others, decision, profile, footprint or times; SCALE=100 ROUNDS=3 SECONDS=4; DATA=… keeps what reports and pages filled)
	@$(environment) test
	@$(python) -m tests.bench $(PART) $(if $(SCALE),--scale "$(SCALE)") $(if $(ROUNDS),--rounds "$(ROUNDS)") \
		$(if $(SECONDS),--seconds "$(SECONDS)") $(if $(filter-out file,$(origin DATA)),--data "$(DATA)")

check: ## Look over format, lint, types, import ranks, dependencies, container files and documents
	@$(environment) browser
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/deptry .
	.venv/bin/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	.venv/bin/hadolint Dockerfile
	$(python) -m pytest -q tests/docs --ignore=tests/docs/test_api.py

migration: ## Write a migration with what the tables differ by (MESSAGE="Add notes to grants")
	@$(environment) runtime
	@$(python) -c 'import sys; from service.db.migrate import write_migration as write; write(sys.argv[1])' "$(MESSAGE)"

lock: ## Write requirements/*.txt anew from pyproject.toml
	@sh requirements/lock.sh
