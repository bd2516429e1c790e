# `make` alone says what there is.
SHELL := /bin/sh
PYTHON ?= python3
PORT ?= 9092
ARGS ?=
PY := .venv/bin/python

# LightGBM and numpy would otherwise start a thread per core for predictions that take microseconds.
export OMP_NUM_THREADS := 1
export OMP_WAIT_POLICY := PASSIVE

.DEFAULT_GOAL := help
.PHONY: help venv demo test evaluate bench chaos mutants soak check format kafka clean

help: ## this list
	@echo "Leadkeeper notices in time that a lead is about to go quiet, and does the right thing about it."
	@echo
	@echo "New here? Run 'make demo', then read README.md. All it needs is Python 3.11 or later."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: .venv/.runtime ## set up .venv (PYTHON=python3.12 picks the interpreter)

demo: .venv/.runtime ## see it work: a real broker, a real Redis, leads going quiet
	@.venv/bin/leadkeeper demo $(ARGS)

test: .venv/.dev ## run the tests (ARGS="-k name"; LEADKEEPER_TEST_BROKER=embedded|jars|docker|env)
	@$(PY) -m pytest -q $(ARGS)

evaluate: .venv/.dev ## what the model is worth on public sets, beside baselines (ARGS="--data DIR --only cdnow")
	@$(PY) -m tests.evaluate $(ARGS)

bench: .venv/.dev .venv-bench/.done ## measure it beside its peers (ARGS="count --repeat 3 --events 3000000 --broker jars|embedded")
	@$(PY) -m tests.bench $(ARGS)

chaos: .venv/.dev ## every fault there is, on Apache Kafka, over an hour (ARGS="--scale 0.1 --only pauses"); needs Java and Maven
	@$(PY) -m tests.chaos.storm $(ARGS)

mutants: .venv/.dev ## take out one safeguard after another and see which fault catches it (ARGS="--only lease-off")
	@$(PY) -m pytest -q -m long
	@$(PY) -m tests.chaos.hunt $(ARGS)

soak: .venv/.dev ## steady load for 30 minutes: flat memory, flat latency (ARGS="--minutes 5")
	@$(PY) -m tests.chaos.soak $(ARGS)

check: .venv/.dev ## format, lint, types, and that the generated schemas match the code
	@$(PY) -m ruff format --check --quiet || { echo "Not formatted: run 'make format'."; exit 1; }
	@$(PY) -m ruff check --quiet
	@$(PY) -m mypy --no-error-summary
	@$(PY) -m agents docs --check

format: .venv/.dev ## format the code and mend what ruff can mend
	@$(PY) -m ruff check --fix --quiet || true
	@$(PY) -m ruff format --quiet

kafka: .venv/.runtime ## Apache Kafka in the foreground, no Docker (PORT=9092, ARGS="--data DIR"); needs Java and Maven
	@$(PY) -m deploy.kafka.run --port $(PORT) $(ARGS)

clean: ## remove .venv and all caches in this folder
	@rm -rf .venv .venv-bench .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.runtime: deploy/venv.sh deploy/constraints.txt deploy/requirements.txt deploy/requirements-tryout.txt
	@PYTHON='$(PYTHON)' deploy/venv.sh runtime

.venv/.dev: .venv/.runtime deploy/requirements-dev.txt
	@PYTHON='$(PYTHON)' deploy/venv.sh dev

.venv-bench/.done: tests/bench/requirements.txt tests/bench/constraints.txt
	@PYTHON='$(PYTHON)' deploy/venv.sh bench
