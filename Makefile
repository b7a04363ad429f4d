# Groundwatch: everything a newcomer types. `make demo` and `make test` set up what they need.

# The newest Python that is good enough; PYTHON=... names another.
PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3 python; do \
            command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
            >/dev/null 2>&1 && { echo $$p; exit; }; done; echo python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
PAGE_SOURCES := $(shell find api/dashboard -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)

.PHONY: help install demo test test-store check format fuzz scenarios lock clean

help:
	@echo "make demo       a whole mine on this machine, with a slope that fails within two minutes"
	@echo "make test       all tests"
	@echo "make test-store what the store is told, on PostgreSQL 15 and 16"
	@echo "make fuzz       every reader under atheris, a minute each, and a million mutated Modbus replies"
	@echo "make check      ruff, mypy, import contracts"
	@echo "make scenarios  all six scenarios on real processes"
	@echo "make install    the 'groundwatch' command in $(VENV)"
	@echo "make lock       resolve the dependencies again (needs uv)"

install: $(INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml deploy/preflight.py deploy/build_page.py $(PAGE_SOURCES)
	@$(PYTHON) deploy/preflight.py $(VENV)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing what Groundwatch needs (a minute or two the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@echo "Building the page and the 'groundwatch' command ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(INSTALLED)

demo: install
	@$(BIN)/groundwatch demo $(DEMO)

# First what can run side by side, then whole demonstrations, which need the machine to themselves.
test: install
	@$(BIN)/python -m pytest -n 2 -m "not real_processes and not all_scenarios" $(TESTS)
	@$(BIN)/python -m pytest -m "real_processes and not all_scenarios" $(TESTS)

# What is said to the store, on PostgreSQL of other majors: 16 comes with ours, 15 with Debian 12.
POSTGRES ?= 15 16
test-store: install
	@for major in $(POSTGRES); do \
	  GROUNDWATCH_TEST_POSTGRES=$$major $(BIN)/python -m pytest -n 2 -m store tests/integration || exit 1; \
	done

# A million mutated Modbus replies, then every reader for so many seconds; FUZZ names some of them only.
FUZZ_SECONDS ?= 60
fuzz: install
	@PYTHONPATH=.:tests $(BIN)/python tests/fuzz/run_all.py --seconds $(FUZZ_SECONDS) $(FUZZ)

scenarios: install
	@$(BIN)/python -m pytest -m all_scenarios tests/real_processes

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

# The lock names no index address: every machine uses the index that its pip is set up with.
lock:
	uv pip compile pyproject.toml --extra edge --extra server --extra parquet --group build --group dev --universal \
	  --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links \
	  --quiet --upgrade --output-file requirements.lock

clean:
	rm -rf $(VENV) api/dashboard/dist api/dashboard/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .fuzz
