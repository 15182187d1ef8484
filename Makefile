# `make run` and `make test` do all the set-up; nothing but Python 3.11 or later is needed.
PYTHON ?= python3
VENV ?= .venv
PORT ?= 7071
DATA ?= .devhost
SECONDS ?= 600
SEED ?= 1
BIN := $(VENV)/bin

.PHONY: help run test quick check format torture bench screenshots func infra clean
.DELETE_ON_ERROR:

help: ## Show this
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: $(VENV)/app ## Start the app on http://127.0.0.1:7071 (PORT=..., DATA=... for the folder of its data)
	@exec $(BIN)/python -m devhost --port $(PORT) --data $(DATA) --page /

test: check ## Run every check and test
	$(BIN)/python -m pytest --cov --cov-report=
	$(BIN)/coverage report --include='registry/*' --fail-under=100
	$(BIN)/coverage report --include='devhost/*' --fail-under=95

quick: $(VENV)/dev ## Run the unit and e2e tests (no SIGKILL minute), and the app on Azure's worker (Python 3.13)
	$(BIN)/python -m pytest tests/unit tests/e2e tests/worker --ignore tests/e2e/test_sigkill.py

check: $(VENV)/dev ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/dev ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

torture: $(VENV)/dev ## Check the promises on an unkind host in virtual time (SECONDS=600, SEED=1, OPTIONS=...)
	@exec $(BIN)/python -m tests.support.torture --seconds $(SECONDS) --seed $(SEED) $(OPTIONS)

bench: $(VENV)/dev ## Measure the speed beside its baselines
	$(BIN)/python -m bench

screenshots: $(VENV)/dev ## Take the pictures of the README again (needs a Chromium)
	$(BIN)/python -m tests.browser.screenshots

# Azure Functions Core Tools run the Python that is first in the path, and need a storage account: Azurite stands in.
func: $(VENV)/app local.settings.json ## Start the app on the real host (Core Tools and Azurite, from npm)
	@npx --yes azurite --silent --disableTelemetry --skipApiVersionCheck --location .azurite & azurite=$$!; \
	trap 'kill $$azurite' EXIT; \
	until $(BIN)/python -c 'import socket; socket.create_connection(("127.0.0.1", 10002))' 2>/dev/null; do \
		kill -0 $$azurite || exit 1; sleep 0.2; \
	done; \
	PATH="$(CURDIR)/$(BIN):$$PATH" VIRTUAL_ENV="$(CURDIR)/$(VENV)" \
		npx --yes --package azure-functions-core-tools@4 -- func start --port $(PORT)

infra: ## Compile what is deployed (needs Bicep: on the path, or named in BICEP)
	$(or $(BICEP),bicep) build infra/main.bicep --outfile infra/main.json

local.settings.json:
	cp local.settings.json.example $@

clean: ## Delete what the other targets made, the data included
	rm -rf $(VENV) .venv-* $(DATA) .azurite node_modules .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed; set PYTHON=... to use another one than $(PYTHON)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/app: requirements.txt devhost/requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r devhost/requirements.txt
	@touch $@

$(VENV)/dev: requirements.txt devhost/requirements.txt requirements-dev.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/app
