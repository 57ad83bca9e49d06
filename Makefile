.DEFAULT_GOAL := help
.PHONY: help dev check test bench bench-compare coverage mutation chaos reset \
	migration events openapi client lock install

# The first Python that is new enough; an installed version manager may offer names that fail.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

dev: install ## Run everything here: local Supabase, service, demo; Ctrl-C stops it
	@exec .venv/bin/convohooks dev

check: install ## Run the static checks (only=NAME for one; the table is checks/table.py)
	@exec .venv/bin/python -m checks $(only)

test: check ## Run the static checks and all tests
	@exec .venv/bin/python -m tests.again

bench: install ## Measure the service against its goals and write bench/results.* (quick=1: a minute, only prints)
	@exec .venv/bin/python -m bench $(if $(quick),--quick)

bench-compare: install ## Compare with base=REF (a commit or a folder); 1 when this tree is slower beyond doubt
	@exec .venv/bin/python -m bench.compare "$(base)" $(if $(rounds),--rounds $(rounds))

coverage: install ## Run all tests while measuring what of services/ they cover; 1 below 95 % of its branches
	@.venv/bin/coverage erase
	@.venv/bin/coverage run -m pytest -n 2 --dist loadfile --no-loadscope-reorder
	@.venv/bin/coverage combine --quiet
	@.venv/bin/coverage report
	@exec .venv/bin/python -m checks.branches

mutation: install ## Break the code on purpose, see that a test fails (module=NAME for one part, sql=1 for the SQL functions)
	@exec .venv/bin/python -m mutation $(if $(sql),--sql) $(module)

chaos: install ## Let everything go wrong under load for five minutes, account for every event (seconds=N, seed=N)
	@CHAOS_SECONDS=$(or $(seconds),300) $(if $(seed),CHAOS_SEED=$(seed)) exec .venv/bin/pytest -q -s tests/chaos

reset: install ## Stop what `make dev` has left and remove its database, logs and secrets
	@exec .venv/bin/convohooks reset

migration: install ## Write supabase/migrations/ from sql/ (after a release: name=add_notes; release=1 marks it)
	@.venv/bin/python -m services.local.migration $(if $(name),--name $(name)) $(if $(release),--release)

events: install ## Write the tables of docs/events.md from the senders
	@.venv/bin/python -m services.docs_events

openapi: install ## Write docs/openapi.json from the code
	@.venv/bin/python -m services.web.openapi

client: install ## Build the browser client into services/web/static/ and client/dist/
	@.venv/bin/python -m tests.client_package

lock: install ## Write requirements.lock from pyproject.toml
	@.venv/bin/pip install --quiet 'pip-tools>=7.6,<8'
	@.venv/bin/pip-compile --quiet --all-extras --strip-extras --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
		--output-file requirements.lock pyproject.toml

# What `make dev` runs needs fewer packages than the tests: a first event should not wait for them.
EXTRAS = local dev
dev reset: EXTRAS = local

install: ## Install the Python packages when the lock has changed
	@$(if $(PYTHON),,$(error Python 3.11 or newer is needed; none was found on PATH))
	@$(PYTHON) services/local/install.py $(EXTRAS)
