# One command to set up, one to check, one to test, one to see it work.
# Everything lands in this folder; a second run needs no network.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Its time says when the libraries were installed, so that nothing is installed twice.
READY := $(VENV)/.ready
ARGS ?=

.PHONY: help demo setup check format test test-quick bench lock clean

help:  ## Show what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

demo: $(READY)  ## Play the story of the 500 families (ARGS=--once ends by itself)
	@$(BIN)/bcc-relay demo $(ARGS)

setup: $(READY)  ## Install everything that tests and checks need

check: $(READY)  ## Lint, types, layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/shellcheck .ci/run tests/*.sh
	@$(BIN)/hadolint Dockerfile docker/upstream/Dockerfile

test: $(READY)  ## Everything: checks, unit tests, real process against real mail servers
	@tests/system-packages.sh
	@$(MAKE) --no-print-directory check
	@$(BIN)/pytest $(ARGS)

test-quick: $(READY)  ## Only what needs no other program: a few seconds
	@$(BIN)/pytest tests/core tests/relay tests/settings tests/test_layers.py $(ARGS)

format: $(READY)  ## Lay out the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock:  ## Write the lock files anew (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --no-annotate pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --no-annotate pyproject.toml --group dev -o requirements-dev.lock

clean:  ## Remove everything that was installed or made here
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .hypothesis tests/e2e/clients/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the environment ---------------------------------------------------------

PIP := $(BIN)/pip --quiet --disable-pip-version-check --no-input

# A half-made environment is made again; without python3-venv it is installed (root), or the one command is named.
$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name it with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing python3-venv, which Python needs to make an environment in this folder"; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv; \
	  else \
	    echo "Python cannot make an environment here. Give this command once, then make again:" >&2; \
	    echo "  sudo apt-get install python3-venv" >&2; exit 1; \
	  fi; }
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)

PIP := $(BIN)/pip --quiet --disable-pip-version-check --no-input

$(READY): requirements-dev.lock pyproject.toml | $(VENV)/bin/pip
	@echo "Installing the libraries into $(VENV) (once)"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@$(PIP) install --no-deps --no-build-isolation --no-index --editable .
	@touch $@
