"""Models and trainer state on disk, and packed attention compared with plain attention."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from stages.engines.tokenizer import architecture
from stages.settings.update import LoraConfig
from stages.trainer import adapters, packed_attention
from stages.trainer.batches import Packing
from stages.trainer.models import check_model, load_critic, load_policy, save_model
from stages.trainer.speed import Meter
from stages.trainer.state import load_counters, open_tensors, save_counters, save_tensors
from storage.errors import InputError
from tests.tiny_models import make_tiny_policy, saved_adapter

CPU = torch.device("cpu")


def _load(folder: Path) -> Any:
    return load_policy(folder, dtype=torch.float32, device=CPU)


@pytest.mark.parametrize("tied", [True, False])
def test_saving_a_loaded_model_keeps_weights_and_other_files(tmp_path: Path, tied: bool) -> None:
    source = make_tiny_policy(tmp_path / "source", tied=tied)
    (source / "chat_template.jinja").write_text("template")
    (source / "LICENSE").write_text("licence")
    more = "additional_chat_templates"
    (source / more).mkdir()
    (source / more / "tool_use.jinja").write_text("template with tools")
    (source / more / "notes.txt").write_text("no template")
    model = _load(source).model
    save_model(model, dict(model.named_parameters()), source, tmp_path / "target")
    assert (tmp_path / "target/model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()
    for path in source.iterdir():
        if path.is_file() and path.name not in ("config.json", "model.safetensors"):
            assert (tmp_path / "target" / path.name).read_bytes() == path.read_bytes()
    assert [path.name for path in (tmp_path / "target" / more).iterdir()] == ["tool_use.jinja"]
    assert packed_attention.NAME not in (tmp_path / "target/config.json").read_text()


def test_a_generation_config_that_transformers_does_not_write_is_kept(tmp_path: Path) -> None:
    """Many published models have a temperature without do_sample; the update ended in an error."""
    source = make_tiny_policy(tmp_path / "source")
    (source / "generation_config.json").write_text('{"temperature": 0.9, "top_p": 0.6, "eos_token_id": [2]}')
    model = _load(source).model
    save_model(model, dict(model.named_parameters()), source, tmp_path / "target")
    copies = [(folder / "generation_config.json").read_bytes() for folder in (source, tmp_path / "target")]
    assert copies[0] == copies[1]


@pytest.mark.parametrize(("longest", "heads", "key_heads"), [(1, 2, 2), (64, 2, 2), (130, 4, 2)])
def test_attention_in_blocks_is_attention(longest: int, heads: int, key_heads: int) -> None:
    """Outputs and gradients are those of torch: part of a block, one whole block, several blocks with a remainder."""
    generator = torch.Generator().manual_seed(longest)
    inputs = [torch.randn(3, n, longest, 8, generator=generator) for n in (heads, key_heads, key_heads)]
    weight = torch.randn(3, heads, longest, 8, generator=generator)
    outputs_and_gradients = []
    for attend in (
        lambda q, k, v: packed_attention.attention_in_blocks(q, k, v, 0.3),
        lambda q, k, v: scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.3, enable_gqa=heads > key_heads),
    ):
        leaves = [x.clone().requires_grad_() for x in inputs]
        out = attend(*leaves)
        outputs_and_gradients.append([out.detach(), *torch.autograd.grad((out * weight).sum(), leaves)])
    torch.testing.assert_close(*outputs_and_gradients, atol=2e-6, rtol=2e-5)


def test_dropout_is_off(tmp_path: Path) -> None:
    """With dropout on, the ratio of new to old probabilities is not 1 before the first step."""
    assert _load(make_tiny_policy(tmp_path / "policy", attention_dropout=0.5)).model.config.attention_dropout == 0.0


ARCHITECTURES: dict[str, dict[str, Any]] = {
    "qwen2": {},
    "llama": {"tied": False},
    "qwen3": {},
    "mistral": {"sliding_window": 4},
}


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_packed_rows_see_the_same_tokens_as_separate_rows(tmp_path: Path, arch: str) -> None:
    """Log-probabilities and gradients of three responses to two prompts are those of one plain pass per response."""
    policy = _load(make_tiny_policy(tmp_path / "policy", arch=arch, **ARCHITECTURES[arch]))
    prompts, responses = [[5, 6, 7], [5, 6, 7], [9, 8]], [[1, 2, 3, 4, 5, 6], [3], [7, 8, 9]]
    packing = Packing(
        tokens=[5, 6, 7, 1, 2, 3, 4, 5, 6, 3, 9, 8, 7, 8, 9],
        positions=[0, 1, 2, 3, 4, 5, 6, 7, 8, 3, 0, 1, 2, 3, 4],
        rows=[[0, 1, 2, 3, 4, 5, 6, 7, 8], [0, 1, 2, 9], [10, 11, 12, 13, 14]],
        predictors=[2, 3, 4, 5, 6, 7, 2, 11, 12, 13],
        targets=[1, 2, 3, 4, 5, 6, 3, 7, 8, 9],
    )
    logprobs, entropy = policy(packing, 0.7)
    logprobs.square().sum().backward()
    gradients = {name: parameter.grad.clone() for name, parameter in policy.model.named_parameters()}
    policy.model.zero_grad()
    policy.model.set_attn_implementation("eager")
    expected, entropies = [], []
    for prompt, response in zip(prompts, responses, strict=True):
        logits = policy.model(torch.tensor([prompt + response]), use_cache=False).logits[0, len(prompt) - 1 : -1] / 0.7
        expected.append(-torch.nn.functional.cross_entropy(logits, torch.tensor(response), reduction="none"))
        entropies.append(torch.distributions.Categorical(logits=logits).entropy())
    torch.testing.assert_close(logprobs, torch.cat(expected), atol=2e-5, rtol=2e-5)
    torch.testing.assert_close(entropy, torch.cat(entropies), atol=2e-5, rtol=2e-5)
    torch.cat(expected).square().sum().backward()
    for name, parameter in policy.model.named_parameters():
        scale = parameter.grad.abs().max().item()
        torch.testing.assert_close(gradients[name], parameter.grad, atol=2e-5 * scale, rtol=0, msg=name)


def test_padded_rows_by_hand() -> None:
    packing = Packing(
        tokens=[5, 6, 1, 2, 3], positions=[0, 1, 2, 3, 2], rows=[[0, 1, 2, 3], [0, 1, 4]], predictors=[], targets=[]
    )
    padded = packed_attention.lay_out(packing, CPU, torch.float32)
    assert padded.boundaries is None and padded.gather_F.tolist() == [0, 1, 2, 3, 0, 1, 4, 0]
    assert padded.scatter_M.tolist() == [0, 1, 2, 3, 6] and (padded.rows, padded.longest) == (2, 4)


@pytest.mark.parametrize(("arch", "settings"), [("granite", {"logits_scaling": 8.0}), ("mamba", {})])
def test_a_model_that_would_be_silently_wrong_is_refused(tmp_path: Path, arch: str, settings: dict[str, Any]) -> None:
    """Granite scales its logits after the output layer; Mamba mixes tokens outside of attention."""
    folder = make_tiny_policy(tmp_path / "policy", arch=arch, **settings)
    with pytest.raises(InputError, match="cannot be trained here"):
        check_model(_load(folder), folder)


def test_a_supported_model_is_accepted(tmp_path: Path) -> None:
    folder = make_tiny_policy(tmp_path / "policy")
    check_model(_load(folder), folder)


def test_a_multimodal_model_is_read_as_its_language_model(tmp_path: Path) -> None:
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    text: dict[str, Any] = {
        "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 1, "head_dim": 16, "vocab_size": 300, "attention_dropout": 0.5,
        "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2,
    }  # fmt: skip
    vision: dict[str, Any] = {
        "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
        "image_size": 28, "patch_size": 14,
    }  # fmt: skip
    config = Gemma3Config(
        text_config=text, vision_config=vision, mm_tokens_per_image=4,
        boi_token_index=290, eoi_token_index=291, image_token_index=292,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        Gemma3ForConditionalGeneration(config).save_pretrained(tmp_path)
    policy = _load(tmp_path)
    assert policy.vocabulary == 300 and policy.model.config.get_text_config().attention_dropout == 0.0
    check_model(policy, tmp_path)
    assert Meter(policy.model, CPU, world_size=1).rows == []
    # A server, or vLLM, goes on with the updated policy: only what a folder says of its files differs.
    save_model(policy.model, dict(policy.model.named_parameters()), tmp_path, target := tmp_path / "target")
    assert architecture(target) == architecture(tmp_path)
    config = json.loads((target / "config.json").read_text())
    config["text_config"]["num_key_value_heads"] = 2
    (target / "config.json").write_text(json.dumps(config))
    assert architecture(target) != architecture(tmp_path)


def test_a_new_critic_has_the_policys_body_and_values_of_0(tmp_path: Path) -> None:
    folder = make_tiny_policy(tmp_path / "policy")
    critic = load_critic(folder, new=True, dtype=torch.float32, device=CPU)
    packing = Packing(tokens=[1, 2, 3], positions=[0, 1, 2], rows=[[0, 1, 2]], predictors=[0, 1], targets=[2, 3])
    assert critic(packing).tolist() == [0.0, 0.0]
    body = dict(_load(folder).model.base_model.named_parameters())
    assert all(torch.equal(body[name], weight) for name, weight in critic.model.base_model.named_parameters())


def test_a_merged_model_computes_like_the_model_with_adapters(tmp_path: Path) -> None:
    folder, config = make_tiny_policy(tmp_path / "policy"), LoraConfig(rank=3, alpha=6)
    policy = _load(folder)
    adapters.add(policy.model, config, tmp_path / "none", seed=1)
    with torch.no_grad():
        for name, parameter in policy.model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1, generator=torch.Generator().manual_seed(len(name)))
    weights = {name: parameter.detach() for name, parameter in policy.model.named_parameters()}
    save_model(policy.model, adapters.merge(weights, config), folder, tmp_path / "merged")
    adapters.save(weights, config, tmp_path / "merged" / adapters.FOLDER)
    tokens = torch.tensor([[5, 3, 9, 7]])
    policy.model.set_attn_implementation("sdpa")
    expected = policy.model(tokens).logits

    import peft
    from transformers import AutoModelForCausalLM

    plain = AutoModelForCausalLM.from_pretrained(folder)
    assert not torch.allclose(plain(tokens).logits, expected, atol=1e-2)
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    unmerged = peft.PeftModel.from_pretrained(plain, tmp_path / "merged" / adapters.FOLDER)
    for model in (merged, unmerged):
        torch.testing.assert_close(model(tokens).logits, expected, atol=1e-4, rtol=1e-4)


def test_adapters_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    folder = make_tiny_policy(tmp_path / "policy")
    with pytest.raises(InputError, match=r"update\.lora: .*nothing"):
        adapters.add(_load(folder).model, LoraConfig(modules=("nothing",)), tmp_path / "none", seed=1)
    policy = _load(folder)
    adapters.add(policy.model, LoraConfig(rank=3), tmp_path / "none", seed=1)
    adapters.save(dict(policy.model.named_parameters()), LoraConfig(rank=3), tmp_path / "saved")
    with pytest.raises(InputError, match=r"does not fit update\.lora"):
        adapters.add(_load(folder).model, LoraConfig(rank=4), tmp_path / "saved", seed=1)


def test_tensors_are_read_back_from_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.trainer.state._FILE_BYTES", 40)
    tensors = {f"t{number}": torch.full((4,), float(number)) for number in range(7)}
    save_tensors(tmp_path, "moments", iter(tensors.items()), write=True)
    assert len(list(tmp_path.iterdir())) == 3
    read = open_tensors(tmp_path, "moments", {name: torch.Size([4]) for name in tensors})
    assert all(torch.equal(read(name), tensor) for name, tensor in tensors.items())
    with pytest.raises(InputError, match=r"does not fit the policy, moments has no t1 of \[5\]"):
        open_tensors(tmp_path, "moments", {"t1": torch.Size([5])})
    with pytest.raises(InputError, match="does not fit the policy, moments has no other"):
        open_tensors(tmp_path, "moments", {"other": torch.Size([4])})


@pytest.mark.parametrize("content", [None, "{", "[]", json.dumps({"steps": 2})])
def test_a_broken_state_is_refused(tmp_path: Path, content: str | None) -> None:
    save_counters(tmp_path, {"optimiser_steps": 2})
    assert load_counters(tmp_path)["optimiser_steps"] == 2
    (tmp_path / "state.json").unlink()
    if content is not None:
        (tmp_path / "state.json").write_text(content)
    with pytest.raises(InputError, match="not a trainer state"):
        load_counters(tmp_path)


@pytest.mark.parametrize("settings", [{}, {"use_rslora": True}, {"target_modules": ["q_proj"], "use_dora": True}])
def test_an_adapter_is_merged_into_its_base_model(settings: dict[str, Any], tmp_path: Path) -> None:
    import peft
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = make_tiny_policy(tmp_path / "base")
    adapter = saved_adapter(tmp_path / "adapter", base, **settings)
    adapters.merge_folder(base, adapter, tmp_path / "merged")
    tokens = torch.tensor([[5, 3, 9, 7]])
    plain = AutoModelForCausalLM.from_pretrained(base)
    before = plain(tokens).logits
    expected = peft.PeftModel.from_pretrained(plain, adapter)(tokens).logits
    assert not torch.allclose(before, expected, atol=1e-2)
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    torch.testing.assert_close(merged(tokens).logits, expected, atol=1e-4, rtol=1e-4)
    assert AutoTokenizer.from_pretrained(tmp_path / "merged").encode("Tom") and architecture(base) == architecture(
        tmp_path / "merged"
    )


def test_an_adapter_of_another_model_is_refused(tmp_path: Path) -> None:
    base = make_tiny_policy(tmp_path / "base")
    sizes: dict[str, int]
    for sizes in ({"hidden_size": 32}, {"num_hidden_layers": 1}, {"num_hidden_layers": 3}):
        (name,) = map(str, sizes.items())
        other_model = make_tiny_policy(tmp_path / name, **sizes)
        adapter = saved_adapter(tmp_path / f"{name} adapter", other_model, target_modules=["q_proj"])
        with pytest.raises(InputError, match=re.escape(f"adapter {adapter} cannot be merged into {base}: ")):
            adapters.merge_folder(base, adapter, tmp_path / "merged")
        assert not (tmp_path / "merged").exists()
