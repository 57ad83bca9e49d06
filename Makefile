.DEFAULT_GOAL := help
.PHONY: help dev test bench chaos reset migration events client lock install

# The first Python that is new enough; an installed version manager may offer names that fail.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

dev: install ## Run everything here: local Supabase, service, demo; Ctrl-C stops it
	@exec .venv/bin/convohooks dev

test: install ## Check style and types and run all tests
	@.venv/bin/ruff format --check
	@.venv/bin/ruff check
	@.venv/bin/mypy
	@exec .venv/bin/pytest -n 2 --dist loadfile --no-loadscope-reorder

bench: install ## Measure the service against its goals and write bench/results.* (quick=1: a minute, only prints)
	@exec .venv/bin/python -m bench $(if $(quick),--quick)

chaos: install ## Let everything go wrong under load for five minutes, account for every event (seconds=N, seed=N)
	@CHAOS_SECONDS=$(or $(seconds),300) $(if $(seed),CHAOS_SEED=$(seed)) exec .venv/bin/pytest -q -s tests/chaos

reset: install ## Stop what `make dev` has left and remove its database, logs and secrets
	@exec .venv/bin/convohooks reset

migration: install ## Write supabase/migrations/ from sql/
	@.venv/bin/python -m services.local.migration

events: install ## Write the tables of docs/events.md from the senders
	@.venv/bin/python -m services.docs_events

client: install ## Build the browser client into services/web/static/ and client/dist/
	@.venv/bin/python -m tests.client_package

lock: install ## Write requirements.lock from pyproject.toml
	@.venv/bin/pip install --quiet 'pip-tools>=7.6,<8'
	@.venv/bin/pip-compile --quiet --all-extras --strip-extras --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
		--output-file requirements.lock pyproject.toml

install: ## Install the Python packages when the lock has changed
	@$(if $(PYTHON),,$(error Python 3.11 or newer is needed; none was found on PATH))
	@$(PYTHON) services/local/install.py
