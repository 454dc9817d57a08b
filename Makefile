# Every target prepares what it needs by itself; nothing has to be installed before.
PYTHON ?= python3
BOOTSTRAP = @exec $(PYTHON) deploy/bootstrap.py

.PHONY: help run restart restore test test-fast test-faults lint format drill install constraints compose

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' Makefile | expand -t 20

run: ## start everything; the page's address is shown last
	$(BOOTSTRAP) run

restart: ## replace the processes of a running start one after the other (new code), losing nothing
	$(BOOTSTRAP) restart

restore: ## bring a backup back into an empty database (ARGS="FILE"); nothing may run
	$(BOOTSTRAP) restore $(ARGS)

test: ## all tests, against private servers (ARGS="-k words" to choose)
	$(BOOTSTRAP) test $(ARGS)

test-fast: ## the tests that need no servers, in under a minute
	$(BOOTSTRAP) test-fast $(ARGS)

lint: ## ruff, mypy and the import contracts
	$(BOOTSTRAP) lint

format: ## let ruff put the code in order
	$(BOOTSTRAP) format

drill: ## break everything under load for 10 minutes and judge it (ARGS="--minutes 2 --seed 7")
	$(BOOTSTRAP) drill $(ARGS)

test-faults: ## the tests that kill, cut and wait for minutes
	$(BOOTSTRAP) test-faults $(ARGS)

install: ## only prepare .venv, with the tools for development
	$(BOOTSTRAP) install

constraints: install ## write constraints.txt anew from .venv
	@.venv/bin/python -m deploy.pins > constraints.new && mv constraints.new constraints.txt

compose: install ## write docker-compose.yml anew from the process table
	@.venv/bin/python -m deploy.compose --write
