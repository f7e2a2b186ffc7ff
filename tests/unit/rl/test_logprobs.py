"""Chunked log-probabilities against the full softmax, values and gradients."""

import math

import pytest
import torch

from stages.rl.logprobs import chosen_logprobs, fused_logprobs, fuses


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


@pytest.mark.parametrize("chunk_tokens", [1, 3, 10, 100])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_the_fused_way_is_the_same(chunk_tokens: int, temperature: float) -> None:
    """As on a GPU; in float64, so that nothing but the formula is compared."""
    generator = torch.Generator().manual_seed(1)
    head = torch.nn.Linear(5, 7, bias=False).double()
    hidden = torch.randn(10, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(7, (10,), generator=generator)
    weights = torch.randn(10, generator=generator, dtype=torch.float64)
    full = torch.distributions.Categorical(logits=head(hidden) / temperature)
    logprobs, entropy = fused_logprobs(hidden, head.weight, targets, temperature, True, chunk_tokens)
    torch.testing.assert_close(logprobs, full.log_prob(targets))
    torch.testing.assert_close(entropy, full.entropy())
    assert not entropy.requires_grad
    for actual, expected in zip(
        torch.autograd.grad((logprobs * weights).sum(), (hidden, head.weight)),
        torch.autograd.grad((full.log_prob(targets) * weights).sum(), (hidden, head.weight)),
        strict=True,
    ):
        torch.testing.assert_close(actual, expected)
    again, _ = fused_logprobs(hidden, head.weight, targets, temperature, True, chunk_tokens)
    frozen, _ = fused_logprobs(hidden, head.weight.detach(), targets, temperature, True, chunk_tokens)
    of_both = (torch.autograd.grad((values * weights).sum(), hidden)[0] for values in (again, frozen))
    torch.testing.assert_close(*of_both, atol=0, rtol=0)
    assert torch.autograd.gradcheck(
        lambda h, w: fused_logprobs(h, w, targets, temperature, False, chunk_tokens)[0], (hidden, head.weight)
    )


def test_the_fused_way_in_bfloat16_is_as_exact_as_torchs() -> None:
    """Products in bfloat16, sums in float32: no further from float32 than torch's own way is, nearly."""
    generator = torch.Generator().manual_seed(2)
    head = torch.nn.Linear(64, 500, bias=False).bfloat16()
    hidden = torch.randn(40, 64, generator=generator).bfloat16().requires_grad_()
    targets = torch.randint(500, (40,), generator=generator)
    wide_head, wide_hidden = torch.nn.Linear(64, 500, bias=False), hidden.detach().float().requires_grad_()
    wide_head.weight.data = head.weight.detach().float()

    def errors(logprobs: torch.Tensor) -> list[float]:
        results = [logprobs, *torch.autograd.grad(logprobs.sum(), (hidden, head.weight))]
        assert [result.dtype for result in results] == [torch.float32, torch.bfloat16, torch.bfloat16]
        pairs = [(actual.detach(), exact.detach()) for actual, exact in zip(results, expected, strict=True)]
        return [float((actual - exact).norm() / exact.norm()) for actual, exact in pairs]

    exact, _ = chosen_logprobs(wide_hidden, wide_head, targets, temperature=0.7, vocabulary=500)
    expected = [exact, *torch.autograd.grad(exact.sum(), (wide_hidden, wide_head.weight))]
    ours, _ = fused_logprobs(hidden, head.weight, targets, 0.7, False, 7)
    theirs, _ = chosen_logprobs(hidden, head, targets, temperature=0.7, vocabulary=500)
    for our_error, their_error in zip(errors(ours), errors(theirs), strict=True):
        assert our_error <= 1.3 * their_error + 1e-4  # each chunk of the gradient is rounded once


def test_the_fused_way_is_taken_on_a_gpu_where_it_can_be() -> None:
    head, with_bias = torch.nn.Linear(2, 3, bias=False), torch.nn.Linear(2, 3)
    partitioned = torch.nn.Linear(2, 3, bias=False)
    partitioned.weight.ds_id = 0  # type: ignore[attr-defined]
    assert fuses("cuda", head, "none") and fuses("cuda", head, "measured")
    assert not fuses("cpu", head, "none") and not fuses("cuda", head, "trained")
    assert not any(fuses("cuda", other, "none") for other in (with_bias, partitioned, torch.nn.Identity()))
