# Everything goes through .venv, and `make install` alone makes it.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install run test check
install: .venv/.installed

.venv/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@

run: install
	$(BIN)/serl run configs/quickstart.yaml

test: install
	$(BIN)/python -m pytest

check: install
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
