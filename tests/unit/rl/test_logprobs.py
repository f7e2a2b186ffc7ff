"""Chunked log-probabilities against the full softmax, values and gradients."""

import math

import pytest
import torch

from stages.rl.logprobs import chosen_logprobs


def test_by_hand() -> None:
    # Logits 0 and ln 3: probabilities 1/4 and 3/4 at temperature 1; 1/10 and 9/10 at temperature 1/2.
    hidden, targets = torch.tensor([[0.0, math.log(3)]] * 2), torch.tensor([1, 0])
    logprobs, entropy = chosen_logprobs(hidden, torch.nn.Identity(), targets, temperature=1.0, vocabulary=2)
    torch.testing.assert_close(logprobs, torch.tensor([math.log(0.75), math.log(0.25)]))
    expected = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    torch.testing.assert_close(entropy, torch.tensor([expected, expected]))
    logprobs, _ = chosen_logprobs(hidden, torch.nn.Identity(), targets, temperature=0.5, vocabulary=2)
    torch.testing.assert_close(logprobs, torch.tensor([math.log(0.9), math.log(0.1)]))


@pytest.mark.parametrize("chunk_logits", [1, 21, 10_000])
def test_chunks_change_neither_values_nor_gradients(chunk_logits: int) -> None:
    generator = torch.Generator().manual_seed(0)
    head = torch.nn.Linear(5, 7, bias=False)
    hidden = torch.randn(10, 5, generator=generator, requires_grad=True)
    targets = torch.randint(7, (10,), generator=generator)
    weights = torch.randn(10, generator=generator)

    def gradients(logprobs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad((logprobs * weights).sum(), (hidden, head.weight))

    full = -torch.nn.functional.cross_entropy(head(hidden) / 0.7, targets, reduction="none")
    logprobs, entropy = chosen_logprobs(hidden, head, targets, temperature=0.7, vocabulary=7, chunk_logits=chunk_logits)
    torch.testing.assert_close(logprobs, full)
    torch.testing.assert_close(entropy, torch.distributions.Categorical(logits=head(hidden) / 0.7).entropy())
    assert not entropy.requires_grad
    for actual, expected in zip(gradients(logprobs), gradients(full), strict=True):
        torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("chunk_logits", [21, 10_000])
def test_trained_entropy_has_a_gradient(chunk_logits: int) -> None:
    generator = torch.Generator().manual_seed(0)
    head = torch.nn.Linear(5, 7, bias=False)
    hidden = torch.randn(10, 5, generator=generator, requires_grad=True)
    targets = torch.randint(7, (10,), generator=generator)
    _, entropy = chosen_logprobs(
        hidden, head, targets, temperature=0.7, vocabulary=7, entropy="trained", chunk_logits=chunk_logits
    )
    full_entropy = torch.distributions.Categorical(logits=head(hidden) / 0.7).entropy()
    torch.testing.assert_close(entropy, full_entropy)
    for actual, expected in zip(
        torch.autograd.grad(entropy.sum(), (hidden, head.weight)),
        torch.autograd.grad(full_entropy.sum(), (hidden, head.weight)),
        strict=True,
    ):
        torch.testing.assert_close(actual, expected)
