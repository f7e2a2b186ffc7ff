"""The path that packed attention takes on a GPU in 16 bits, with a kernel that refuses what the GPU's refuses."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.attention.varlen import varlen_attn

from stages.trainer import packed_attention
from stages.trainer.batches import Packing, pack_sequences
from stages.trainer.models import check_model, load_policy
from tests import varlen
from tests.tiny_models import make_tiny_policy

CPU, GPU = torch.device("cpu"), torch.device("cuda")
SEQUENCES = [(0, [5, 6, 7], [8, 9, 10]), (0, [5, 6, 7], [11, 12, 13, 14, 15, 16, 17]), (1, [9], [3])]
SHARED, END_TO_END = (pack_sequences(SEQUENCES, end_to_end=end_to_end) for end_to_end in (False, True))
ARCHITECTURES: list[tuple[str, dict[str, Any]]] = [
    ("qwen2", {}),
    ("llama", {}),
    ("qwen3", {}),
    ("mistral", {"sliding_window": 3}),
    ("gemma3_text", {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 4, "head_dim": 16}),
    ("qwen2", {"head_dim": 12}),  # no multiple of 8, so its layers are padded
]


@pytest.fixture
def on_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows lie end to end, as on a GPU in 16 bits, and the kernel is the stand-in."""
    varlen.install()
    monkeypatch.setattr(packed_attention, "has_kernel", lambda device, dtype: dtype != torch.float32)
    monkeypatch.setattr(packed_attention, "_largest_head", lambda device: 256)


@pytest.mark.parametrize(("capability", "has"), [((9, 0), True), ((8, 0), True), ((7, 5), False)])
def test_the_kernel_is_for_cuda_since_ampere_in_16_bits(
    capability: tuple[int, int], has: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_attention, "_capability", lambda device: capability)
    assert packed_attention.has_kernel(GPU, torch.bfloat16) == packed_attention.has_kernel(GPU, torch.float16) == has
    assert not packed_attention.has_kernel(GPU, torch.float32)
    assert not packed_attention.has_kernel(CPU, torch.bfloat16) and not packed_attention.has_kernel(CPU, torch.float32)


@pytest.mark.parametrize(
    ("size", "key_size", "dtype", "capability", "takes"),
    [
        (64, 64, torch.bfloat16, (8, 9), True),
        (256, 256, torch.bfloat16, (9, 0), True),
        (256, 256, torch.bfloat16, (8, 9), False),
        (512, 512, torch.bfloat16, (9, 0), False),
        (20, 20, torch.bfloat16, (9, 0), False),
        (192, 128, torch.bfloat16, (9, 0), False),
        (64, 64, torch.float32, (9, 0), False),
    ],
)
def test_layers_that_the_kernel_takes(
    size: int,
    key_size: int,
    dtype: torch.dtype,
    capability: tuple[int, int],
    takes: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packed_attention, "_capability", lambda device: capability)
    monkeypatch.setattr(packed_attention, "has_kernel", lambda device, dtype: True)
    rows = packed_attention.lay_out(END_TO_END, CPU, torch.bfloat16)
    query, key = torch.zeros(1, 4, 9, size, dtype=dtype), torch.zeros(1, 2, 9, key_size, dtype=dtype)
    assert packed_attention.kernel_takes(query, key, key, rows) == takes
    # Rows that share prompts do not lie end to end.
    assert packed_attention.lay_out(SHARED, CPU, torch.bfloat16).boundaries is None


@pytest.mark.usefixtures("on_gpu")
@pytest.mark.parametrize(("arch", "config"), ARCHITECTURES)
def test_a_bfloat16_update_takes_the_kernel(arch: str, config: dict[str, Any], tmp_path: Path) -> None:
    """Log-probabilities and gradients are those of the padded path in float32, but for rounding to 8 bits."""
    folder = make_tiny_policy(tmp_path, arch=arch, **config)
    results = []
    for dtype, packing in ((torch.float32, SHARED), (torch.bfloat16, END_TO_END)):
        policy = load_policy(folder, dtype=dtype, device=CPU)
        logprobs_N, _ = policy(packing, 1.0)
        logprobs_N.sum().backward()
        gradients = {name: weights.grad for name, weights in policy.named_parameters() if weights.grad is not None}
        results.append((logprobs_N.detach(), gradients))
    (exact, exact_gradients), (rounded, gradients) = results
    torch.testing.assert_close(rounded, exact, atol=0.05, rtol=0.02)
    assert gradients.keys() == exact_gradients.keys()
    for name, gradient in gradients.items():
        norm = exact_gradients[name].norm()
        # A bias of keys changes no attention but by its rotation, so its gradient is what rounding leaves.
        share = 0.3 if name.endswith("k_proj.bias") else 0.1
        assert (gradient - exact_gradients[name]).norm() <= share * norm + 1e-3, name


@pytest.mark.parametrize(("arch", "config"), ARCHITECTURES)
def test_both_layouts_are_the_models_own_attention(arch: str, config: dict[str, Any], tmp_path: Path) -> None:
    """In float32 on a CPU, where rows that lie end to end are padded too."""
    policy = load_policy(make_tiny_policy(tmp_path, arch=arch, **config), dtype=torch.float32, device=CPU)
    packed = [policy(packing, 1.0)[0] for packing in (SHARED, END_TO_END)]
    policy.model.set_attn_implementation("eager")
    expected = []
    for _, prompt, response in SEQUENCES:
        logits = policy.model(torch.tensor([prompt + response]), use_cache=False).logits[0, len(prompt) - 1 : -1]
        expected.append(logits.log_softmax(-1).gather(1, torch.tensor(response)[:, None])[:, 0])
    for logprobs_N in packed:
        torch.testing.assert_close(logprobs_N, torch.cat(expected), atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("window", [None, 3])
def test_repeated_keys_change_nothing(window: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU gets a copy of keys for each head where its kernel does not take fewer key heads."""
    bfloat16 = torch.bfloat16
    assert packed_attention.repeats_keys(GPU, torch.float32, False) and packed_attention.repeats_keys(
        GPU, bfloat16, True
    )
    assert not packed_attention.repeats_keys(GPU, bfloat16, False)
    assert not packed_attention.repeats_keys(CPU, torch.float32, True)
    rows = packed_attention.lay_out(END_TO_END, CPU, torch.float32)
    generator = torch.Generator().manual_seed(1)
    q, k, v = (torch.randn(len(rows.gather_F), n, 16, generator=generator) for n in (4, 2, 2))
    monkeypatch.setattr(packed_attention, "_LONGEST_IN_BLOCKS", 0)
    expected = packed_attention._padded(q, k, v, rows, 0.3, window)
    monkeypatch.setattr(packed_attention, "repeats_keys", lambda *_: True)
    torch.testing.assert_close(packed_attention._padded(q, k, v, rows, 0.3, window), expected)


@pytest.mark.usefixtures("on_gpu")
@pytest.mark.parametrize("config", [{}, {"sliding_window": 3, "layer_types": ["sliding_attention", "full_attention"]}])
def test_the_kernel_is_the_models_own_attention(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """One layer's attention: heads in groups, a scale, a window, and neighbours that do not see each other."""
    generator = torch.Generator().manual_seed(1)
    size = len(END_TO_END.tokens)
    query, key, value = (
        torch.randn(1, size, n, 16, generator=generator, dtype=torch.bfloat16).transpose(1, 2) for n in (4, 2, 2)
    )
    window = config.get("sliding_window")
    rows = packed_attention.lay_out(END_TO_END, CPU, torch.bfloat16)
    assert rows.boundaries is not None and rows.boundaries.tolist() == [0, 6, 16, 18]
    arguments = {"scaling": 0.2, "sliding_window": window}
    out, _ = packed_attention.packed_attention(
        torch.nn.Module(), query, key, value, None, packed_rows=rows, **arguments
    )
    monkeypatch.setattr(packed_attention, "kernel_takes", lambda *_: False)
    padded, _ = packed_attention.packed_attention(
        torch.nn.Module(), query, key, value, None, packed_rows=rows, **arguments
    )
    torch.testing.assert_close(out, padded, atol=0.02, rtol=0.02)


@pytest.mark.usefixtures("on_gpu")
def test_a_model_is_checked_on_the_path_that_it_will_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_tiny_policy(tmp_path)
    layouts: list[Packing] = []
    lay_out = packed_attention.lay_out
    monkeypatch.setattr(
        packed_attention, "lay_out", lambda packing, *rest: layouts.append(packing) or lay_out(packing, *rest)
    )
    check_model(load_policy(folder, dtype=torch.bfloat16, device=CPU), folder)
    assert [packing.end_to_end for packing in layouts] == [True]


@pytest.mark.usefixtures("on_gpu")
def test_the_stand_in_refuses_what_the_kernel_refuses() -> None:
    q = torch.zeros(4, 2, 8, dtype=torch.bfloat16)
    bounds = torch.tensor([0, 2, 4], dtype=torch.int32)
    assert isinstance(out := varlen_attn(q, q, q, bounds, bounds, 2, 2, window_size=(-1, 0)), torch.Tensor)
    assert out.shape == q.shape
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
    wide = torch.zeros(4, 2, 264, dtype=torch.bfloat16)
    with pytest.raises(RuntimeError, match="at most 256"):
        varlen_attn(wide, wide, wide, bounds, bounds, 2, 2, window_size=(-1, 0))
    with pytest.raises(RuntimeError, match="do not fit the rows"):
        varlen_attn(q, q, q, bounds, bounds, 1, 1, window_size=(-1, 0))
    # torch leaves tensors without values, the other device that a test has, to no kernel at all.
    for tensors in ((q, q.to("meta"), q, bounds, bounds), (q, q, q, bounds.to("meta"), bounds.to("meta"))):
        with pytest.raises(RuntimeError, match="same device"):
            varlen.check(*tensors, 2, 2)
