# What a target needs it sets up itself, once: nothing but Python 3.11, 3.12 or 3.13 is needed. Tests of the page and of
# what is deployed want Node.js and Bicep too, and say so.
PYTHON ?= python3
VENV ?= .venv
PORT ?= 7071
DATA ?= .devhost
SECONDS ?= 600
SEED ?= 1
BIN := $(VENV)/bin

.PHONY: help run receiver test quick check format torture bench screenshots func infra lock audit setup clean
.PHONY: setup-app setup-dev setup-infra setup-node setup-browser

help: ## Show this
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

run: setup-app ## Start the app on http://127.0.0.1:7071 (PORT=..., DATA=... for the folder of its data)
	@exec $(BIN)/python -m devhost --port $(PORT) --data $(DATA) --page /

receiver: setup-app ## Start a receiver of closed registries on http://127.0.0.1:8080
	@exec $(BIN)/python examples/receiver.py

# Core Tools run the Python that is first in the path, and need a storage account: Azurite stands in.
func: setup-app local.settings.json ## Start the app on the real host (Core Tools and Azurite, from npm)
	@npx --yes azurite --silent --disableTelemetry --skipApiVersionCheck --location .azurite & azurite=$$!; \
	trap 'kill $$azurite' EXIT; \
	until $(BIN)/python -c 'import socket; socket.create_connection(("127.0.0.1", 10002))' 2>/dev/null; do \
		kill -0 $$azurite || exit 1; sleep 0.2; \
	done; \
	PATH="$(CURDIR)/$(BIN):$$PATH" VIRTUAL_ENV="$(CURDIR)/$(VENV)" \
		npx --yes --package azure-functions-core-tools@4 -- func start --port $(PORT)

MINUTES = tests/e2e/test_sigkill.py tests/e2e/test_openapi.py
quick: setup-dev ## Run the unit and e2e tests that take no minute, and the app on Azure's worker (Python 3.13)
	$(BIN)/python -m pytest tests/unit tests/e2e tests/worker $(MINUTES:%=--ignore %)

check: setup-dev setup-node ## Check style and types, of Python, JavaScript, CSS, Markdown, Bicep and workflows
	@$(BIN)/python -m scripts.check

format: setup-dev ## Format the Python
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: check setup-infra setup-browser ## Run every check and test
	$(BIN)/python -m pytest --cov --cov-report=
	$(BIN)/coverage report --include='registry/*' --fail-under=100
	$(BIN)/coverage report --include='devhost/*' --fail-under=95

torture: setup-dev ## Check the promises on an unkind host in virtual time (SECONDS=600, SEED=1, OPTIONS=...)
	@exec $(BIN)/python -m tests.support.torture --seconds $(SECONDS) --seed $(SEED) $(OPTIONS)

bench: setup-dev ## Measure the speed beside its baselines
	$(BIN)/python -m bench

screenshots: setup-dev setup-browser ## Take the pictures of the README again
	$(BIN)/python -m tests.browser.screenshots

infra: ## Compile what is deployed (needs Bicep: on the path, or named in BICEP)
	$(or $(BICEP),bicep) build infra/main.bicep --outfile infra/main.json

# The others are a part of the lock for development, so that what is deployed is what is tested.
LOCK = $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
	--annotation-style line --custom-compile-command 'make lock' $(OPTIONS)
lock: setup-dev ## Pin what each requirements.in allows, in the requirements.txt beside it (OPTIONS=--upgrade: the newest)
	$(LOCK) requirements-dev.in --output-file requirements-dev.txt
	$(LOCK) devhost/requirements.in --output-file devhost/requirements.txt --constraint requirements-dev.txt
	$(LOCK) requirements.in --output-file requirements.txt --constraint requirements-dev.txt
	$(LOCK) infra/requirements.in --output-file infra/requirements.txt

AUDIT = $(BIN)/pip-audit --strict --disable-pip --require-hashes --progress-spinner off
audit: setup-dev ## Ask PyPI which pins have known vulnerabilities
	$(AUDIT) --requirement requirements-dev.txt
	$(AUDIT) --requirement infra/requirements.txt

setup: setup-dev setup-infra setup-node setup-browser ## Set up all that tests need (-j: side by side)

clean: ## Delete what the other targets made, the data included
	rm -rf $(VENV) .venv-* $(DATA) .azurite node_modules
	rm -rf .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache .schemathesis
	find . -name __pycache__ -prune -exec rm -rf {} +

local.settings.json:
	cp local.settings.json.example $@

setup-app:
	@$(PYTHON) -m scripts.environment $(VENV) devhost/requirements.txt

setup-dev:
	@$(PYTHON) -m scripts.environment $(VENV) requirements-dev.txt

setup-infra:
	@$(PYTHON) -m scripts.environment $(VENV)-infra infra/requirements.txt

setup-node:
	@$(PYTHON) -m scripts.node

setup-browser: setup-dev
	@$(BIN)/python -m tests.browser.fetch
