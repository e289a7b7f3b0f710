# `make demo` and `make test` set everything up on a fresh machine; `make quick` is for each change.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
INSTALL := $(BIN)/pip install --quiet --no-compile --constraint constraints.txt --editable

# Tests start many processes; each would compile what it imports again.
unexport PYTHONDONTWRITEBYTECODE

TESTS := vpack_pipeline_tests
# Tests that generate or build whole sites; every other file tests units.
SITES := $(addprefix $(TESTS)/, acceptance browser demo pipeline wheel)
# Statistics, contracts, architecture and documents; what is named after rules, headers and words.
QUICK := $(TESTS)/stats $(wildcard $(TESTS)/test_*.py $(TESTS)/*/test_*_rules.py $(TESTS)/*/test_*_header.py $(TESTS)/*/test_*_words.py)
PYTEST := $(BIN)/python -m pytest
PARALLEL := --numprocesses 2 --dist worksteal
JUDGED := $(addprefix --cov vpack_pipeline., core stats contracts)

.PHONY: install demo docs quick test lint prose tools clean-demo nightly $(addprefix nightly-, properties coverage large ray simulations)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) '.[pipeline,dev]'
	$(BIN)/python -m compileall -qq -j 2 $(VENV)/lib # pip compiles on one core
	touch $(STAMP)

# All that `make test` needs; it does this itself, where nobody asks how long it takes.
install: $(STAMP) tools

# Make both demo sites, build and verify their packs, and say where the reports are.
demo: $(STAMP)
	$(BIN)/python -m examples.demo_sites
	$(BIN)/vpack build lidc
	$(BIN)/vpack build lakeside
	$(BIN)/vpack verify data/packs/lidc/latest
	$(BIN)/vpack verify data/packs/lakeside/latest
	@echo
	@echo "lidc      data/packs/lidc/latest/data/report.html"
	@echo "lakeside  data/packs/lakeside/latest/data/report.html"

# The pages of docs that are made from what the package declares; some of them are not in the repository.
docs: $(STAMP)
	$(BIN)/python -m vpack_pipeline.cli.pages

# Before each change is committed: formatting, lint, layers, types, and the tests that say most a second.
# On one core; their frames are so small that a second thread costs more than it helps.
quick: export POLARS_MAX_THREADS := 1
quick: $(STAMP) lint
	$(PYTEST) --quiet -m 'not hypothesis' $(QUICK)

# The bar. Units with their lines counted: of what judges and computes, every one. Then whole sites.
test: $(STAMP) tools lint
	$(PYTEST) $(PARALLEL) -m 'not nightly' $(addprefix --ignore , $(SITES)) --junitxml .pytest_cache/units.xml $(JUDGED) --cov-report term-missing:skip-covered --cov-fail-under 100
	$(PYTEST) $(PARALLEL) -m 'not nightly' $(SITES) --junitxml .pytest_cache/sites.xml

# What takes too long for that, in parts that each run alone.
nightly: nightly-properties nightly-coverage nightly-large nightly-ray nightly-simulations

# Every property with fresh seeds and at least twenty times the examples.
nightly-properties: $(STAMP)
	VPACK_HYPOTHESIS=nightly $(PYTEST) $(PARALLEL) -m 'hypothesis and not nightly'

# All tests of `make test` with all lines counted: 90% of them.
nightly-coverage: $(STAMP) tools
	$(PYTEST) $(PARALLEL) -m 'not nightly' --cov --cov-report term:skip-covered --cov-fail-under 90

# The large sisters of tests that `make test` runs small.
nightly-large: $(STAMP)
	$(PYTEST) $(PARALLEL) -m 'nightly and not ray'

# A scan on Ray, which nothing else installs.
nightly-ray: $(STAMP)
	$(INSTALL) '.[pipeline,dev,ray]'
	$(BIN)/python -c 'import ray'
	$(PYTEST) -m ray

# Coverage of intervals and other simulated figures against their targets.
nightly-simulations: $(STAMP)
	$(BIN)/python benchmarks/simulations.py
	$(BIN)/python -m benchmarks.coverage_table

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

# Sentences of more than 25 words, to be shortened where one can be; those of the report are a test.
prose: $(STAMP)
	$(BIN)/python -m vpack_pipeline_tests.long_sentences

# Some tests need a Chromium, some an Orthanc (a PACS); install Debian's where we may, say so where we may not.
tools:
	@missing=; \
	command -v chromium >/dev/null 2>&1 || missing="$$missing chromium"; \
	command -v Orthanc >/dev/null 2>&1 || missing="$$missing orthanc"; \
	test -e /usr/share/orthanc/plugins/libOrthancDicomWeb.so || missing="$$missing orthanc-dicomweb"; \
	if [ -z "$$missing" ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	  apt-get update -qq && apt-get install -y -qq $$missing >/dev/null; \
	else echo "Not found:$$missing. Their tests will be skipped. Install them with: sudo apt-get install$$missing"; fi

clean-demo:
	chmod -R u+w data/warehouse data/packs data/releases 2>/dev/null || true
	rm -rf data/demo data/warehouse data/state data/packs data/releases data/dagster
