"""The engine of vLLM servers: the choice of a server, lost servers, and the requests that a gate lets in."""

import threading
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from stages.engines import vllm_connection, vllm_server, vllm_server_pool
from stages.engines.base import Batch, Responses, SamplingParams
from stages.engines.transformers import TransformersEngine
from stages.engines.vllm_client import ServerEngine
from stages.engines.vllm_server import API_KEY
from stages.settings.engines import ServerPlacement
from storage.errors import InputError, StageFailed
from tests.helpers import generate
from tests.policy_server import PolicyServer
from tests.tiny_models import make_tiny_policy

TEXTS = [f"Tom has {n} apples and buys 4. How many?" for n in range(6)]
PARAMS = SamplingParams(temperature=1.0, max_tokens=12)
SEEDS = [[10 * n + k for k in range(4)] for n in range(6)]


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two policies of one architecture, and one of another."""
    folder = tmp_path_factory.mktemp("policies")
    first, second = (make_tiny_policy(folder / str(seed), seed=seed) for seed in (0, 1))
    return [first, second, make_tiny_policy(folder / "other", num_hidden_layers=3)]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_server_pool, "_SECONDS_BETWEEN_TRIES", 0.05)


@pytest.fixture
def pair(policies: list[Path]) -> Iterator[tuple[PolicyServer, PolicyServer]]:
    with PolicyServer(policies[0]) as first, PolicyServer(policies[0]) as second:
        yield first, second


def engine_of(*servers: PolicyServer, patience: float = 60.0) -> ServerEngine:
    return ServerEngine(ServerPlacement(urls=tuple(server.url for server in servers), patience_seconds=patience))


def ids(responses: Responses) -> list[list[list[int]]]:
    return [[completion.token_ids for completion in row] for row in responses]


def expected(policy: Path) -> list[list[list[int]]]:
    """The policy's answers to TEXTS."""
    engine = TransformersEngine(device="cpu")
    engine.load(policy, "k")
    return ids(generate(engine, [engine.encode(text) for text in TEXTS], PARAMS, SEEDS))


def answer(engine: ServerEngine) -> list[list[list[int]]]:
    return ids(generate(engine, [engine.encode(text) for text in TEXTS], PARAMS, SEEDS))


def test_responses_to_one_prompt_come_from_one_server_and_all_servers_work(
    pair: tuple[PolicyServer, PolicyServer], policies: list[Path]
) -> None:
    engine = engine_of(*pair)
    engine.load(policies[0], "k")
    assert answer(engine) == expected(policies[0])
    first, second = (set(server.answered) for server in pair)
    assert first and second and not first & second
    assert engine.counters.starts == 0
    engine.close()


def test_a_lost_server_hands_its_requests_to_the_other(
    pair: tuple[PolicyServer, PolicyServer], policies: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    first, second = pair
    first.before = lambda prompt: first.kill()
    engine = engine_of(*pair)
    engine.load(policies[0], "k")
    assert answer(engine) == expected(policies[0])
    assert len(second.answered) == 24
    assert f"{first.url} is lost" in caplog.text
    engine.close()


def test_a_server_that_comes_back_is_given_the_policy_before_it_is_asked(
    policies: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    with PolicyServer(policies[0]) as server:
        engine = engine_of(server)
        engine.load(policies[1], "k")

        prompts: list[str] = []

        def die_once(prompt: str) -> None:
            prompts.append(prompt)
            if len(prompts) == 20:
                server.kill(back_after=0.3)

        server.before = die_once
        assert answer(engine) == expected(policies[1])
        assert server.loaded == [str(policies[1])] * 2
        assert "is lost" in caplog.text and "answers again" in caplog.text
        engine.close()


def test_two_runs_on_one_server_get_their_own_policy_each(policies: list[Path]) -> None:
    with PolicyServer(policies[0]) as server:
        ours, theirs = engine_of(server), engine_of(server)
        ours.load(policies[0], "ours")
        theirs.load(policies[1], "theirs")
        for _ in range(2):
            assert answer(ours) == expected(policies[0])
            assert answer(theirs) == expected(policies[1])
        assert len(server.loaded) == 6
        ours.close()
        theirs.close()


def test_two_runs_at_work_on_one_server_take_turns(policies: list[Path], caplog: pytest.LogCaptureFixture) -> None:
    """Requests under way when the other run asks for its policy are still answered; none is lost or given up."""
    with PolicyServer(policies[0]) as server:
        server.linger = 0.3
        engines = [engine_of(server), engine_of(server)]
        answers: dict[int, list[Any]] = {0: [], 1: []}

        def work(run: int) -> None:
            for turn in range(4):
                engines[run].load(policies[run], f"{run} {turn}")
                answers[run].append(answer(engines[run]))

        running = [threading.Thread(target=work, args=(run,)) for run in (0, 1)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        for run, engine in enumerate(engines):
            assert answers[run] == [expected(policies[run])] * 4
            engine.close()
        # Never sent again once it was let in: 24 responses, 4 times, by 2 runs.
        assert len(server.answered) == 2 * 4 * 24 and "it holds" in caplog.text


def test_a_load_waits_for_the_requests_under_way(policies: list[Path]) -> None:
    with PolicyServer(policies[0]) as server:
        ours, theirs = engine_of(server), engine_of(server)
        ours.load(policies[0], "ours")
        seen: list[int] = []
        server.before = lambda prompt: seen.append(len(server.loaded))
        done: list[Responses] = []
        working = threading.Thread(target=lambda: done.append(answer(ours)))
        working.start()
        while not seen:
            time.sleep(0.01)
        theirs.load(policies[1], "theirs")
        working.join()
        assert done == [expected(policies[0])]
        assert answer(theirs) == expected(policies[1])
        ours.close()
        theirs.close()


def test_if_no_server_answers_the_stage_fails_after_its_patience(policies: list[Path]) -> None:
    server = PolicyServer(policies[0])
    engine = engine_of(server, patience=0.3)
    with pytest.raises(StageFailed, match=rf"no server could be asked for 0 s: {server.url}: .*[Cc]onnect"):
        engine.load(policies[0], "k")
    assert engine.policy_key is None
    with pytest.raises(InputError, match=r"no server answers .*serl serve"):
        engine.check({"policy": policies[0]}, 100)
    engine.close()


def test_patience_ends_in_the_middle_too(policies: list[Path]) -> None:
    with PolicyServer(policies[0]) as server:
        engine = engine_of(server, patience=0.3)
        engine.load(policies[0], "k")
        server.before = lambda prompt: server.kill()
        with pytest.raises(StageFailed, match="run the same command again"):
            answer(engine)
        server.kill()
        server.before = lambda prompt: None
        server.start()
        engine.load(policies[0], "k again")
        assert answer(engine) == expected(policies[0])
        engine.close()


def test_servers_of_several_models_stand_side_by_side(policies: list[Path]) -> None:
    with PolicyServer(policies[0]) as server, PolicyServer(policies[2]) as teacher:
        engine = engine_of(server, teacher)
        engine.check({"policy": policies[1], "voter teacher": policies[2]}, 100)
        for _ in range(2):
            engine.load(policies[1], "k")
            assert answer(engine) == expected(policies[1])
            engine.load(policies[2], "teacher")
            assert answer(engine) == expected(policies[2])
        # Each server was given weights once, those of its own architecture.
        assert server.loaded == [str(policies[1])] and teacher.loaded == [str(policies[2])]
        engine.close()


def test_a_server_of_another_model_is_named(policies: list[Path]) -> None:
    with PolicyServer(policies[2]) as server:
        engine = engine_of(server)
        message = f"{server.url}: it runs another model .{policies[2]}."
        with pytest.raises(InputError, match=message):
            engine.load(policies[0], "k")
        with pytest.raises(InputError, match=rf"no server runs the model of policy, {policies[0]}"):
            engine.check({"policy": policies[0]}, 100)
        assert server.loaded == []
        engine.close()


def test_prompts_and_responses_that_a_server_has_no_room_for(policies: list[Path], tmp_path: Path) -> None:
    long = make_tiny_policy(tmp_path / "long", max_position_embeddings=4096)
    with PolicyServer(long) as server:
        engine = engine_of(server)
        engine.check({"policy": long}, 512)
        with pytest.raises(InputError, match=rf"{server.url} takes 512 tokens, .*may have 600 together; raise"):
            engine.check({"policy": long}, 600)
        engine.close()


def test_weights_that_a_server_cannot_see_or_load(policies: list[Path], tmp_path: Path) -> None:
    broken = make_tiny_policy(tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"no weights")
    with PolicyServer(policies[0]) as server:
        engine = engine_of(server)
        with pytest.raises(InputError, match=rf"{broken} cannot be loaded: .*weights cannot be loaded"):
            engine.load(broken, "k")
        # The gate, not the engine: on one machine both see the same folders.
        refusal = engine._run(post(engine, server, folder=str(tmp_path / "gone"), key="k", architecture="x"))
        assert refusal == (400, "on its machine: ", "under the same path")
        status, *_ = engine._run(post(engine, server, folder=str(policies[1]), key="k", architecture="x"))
        assert status == 400
        engine.load(policies[1], "k")
        assert answer(engine) == expected(policies[1])
        engine.close()


def test_a_server_that_keeps_what_it_cached_with_old_weights_does_not_answer(
    policies: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """vLLM refuses to empty its cache while a step of dropped requests is still being computed."""
    with PolicyServer(policies[0]) as server:
        engine = engine_of(server)
        server.keeps_prefixes = 2
        engine.load(policies[0], "a")
        assert server.keeps_prefixes == -1 and engine.policy_key == "a"
        server.keeps_prefixes = 10**6
        monkeypatch.setattr(vllm_server, "_SECONDS_TO_DRAIN", 0.1)
        with pytest.raises(InputError, match=r"cannot be loaded: vLLM does not drop what it cached with the old weigh"):
            engine.load(policies[1], "b")
        engine.close()


async def post(engine: ServerEngine, server: PolicyServer, **content: str) -> tuple[int, str, str]:
    """Return the status of the gate's answer, and the start and end of its message."""
    async with engine._pool.session.post(f"{server.url}/serl/policy", json=content) as response:
        message = (await response.json())["error"]
        return response.status, message[:16], message[-19:]


def test_a_server_without_the_gate_is_named(policies: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with PolicyServer(policies[0]) as server:
        engine = engine_of(server)
        monkeypatch.setattr(vllm_connection, "POLICY_PATH", "/v1/completions")
        with pytest.raises(InputError, match="answer of status 405 is not that of `serl serve`"):
            engine.load(policies[0], "k")
        monkeypatch.setattr(vllm_connection, "POLICY_PATH", "/nowhere")
        with pytest.raises(InputError, match="not started by `serl serve`"):
            engine.load(policies[0], "k")
        engine.close()


def test_the_secret_is_asked_for_and_comes_from_the_environment_only(
    policies: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with PolicyServer(policies[0]) as server:
        without = engine_of(server)
        monkeypatch.setenv(API_KEY, "a secret")
        engine = engine_of(server)
        engine.load(policies[0], "k")
        assert answer(engine) == expected(policies[0])
        with pytest.raises(InputError, match=r"it asks for \$VLLM_API_KEY"):
            without.load(policies[0], "k2")
        without.close()
        engine.close()
    with pytest.raises(ValueError, match=r"set \$VLLM_API_KEY") as refused:
        ServerPlacement(urls=("http://me:hidden@host:1",))
    assert "hidden" not in str(refused.value.errors(include_input=False))  # type: ignore[attr-defined]


def test_a_request_that_ends_every_server_is_given_up(policies: list[Path]) -> None:
    with PolicyServer(policies[0]) as server:
        engine = engine_of(server)
        engine.load(policies[0], "k")

        def poisoned(prompt: str) -> None:
            if prompt == TEXTS[3]:
                server.kill(back_after=0)

        server.before = poisoned
        with pytest.raises(StageFailed, match=r"Tom has .* was sent 5 times and never answered"):
            answer(engine)
        assert len(server.loaded) > 3
        engine.close()
        server.before = lambda prompt: None


@pytest.mark.parametrize(
    ("instead", "error", "message"),
    [
        (JSONResponse({"error": "no such parameter"}, status_code=400), StageFailed, "refuses a request.*no such para"),
        (JSONResponse({"choices": []}), StageFailed, "5 times and never answered"),
        (JSONResponse({"choices": [{"token_ids": [1, 2], "logprobs": {"token_logprobs": [0.0]},
                                    "finish_reason": "stop"}]}), StageFailed, "5 times and never answered"),
        (Response("not JSON", media_type="application/json"), StageFailed, "5 times and never answered"),
        (Response("broken", status_code=500), StageFailed, "5 times and never answered"),
    ],
)  # fmt: skip
def test_an_invalid_answer_ends_the_stage_and_not_the_process(
    policies: list[Path], instead: Response, error: type[Exception], message: str
) -> None:
    with PolicyServer(policies[0]) as server:
        engine = engine_of(server)
        engine.load(policies[0], "k")
        server.before = lambda prompt: instead if prompt == TEXTS[2] else None
        with pytest.raises(error, match=message):
            answer(engine)
        server.before = lambda prompt: None
        assert answer(engine) == expected(policies[0])
        engine.close()


def test_a_server_that_falls_silent_is_noticed(
    pair: tuple[PolicyServer, PolicyServer], policies: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that vanishes closes no connection."""
    monkeypatch.setattr(vllm_server_pool, "_SECONDS_BETWEEN_CHECKS", 0.1)
    monkeypatch.setattr(vllm_connection, "_SECONDS_TO_DESCRIBE", 0.5)
    first, second = pair
    silent = threading.Event()
    first.before = lambda prompt: silent.wait(30) and None
    engine = engine_of(*pair)
    engine.load(policies[0], "k")
    assert answer(engine) == expected(policies[0])
    assert not first.answered and len(second.answered) == 24
    silent.set()
    engine.close()


def test_a_call_that_is_not_read_to_its_end_is_dropped_at_the_servers(policies: list[Path]) -> None:
    with PolicyServer(policies[0]) as server:
        engine = engine_of(server)
        engine.load(policies[0], "k")
        prompts = [engine.encode(text) for text in TEXTS]
        started = engine.generate(Batch(prompts=prompts, seeds=SEEDS, params=PARAMS) for _ in range(50))
        next(started)
        del started
        engine.load(policies[1], "k2")  # does not wait for the dropped requests
        assert answer(engine) == expected(policies[1])
        engine.close()


def test_log_probabilities_are_those_of_the_policy(policies: list[Path]) -> None:
    with PolicyServer(policies[0]) as server:
        engine, plain = engine_of(server), TransformersEngine(device="cpu")
        engine.load(policies[0], "k")
        plain.load(policies[0], "k")
        prompts = [engine.encode(text) for text in TEXTS]
        served, direct = (generate(each, prompts, PARAMS, SEEDS) for each in (engine, plain))
        for ours, reference in zip(chain(*served), chain(*direct), strict=True):
            assert ours.logprobs == pytest.approx(reference.logprobs, abs=1e-5)
            assert (ours.text, ours.finish_reason) == (reference.text, reference.finish_reason)
        engine.close()
