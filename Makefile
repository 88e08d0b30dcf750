# Curvecast: the daily commands. `make` prints this list.
PYTHON ?= python3
SOURCE ?= simulate
VENV   := .venv
BIN    := $(VENV)/bin
GRAPHIQL := app/transport/graphiql/index.html
LOCK   := uv pip compile --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
          --python-version 3.11 -q
T ?= tests
B ?= decode

.DEFAULT_GOAL := help
.PHONY: help run test install check replay schema proto migration bench bench-peers chaos lock clean

run: install ## Installs what it needs, then a live market at http://127.0.0.1:8000/graphql (SOURCE=simulate)
	@exec $(BIN)/curvecast up --source $(SOURCE)

test: $(VENV)/.dev $(GRAPHIQL) ## Installs what it needs, then the whole suite on real servers (T=path for a part)
	@$(BIN)/pytest $(T)

install: $(VENV)/.runtime $(GRAPHIQL) ## Makes .venv with the `curvecast` command, and builds GraphiQL

check: $(VENV)/.dev ## Formatting, lint, types, SDL drift, migrations against tables
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/curvecast schema --check graphql/schema.graphql
	$(BIN)/curvecast migrate --check

replay: install ## Indexes recordings into the local store (RECORDINGS=path)
	@$(BIN)/curvecast replay $(RECORDINGS) --once

schema: $(VENV)/.dev ## Writes graphql/schema.graphql from the code
	$(BIN)/curvecast schema > graphql/schema.graphql

proto: $(VENV)/.dev ## Writes the gRPC messages from indexer/sources/geyser/geyser.proto
	$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. indexer/sources/geyser/geyser.proto

migration: $(VENV)/.dev ## Writes a new migration from app/store/tables.py (m="what changes"; needs CURVECAST_DATABASE_URL)
	$(BIN)/alembic revision --autogenerate -m "$(m)"

bench: $(VENV)/.dev ## Runs bench/B.py and prints its ratios (B=decode, block, ingest, backfill, forks, sources, latency, fanout, query, reconnects, refusals, simulate)
	$(BIN)/python bench/$(B).py

bench-peers: bench/peers/node_modules ## Installs the servers that B=query and B=fanout measure beside ours (needs Node 20 and npm)

chaos: $(VENV)/.dev ## Kills, cuts and forks under real processes, then judges every table (C="--scenario forks --seed 2")
	@$(BIN)/python -m chaos.run $(C)

lock: ## Writes requirements*.txt again from pyproject.toml (needs uv)
	$(LOCK) pyproject.toml --group build -o requirements.txt
	$(LOCK) pyproject.toml --group build --group dev -o requirements-dev.txt
	$(LOCK) --group node -o requirements-node.txt

clean: ## Removes what install and run made here, the local store too
	rm -rf $(VENV) .curvecast app/transport/graphiql web/node_modules bench/peers/node_modules tests/clients/node_modules

help: ## Prints this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- what the targets above stand on: files, so that a second run does nothing again

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Curvecast needs Python 3.11 or newer; this is %s. Name another one: make PYTHON=python3.12" % sys.version.split()[0] or 0)'
	@echo "Making $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.txt pyproject.toml | $(VENV)/bin/pip
	@echo "Installing Curvecast and what it needs into $(VENV)"
	@$(BIN)/pip install --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	@echo "Installing what the tests need into $(VENV)"
	@$(BIN)/pip install --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

bench/peers/node_modules: bench/peers/package-lock.json
	npm --prefix bench/peers ci --no-audit --no-fund --loglevel=error
	@touch $@

# Node builds the page once and is not needed afterwards: from PATH where it is new enough, else from a wheel.
$(GRAPHIQL): web/package-lock.json web/package.json web/vite.config.js web/index.html $(wildcard web/src/*) \
             requirements-node.txt | $(VENV)/bin/pip
	@echo "Building GraphiQL"
	@PYTHON=$(BIN)/python sh web/build.sh
