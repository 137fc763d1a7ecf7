# Wavelane in five verbs: demo, test, check, figures, clean.
# Everything is installed into .venv; system packages are added with apt-get where they are missing and it exists.

VENV   ?= .venv
BIN    := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
            $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# Without an NVIDIA GPU torch comes from its own index, whose wheel for processors leaves gigabytes of CUDA packages out.
TORCH  ?= $(shell command -v nvidia-smi >/dev/null 2>&1 && echo 'torch>=2.11' || \
            echo '--extra-index-url https://download.pytorch.org/whl/cpu --retries 0 torch==2.13.0')
SUDO   := $(shell [ "$$(id -u)" = 0 ] || command -v sudo 2>/dev/null)
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet

# Other engines, for the benchmark alone; another environment that has them: make bench PEERS=/path
PEERS  ?= .venv-peers

# What is compiled when Wavelane is installed
NATIVE := $(shell find streaming/wavelane/native/src -type f)

# LiveKit Agents and Pipecat, for their tests alone: they pin other versions of what the server needs
FRAMEWORKS := .venv-frameworks

.PHONY: demo test test-slow test-gpu test-frameworks test-node bench-gpu check lint format proto js test-js figures bench setup setup-dev browser clean help

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: setup ## install, start the server, watch words appear, open the microphone page
	@$(BIN)/wavelane demo $(ARGS)

test: setup-dev browser ## install what the tests need and run them
	@$(BIN)/python -m pytest $(ARGS)

test-slow: setup-dev browser ## the tests that take minutes
	@$(BIN)/python -m pytest -m slow $(ARGS)

bench-gpu: setup ## the goals of streaming/README.md for a GPU: 0.6B and 114M, steps of 320 and 80 ms
	@for shape in xlarge-rnnt large-rnnt; do \
	  $(BIN)/wavelane bench --model shape:$$shape --engine device=cuda --precisions bf16 --lookaheads 3,0 \
	    --batches 32,128,256 --json gpu-$$shape.json --png gpu-$$shape.png $(ARGS) || exit 1; done

test-gpu: setup-dev ## the tests that need a CUDA device
	@$(BIN)/python -m pytest -m gpu $(ARGS)

test-frameworks: setup-dev $(FRAMEWORKS)/.ready ## LiveKit's and Pipecat's speech-to-text plugins, in an environment of their own
	@$(BIN)/python -m pytest -m frameworks $(ARGS)

$(FRAMEWORKS)/.ready: tests/interop/frameworks/requirements.txt
	@test -x $(FRAMEWORKS)/bin/python || $(BIN)/python -m venv $(FRAMEWORKS)
	@$(FRAMEWORKS)/bin/python -m pip --disable-pip-version-check install --quiet -r $<
	@touch $@

test-node: setup-dev ## the vendors' clients for node; needs node and npm
	@cd tests/interop/node && npm ci --silent
	@$(BIN)/python -m pytest -m node $(ARGS)

lint: setup-dev ## ruff, mypy --strict, import-linter
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

check: lint test ## everything that must be green before a commit

format: setup-dev ## let ruff rewrite what it can
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

proto: setup-dev ## regenerate the gRPC code and the message schema
	@$(BIN)/python protos/generate.py

js: ## build the client in TypeScript, and put it where the page takes it from (needs npm)
	@cd clients/js && npm ci --no-audit --no-fund && npm run build

test-js: setup-dev ## the client in TypeScript with the node and npm of this machine: types, what is committed, all its tests
	@cd clients/js && npm ci --no-audit --no-fund && npm test

figures: setup-dev ## measure the figures of README.md on this machine (about ten minutes)
	@$(BIN)/wavelane figures $(ARGS)

bench: setup-dev $(PEERS)/.ready-peers ## measure the engine and its peers side by side, 20 minutes (3 with ARGS=--quick)
	@$(BIN)/python benchmarks/run.py --peers $(PEERS)/bin/python $(ARGS)

setup: $(VENV)/.ready-all
setup-dev: $(VENV)/.ready-dev

$(VENV)/bin/python:
	@[ -n "$(PYTHON)" ] || { echo "Wavelane needs Python 3.11 or newer; none was found on PATH." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { \
	  echo "Adding python3-venv ..."; \
	  $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends python3-venv >/dev/null && \
	  rm -rf $(VENV) && $(PYTHON) -m venv $(VENV); }

$(VENV)/.ready-%: pyproject.toml hatch_build.py $(NATIVE) | $(VENV)/bin/python
	@echo "Installing Wavelane [$*] into $(VENV) (a few minutes the first time) ..."
	@# The native CPU step is compiled on the way; without a compiler Wavelane runs on torch, several times slower.
	@command -v g++ >/dev/null 2>&1 || command -v clang++ >/dev/null 2>&1 || { echo "Adding g++ ..."; \
	  $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends g++ >/dev/null; } || true
	@$(PIP) --upgrade pip
	@$(PIP) $(TORCH)
	@$(PIP) --editable ".[$*]"
	@touch $@

$(PEERS)/.ready-peers: benchmarks/peers/requirements.txt
	@echo "Installing the peers into $(PEERS) (several minutes the first time) ..."
	@[ -x $(PEERS)/bin/python ] || $(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip --disable-pip-version-check install --quiet --requirement $<
	@touch $@

browser: # for the browser tests
	@command -v chromium >/dev/null 2>&1 || { echo "Adding chromium for the browser tests ..."; \
	  $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends chromium >/dev/null; }

clean: ## remove the environment and caches
	rm -rf $(VENV) .venv-peers benchmarks/.cache .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
