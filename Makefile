# Everything a newcomer needs: Python 3.11 and make. The rest is installed into .venv from requirements.lock.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
T ?= tests
WORKERS ?= $(if $(filter-out tests,$(T)),0,2)
MEMBERS := $(sort $(wildcard libs/*/pyproject.toml services/*/pyproject.toml))
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo up test check fix bench load lock schemas api-pages requirements coverage fuzz collector tlog-check clean

##@ Start here
help: ## Show this help
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)} /^[a-z-]+:.*##/ {printf "  \033[36m%-14s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: install ## Play the whole story on real servers, and check each fact it states
	@$(BIN)/yoyaku demo

up: install ## Run the system on http://127.0.0.1:8080 until Ctrl-C
	@$(BIN)/yoyaku up

test: install ## Run every test on real servers, in two processes (T=path narrows it, to one process; WORKERS=0)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(T)

##@ Build and check
install: $(STAMP) ## Install everything into .venv from requirements.lock

$(STAMP): requirements.lock $(MEMBERS)
	@command -v $(PYTHON) >/dev/null || { echo "Yoyaku needs Python 3.11: '$(PYTHON)' was not found (set PYTHON=/path/to/python3.11)" >&2; exit 1; }
	@found=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null); test "$$found" = 3.11 || { echo "Yoyaku needs Python 3.11, but '$(PYTHON)' $${found:+is Python }$${found:-does not run} (set PYTHON=/path/to/python3.11)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (only the first time, and when requirements.lock changes)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation $(foreach m,$(MEMBERS),-e $(dir $(m)))
	@touch $@

check: install ## Format, lint, types, imports, contracts: changes nothing
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m yoyaku.contracts.generate --check

fix: install ## Format and mend what ruff can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: install ## Print ratios against baselines of the same run
	@$(BIN)/python -m loadtests.bench

load: install ## Drive a whole system with k6 and check its databases (S=soak: ten minutes with memory; A="--people 50")
	@$(BIN)/python -m loadtests.load $(S) $(A)

coverage: install ## Run the tests with coverage and print what is not covered
	@$(BIN)/coverage run -m pytest $(T); $(BIN)/coverage combine -q; $(BIN)/coverage report

fuzz: install ## Try the whole API against its document as every role, N seconds each (N=240; R=ADMIN: one role)
	@FUZZ_SECONDS=$(or $(N),240) $(BIN)/python -m pytest -s tests/booking/entrypoints/http/test_schemathesis.py $(if $(R),-k $(R))

requirements: install ## Print which requirement is covered by which test
	@$(BIN)/python -m pytest --requirements -q $(T)

##@ Generate
lock: install ## Solve the dependencies again into requirements.lock (versions and hashes, no addresses)
	@$(BIN)/python tools/lock.py

schemas: install ## Write JSON Schemas, AsyncAPI and OpenAPI documents again
	@$(BIN)/python -m yoyaku.contracts.generate
	@$(BIN)/yoyaku booking openapi --write docs/api/openapi.json

api-pages: install ## Play the story of docs/api on a real system and write its requests and answers again
	@$(BIN)/python -m tools.api_pages

collector: ## Build the OpenTelemetry Collector of infra/otel-collector (needs Go)
	@$(MAKE) --no-print-directory -C infra/otel-collector

tlog-check: build/tlog-check ## Build the check of exported logs that is made of code of others (needs Go)

build/tlog-check: $(wildcard tools/tlog-check/*)
	@command -v go >/dev/null || { echo "The check of exported logs is built with Go 1.25 or newer, which was not found" >&2; exit 1; }
	@mkdir -p $(dir $@)
	@cd tools/tlog-check && GOTOOLCHAIN=local go build -mod=readonly -p 2 -trimpath -ldflags="-s -w" -o $(abspath $@) .
	@touch $@

clean: ## Remove .venv and caches (never .yoyaku, which holds data)
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .coverage .coverage.* build
