"""The path that packed attention takes on a GPU in 16 bits, with a kernel that refuses what the GPU's refuses."""

from pathlib import Path

import pytest
import torch
import torch.nn.attention.varlen as torch_varlen

from stages.trainer import packed_attention
from stages.trainer.batches import Packing
from stages.trainer.models import check_model, load_policy
from tests.tiny_models import make_tiny_policy
from tests.varlen import varlen_attn

CPU, GPU = torch.device("cpu"), torch.device("cuda")
PACKING = Packing(
    tokens=[5, 6, 7, 8, 9, 10, 11, 12, 13],
    positions=[0, 1, 2, 3, 4, 5, 3, 4, 5],
    rows=[[0, 1, 2, 3, 4, 5], [0, 1, 2, 6, 7, 8]],
    predictors=[2, 3, 4, 2, 6, 7],
    targets=[8, 9, 10, 11, 12, 13],
)


@pytest.fixture
def on_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows lie end to end, as on a GPU in 16 bits, and the kernel is the stand-in."""
    monkeypatch.setattr(packed_attention, "has_kernel", lambda device, dtype: dtype != torch.float32)
    monkeypatch.setattr(torch_varlen, "varlen_attn", varlen_attn)


def test_the_kernel_is_for_cuda_in_16_bits() -> None:
    assert packed_attention.has_kernel(GPU, torch.bfloat16) and packed_attention.has_kernel(GPU, torch.float16)
    assert not packed_attention.has_kernel(GPU, torch.float32)
    assert not packed_attention.has_kernel(CPU, torch.bfloat16) and not packed_attention.has_kernel(CPU, torch.float32)


@pytest.mark.usefixtures("on_gpu")
@pytest.mark.parametrize(
    ("arch", "config"), [("qwen2", {}), ("llama", {}), ("qwen3", {}), ("mistral", {"sliding_window": 3})]
)
def test_a_bfloat16_update_takes_the_kernel(arch: str, config: dict[str, int], tmp_path: Path) -> None:
    """Log-probabilities and gradients are those of float32, but for rounding to 8 bits."""
    folder = make_tiny_policy(tmp_path, arch=arch, **config)
    results = []
    for dtype in (torch.float32, torch.bfloat16):
        policy = load_policy(folder, dtype=dtype, device=CPU)
        logprobs_N, _ = policy(PACKING, 1.0)
        logprobs_N.sum().backward()
        gradients = {name: weights.grad for name, weights in policy.named_parameters() if weights.grad is not None}
        results.append((logprobs_N.detach(), gradients))
    (exact, exact_gradients), (rounded, gradients) = results
    torch.testing.assert_close(rounded, exact, atol=0.05, rtol=0.02)
    assert gradients.keys() == exact_gradients.keys()
    for name, gradient in gradients.items():
        norm = exact_gradients[name].norm()
        assert (gradient - exact_gradients[name]).norm() <= 0.1 * norm + 1e-3, name


@pytest.mark.usefixtures("on_gpu")
def test_a_model_is_checked_on_the_path_that_it_will_take(tmp_path: Path) -> None:
    folder = make_tiny_policy(tmp_path)
    check_model(load_policy(folder, dtype=torch.bfloat16, device=CPU), folder)


def test_the_stand_in_refuses_what_the_kernel_refuses() -> None:
    q = torch.zeros(4, 2, 8, dtype=torch.bfloat16)
    bounds = torch.tensor([0, 2, 4], dtype=torch.int32)
    assert varlen_attn(q, q, q, bounds, bounds, 2, 2, window_size=(-1, 0)).shape == q.shape
    for wrong, message in (
        ((q.float(), q.float(), q.float(), bounds, bounds), "fp16 and bf16"),
        ((q.float(), q, q, bounds, bounds), "fp16 and bf16"),
        ((q.half(), q, q, bounds, bounds), "same dtype"),
        ((q, q, q, bounds.long(), bounds.long()), "int32"),
        ((torch.zeros(2, 4, 8, dtype=q.dtype).transpose(0, 1), q, q, bounds, bounds), "contiguous"),
        ((q[..., :5].contiguous(), q[..., :5].contiguous(), q[..., :5].contiguous(), bounds, bounds), "multiple of 8"),
    ):
        with pytest.raises(RuntimeError, match=message):
            varlen_attn(*wrong, 2, 2, window_size=(-1, 0))
