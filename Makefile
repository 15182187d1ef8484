# Each target sets up what it lacks. Only Python 3.11, 3.12 or 3.13 is needed; some tests also need
# Node.js, a browser or Bicep: without it they say so, and fail where CI is set.
PYTHON ?= python3
VENV ?= .venv
PORT ?= 7071
DATA ?= .devhost
SECONDS ?= 600
SEED ?= 1
WORKERS ?= 2
MAKEFLAGS += --no-print-directory

BIN = $(VENV)/bin
NODE = tests/page/node_modules/.bin
PYTEST = $(abspath $(BIN))/python -m pytest --numprocesses $(WORKERS) --dist loadgroup

.PHONY: help run receiver func test verify check format torture bench screenshots infra lock audit
.PHONY: setup clean setup-app setup-tests setup-infra setup-node setup-browser
.PHONY: check-python check-page test-python test-app test-devhost verify-app verify-devhost

help: ## Show this
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

run: setup-app ## Start the app on http://127.0.0.1:7071 (PORT=..., DATA=folder)
	@exec $(BIN)/python -m devhost --port $(PORT) --data $(DATA) --page /

receiver: setup-app ## Start a receiver of closed registries on http://127.0.0.1:8080
	@exec $(BIN)/python examples/receiver.py

IS_AZURITE_UP = import socket; socket.create_connection(("127.0.0.1", 10002))
# Core Tools run the first Python of the path. Azurite stands in for a storage account.
func: setup-app local.settings.json ## Start the app on the real host, which comes by npm
	@npx --yes azurite --silent --disableTelemetry --skipApiVersionCheck --location .azurite & \
	azurite=$$!; trap 'kill $$azurite' EXIT; \
	until $(BIN)/python -c '$(IS_AZURITE_UP)' 2>/dev/null; do \
		kill -0 $$azurite || exit 1; sleep 0.2; \
	done; \
	PATH="$(abspath $(BIN)):$$PATH" VIRTUAL_ENV="$(abspath $(VENV))" \
		npx --yes --package azure-functions-core-tools@4 -- func start --port $(PORT)

test: ## Run the checks, and the tests with their coverage
	@$(MAKE) --jobs setup-tests setup-node setup-browser
	@$(MAKE) check test-app test-devhost

verify: ## Run what takes minutes: SIGKILL, fuzzing, all of the page, installing, torture
	@$(MAKE) --jobs setup
	@$(MAKE) verify-app verify-devhost torture SECONDS=30

check: setup-tests setup-node check-python check-page ## Check style and types

format: setup-tests ## Format the Python
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

torture: setup-tests ## Check the promises under injected faults, in virtual time (SECONDS=, SEED=)
	@exec $(BIN)/python -m tests.support.torture --seconds $(SECONDS) --seed $(SEED) $(OPTIONS)

bench: setup-tests ## Measure the speed beside its baselines
	@exec $(BIN)/python -m bench $(OPTIONS)

screenshots: setup-tests setup-browser ## Take the pictures of the README again
	@$(BIN)/python -m tests.browser.screenshots

infra: ## Compile what is deployed (with Bicep from the path, or from the variable BICEP)
	@$(or $(BICEP),bicep) build infra/main.bicep --outfile infra/main.json

# All but the last are parts of the first, so that what is deployed is what is tested.
UV = $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
	--annotation-style line --custom-compile-command 'make lock' $(OPTIONS)
DEVHOST = devhost/pyproject.toml --group devhost/pyproject.toml:build
PARTS = --constraint tests/requirements.txt
lock: setup-tests ## Pin what is asked for, in each requirements.txt (OPTIONS=--upgrade: anew)
	@$(UV) tests/requirements.in $(DEVHOST) --output-file tests/requirements.txt
	@$(UV) $(DEVHOST) $(PARTS) --output-file devhost/requirements.txt
	@$(UV) requirements.in $(PARTS) --output-file requirements.txt
	@$(UV) infra/requirements.in --output-file infra/requirements.txt

AUDIT = $(BIN)/pip-audit --strict --disable-pip --require-hashes --progress-spinner off
audit: setup-tests ## Ask PyPI which pins have known vulnerabilities
	@$(AUDIT) --requirement tests/requirements.txt
	@$(AUDIT) --requirement infra/requirements.txt

setup: setup-tests setup-infra setup-node setup-browser ## Set up all that the tests need

clean: ## Delete what the other targets made, the data included
	rm -rf $(VENV) .venv* $(DATA) .azurite tests/page/node_modules .coverage*
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache .schemathesis
	find . -name __pycache__ -prune -exec rm -rf {} +

local.settings.json:
	cp local.settings.json.example $@

# Parts of the targets above.

did_not_run = echo "$(1) did not run: install $(2)" >&2; exit $${CI:+1}

check-python:
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/mypy --config-file devhost/pyproject.toml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml

check-page:
	@test -x $(NODE)/tsc || { $(call did_not_run,biome tsc markdownlint,Node.js); }; \
	$(NODE)/biome lint --error-on-warnings --config-path tests/page/lint.jsonc && \
	$(NODE)/tsc --project tests/page && \
	$(NODE)/markdownlint-cli2 --config tests/page/.markdownlint-cli2.jsonc

# What another Python may change: neither the page nor what is deployed.
test-python: setup-tests
	@$(PYTEST) tests/unit tests/worker tests/e2e/test_contract.py tests/e2e/test_readme.py
	@cd devhost && $(PYTEST)

# The unit tests alone reach each line: elsewhere coverage would only take time.
test-app:
	@$(PYTEST) tests/unit --cov --cov-fail-under=100
	@$(PYTEST) --ignore tests/unit

test-devhost:
	@cd devhost && $(PYTEST) --cov --cov-fail-under=95

verify-app:
	@$(PYTEST) -m verify

verify-devhost:
	@cd devhost && $(PYTEST) -m verify

# Environments are made once for each state of their locks: .app and .tests say that all is there,
# .half-made that it is not. Where there is flock(1), only one make at a time makes one.

IN_TURN = $(if $(shell command -v flock),flock $(1))
IS_SUPPORTED = import sys; v = sys.version_info[:2]; \
	sys.exit(0 if v >= (3, 11) else "Python 3.11 to 3.13 is needed, not %d.%d: set PYTHON=..." % v)
PIP = bin/python -m pip install --quiet --disable-pip-version-check --no-input
LOCKS = requirements.txt devhost/requirements.txt

# An environment in the folder $(1) of what the locks $(2) pin.
define environment
@$(PYTHON) -c '$(IS_SUPPORTED)'
@echo "Setting up $(1) ($(2)), which takes a while the first time" >&2
@touch $(1)/.half-made
@$(PYTHON) -m venv $(if $(wildcard $(1)/.half-made),--clear) $(1)
@touch $(1)/.half-made
@$(1)/$(PIP) --no-compile --no-deps --require-hashes $(addprefix --requirement ,$(2))
endef

setup-app:
	@mkdir -p $(VENV) && $(call IN_TURN,$(VENV)) $(MAKE) --silent $(VENV)/.app

setup-tests:
	@mkdir -p $(VENV) && $(call IN_TURN,$(VENV)) $(MAKE) --silent $(VENV)/.tests

setup-infra:
	@mkdir -p $(VENV)-infra && $(call IN_TURN,$(VENV)-infra) $(MAKE) --silent $(VENV)-infra/.made

setup-node:
	@test -z "$$(command -v npm)" || $(call IN_TURN,tests/page) $(MAKE) -s $(dir $(NODE)).made || true

setup-browser: setup-tests
	@$(BIN)/python -m tests.browser.chromium || $(BIN)/playwright install chromium || true

$(VENV)/.app: $(LOCKS) devhost/pyproject.toml
	$(call environment,$(VENV),$(LOCKS))
	@$(VENV)/$(PIP) --no-deps --no-build-isolation --editable ./devhost
	@mv $(VENV)/.half-made $@

$(VENV)/.tests: $(LOCKS) devhost/pyproject.toml tests/requirements.txt
	$(call environment,$(VENV),tests/requirements.txt)
	@$(VENV)/$(PIP) --no-deps --no-build-isolation --editable ./devhost
	@touch $(VENV)/.app
	@mv $(VENV)/.half-made $@

$(VENV)-infra/.made: infra/requirements.txt
	$(call environment,$(VENV)-infra,$<)
	@mv $(VENV)-infra/.half-made $@

$(dir $(NODE)).made: tests/page/package-lock.json
	@echo "Setting up tests/page/node_modules (package-lock.json)" >&2
	@npm ci --prefix tests/page --no-audit --no-fund --silent
	@touch $@
