"""A GPU that fails in the middle of a run: one clear error, and the next start goes on from what is there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.config.run import RunConfig
from stages.engines import transformers as engine_module
from storage.errors import StageFailed
from tests.helpers import fake_config, keys_of, run_here, tree
from tests.tiny_models import make_tiny_policy


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: device-side assert triggered"),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB. Process 4711 has 138.00 GiB memory in use."),
    ],
    ids=["driver", "memory"],
)
def test_a_run_goes_on_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    model = str(make_tiny_policy(tmp_path / "model"))

    def config(name: str) -> RunConfig:
        return fake_config(
            tmp_path,
            name=name,
            engine="transformers",
            policy={"model": model},
            iterations=0,
            evaluate={
                "benchmarks": [{"name": "sums", "path": str(tmp_path / "sums.jsonl")}],
                "protocol": {"samples": 1, "max_tokens": 4, "prompt": "plain"},
            },
        )

    undisturbed = run_here(config("undisturbed"))
    sample: Callable[..., Any] = engine_module.sample_batch
    calls = 0

    def fail_at_the_third(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise error
        return sample(*arguments)

    with monkeypatch.context() as patch, pytest.raises(StageFailed, match="run the same command again") as failure:
        patch.setattr(engine_module, "sample_batch", fail_at_the_third)
        run_here(config("disturbed"))
    assert "\n" not in str(failure.value)
    written = tree(tmp_path / "runs" / "disturbed")
    assert not [name for name in written if name.startswith("manifests/evaluate")]
    assert run_here(config("disturbed")).finished == undisturbed.finished
    assert written.items() <= {**tree(tmp_path / "runs" / "disturbed")}.items()
    assert keys_of(config("disturbed")) == keys_of(config("undisturbed"))
