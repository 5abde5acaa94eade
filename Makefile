# Every target sets itself up: a virtual environment from hash-locked requirements, brought up to date when they change.
# base-environment holds what the program itself needs; environment adds what tests and checks need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := environment
SET_UP := @VENV="$(VENV)" PYTHON="$(PYTHON)" sh tools/environment.sh
EVENTS ?= $(if $(INPUT),,20000)
RATE ?= 1000
SEED ?= 42
SEEDS ?= 0-2000
WORKERS ?= 2
DIST ?= dist
PYTHONS ?= 3.11 3.12 3.13 3.14
COMPILE := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate

# all but spark and ray: they take 1 GB, and have an environment of their own
EXTRAS := --extra aws --extra files --extra frames --extra gcp --extra schema-registry --extra tracing --extra train

# A Python that starts prints a traceback on Ctrl-C; blocked, Ctrl-C waits until the program handles it. GNU's env can.
QUIETLY = $(shell env --block-signal=INT true 2>/dev/null && echo env --block-signal=INT)

.PHONY: help environment base-environment dist setup demo test faults faults-long engines-check simulate simulate-coverage planted reference deploy-check docker-check audit check bench bench-quick train kafka lowest runbook lock clean

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

environment:
	$(SET_UP) dev

base-environment:
	$(SET_UP) base

setup: $(READY) ## the virtual environment for tests and checks, nothing else

demo: base-environment ## the main job on the embedded broker: EVENTS= RATE= INPUT=file.jsonl BOOTSTRAP=host:port
	@$(QUIETLY) $(BIN)/python -m consumer demo --rate $(RATE) $(if $(EVENTS),--events $(EVENTS)) $(if $(INPUT),--input "$(INPUT)") $(if $(BOOTSTRAP),--bootstrap-servers "$(BOOTSTRAP)")

test: $(READY) ## all tests (PYTEST= for more options)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(PYTEST)

faults: $(READY) ## the fault suite on real brokers, small counts (about 20 minutes)
	$(BIN)/python -m pytest -m faults tests/faults -n $(WORKERS) --dist loadfile $(PYTEST)

faults-long: $(READY) ## the fault suite with its full counts (an hour and a half)
	$(BIN)/python -m pytest -m faults tests/faults --long $(PYTEST)

# conftest.py of the other tests needs what they need: --confcutdir leaves it out
engines-check: ## Spark and Ray beside score_many, and their benchmark, in an environment of their own: build/engines (Java 17 or newer)
	@VENV=build/engines PYTHON="$(PYTHON)" sh tools/environment.sh engines
	build/engines/bin/python -m pytest --confcutdir=tests/engines tests/engines $(PYTEST)
	build/engines/bin/python -m benchmarks.engines --rows 8000 --rounds 1

simulate: $(READY) ## the worker in a simulated world, from many seeds: SEEDS=0-2000; SEED=n tells the story of one
	$(BIN)/python -m tests.simulation $(if $(filter command,$(firstword $(origin SEED))),--seed $(SEED),--seeds $(SEEDS))

planted: $(READY) ## faults planted in the product, each of which the simulation must catch: PLANTED="--seeds 2000 NAME" (hours)
	$(BIN)/python -m tests.simulation.planted $(PLANTED)

# coverage stays out of the environment: numba imports it wherever it is installed, and then needs a working directory
simulate-coverage: $(READY) ## what of a worker's way the simulation takes: lines and branches
	@$(BIN)/uv pip install --quiet --target build/coverage coverage==7.17.5
	@PYTHONPATH=build/coverage COVERAGE_FILE=build/coverage/data $(BIN)/python -m coverage run -m tests.simulation --seeds 0-600 --jobs 1
	@PYTHONPATH=build/coverage COVERAGE_FILE=build/coverage/data $(BIN)/python -m coverage report

reference: $(READY) ## the reference of the Python API, from its docstrings: build/reference/scoring.html
	$(BIN)/python -m tools.reference build/reference

deploy-check: $(READY) ## what is deployed: schemas, alerts, Prometheus itself (Debian: prometheus golang-go npm maven default-jdk-headless jq)
	$(BIN)/python -m pytest -m 'not faults' tests/deploy -n $(WORKERS) --dist loadfile $(PYTEST)

docker-check: $(READY) ## the image and docker compose on a Docker engine, by hand: docs/deployment.md
	$(BIN)/python -m tests.deploy.docker_check

check: $(READY) ## ruff, mypy --strict, import directions, rooms and their sizes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.rooms --check
	$(BIN)/python -m tools.reading

audit: $(READY) ## known holes in requirements/base.txt (asks PyPI; behind a mirror it fails, rather than pass in silence)
	$(BIN)/uv tool run pip-audit@2.10.1 --strict --require-hashes --disable-pip -r requirements/base.txt

bench: $(READY) ## everything measured, into docs/performance.md: about half an hour (BENCH="--only forest" for less)
	$(BIN)/python -m benchmarks $(BENCH)

bench-quick: $(READY) ## whether the benchmarks work: tiny counts, nothing written
	$(BIN)/python -m benchmarks --quick

train: $(READY) ## the shipped artifacts anew, their data, and how good they are: SEED=
	rm -f artifacts/*.pkl artifacts/manifest.json
	$(BIN)/python -m training.synthetic.dataset artifacts/datasets --seed $(SEED)
	$(BIN)/session-scorer train --seed $(SEED) --out artifacts
	$(BIN)/session-scorer evaluate artifacts/datasets/test.csv.gz --training-data artifacts/datasets/train.csv.gz \
		--artifacts artifacts --out artifacts/results

lowest: $(READY) ## every command with the lowest versions that pyproject.toml allows
	sh tools/lowest.sh build/lowest

kafka: base-environment ## Apache Kafka from Maven Central until Ctrl-C (needs Java 17 and Maven)
	@$(QUIETLY) $(BIN)/python -m tests.support.kafka.brokers

dist: ## a wheel and an sdist, checked, and tried with each Python that is here: DIST=directory PYTHONS="3.12 3.13"
	@VENV=build/packaging PYTHON="$(PYTHON)" sh tools/environment.sh dist
	@build/packaging/bin/python -m tools.dist "$(DIST)" $(PYTHONS)

runbook: $(READY) ## the address of the runbook in alerts and dashboard: URL=https://…
	$(BIN)/python -m tools.runbook $(if $(URL),"$(URL)")

lock: $(READY) ## the requirements files anew, from pyproject.toml
	$(COMPILE) pyproject.toml -o requirements/base.txt
	$(COMPILE) pyproject.toml $(EXTRAS) --group dev -c requirements/base.txt -o requirements/dev.txt
	$(COMPILE) --group build -c requirements/dev.txt -o requirements/build.txt
	$(COMPILE) --group dist -c requirements/dev.txt -o requirements/dist.txt
	$(COMPILE) pyproject.toml $(EXTRAS) --resolution lowest-direct -o requirements/lowest.txt
	$(COMPILE) --group setup -c requirements/dev.txt -o requirements/uv.txt
	$(COMPILE) pyproject.toml --extra ray --extra spark --group engines -c requirements/base.txt -c requirements/dev.txt -o requirements/engines.txt

clean: ## what was made here
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .kafka
