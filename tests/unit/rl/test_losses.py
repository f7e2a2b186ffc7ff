"""Losses, their gradients, importance weights and reductions, by hand."""

import math

import pytest
import torch
from torch import Tensor

from stages.rl import losses


def _logprobs(ratios: list[float]) -> Tensor:
    return torch.tensor([[math.log(ratio) for ratio in ratios]], requires_grad=True)


def _all(like: Tensor) -> Tensor:
    return torch.ones_like(like, dtype=torch.bool)


def test_ppo_by_hand() -> None:
    logprobs = _logprobs([1.0, 1.5, 0.5, 1.5, 0.5])
    advantage = torch.tensor([[2.0, 1.0, 1.0, -1.0, -1.0]])
    loss, ratio, clipped = losses.policy_loss(
        logprobs, torch.zeros(1, 5), advantage, _all(logprobs), clip=0.2, clip_high=0.2
    )
    # -2; clipped at 1.2; not clipped, 0.5 < 0.8 is the pessimistic side; not clipped; clipped at 0.8.
    torch.testing.assert_close(loss, torch.tensor([[-2.0, -1.2, -0.5, 1.5, 0.8]]))
    torch.testing.assert_close(ratio, torch.tensor([[1.0, 1.5, 0.5, 1.5, 0.5]]))
    assert clipped.tolist() == [[0.0, 1.0, 0.0, 0.0, 1.0]]
    loss.sum().backward()
    # d(-ratio A)/d logprob = -ratio A; 0 if the clip decided.
    assert logprobs.grad is not None
    torch.testing.assert_close(logprobs.grad, torch.tensor([[-2.0, 0.0, -0.5, 1.5, 0.0]]))


def test_a_higher_upper_end_changes_good_tokens_only() -> None:
    logprobs = _logprobs([1.25, 1.5, 0.5])
    loss, _, clipped = losses.policy_loss(
        logprobs, torch.zeros(1, 3), torch.tensor([[1.0, 1.0, -1.0]]), _all(logprobs), clip=0.2, clip_high=0.28
    )
    torch.testing.assert_close(loss, torch.tensor([[-1.25, -1.28, 0.8]]))
    assert clipped.tolist() == [[0.0, 1.0, 1.0]]


def test_dual_clip_bounds_the_loss_of_a_bad_token() -> None:
    logprobs = _logprobs([2.0, 5.0, 5.0])
    loss, _, clipped = losses.policy_loss(
        logprobs,
        torch.zeros(1, 3),
        torch.tensor([[-1.0, -1.0, 1.0]]),
        _all(logprobs),
        clip=0.2,
        clip_high=0.2,
        dual_clip=3.0,
    )
    # 2 < 3 stays; 5 is clipped to 3; a good token is clipped at 1.2 as without dual clip.
    torch.testing.assert_close(loss, torch.tensor([[2.0, 3.0, -1.2]]))
    assert clipped.tolist() == [[0.0, 1.0, 1.0]]
    loss.sum().backward()
    assert logprobs.grad is not None
    torch.testing.assert_close(logprobs.grad, torch.tensor([[2.0, 0.0, 0.0]]))


def test_gspo_by_hand() -> None:
    """Response 1 has ratios 4 and 1, so 2 as a whole (the root of 4); response 2 has one token of 1/2."""
    logprobs = torch.tensor([[math.log(4.0), 0.0], [math.log(0.5), 5.0]], requires_grad=True)
    mask = torch.tensor([[True, True], [True, False]])
    advantage = torch.tensor([[-1.0, -1.0], [1.0, 0.0]])
    loss, ratio, clipped = losses.policy_loss(
        logprobs, torch.zeros(2, 2), advantage, mask, kind="gspo", clip=0.2, clip_high=0.2
    )
    torch.testing.assert_close(ratio[mask], torch.tensor([2.0, 2.0, 0.5]))
    torch.testing.assert_close(loss[mask], torch.tensor([2.0, 2.0, -0.5]))
    assert clipped[mask].tolist() == [0.0, 0.0, 0.0]
    weights = losses.token_weights(mask, "sequence", tokens=3, responses=2, max_tokens=9)
    (actual,) = torch.autograd.grad((loss * weights).sum(), logprobs)
    # As a formula of whole sequences: -mean over responses of s * A, s = exp(mean of the log-ratios).
    whole = torch.stack([logprobs[0].mean().exp() * -1.0, logprobs[1, 0].exp() * 1.0])
    (expected,) = torch.autograd.grad(-whole.mean(), logprobs)
    torch.testing.assert_close(actual, expected)


def test_gspo_is_clipped_as_a_whole() -> None:
    logprobs = torch.tensor([[math.log(4.0), 0.0]], requires_grad=True)
    loss, _, clipped = losses.policy_loss(
        logprobs, torch.zeros(1, 2), torch.ones(1, 2), _all(logprobs), kind="gspo", clip=0.2, clip_high=0.2
    )
    assert clipped.tolist() == [[1.0, 1.0]]
    loss.sum().backward()
    assert logprobs.grad is not None and logprobs.grad.tolist() == [[0.0, 0.0]]


def test_cispo_by_hand() -> None:
    logprobs = _logprobs([1.0, 5.0, 0.1, 5.0])
    advantage = torch.tensor([[2.0, 1.0, 1.0, -1.0]])
    loss, ratio, clipped = losses.policy_loss(
        logprobs, torch.zeros(1, 4), advantage, _all(logprobs), kind="cispo", clip=0.2, clip_high=1.0
    )
    log5, log01 = math.log(5), math.log(0.1)
    torch.testing.assert_close(loss, torch.tensor([[0.0, -2 * log5, -0.1 * log01, 2 * log5]]))
    torch.testing.assert_close(ratio, torch.tensor([[1.0, 5.0, 0.1, 5.0]]))
    assert clipped.tolist() == [[0.0, 1.0, 0.0, 1.0]]
    loss.sum().backward()
    # The weight, at most 2, times -A: every token has a gradient.
    assert logprobs.grad is not None
    torch.testing.assert_close(logprobs.grad, torch.tensor([[-2.0, -2.0, -0.1, 2.0]]))


@pytest.mark.parametrize("kind", ["ppo", "gspo", "cispo"])
def test_padding_has_no_gradient_and_a_finite_ratio(kind: losses.PolicyLoss) -> None:
    logprobs = torch.tensor([[0.1, 800.0]], requires_grad=True)
    mask = torch.tensor([[True, False]])
    loss, ratio, _ = losses.policy_loss(
        logprobs, torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]), mask, kind=kind, clip=0.2, clip_high=0.2
    )
    assert ratio.isfinite().all()
    (loss * losses.token_weights(mask, "token", tokens=1, responses=1, max_tokens=2)).sum().backward()
    assert logprobs.grad is not None and logprobs.grad[0, 0] < 0 and logprobs.grad[0, 1] == 0


def test_value_loss_by_hand() -> None:
    values, old, returns = torch.tensor([[1.0, 0.1, 0.6]]), torch.zeros(1, 3), torch.tensor([[2.0, 1.0, 0.0]])
    torch.testing.assert_close(losses.value_loss(values, old, returns, None), torch.tensor([[0.5, 0.405, 0.18]]))
    # Clipped to 0.2 around the old value: 0.2, 0.1 and 0.2; the larger of both errors counts.
    torch.testing.assert_close(losses.value_loss(values, old, returns, 0.2), torch.tensor([[1.62, 0.405, 0.18]]))


def test_importance_weights_are_capped_and_have_no_gradient() -> None:
    old = _logprobs([0.1, 1.0, 1.5, 8.0])
    weights = losses.truncated_importance_weights(old, torch.zeros(1, 4), cap=2.0)
    torch.testing.assert_close(weights, torch.tensor([[0.1, 1.0, 1.5, 2.0]]))
    assert not weights.requires_grad


MASK = torch.tensor([[True, True, False], [True, False, False]])


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [
        ("token", [[1 / 3, 1 / 3, 0.0], [1 / 3, 0.0, 0.0]]),
        ("sequence", [[1 / 4, 1 / 4, 0.0], [1 / 2, 0.0, 0.0]]),
        ("constant", [[1 / 10, 1 / 10, 0.0], [1 / 10, 0.0, 0.0]]),
    ],
)
def test_token_weights_by_hand(aggregation: losses.Aggregation, expected: list[list[float]]) -> None:
    actual = losses.token_weights(MASK, aggregation, tokens=3, responses=2, max_tokens=5)
    torch.testing.assert_close(actual, torch.tensor(expected))


@pytest.mark.parametrize("aggregation", ["token", "sequence", "constant"])
def test_parts_of_a_step_add_up_to_the_whole(aggregation: losses.Aggregation) -> None:
    """Regression: an average of the means of micro-batches gave more weight to tokens of a short micro-batch."""
    values = torch.tensor([[1.0, 2.0, 9.0], [5.0, 9.0, 9.0]])

    def reduced(rows: slice) -> float:
        weights = losses.token_weights(MASK[rows], aggregation, tokens=3, responses=2, max_tokens=5)
        return (values[rows] * weights).sum().item()

    assert reduced(slice(0, 1)) + reduced(slice(1, 2)) == pytest.approx(reduced(slice(0, 2)))
