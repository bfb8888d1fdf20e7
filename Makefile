# Needs GNU make and a Python from 3.10 to 3.13; everything else is fetched. `make help` lists the targets.
#
#   PYTHON=python3.12     which Python to build on (default: the first that works)
#   ENGINE=paddleformers  with `demo`: train with the second engine
#   STEERSMAN_HOME=DIR    where engines, models and runs are kept (default: the platform's data folder)
#   UPGRADE=1             with `lock`: take the newest versions
#   PROCESSES=N           with `test`: test files that run at once (default: 3; many wait rather than work)
#   PARTS='paint keys' with `bench-app`: only these; also turns (longest hold of the event loop), memory, imports
#   AGAIN='a.xml b.xml' with `capabilities`: reports of tests that ran again
#   MODEL=DIR             with `parity`: the merged model (default: the newest run's, or the demo's base model)

SHELL := /bin/sh
.DEFAULT_GOAL := help
PROCESSES ?= 3
# Bytecode is kept, whatever the shell says: hundreds of processes start, without it in twice the time.
unexport PYTHONDONTWRITEBYTECODE
STEERSMAN := .venv/bin/steersman
PY := .venv/bin/python

# A command on PATH may exist and fail (version managers put such ones there), so each candidate is run.
FITS := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))
NAMES := python3 python3.12 python3.11 python3.10 python3.13 python
PYTHON ?= $(shell for name in $(NAMES) $(HOME)/.pyenv/versions/3.1[0123].*/bin/python3; do \
	"$$name" -c '$(FITS)' >/dev/null 2>&1 && { echo "$$name"; break; }; done)

.PHONY: help env engine demo test test-slow test-fast check parity bench bench-app bench-planner screenshots capabilities messages lock clean distclean

help: ## List the targets
	@echo 'make env      the app in .venv'
	@echo 'make engine   and the engine that trains, installed and proved'
	@echo 'make demo     plan and run a real fine-tune on this machine, about ten minutes'
	@echo 'make test     the tests, with real Paddle on tiny models'
	@echo 'make test-slow  the long ones: SmolLM2, the whole demo, many random plans'
	@echo 'make check    formatting, lint, types and the fast tests'
	@echo 'make parity   compare a merged model with transformers (installs torch in a scratch folder)'
	@echo 'make bench    measure; every figure in the docs comes from here'
	@echo 'make bench-planner  compare the planner with published measurements and configs'
	@echo 'make bench-app  first paint beside two other apps, keys under a flood of log lines, longest turns, memory, imports'
	@echo 'make screenshots  pictures of every screen, in docs/screens'
	@echo 'make capabilities  write what the two left behind into docs/methods.md: everything it can do, and the proof'
	@echo 'make messages collect the sentences to translate in recipes/locale'
	@echo 'make lock     resolve the pinned dependencies again'
	@echo 'make clean    remove caches and the demo; make distclean removes .venv too'

env:
	@if $(PY) -m runtime.app_environment --ready 2>/dev/null; then exit 0; fi; \
	test -n '$(PYTHON)' || { echo 'steersman: no Python 3.10 to 3.13 was found. Install one (Debian, Ubuntu: sudo apt install python3 python3-venv), or say: make PYTHON=/path/to/python3' >&2; exit 2; }; \
	'$(PYTHON)' -m runtime.app_environment

engine: env
	@$(STEERSMAN) engines install paddlenlp --build cpu

demo: env
	@$(STEERSMAN) demo $(if $(ENGINE),--engine $(ENGINE))

test: engine
	@$(STEERSMAN) engines install paddleformers --build cpu
	@$(PY) -m pytest -m 'not slow and not gpu' -n $(PROCESSES) --dist loadfile --no-loadscope-reorder --junitxml=reports/test.xml

test-slow: engine
	@$(STEERSMAN) engines install paddleformers --build cpu
	@$(PY) -m pytest -m slow --timeout=3600 --junitxml=reports/test-slow.xml

test-fast: env
	@$(PY) -m pytest -m 'not engine and not model and not slow and not gpu'

check: env
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@$(PY) -m pytest -q -m 'not engine and not model and not slow and not gpu'

parity: engine
	@$(PY) -m tests.parity.conversions
	@$(STEERSMAN) engines install paddleformers --build cpu
	@$(PY) -m tests.parity.ernie
	@$(PY) -m tests.parity.transformers_parity $(MODEL)

bench: engine
	@$(PY) -m bench

# Each prints what it can where the measurements (../shared) are missing; one that fails stops no other.
bench-planner: env
	@failed=0; for part in memory speed audit experts search; do $(PY) -m bench.planner_$$part || failed=1; done; exit $$failed

bench-app: env
	@$(PY) -m bench.app $(PARTS)

screenshots: env
	@$(PY) -m tests.tui.app.screenshots

capabilities: env
	@$(PY) -m bench.capabilities --reports reports/test.xml reports/test-slow.xml $(AGAIN)

messages: env
	@$(PY) -m tests.messages

lock: env
	@$(PY) -m runtime.engines.locks $(if $(UPGRADE),--upgrade)

clean:
	@rm -rf demo demo-paddleformers build dist reports .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

distclean: clean
	@rm -rf .venv
