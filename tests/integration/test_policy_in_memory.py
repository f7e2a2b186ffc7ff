"""A policy that goes to the engine through main memory, as on a GPU: the same run as through the disk."""

from pathlib import Path
from typing import Any

import pytest

from flows.config.load import parse_config
from flows.config.run import RunConfig
from flows.run_loop import run_locally
from stages import shared_resources
from stages.shared_resources import Resources
from stages.trainer.holding import available_host_memory, has_room_for_files
from tests.helpers import fake_values
from tests.kill.check import differences
from tests.tiny_models import PARITY, make_tiny_policy

MEMORY = shared_resources._MAIN_MEMORY


def run_of(folder: Path) -> RunConfig:
    """Return a small run of a tiny policy in its folder."""
    folder.mkdir()
    kind = folder.parent / "parity.py"
    kind.write_text(PARITY)
    policy = folder.parent / "policy"
    if not policy.exists():
        make_tiny_policy(policy, seed=1, max_position_embeddings=2_048)
    changes: dict[str, Any] = {
        "engine": "transformers",
        "iterations": 1,
        "policy": {"model": str(policy)},
        "answers": {"kind": f"{kind}:PARITY", "count_truncated": True},
        "filter": {"rules": {"use": ["empty", "too_short", "too_long"], "min_words": 1}},
        "sample": {"responses": 4, "temperature": 0.1, "max_tokens": 8},
        "vote": {"min_reward": 0.0, "max_reward": 1.0},
        "update": {"batch_responses": 8, "schedule_steps": 10},
    }
    values = fake_values(folder, **changes)
    values["generate"] |= {"questions_per_prompt": 1, "max_tokens": 32, "over_generation": 8}
    values["evaluate"]["protocol"] = {"samples": 1, "max_tokens": 8}
    values["compute"] = {}
    return parse_config(values, "test")


@pytest.mark.slow
def test_a_run_is_the_same_whether_its_policy_goes_through_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not MEMORY.exists() or not has_room_for_files(MEMORY, 10**8, available=available_host_memory()):
        pytest.skip("the policy has no room in main memory here")
    read: list[Path] = []
    uncommitted_folder = Resources.uncommitted_folder

    def noticed(resources: Resources, key: str, kind: str) -> Path | None:
        folder = uncommitted_folder(resources, key, kind)
        if folder is not None:
            read.append(folder.resolve())
        return folder

    monkeypatch.setattr(Resources, "uncommitted_folder", noticed)
    disk, memory = run_of(tmp_path / "disk"), run_of(tmp_path / "memory")
    run_locally(disk)
    assert not any(folder.is_relative_to(MEMORY) for folder in read)
    before = set(MEMORY.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(Resources, "on_gpu", True)
        run_locally(memory)
    assert read and read[-1].is_relative_to(MEMORY), "the policy was not in main memory"
    assert {path for path in set(MEMORY.iterdir()) - before if path.name.startswith("serl-")} == set()
    assert not read[-1].exists()
    assert differences(Path(disk.uri), Path(memory.uri)) == []
