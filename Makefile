# `make` alone lists what there is to do. Needs Python 3.11 or newer with pip, and nothing else:
# everything is installed into .venv from the pinned and hashed requirements/*.txt, once.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run test check bench soak lock clean tools

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(PYTHON) -m pip --python $(BIN)/python --disable-pip-version-check --quiet
# More arguments for the command: make run ARGS="--regions us,eu", make test ARGS="-k lease"
ARGS ?=

help:  ## this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/run.stamp  ## three regions on 127.0.0.1: edges on ports 7401, 7402, 7403
	@$(BIN)/georeg demo $(ARGS)

test: $(VENV)/dev.stamp tools  ## the whole test suite, on all cores
	@$(BIN)/python -m pytest -n auto $(ARGS)

check: $(VENV)/dev.stamp  ## ruff, mypy --strict and yamllint
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/yamllint --strict .

bench: $(VENV)/dev.stamp tools  ## the benchmarks, as a table and JSON
	@$(BIN)/python -m bench $(ARGS)

soak: $(VENV)/dev.stamp  ## simulated storms, seed after seed, until Ctrl-C
	@$(BIN)/region-sim sweep --scenario storm --forever --seeds 1000 $(ARGS)

lock: $(BIN)/python  ## pin the newest dependencies again
	$(PYTHON) -m venv --without-pip $(VENV)/lock
	$(PYTHON) -m pip --python $(VENV)/lock/bin/python install --quiet pip pip-tools
	@cd requirements && for set in run dev; do \
		inputs="build.in run.in"; \
		if [ $$set = dev ]; then inputs="$$inputs test.in check.in"; fi; \
		CUSTOM_COMPILE_COMMAND="make lock" ../$(VENV)/lock/bin/pip-compile --quiet --upgrade \
			--generate-hashes --allow-unsafe --strip-extras \
			--no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
			$$([ $$set = dev ] && echo "-c run.txt") -o $$set.txt $$inputs || exit 1; \
	done

clean:  ## remove what was built, not what is versioned
	rm -rf $(VENV) .tools build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Test tools that are not Python; says what is missing, never fails.
tools: $(VENV)/dev.stamp
	@.ci/tools

# Without pip inside, so that it works where Python comes without ensurepip (Debian).
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "georeg needs Python 3.11 or newer; try: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -m pip --version >/dev/null || \
		{ echo "$(PYTHON) has no pip; on Debian: apt-get install python3-pip" >&2; exit 1; }
	@$(PYTHON) -m venv --without-pip $(VENV)

$(VENV)/run.stamp: requirements/run.txt pyproject.toml | $(BIN)/python
	@echo "installing the pinned dependencies into $(VENV) (once)"
	@$(PIP) install --require-hashes -r requirements/run.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "installing the pinned dependencies and test tools into $(VENV) (once)"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/run.stamp
