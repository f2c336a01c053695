# Two commands: `make demo` and `make test`. Everything they need goes into .venv, everything they make
# into .airflow; nothing is installed elsewhere. `make help` shows the rest.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test lint check options clean
SHELL := /bin/sh

# Airflow starts in half the time from compiled files, and this package never asks a question.
unexport PYTHONDONTWRITEBYTECODE
export PIP_NO_INPUT := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

VENV := .venv
BIN := $(VENV)/bin
REQUIREMENTS := --constraint constraints.txt --group dev --editable .
# More of pyproject.toml's dependency groups, for tests that need them: make test WITH=celery ARGS="-m celery"
WITH :=

# Half of the time of these tests is waiting; what ARGS selects runs one after the other.
SIDE_BY_SIDE := -n 4 --dist loadfile

# The first Python that runs and is new enough; `make PYTHON=/path/to/python3.12 test` chooses another.
PYTHON = $(shell for python in python3.13 python3.12 python3.11 python3 python; do \
	  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
# uv installs several times faster; an old one, without --group, is left alone.
UV = $(shell uv pip install --help 2>/dev/null | grep -q -e '--group' && echo uv)
INSTALL = $(if $(UV),$(UV) pip install --quiet --python $(BIN)/python --compile-bytecode,$(BIN)/python -m pip install -qq)

help:
	@echo 'make demo        a real Airflow turns three folders of images into arrays, and stops'
	@echo 'make demo UI=1   the same, and stays up for a look at the web UI until Ctrl-C'
	@echo 'make test        the tests that need no running Airflow; ARGS="-k name" for some of them'
	@echo '                 -m celery and -m browser: WITH=celery, WITH=browser, and their install.sh'
	@echo 'make check       what CI checks besides: format, lint, types, layers'
	@echo 'make options     write what follows from the definitions of options: signatures, docstrings, tables'
	@echo 'make clean       remove .venv, .airflow and what the tools cached'

demo: setup
	@$(BIN)/python -m demo $(if $(filter-out 0,$(UI)),--ui)

test: setup
	$(BIN)/python -m pytest $(or $(ARGS),$(SIDE_BY_SIDE))

lint check: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

options: setup
	@$(BIN)/python -m tools.options

clean:
	rm -rf $(VENV) .airflow .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup: $(VENV)/installed $(addprefix $(VENV)/installed-,$(WITH))

# Written last, so that an interrupted set-up is continued and a finished one is not repeated.
$(VENV)/installed: $(VENV)/pyvenv.cfg pyproject.toml constraints.txt
	@echo 'Installing into $(VENV); the first time this takes a minute or two.'
ifeq ($(UV),)
	@$(BIN)/python -m pip install -qq --constraint constraints.txt pip
endif
	@$(INSTALL) $(REQUIREMENTS)
	@touch $@

$(VENV)/installed-%: $(VENV)/installed
	@$(INSTALL) --constraint constraints.txt --group $*
	@touch $@

$(VENV)/pyvenv.cfg:
	@test -n '$(PYTHON)' || { echo 'No Python 3.11 or newer found. Install one, or say where one is: make PYTHON=...'; exit 1; }
	@rm -rf $(VENV)
ifeq ($(UV),)
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo 'This Python cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv'; exit 1; }
else
	@$(UV) venv --quiet --python $(PYTHON) $(VENV)
endif
