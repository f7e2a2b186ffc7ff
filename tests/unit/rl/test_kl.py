"""The three KL estimators, against values worked out by hand and against the exact KL."""

import math

import torch

from stages.rl import kl


def test_values_by_hand() -> None:
    # policy 1/2, reference 1/4: log ratio = ln 2.
    policy, reference = torch.tensor([math.log(0.5)]), torch.tensor([math.log(0.25)])
    assert math.isclose(kl.k1(policy, reference).item(), math.log(2), rel_tol=1e-6)
    assert math.isclose(kl.k2(policy, reference).item(), math.log(2) ** 2 / 2, rel_tol=1e-6)
    assert math.isclose(kl.k3(policy, reference).item(), 0.5 - 1 + math.log(2), rel_tol=1e-5)


def test_expectations_under_the_policy_are_the_kl() -> None:
    policy = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
    reference = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64)
    exact = 0.7 * math.log(0.7 / 0.5) + 0.2 * math.log(0.2 / 0.25) + 0.1 * math.log(0.1 / 0.25)
    for estimator in (kl.k1, kl.k3):
        expected = (policy * estimator(policy.log(), reference.log())).sum().item()
        assert math.isclose(expected, exact, rel_tol=1e-12)


def test_gradient_of_k2_is_the_gradient_of_the_kl() -> None:
    reference = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64)
    logits = torch.tensor([0.3, -0.4, 0.9], dtype=torch.float64, requires_grad=True)
    logprobs = torch.log_softmax(logits, 0)
    policy = logprobs.exp()
    (exact,) = torch.autograd.grad((policy * (logprobs - reference.log())).sum(), logits, retain_graph=True)
    (estimated,) = torch.autograd.grad((policy.detach() * kl.k2(logprobs, reference.log())).sum(), logits)
    torch.testing.assert_close(estimated, exact)


def test_k3_is_never_negative_where_k1_is() -> None:
    policy, reference = torch.tensor([-3.0, -0.1]), torch.tensor([-1.0, -0.1])
    assert kl.k1(policy, reference)[0] < 0
    assert (kl.k3(policy, reference) >= 0).all()


def test_coefficient_moves_towards_the_target() -> None:
    def after(measured: float, responses: int = 100) -> float:
        return kl.adapted_coefficient(0.1, measured=measured, target=0.02, horizon=1000, responses=responses)

    assert math.isclose(after(0.022), 0.1 * 1.01)  # 10 % too high, a tenth of the horizon
    assert math.isclose(after(0.019), 0.1 * 0.995)
    assert math.isclose(after(5.0), 0.1 * 1.02)  # 20 % at most
    assert math.isclose(after(-1.0), 0.1 * 0.98)
    assert math.isclose(after(5.0, responses=1000), 0.1 * 1.2)
    assert math.isclose(after(0.0, responses=50_000), 0.1 * 0.8)  # never 0 or less, from where it could not return
