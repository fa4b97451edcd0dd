# botfleet's commands for people; `make` alone lists them. Works with the make of Debian and of macOS (3.81).

VENV := .venv
PYTHON := $(VENV)/bin/python
# TOKEN reaches `botfleet up` through the environment: arguments show in the list of processes.

# What is installed, for `up` and for development (which has all that `up` needs).
FOR_UP := $(VENV)/installed-for-up
FOR_DEV := $(VENV)/installed-for-dev
PIP := $(PYTHON) -m pip --disable-pip-version-check --quiet

# Prints the newest Python that runs and can make a venv: pyenv leaves names behind that run nothing, and
# Debian has Pythons without venv.
FIND_PYTHON = \
	for python in python3.13 python3.12 python3.11 python3; do \
	    if $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then \
	        good=$$python; \
	        if $$python -c 'import ensurepip, venv' 2>/dev/null; then echo $$python; exit; fi; \
	    fi; \
	done; \
	if [ -n "$$good" ]; then \
	    echo "botfleet needs Python's venv module: on Debian, apt install $${good}-venv" >&2; \
	else \
	    echo "botfleet needs Python 3.11, 3.12 or 3.13; found: $$(python3 --version 2>/dev/null || echo none)." \
	        "On Debian, apt install python3 python3-venv; on macOS, brew install python@3.13" >&2; \
	fi; \
	exit 1

.PHONY: help up test check docs bench chaos format clean
.DEFAULT_GOAL := help

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: $(FOR_UP) ## run a whole fleet here, until Ctrl-C; `TOKEN=xoxb-… make up` for the real Slack
	@exec env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL $(VENV)/bin/botfleet up $(ARGS)

test: $(FOR_DEV) ## run the tests; ARGS="-k name" goes to pytest
	@$(PYTHON) -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder $(ARGS)

check: $(FOR_DEV) docs ## lint, formatting, types, which module may import which, and the docs
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check
	@$(PYTHON) -m mypy
	@$(VENV)/bin/lint-imports

docs: $(FOR_DEV) ## make HTML of the docs in site/, and fail on a broken link
	@$(PYTHON) -m sphinx --quiet --fail-on-warning --keep-going --conf-dir docs . site
	@echo "The docs are in site/index.html"

bench: $(FOR_DEV) ## measure everything beside its peers (under 15 minutes); ARGS="--write" keeps it
	@$(PYTHON) -m bench all $(ARGS)

chaos: $(FOR_DEV) ## break everything that a fleet stands on, and count (under 20 minutes)
	@$(PYTHON) -m bench.chaos all $(ARGS)

format: $(FOR_DEV) ## bring the code into its usual form
	@$(PYTHON) -m ruff check --fix
	@$(PYTHON) -m ruff format

clean: ## remove .venv, caches and builds; .botfleet, with the fleet's data, stays
	rm -rf $(VENV) build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# `--clear`, since a folder without a working Python in it is left from something else.
$(PYTHON):
	@python=$$($(FIND_PYTHON)) || exit 1; \
	echo "Making $(VENV) with $$($$python --version) …"; \
	$$python -m venv --clear $(VENV)

$(FOR_UP): pyproject.toml | $(PYTHON)
	@echo "Installing botfleet and its libraries into $(VENV) …"
	@$(PIP) install --editable '.[embedded,web]'
	@touch $@

$(FOR_DEV): pyproject.toml | $(PYTHON)
	@echo "Installing botfleet and its tools into $(VENV) …"
	@$(PIP) install --editable '.[dev]'
	@touch $(FOR_UP) $@
