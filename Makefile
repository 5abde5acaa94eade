# Every target sets itself up: a virtual environment from hash-locked requirements, made anew when they change.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
EVENTS ?= $(if $(INPUT),,20000)
RATE ?= 1000
SEED ?= 42
COMPILE := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate

.PHONY: help setup demo test faults faults-long deploy-check docker-check audit check bench bench-quick train kafka lock clean

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $(PYTHON) is older than 3.11: name a newer one, make PYTHON=python3.12" >&2; exit 1; }
	@echo "setting up $(VENV) (once, about a minute)"
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

setup: $(READY) ## the virtual environment, nothing else

demo: $(READY) ## the main job on the embedded broker: EVENTS= RATE= INPUT=file.jsonl BOOTSTRAP=host:port
	$(BIN)/session-scorer demo --rate $(RATE) $(if $(EVENTS),--events $(EVENTS)) $(if $(INPUT),--input "$(INPUT)") $(if $(BOOTSTRAP),--bootstrap-servers "$(BOOTSTRAP)")

test: $(READY) ## all tests (PYTEST= for more options)
	$(BIN)/python -m pytest $(PYTEST)

faults: $(READY) ## the fault suite on real brokers, small counts (about 20 minutes)
	$(BIN)/python -m pytest -m faults tests/faults $(PYTEST)

faults-long: $(READY) ## the fault suite with its full counts (an hour and a half)
	$(BIN)/python -m pytest -m faults tests/faults --long $(PYTEST)

deploy-check: $(READY) ## what is deployed: schemas, alerts, Prometheus itself (Debian: prometheus golang-go npm maven default-jdk-headless)
	$(BIN)/python -m pytest -m 'not faults' tests/deploy $(PYTEST)

docker-check: $(READY) ## the image and docker compose on a Docker engine, by hand: docs/deployment.md
	$(BIN)/python -m tests.deploy.docker_check

check: $(READY) ## ruff, mypy --strict, import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: $(READY) ## known holes in requirements/base.txt (asks PyPI; behind a mirror it fails, rather than pass in silence)
	$(BIN)/uv tool run pip-audit@2.10.1 --strict --require-hashes --disable-pip -r requirements/base.txt

bench: $(READY) ## everything measured, into docs/performance.md: about half an hour (BENCH="--only forest" for less)
	$(BIN)/python -m benchmarks $(BENCH)

bench-quick: $(READY) ## whether the benchmarks work: tiny counts, nothing written
	$(BIN)/python -m benchmarks --quick

train: $(READY) ## the shipped artifacts anew, their data, and how good they are: SEED=
	rm -f artifacts/*.pkl artifacts/manifest.json
	$(BIN)/python -m training.dataset artifacts/datasets --seed $(SEED)
	$(BIN)/session-scorer train --seed $(SEED) --out artifacts
	$(BIN)/session-scorer evaluate artifacts/datasets/test.csv.gz --training-data artifacts/datasets/train.csv.gz \
		--artifacts artifacts --out artifacts/results

kafka: $(READY) ## Apache Kafka from Maven Central until Ctrl-C (needs Java 17 and Maven)
	$(BIN)/python -m tests.brokers

lock: $(READY) ## the requirements files anew, from pyproject.toml
	$(COMPILE) pyproject.toml -o requirements/base.txt
	$(COMPILE) pyproject.toml --all-extras --group dev -c requirements/base.txt -o requirements/dev.txt
	$(COMPILE) --group build -c requirements/dev.txt -o requirements/build.txt

clean: ## what was made here
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .kafka
