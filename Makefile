# Two commands set everything up: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint nightly tools clean-demo

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[pipeline,dev,ray]'
	touch $(STAMP)

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

# Formatting, linting, layers and types, then every test with its coverage: 90% of all lines, and every
# line of what judges and computes.
test: $(STAMP) tools lint
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --cov --cov-report term:skip-covered --cov-fail-under 90
	$(BIN)/coverage report --include 'vpack_pipeline/core/*,vpack_pipeline/stats/*' --skip-covered --show-missing --fail-under 100

# Coverage of intervals and other simulated figures against their targets; a quarter of an hour.
nightly: $(STAMP)
	$(BIN)/python benchmarks/simulations.py

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

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
	chmod -R u+w data/warehouse data/packs 2>/dev/null || true
	rm -rf data/demo data/warehouse data/state data/packs data/dagster
