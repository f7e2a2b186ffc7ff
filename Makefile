# Everything goes through .venv, and `make install` alone makes it.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help install run test check proof
help:
	@echo "make run      install, then train a tiny policy by self-play on this machine's CPU"
	@echo "make test     install, then run all tests"
	@echo "make check    install, then ruff and mypy"
	@echo "make proof    three arms (majority, verified, random) over 8 seeds, two at a time"

install: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	touch $@

run: install
	$(BIN)/serl run configs/quickstart.yaml

test: install
	$(BIN)/python -m pytest

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

proof: install
	$(BIN)/python -m flows.proof configs/quickstart.yaml --seeds 8 --workers 2
