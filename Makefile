# One command each, the same here and in CI. `make demo` and `make test` work from nothing but Python 3.11 and make.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo picture test check bench proof lock clean

# A provider's bad day in some seconds, then the main job on the shipped example data; all of it with the embedded
# provider: no key, no network, no cost. On a terminal, `packmule demo` takes its time and shows the picture.
demo: .venv/.runtime
	$(BIN)/packmule demo --pace 0.05 --progress none
	$(BIN)/packmule run examples/reviews.csv --prompt "Summarise in one line: {text}" --model sim/small --fresh -o demo-out
	@echo "The answers lie in demo-out/results.jsonl and demo-out/results.csv:"
	@head -n 3 demo-out/results.csv

test: check
	$(BIN)/pytest -n 3 --dist loadfile --cov=packmule --cov-report=term

check: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Figures, not tests: ratios and counts, printed as tables.
bench: .venv/.dev
	$(BIN)/python bench/throughput.py
	$(BIN)/python bench/scale.py
	$(BIN)/python bench/eta.py
	$(BIN)/python bench/extract.py
	$(BIN)/python bench/startup.py
	$(BIN)/python bench/state_file.py

# The picture in the documentation, drawn from a real run.
picture: .venv/.dev
	$(BIN)/python bench/picture.py

# The long forms of what the tests show in short.
proof: .venv/.dev
	$(BIN)/python bench/crash.py --kills 200
	command -v strace >/dev/null || apt-get install -y -qq strace
	$(BIN)/python bench/power.py
	PACKMULE_PROOF=1 $(BIN)/pytest tests/engine tests/store tests/core --timeout 3600

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "packmule needs Python 3.11 or newer; name one with: make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "This Python cannot make a virtual environment: apt-get install python3-venv, then type make again."; rm -rf .venv; exit 1; }

.venv/.runtime: requirements.lock pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: requirements-dev.lock pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ .venv/.runtime

# Names, versions and hashes only: no index is named.
COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header --no-annotate \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --build-deps-for editable
lock: .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check pip-tools
	$(COMPILE) pyproject.toml --output-file requirements.lock
	$(COMPILE) --extra dev pyproject.toml --output-file requirements-dev.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis demo-out build dist
