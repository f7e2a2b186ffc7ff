"""Reading a rollout and cutting it."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from stages.trainer.batches import check_groups, micro_batches, minibatches, pack, read_rollout
from storage.errors import InputError
from tests.unit.trainer.rollouts import write_rollout

ROWS: list[dict[str, Any]] = [
    {"question_id": "b", "sample_index": 0, "prompt_ids": [1, 2], "response_ids": [3, 4, 5], "reward": 1.0},
    {"question_id": "a", "sample_index": 0, "prompt_ids": [6], "response_ids": [7], "reward": 0.0},
    {"question_id": "b", "sample_index": 1, "prompt_ids": [1, 2], "response_ids": [8, 9], "reward": 0.5},
]
for _row in ROWS:
    _row["behaviour_logprobs"] = [-float(token) for token in _row["response_ids"]]
    _row["finish_reason"] = "length" if _row["question_id"] == "a" else "stop"


def test_rollout_by_hand(tmp_path: Path) -> None:
    rollout = read_rollout(write_rollout(tmp_path / "r.parquet", ROWS))
    assert rollout.group_B.tolist() == [0, 1, 0]
    assert rollout.rewards_B.tolist() == [1.0, 0.0, 0.5]
    assert rollout.response_mask_BT.tolist() == [[True] * 3, [True, False, False], [True, True, False]]
    assert rollout.behaviour_logprobs_BT.tolist() == [[-3.0, -4.0, -5.0], [-7.0, 0.0, 0.0], [-8.0, -9.0, 0.0]]
    assert rollout.truncated_B.tolist() == [False, True, False]


def test_packing_by_hand(tmp_path: Path) -> None:
    """The prompt 1 2 of rows 0 and 2 is there once."""
    packing = pack(read_rollout(write_rollout(tmp_path / "r.parquet", ROWS)), [1, 0, 2])
    assert packing.tokens == [6, 7, 1, 2, 3, 4, 5, 8, 9]
    assert packing.positions == [0, 1, 0, 1, 2, 3, 4, 2, 3]
    assert packing.rows == [[0, 1], [2, 3, 4, 5, 6], [2, 3, 7, 8]]
    # 7 is predicted after 6 (index 0); 3 and 8 both after 2 (index 3), which ends their prompt.
    assert packing.predictors == [0, 3, 4, 5, 3, 7]
    assert packing.targets == [7, 3, 4, 5, 8, 9]


def test_rows_end_to_end_by_hand(tmp_path: Path) -> None:
    """Each row has its own copy of its prompt."""
    packing = pack(read_rollout(write_rollout(tmp_path / "r.parquet", ROWS)), [1, 0, 2], end_to_end=True)
    assert packing.tokens == [6, 7, 1, 2, 3, 4, 5, 1, 2, 8, 9] and packing.end_to_end
    assert packing.positions == [0, 1, 0, 1, 2, 3, 4, 0, 1, 2, 3]
    assert packing.rows == [[0, 1], [2, 3, 4, 5, 6], [7, 8, 9, 10]]
    assert packing.predictors == [0, 3, 4, 5, 8, 9]
    assert packing.targets == [7, 3, 4, 5, 8, 9]


def test_only_some_rows(tmp_path: Path) -> None:
    rollout = read_rollout(write_rollout(tmp_path / "r.parquet", ROWS)).only([1, 2])
    assert (rollout.prompts, rollout.responses) == ([[6], [1, 2]], [[7], [8, 9]])
    assert rollout.group_B.tolist() == [1, 0] and rollout.rewards_B.tolist() == [0.0, 0.5]


def test_a_question_with_one_response_is_refused(tmp_path: Path) -> None:
    path = write_rollout(tmp_path / "r.parquet", ROWS)
    with pytest.raises(InputError, match=r"1 of 2 questions have one response; rloo compares.*reinforce_pp"):
        check_groups(read_rollout(path), path, "rloo")
    check_groups(read_rollout(write_rollout(path, [ROWS[0], ROWS[2]])), path, "rloo")


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
    """The authors' release drops the remainder."""
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


def _rollout(folder: Path, groups: dict[str, tuple[int, list[int]]]) -> Any:
    """Return a rollout of questions, given as name -> (tokens of the prompt, tokens of each response)."""
    rows = [
        {
            "question_id": name,
            "sample_index": index,
            "prompt_ids": [1] * prompt,
            "response_ids": [2] * length,
            "behaviour_logprobs": [0.0] * length,
            "finish_reason": "stop",
            "reward": 0.0,
        }
        for name, (prompt, lengths) in groups.items()
        for index, length in enumerate(lengths)
    ]
    return read_rollout(write_rollout(folder / "r.parquet", rows))


def test_micro_batches_keep_to_the_limit_and_share_prompts(tmp_path: Path) -> None:
    # Packed tokens: 3 + 5 + 4 = 12 for a, 2 + 1 + 1 = 4 for b, 2 + 6 = 8 for c. Long rows come first; two halves of 12.
    rollout = _rollout(tmp_path, {"a": (3, [4, 5]), "b": (2, [1, 1]), "c": (2, [6])})
    assert micro_batches(rollout, range(5), tokens=12, world_size=1) == [[1, 0], [4, 2, 3]]
    # 8 tokens hold 3 + 5, then 3 + 4 of a.
    assert micro_batches(rollout, range(5), tokens=8, world_size=1) == [[1], [4], [0], [2, 3]]


def test_one_long_row_may_exceed_the_limit(tmp_path: Path) -> None:
    rollout = _rollout(tmp_path, {"a": (1, [49]), "b": (1, [2])})
    assert micro_batches(rollout, [0, 1], tokens=10, world_size=1) == [[0], [1]]


@pytest.mark.parametrize("world_size", [1, 2, 3, 8])
@pytest.mark.parametrize("tokens", [1, 70, 400, 10_000])
def test_every_row_is_in_one_micro_batch_and_the_load_is_even(tmp_path: Path, world_size: int, tokens: int) -> None:
    generator = torch.Generator().manual_seed(1)
    lengths = torch.randint(1, 60, (12, 8), generator=generator).tolist()
    rollout = _rollout(tmp_path, {f"q{n}": (n + 1, row) for n, row in enumerate(lengths)})
    batches = micro_batches(rollout, range(96), tokens=tokens, world_size=world_size)
    assert sorted(row for batch in batches for row in batch) == list(range(96))
    assert len(batches) % world_size == 0
    sizes = [len(pack(rollout, batch).tokens) for batch in batches]
    assert all(size <= tokens or len(batch) == 1 for size, batch in zip(sizes, batches, strict=True))
    if tokens == 10_000:
        process_sizes = [sum(sizes[rank::world_size]) for rank in range(world_size)]
        assert max(process_sizes) <= 1.3 * sum(sizes) / world_size


@pytest.mark.parametrize(("tokens", "world_size"), [(40, 1), (64, 1), (64, 3)])
def test_micro_batches_end_to_end_count_every_prompt(tmp_path: Path, tokens: int, world_size: int) -> None:
    lengths = [[1 + (7 * group + 5 * i) % 20 for i in range(6)] for group in range(8)]
    rollout = _rollout(tmp_path, {f"q{group}": (4 + group, lengths[group]) for group in range(8)})
    batches = micro_batches(rollout, range(48), tokens=tokens, world_size=world_size, end_to_end=True)
    assert sorted(row for batch in batches for row in batch) == list(range(48)) and len(batches) % world_size == 0
    sizes = [len(pack(rollout, batch, end_to_end=True).tokens) for batch in batches]
    assert max(sizes) <= tokens
    longest = [max(len(rollout.prompts[row]) + len(rollout.responses[row]) for row in batch) for batch in batches]
    assert longest == sorted(longest, reverse=True)


def test_processes_without_rows_get_empty_micro_batches(tmp_path: Path) -> None:
    rollout = _rollout(tmp_path, {"a": (1, [3])})
    assert micro_batches(rollout, [0], tokens=100, world_size=3) == [[0], [], []]
