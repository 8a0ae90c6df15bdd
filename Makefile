# `make demo` and `make test` need git, make and Python 3.11 or later; everything else goes into .venv in this folder.
# Another Python: `make test PYTHON=/path/to/python`.

SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
# What the caller's shell has set up for other projects must not reach this one.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV
export PIP_DISABLE_PIP_VERSION_CHECK := 1

VENV := .venv
OLDEST := .venv-oldest
BENCH := .venv-bench
BIN := $(VENV)/bin
PYTEST_ARGS ?=
PORT := 8080
BENCHMARKS := imports dag_parsing signed_reads rsa_signing before_the_sell deferred_waits polling_under_errors whole_run

.PHONY: help demo ui test test-fast test-ui test-oldest bench hostile-replies lint format audit build sbom setup clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.ready ## watch a simulated account go to BTC, from a DAG in real Airflow
	@$(BIN)/python -m demo.run

ui: $(VENV)/.ready ## look at it in a browser: a local Airflow, the example DAGs, the simulator (PORT=8080)
	@$(BIN)/python -m demo.ui --port $(PORT)

test: $(VENV)/.ready ## run the tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-fast: $(VENV)/.ready ## run the tests without a scheduler, a browser and what is slow (two minutes)
	$(BIN)/python -m pytest -m 'not scheduler and not slow' $(PYTEST_ARGS)

test-ui: $(VENV)/.ui-ready ## run the tests that use Airflow in Chromium; screenshots in .ui/screenshots
	$(BIN)/python -m pytest --ui tests/ui $(PYTEST_ARGS)

test-oldest: $(OLDEST)/.ready ## run the tests with the oldest supported Airflow
	# Without the one file that takes minutes and touches no Airflow.
	$(OLDEST)/bin/python -m pytest -p no:cacheprovider --ignore tests/budget/test_budget_processes.py $(PYTEST_ARGS)

bench: $(BENCH)/.bench-ready ## measure speed and weight beside other packages (under 10 minutes)
	@for each in $(BENCHMARKS); do $(BENCH)/bin/python -W ignore benchmarks/$$each.py || exit 1; echo; done

hostile-replies: $(VENV)/.ready ## play hostile replies to a client, and print what each costs (two minutes)
	@$(BIN)/python benchmarks/dev/hostile_replies.py

lint: $(VENV)/.ready ## ruff, mypy and the layers' import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.ready ## let ruff repair what it can
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

audit: $(VENV)/.ready ## look for known holes in the pinned versions, where the advisories can be reached
	@$(BIN)/python .ci/audit.py constraints.txt || test $$? -eq 75

build: $(VENV)/.ready ## build wheel and sdist into dist/, and check both
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl

sbom: build ## build both, and say in dist/ what the wheel brings with it (CycloneDX)
	rm -rf build/sbom
	$(BIN)/python -m venv --without-pip build/sbom
	$(BIN)/python -m pip --python build/sbom install -qq -c constraints.txt "$$(ls dist/*.whl)[redis]"
	# Its version is not in the file but in the package.
	sed "s/^dynamic = .*/version = \"$$(ls dist/*.whl | cut -d- -f2)\"/" pyproject.toml > build/pyproject.toml
	$(BIN)/cyclonedx-py environment --output-reproducible --pyproject build/pyproject.toml --mc-type library \
	  --output-file dist/airflow-provider-3commas.cdx.json build/sbom

setup: $(VENV)/.ready ## set up .venv only

clean: ## remove everything that make has made
	rm -rf $(VENV) $(OLDEST) $(BENCH) .demo .ui dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# Install the project and one of its extras, editable, into a virtual environment.
# $(1): folder, $(2): constraints, $(3): extra. The stamp is written last: what was interrupted is done again.
define set_up
	@python=; for candidate in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.14); do \
	  if "$$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	  then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo 'No Python 3.11 or later with the venv module was found ($(or $(PYTHON),python3, python3.11 to python3.14)).' >&2; \
	  echo 'Install one (on Debian and Ubuntu: python3 and python3-venv), or name one: make $(MAKECMDGOALS) PYTHON=...' >&2; \
	  exit 1; \
	fi; \
	echo "Setting up $(1) with $$("$$python" -V): once, a minute or two ..."; \
	"$(1)/bin/python" -c '' 2>/dev/null || "$$python" -m venv --clear $(1)
	@$(1)/bin/python -m pip install -qq -c $(2) hatchling editables
	@$(1)/bin/python -m pip install -qq -c $(2) --no-build-isolation -e '.[$(3)]'
	@touch $@
endef

$(VENV)/.ready: pyproject.toml constraints.txt
	$(call set_up,$(VENV),constraints.txt,dev)

$(VENV)/.ui-ready: $(VENV)/.ready
	@$(BIN)/python -m pip install -qq -c constraints.txt --no-build-isolation -e '.[ui]'
	@touch $@

$(BENCH)/.ready: pyproject.toml constraints.txt
	$(call set_up,$(BENCH),constraints.txt,redis)

$(BENCH)/.bench-ready: $(BENCH)/.ready benchmarks/requirements.txt
	@$(BENCH)/bin/python -m pip install -qq -c constraints.txt -r benchmarks/requirements.txt
	@touch $@

$(OLDEST)/.ready: pyproject.toml constraints-oldest.txt
	$(call set_up,$(OLDEST),constraints-oldest.txt,test)
