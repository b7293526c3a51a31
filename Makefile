# Every verb of the project. `make` alone lists them.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What was installed from which lock file; a lock file that changed is installed again.
RUN := $(VENV)/.installed-run
DEV := $(VENV)/.installed-dev
PIP := $(BIN)/pip --disable-pip-version-check --no-input install --quiet

.DEFAULT_GOAL := help
.PHONY: help install up demo down status drill images compose-up compose-test compose-down test aside kills check protos bench format

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(DEV) ## install everything, tools for development included, into .venv

up: $(RUN) ## run the local stack until Ctrl-C (GATEWAY_PORT, REPLICAS, DATABASE_URL, REDIS_URL, FURLONG_DATA)
	@exec $(BIN)/python -m deploy.local up

demo: $(RUN) ## run the local stack with punters that place tickets, and a board in the terminal
	@exec $(BIN)/python -m deploy.local.demo

down: $(RUN) ## end the local stack that runs
	@$(BIN)/python -m deploy.local down

status: $(RUN) ## tell what runs
	@$(BIN)/python -m deploy.local status

drill: $(RUN) ## back the database up, restore it elsewhere, prove every invariant on the copy (DATABASE_URL, FURLONG_DATA)
	@$(BIN)/python -m deploy.drill

# SHARED tests share no machine-wide thing, each worker has stores of its own. LONE ones measure how soon a killed part is
# back, or want the machine for their load, and run by themselves; the other end-to-end tests, which mostly wait for rounds,
# run beside each other, each worker with a stack of its own. LONE ones often wait, too: what needs nothing but a processor
# takes what they leave of it, with the least right to it. Tests of tests/deploy have a container engine to themselves, and are
# skipped where none can be had; the longest of them are left to `make compose-test`. A failure of one does not hide the next.
SHARED := tests/contract $(addprefix tests/adversity/,cache chassis client game metrics)
LONE := $(addprefix tests/adversity/,local persist) $(addprefix tests/e2e/,replicas/test_leadership.py \
	replicas/test_replicas.py test_burst.py test_kills.py test_random_kills.py test_the_off.py)
ASIDE := tests/unit tests/history tests/model
IMAGES := tests/deploy/test_images.py
LONGEST := --ignore=tests/deploy/compose/test_rolling.py $(addprefix --deselect=$(IMAGES)::test_, \
	two_builds_of_the_same_sources every_image_that_serves what_an_image_runs a_bill_of_materials)
WORKERS ?= 2

ASIDE_LOG := $(VENV)/aside.log

test: $(DEV) ## make check, and run every test, those that get along in two processes
	@failed=0; $(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=loadfile $(SHARED) || failed=$$?; \
	$(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=loadfile tests/e2e $(LONE:%=--ignore=%) || failed=$$?; \
	setsid $(MAKE) --no-print-directory aside >$(ASIDE_LOG) 2>&1 & aside=$$!; trap "kill -- -$$aside 2>/dev/null" EXIT; \
	$(BIN)/python -m pytest $(LONE) || failed=$$?; \
	wait $$aside || failed=$$?; cat $(ASIDE_LOG); \
	$(BIN)/python -m pytest tests/deploy $(LONGEST) || failed=$$?; \
	exit $$failed

aside: $(DEV)
	@if [ -w /proc/self/autogroup ]; then echo 19 >/proc/self/autogroup; fi; failed=0; \
	nice -n 19 $(MAKE) --no-print-directory check || failed=$$?; \
	nice -n 19 $(BIN)/python -m pytest $(ASIDE) || failed=$$?; exit $$failed

images: $(DEV) ## build every container image, its bill of materials, and tell sizes and start-up times
	$(BIN)/python -m deploy.images build
	$(BIN)/python -m deploy.images sbom
	$(BIN)/python -m deploy.images report

compose-up: $(RUN) ## run the stack in containers (GATEWAY_PORT, OBSERVABILITY=1 for dashboards); it goes on until compose-down
	@$(BIN)/python -m deploy.compose up

compose-down: $(RUN) ## end the stack in containers; its data stays
	@$(BIN)/python -m deploy.compose down

compose-test: $(DEV) ## test images and the stack in containers: start, sell, renew every service under load
	$(BIN)/python -m pytest tests/deploy

kills: $(DEV) ## kill parts at random under load, for ten minutes: make kills SECONDS=600 SEED=7
	KILLS_S=$(or $(SECONDS),600) KILLS_SEED=$(SEED) OUTAGE_S=60 $(BIN)/python -m pytest -s \
		tests/adversity/persist/test_outages.py tests/e2e/test_random_kills.py

check: $(DEV) ## formatting, lint, types, import contracts, protos, generated code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code protos
	@if git rev-parse --quiet --verify main >/dev/null 2>&1; \
	then echo "$(BIN)/buf breaking --against '.git#branch=main'"; $(BIN)/buf breaking --against '.git#branch=main'; \
	else echo "buf breaking: skipped, there is no branch main to compare with"; fi
	$(BIN)/python tools/protos.py --check
	$(BIN)/python tools/reference.py --check

protos: $(DEV) ## make gen/ from protos/, and docs/reference/ from the code
	$(BIN)/buf format --write protos
	$(BIN)/python tools/protos.py
	$(BIN)/python tools/reference.py

bench: $(DEV) ## measure one thing: make bench NAME=tickets
	@test -n "$(NAME)" || { echo "which one? make bench NAME=tickets"; exit 2; }
	$(BIN)/python -m benchmarks.$(NAME)

format: $(DEV) ## put Python and protos into their form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/buf format --write protos

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Furlong needs Python 3.11 or newer; make PYTHON=/path/to/it uses another one than $(PYTHON)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ echo "Python's venv is missing; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUN): requirements/run.lock pyproject.toml | $(BIN)/python
	$(PIP) --requirement requirements/run.lock
	$(PIP) --no-build-isolation --no-deps --editable .
	@touch $@

$(DEV): requirements/dev.lock $(RUN)
	$(PIP) --requirement requirements/dev.lock
	@touch $@
