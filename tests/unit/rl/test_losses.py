"""The clipped loss, its gradient, the importance weight and the token mean, by hand."""

import math

import torch

from stages.rl import losses


def _logprobs(ratios: list[float]) -> torch.Tensor:
    return torch.tensor([[math.log(ratio) for ratio in ratios]], requires_grad=True)


def test_clipped_surrogate_by_hand() -> None:
    logprobs = _logprobs([1.0, 1.5, 0.5, 1.5, 0.5])
    advantage = torch.tensor([[2.0, 1.0, 1.0, -1.0, -1.0]])
    loss, ratio, clipped = losses.clipped_surrogate(logprobs, torch.zeros(1, 5), advantage, clip=0.2)
    # -2; cut at 1.2; not cut, 0.5 < 0.8 is the pessimistic side; not cut; cut at 0.8.
    torch.testing.assert_close(loss, torch.tensor([[-2.0, -1.2, -0.5, 1.5, 0.8]]))
    torch.testing.assert_close(ratio, torch.tensor([[1.0, 1.5, 0.5, 1.5, 0.5]]))
    assert clipped.tolist() == [[0.0, 1.0, 0.0, 0.0, 1.0]]
    loss.sum().backward()
    # d(-ratio A)/d logprob = -ratio A; nothing where the clip decided.
    assert logprobs.grad is not None
    torch.testing.assert_close(logprobs.grad, torch.tensor([[-2.0, 0.0, -0.5, 1.5, 0.0]]))


def test_importance_weight_is_cut_above_only_and_carries_no_gradient() -> None:
    old = _logprobs([0.1, 1.0, 1.5, 8.0])
    weights = losses.truncated_importance_weights(old, torch.zeros(1, 4), cap=2.0)
    torch.testing.assert_close(weights, torch.tensor([[0.1, 1.0, 1.5, 2.0]]))
    assert not weights.requires_grad


def test_token_mean_divides_by_the_given_count_and_ignores_padding() -> None:
    values = torch.tensor([[1.0, 2.0, 100.0], [3.0, 100.0, 100.0]])
    mask = torch.tensor([[True, True, False], [True, False, False]])
    assert losses.token_mean(values, mask, 3).item() == 2.0
    assert losses.token_mean(values, mask, 12).item() == 0.5


def test_parts_of_a_step_add_up_to_the_whole() -> None:
    """Means of micro-batches, averaged, weighted the tokens of a short micro-batch more."""
    values, mask = torch.tensor([[1.0, 1.0, 1.0], [5.0, 9.0, 9.0]]), torch.tensor([[True] * 3, [True, False, False]])
    parts = [losses.token_mean(values[i : i + 1], mask[i : i + 1], 4).item() for i in range(2)]
    assert sum(parts) == losses.token_mean(values, mask, 4).item() == 2.0
