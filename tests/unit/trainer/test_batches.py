"""Reading a rollout and cutting it."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from stages.trainer.batches import micro_batches, minibatches, model_input, read_rollout
from storage.errors import InputError
from tests.unit.trainer.rollouts import write_rollout

ROWS: list[dict[str, Any]] = [
    {"question_id": "b", "sample_index": 0, "prompt_ids": [1, 2], "response_ids": [3, 4, 5], "reward": 1.0},
    {"question_id": "a", "sample_index": 0, "prompt_ids": [6], "response_ids": [7], "reward": 0.0},
    {"question_id": "b", "sample_index": 1, "prompt_ids": [1, 2], "response_ids": [8, 9], "reward": 0.5},
]
for _row in ROWS:
    _row["behaviour_logprobs"] = [-float(token) for token in _row["response_ids"]]


def test_rollout_by_hand(tmp_path: Path) -> None:
    rollout = read_rollout(write_rollout(tmp_path / "r.parquet", ROWS))
    assert rollout.group_B.tolist() == [0, 1, 0]
    assert rollout.rewards_B.tolist() == [1.0, 0.0, 0.5]
    assert rollout.response_mask_BT.tolist() == [[True] * 3, [True, False, False], [True, True, False]]
    assert rollout.behaviour_logprobs_BT.tolist() == [[-3.0, -4.0, -5.0], [-7.0, 0.0, 0.0], [-8.0, -9.0, 0.0]]
    assert rollout.lengths() == [5, 2, 4]


def test_model_input_by_hand(tmp_path: Path) -> None:
    batch = model_input(read_rollout(write_rollout(tmp_path / "r.parquet", ROWS)), [1, 2])
    assert batch.input_ids.tolist() == [[6, 7, 0, 0], [1, 2, 8, 9]]
    # 7 is predicted after 6 (place 0); 8 after 2 (row 1, column 1: place 5) and 9 after 8 (place 6).
    assert batch.position_N.tolist() == [0, 5, 6]
    assert batch.target_N.tolist() == [7, 8, 9]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"response_ids": [], "behaviour_logprobs": []}, "row 1 has 1 prompt tokens, 0 response tokens"),
        ({"prompt_ids": []}, "row 1 has 0 prompt tokens"),
        ({"behaviour_logprobs": [-1.0, -1.0]}, "2 behaviour log-probabilities"),
        ({"behaviour_logprobs": [float("-inf")]}, "not a finite number"),
        ({"reward": float("nan")}, "not a finite number"),
    ],
)
def test_unusable_rows_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = write_rollout(tmp_path / "r.parquet", [ROWS[0], ROWS[1] | change, ROWS[2]])
    with pytest.raises(InputError, match=message):
        read_rollout(path)


def test_empty_and_incomplete_rollouts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no rows"):
        read_rollout(write_rollout(tmp_path / "r.parquet", []))
    table = pq.read_table(write_rollout(tmp_path / "r.parquet", ROWS)).drop_columns(["reward"])
    pq.write_table(table, tmp_path / "r.parquet")
    with pytest.raises(InputError, match="no column 'reward'"):
        read_rollout(tmp_path / "r.parquet")


def test_every_row_once_an_epoch_in_equal_steps() -> None:
    """The remainder used to be thrown away in the authors' release."""
    batches = minibatches(35, 16, 2, seed=1)
    assert [len(batch) for batch in batches] == [12, 12, 11] * 2
    epochs = [[row for batch in half for row in batch] for half in (batches[:3], batches[3:])]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(35))
    assert epochs[0] != epochs[1]


def test_order_follows_from_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = minibatches(20, 8, 1, seed=7)
    torch.manual_seed(2)
    assert minibatches(20, 8, 1, seed=7) == first
    assert minibatches(20, 8, 1, seed=8) != first


def test_micro_batches_hold_the_budget_with_padding() -> None:
    # Falling lengths 9 | 5 5 | 3 2 1: 9 alone; 2 x 5 = 10; 3 x 3 = 9 within 10.
    assert micro_batches([0, 1, 2, 3, 4, 5], [5, 9, 1, 3, 5, 2], 10) == [[1], [0, 4], [3, 5, 2]]


def test_one_long_row_may_exceed_the_budget() -> None:
    assert micro_batches([0, 1], [50, 3], 10) == [[0], [1]]
