"""A run on a machine with a GPU asks CUDA nothing in its process, from the check of its config to vLLM's start."""

import os
import sys
import types
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from flows.config.load import load_config
from flows.preflight.description import describe_and_judge
from flows.run_loop import run_locally
from stages.trainer.launcher import TrainerProcess
from storage.errors import InputError
from tests.cuda import Driver, machine_with
from tests.tiny_models import make_tiny_policy

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_nothing_asks_cuda_before_vllm_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models: list[str] = []

    class StubLLM:
        def __init__(self, model: str, **arguments: Any) -> None:
            models.append(model)
            raise RuntimeError("vLLM starts here")

    vllm, platforms = types.ModuleType("vllm"), types.ModuleType("vllm.platforms")
    vllm.__spec__ = ModuleSpec("vllm", None)
    vllm.LLM = StubLLM  # type: ignore[attr-defined]
    platforms.current_platform = types.SimpleNamespace(is_sleep_mode_available=lambda: True)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", vllm)
    monkeypatch.setitem(sys.modules, "vllm.platforms", platforms)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    trainers: list[bool] = []
    monkeypatch.setattr(TrainerProcess, "start", lambda *_: trainers.append(True))
    policy = make_tiny_policy(tmp_path / "policy")
    changes = ["engine=vllm", f"policy={{model: {policy}}}", f"root={tmp_path / 'runs'}", f"compute.scratch={tmp_path}"]
    with machine_with(Driver(1)):
        config = load_config(ROOT / "configs/quickstart.yaml", changes)
        text, _ = describe_and_judge(config)
        assert "H200" in text
        with pytest.raises(InputError, match="vLLM starts here"):
            run_locally(config)
    assert models and trainers
