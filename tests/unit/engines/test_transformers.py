"""The transformers engine against transformers' own generate and forward, and against sums done by hand."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from stages.engines import transformers as engine_module
from stages.engines.base import SamplingParams
from stages.engines.decode import Row, draw, pick_tokens, plan_batches
from stages.engines.tokenizer import load_tokenizer
from stages.engines.transformers import TransformersEngine, dtype_of
from storage.errors import InputError, StageFailed
from tests.helpers import generate
from tests.tiny_models import make_tiny_policy

# A window of 8 is shorter than prompts and responses here, so that it matters.
POLICIES: dict[str, dict[str, Any]] = {
    "qwen2-tied": {"arch": "qwen2", "tied": True},
    "qwen2-untied": {"arch": "qwen2", "tied": False},
    "llama-tied": {"arch": "llama", "tied": True},
    "llama-untied": {"arch": "llama", "tied": False},
    "mistral-window": {"arch": "mistral", "tied": False, "sliding_window": 8},
}
# Of ragged lengths, two alike.
PROMPTS = [[11, 50, 60], [20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32], [90], [44, 45, 46, 47, 48], [7, 8, 9]]
SEEDS = [[i, 100 + i] for i in range(len(PROMPTS))]


@pytest.fixture(scope="module", params=POLICIES)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TransformersEngine:
    folder = make_tiny_policy(tmp_path_factory.mktemp(request.param), **POLICIES[request.param])
    engine = TransformersEngine(device="cpu", threads=1, max_batch_tokens=400)
    engine.load(folder, request.param)
    return engine


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_policy(tmp_path_factory.mktemp("tiny"))


def test_greedy_equals_generate(engine: TransformersEngine) -> None:
    model = engine._held_model()
    ours = generate(engine, PROMPTS, SamplingParams(temperature=0, max_tokens=40), SEEDS)
    for prompt, completions in zip(PROMPTS, ours, strict=True):
        ids = torch.tensor([prompt])
        theirs = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=40)
        for completion in completions:
            assert completion.token_ids == theirs[0, len(prompt) :].tolist()


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
def test_logprobs_equal_a_forward_pass(engine: TransformersEngine, temperature: float) -> None:
    """Also under a presence penalty and top-p, which must not show in them."""
    params = SamplingParams(temperature=temperature, top_p=0.9, presence_penalty=1.0, max_tokens=40)
    for prompt, completions in zip(PROMPTS, generate(engine, PROMPTS, params, SEEDS), strict=True):
        for completion in completions:
            with torch.no_grad():
                logits = engine._held_model()(torch.tensor([prompt + completion.token_ids])).logits[0]
            expected = (logits[len(prompt) - 1 : -1] / (temperature or 1.0)).log_softmax(-1)
            expected = expected.gather(-1, torch.tensor(completion.token_ids)[:, None]).squeeze(-1)
            torch.testing.assert_close(torch.tensor(completion.logprobs), expected, atol=1e-4, rtol=0)


def test_tokens_do_not_depend_on_the_batch_budget(tiny: Path) -> None:
    results = []
    for budget in (1, 100, 10_000):
        engine = TransformersEngine(device="cpu", max_batch_tokens=budget)
        engine.load(tiny, "k")
        completions = generate(engine, PROMPTS, SamplingParams(temperature=1.0, max_tokens=60), SEEDS)
        results.append([[c.token_ids for c in row] for row in completions])
    assert results[0] == results[1] == results[2]


def test_plan_batches_by_hand() -> None:
    rows = [Row(prompt=p, response=r, seed=0, max_tokens=10) for p in range(3) for r in range(2)]
    # Lengths 30, 10, 10: widths 40, 20, 20. Four rows of width 20 fill 80; two rows of width 40 fill 80.
    batches = list(plan_batches([30, 10, 10], rows, 80))
    assert [[(r.prompt, r.response) for r in b] for b in batches] == [
        [(1, 0), (1, 1), (2, 0), (2, 1)],
        [(0, 0), (0, 1)],
    ]
    # A budget below one row still makes progress; a prompt's rows may be split.
    assert [len(b) for b in plan_batches([30, 10, 10], rows, 1)] == [1] * 6
    assert [len(b) for b in plan_batches([30, 10, 10], rows, 60)] == [3, 1, 1, 1]


def test_inverse_cdf_by_hand() -> None:
    # Probabilities .5 .25 .125 .125: the borders are at .5, .75, .875.
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.125, 0.125]])).repeat(6, 1)
    uniforms = torch.tensor([0.0, 0.499, 0.501, 0.749, 0.751, 1 - 2**-53], dtype=torch.float64)[:, None]
    assert draw(logits, uniforms, 1.0).squeeze(-1).tolist() == [0, 0, 1, 1, 2, 3]
    # top_p .6 keeps the first two (.5 is not enough): a border at 2/3 of the mass of .75.
    uniforms = torch.tensor([0.0, 0.66, 0.67, 0.9, 0.99, 1 - 2**-53], dtype=torch.float64)[:, None]
    assert draw(logits, uniforms, 0.6).squeeze(-1).tolist() == [0, 0, 1, 1, 1, 1]
    # The same vocabulary in another order: tokens are named by their place in it.
    assert draw(logits.flip(-1), uniforms, 0.6).squeeze(-1).tolist() == [3, 3, 2, 2, 2, 2]


def test_impossible_tokens_are_never_drawn() -> None:
    logits = torch.tensor([[-math.inf, 0.0, -math.inf]]).repeat(2, 1)
    uniforms = torch.tensor([[0.0], [1 - 2**-53]], dtype=torch.float64)
    for top_p in (1.0, 0.9):
        assert draw(logits, uniforms, top_p).tolist() == [[1], [1]]


def test_presence_penalty_by_hand() -> None:
    logits = torch.log(torch.tensor([[0.6, 0.4]]))
    seen = torch.tensor([[True, False]])
    params = SamplingParams(temperature=0, presence_penalty=1.0, max_tokens=1)
    tokens, logprobs = pick_tokens(logits, torch.tensor([0.0]), params, seen)
    # log .6 - 1 < log .4, so the second token wins; its log-probability is that of the unpenalised policy.
    assert tokens.tolist() == [1]
    assert logprobs.tolist() == pytest.approx([math.log(0.4)])
    # At temperature 1 the odds become .6/e : .4, so the border lies at .3556.
    params = SamplingParams(temperature=1, presence_penalty=1.0, max_tokens=1)
    for uniform, expected in ((0.355, 0), (0.356, 1)):
        assert pick_tokens(logits, torch.tensor([uniform]).double(), params, seen)[0].tolist() == [expected]
    # Penalties come before the temperature: at .5 the odds are (.6/e)^2 : .4^2, the border at .2334.
    params = SamplingParams(temperature=0.5, presence_penalty=1.0, max_tokens=1)
    for uniform, expected in ((0.233, 0), (0.234, 1)):
        assert pick_tokens(logits, torch.tensor([uniform]).double(), params, seen)[0].tolist() == [expected]


def test_a_large_penalty_forbids_repetition(tiny: Path) -> None:
    engine = TransformersEngine(device="cpu")
    engine.load(tiny, "k")
    params = SamplingParams(temperature=1.0, presence_penalty=1e4, max_tokens=60)
    for completions in generate(engine, PROMPTS, params, SEEDS):
        for completion in completions:
            assert len(set(completion.token_ids)) == len(completion.token_ids)


def test_first_tokens_follow_the_distribution(tiny: Path) -> None:
    """4,000 seeds: every frequency within 5 standard errors of the model's probability."""
    engine = TransformersEngine(device="cpu")
    engine.load(tiny, "k")
    [completions] = generate(engine, [PROMPTS[0]], SamplingParams(temperature=1.0, max_tokens=1), [list(range(4000))])
    with torch.no_grad():
        p = engine._held_model()(torch.tensor([PROMPTS[0]])).logits[0, -1].double().softmax(-1).numpy()
    share = np.bincount([c.token_ids[0] for c in completions], minlength=len(p)) / 4000
    assert (np.abs(share - p) <= 5 * np.sqrt(p * (1 - p) / 4000) + 1e-3).all()


def test_every_declared_eos_ends_a_response(tiny: Path, tmp_path: Path) -> None:
    """Chat models declare two; stopping at the tokenizer's alone would run past the end of the answer."""
    folder = make_tiny_policy(tmp_path)
    engine = TransformersEngine(device="cpu")
    engine.load(tiny, "k")
    free = generate(engine, PROMPTS, SamplingParams(temperature=0, max_tokens=8), SEEDS)[0][0].token_ids
    config = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps(config | {"eos_token_id": [2, free[3]]}))
    engine.load(folder, "two")
    [completion] = generate(engine, PROMPTS[:1], SamplingParams(temperature=0, max_tokens=8), [[1]])[0]
    assert completion.finish_reason == "stop"
    assert completion.token_ids == free[: free.index(free[3]) + 1]


def test_tokenizer_is_read_as_written(tiny: Path) -> None:
    """AutoTokenizer replaces a qwen2 tokenizer's pre-tokenizer and adds a token beyond the model's vocabulary."""
    from tokenizers import Tokenizer

    text = "Anna's 123 keys, 45 more…  end"
    written = Tokenizer.from_file(str(tiny / "tokenizer.json"))
    tokenizer = load_tokenizer(tiny)
    assert tokenizer.encode(text, add_special_tokens=False) == written.encode(text, add_special_tokens=False).ids
    assert len(tokenizer) == json.loads((tiny / "config.json").read_text())["vocab_size"]


def drop_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (folder / name).unlink()


def drop_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def drop_one_weight(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def garble(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(b"{not json")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "no tokenizer": drop_tokenizer,
    "tokenizer cannot be read": garble("tokenizer.json"),
    "no file named model.safetensors": drop_weights,
    "lacks 1 weights": drop_one_weight,
    "weights cannot be loaded": garble("model.safetensors"),
    r"config.json cannot be read \(Expecting property name": garble("config.json"),
    # The tokenizers library raises a bare Exception here.
    r"tokenizer cannot be read \(": lambda f: (f / "tokenizer.json").write_text('{"added_tokens": [], "model": 3}'),
}


@pytest.mark.parametrize("message", DAMAGES)
def test_unusable_folders_are_named(tmp_path: Path, message: str) -> None:
    folder = make_tiny_policy(tmp_path / "policy")
    DAMAGES[message](folder)
    engine = TransformersEngine(device="cpu")
    with pytest.raises(InputError, match=message) as error:
        engine.load(folder, "k")
    assert str(folder) in str(error.value)
    assert engine.policy_key is None


def test_recurrent_models_are_refused(tmp_path: Path) -> None:
    """A Mamba model ran, with the padding in its state: greedy tokens differed from generate's in every row."""
    folder = make_tiny_policy(tmp_path, arch="mamba2", tied=False, num_heads=4, n_groups=1, state_size=16)
    with pytest.raises(InputError, match="mamba2 is recurrent"):
        TransformersEngine(device="cpu").load(folder, "k")


def test_absent_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere does not exist"):
        TransformersEngine(device="cpu").load(tmp_path / "nowhere", "k")


def test_chat_without_a_template_names_the_policy(tmp_path: Path) -> None:
    folder = make_tiny_policy(tmp_path)
    (folder / "chat_template.jinja").unlink()
    engine = TransformersEngine(device="cpu")
    engine.load(folder, "k")
    with pytest.raises(InputError, match=r"has no chat template") as error:
        engine.encode_chat([{"role": "user", "content": "hi"}])
    assert str(folder) in str(error.value)


def test_token_beyond_the_vocabulary(tiny: Path) -> None:
    engine = TransformersEngine(device="cpu")
    engine.load(tiny, "k")
    with pytest.raises(InputError, match="prompt 0 holds token 100000"):
        generate(engine, [[100_000]], SamplingParams(temperature=1, max_tokens=1), [[1]])


def test_load_drops_the_old_weights_first(tiny: Path, tmp_path: Path) -> None:
    """A failed load must not leave an engine that claims the new key or answers with the old weights."""
    engine = TransformersEngine(device="cpu")
    engine.load(tiny, "k")
    with pytest.raises(InputError):
        engine.load(tmp_path / "nowhere", "k2")
    assert engine.policy_key is None
    with pytest.raises(RuntimeError, match="holds no policy"):
        engine.encode("a")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 22 GiB\nmore"),
            r"^memory ran out .*2\.00 GiB.*22 GiB\); lower compute\.max_batch_tokens \(it is 400\), .* run the same",
        ),
        (MemoryError(), r"^memory ran out while the engine answered \(MemoryError\)"),
        (
            RuntimeError(
                "CUDA error: device-side assert triggered\nCUDA kernel errors might be asynchronously reported"
            ),
            r"^the GPU failed while the engine answered \(CUDA error: device-side assert triggered\); run the same",
        ),
    ],
)
def test_memory_that_runs_out_and_a_driver_that_dies(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    engine = TransformersEngine(device="cpu", max_batch_tokens=400)
    engine.load(tiny, "tiny")
    with monkeypatch.context() as patch, pytest.raises(StageFailed, match=message) as failure:
        patch.setattr(engine_module, "sample_batch", fail)
        generate(engine, PROMPTS, SamplingParams(temperature=1, max_tokens=4), SEEDS)
    assert "\n" not in str(failure.value)
    assert len(generate(engine, PROMPTS, SamplingParams(temperature=1, max_tokens=4), SEEDS)) == len(PROMPTS)


def test_an_error_of_the_program_stays_as_it_is(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    engine = TransformersEngine(device="cpu")
    engine.load(tiny, "tiny")
    monkeypatch.setattr(engine_module, "sample_batch", fail)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        generate(engine, PROMPTS, SamplingParams(temperature=1, max_tokens=4), SEEDS)


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), torch.float32), ((8, 0), torch.bfloat16)])
def test_weights_have_16_bits_on_a_gpu_that_has_bfloat16(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], expected: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert dtype_of(torch.device("cuda:0")) == expected
    assert dtype_of(torch.device("cpu")) == torch.float32
