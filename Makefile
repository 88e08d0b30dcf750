# Curvecast: the daily commands. `make` prints this list.
PYTHON ?= python3
SOURCE ?= simulate
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help lock
help:  ## Prints this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

lock: ## Writes requirements*.txt again from pyproject.toml (needs uv)
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 \
	    -q pyproject.toml --group build -o requirements.txt
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 \
	    -q pyproject.toml --group build --group dev -o requirements-dev.txt
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 \
	    -q --group node -o requirements-node.txt
