"""Loading and saving models, and the optimiser's state."""

import json
from pathlib import Path

import pytest
import torch

from stages.trainer.models import load_model, save_model
from stages.trainer.state import load_state, save_state
from storage.errors import InputError
from tests.tiny_models import make_tiny_policy

CPU = torch.device("cpu")


def test_weights_survive_a_round_trip_and_every_other_file_is_kept(tmp_path: Path) -> None:
    source = make_tiny_policy(tmp_path / "source")
    (source / "chat_template.jinja").write_text("template")
    (source / "LICENSE").write_text("licence")
    save_model(load_model(source, dtype=torch.float32, device=CPU).model, source, tmp_path / "target")
    assert (tmp_path / "target/model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()
    for path in source.iterdir():
        if path.name not in ("config.json", "model.safetensors"):
            assert (tmp_path / "target" / path.name).read_bytes() == path.read_bytes()


def test_dropout_is_off(tmp_path: Path) -> None:
    """With dropout on, the ratio of new to old probabilities is not 1 before the first step."""
    folder = make_tiny_policy(tmp_path / "policy", attention_dropout=0.5)
    assert load_model(folder, dtype=torch.float32, device=CPU).model.config.attention_dropout == 0.0


def test_a_model_that_scales_its_logits_is_refused(tmp_path: Path) -> None:
    """Calling its output layer alone would give wrong log-probabilities without an error."""
    folder = make_tiny_policy(tmp_path / "policy", arch="granite", logits_scaling=8.0)
    with pytest.raises(InputError, match="GraniteForCausalLM changes logits"):
        load_model(folder, dtype=torch.float32, device=CPU)


def _trained() -> tuple[torch.nn.Linear, torch.optim.AdamW, dict[torch.nn.Parameter, str]]:
    layer = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1)
    for value in (1.0, 2.0):
        optimizer.zero_grad()
        (layer(torch.full((1, 3), value)) ** 2).sum().backward()
        optimizer.step()
    return layer, optimizer, {parameter: name for name, parameter in layer.named_parameters()}


def test_state_round_trip_takes_the_same_next_step(tmp_path: Path) -> None:
    layer, optimizer, names = _trained()
    save_state(tmp_path / "state", optimizer, names, steps=2)
    other = torch.nn.Linear(3, 2)
    other.load_state_dict(layer.state_dict())
    restored = torch.optim.AdamW(other.parameters(), lr=0.1)
    assert load_state(tmp_path / "state", restored, {p: name for name, p in other.named_parameters()}) == 2
    for model, stepper in ((layer, optimizer), (other, restored)):
        stepper.zero_grad()
        model(torch.ones(1, 3)).sum().backward()
        stepper.step()
    assert torch.equal(layer.weight, other.weight)
    assert torch.equal(layer.bias, other.bias)


def test_a_state_of_another_model_is_refused(tmp_path: Path) -> None:
    _, optimizer, names = _trained()
    save_state(tmp_path / "state", optimizer, names, steps=2)
    wider = torch.nn.Linear(4, 2)
    with pytest.raises(InputError, match="does not fit the policy, parameter weight"):
        load_state(
            tmp_path / "state", torch.optim.AdamW(wider.parameters()), {p: name for name, p in wider.named_parameters()}
        )


@pytest.mark.parametrize("content", [None, "{", json.dumps({"steps": 2})])
def test_a_broken_state_is_refused(tmp_path: Path, content: str | None) -> None:
    _, optimizer, names = _trained()
    save_state(tmp_path / "state", optimizer, names, steps=2)
    (tmp_path / "state/state.json").unlink()
    if content is not None:
        (tmp_path / "state/state.json").write_text(content)
    with pytest.raises(InputError, match="not a trainer state"):
        load_state(tmp_path / "state", optimizer, names)
