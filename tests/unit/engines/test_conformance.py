"""What every engine must do, whichever it is (the rules are in stages/engines/base.py)."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import pytest

from stages.engines.base import Batch, Engine, Responses, SamplingParams
from stages.engines.fake import FakeEngine
from stages.engines.loader import make_engine
from stages.engines.transformers import TransformersEngine
from stages.settings.engines import EngineKind, ServerPlacement, VllmPlacement
from storage.errors import InputError
from tests.helpers import generate
from tests.policy_server import PolicyServer
from tests.tiny_models import make_tiny_policy
from tests.vllm_server import VllmServer

ON_VLLM = [pytest.param(name, marks=pytest.mark.vllm) for name in ("vllm", "vllm server")]
LOGPROB_TOLERANCE = 1e-5
"""What sharing a batch with other responses may change; the rules of stages/engines/base.py have it."""
TEXTS = (
    "Tom has 3 apples and buys 4. How many?",
    "1. What is 2+2?\n2. What is 5-1?\n3.",
    "How many keys are there now, when Anna takes 8 of the 30 keys and brings 2 back?",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_policy(tmp_path_factory.mktemp("policy"))


@pytest.fixture(scope="module", params=["fake", "transformers", "server", *ON_VLLM])
def make(request: pytest.FixtureRequest, folder: Path) -> Iterator[Callable[[], Engine]]:
    kind: EngineKind = request.param.split()[-1]

    def loaded() -> Engine:
        vllm = VllmPlacement(cache_gib=0.1)
        engine = make_engine(kind, device="cpu", threads=1, max_batch_tokens=500, vllm=vllm, server=servers)
        engine.load(folder, "k1")
        return engine

    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        servers = None
        if request.param == "vllm server":
            servers = ServerPlacement(urls=(stack.enter_context(VllmServer(folder)).url,))
        elif kind == "server":
            several = [stack.enter_context(PolicyServer(folder)) for _ in range(2)]
            servers = ServerPlacement(urls=tuple(server.url for server in several))
        # Several engines in one process would share vLLM's global state; a run has one.
        patch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "1")
        yield loaded


@pytest.fixture(scope="module")
def engine(make: Callable[[], Engine]) -> Iterator[Engine]:
    engine = make()
    yield engine
    engine.close()


def prompts_of(engine: Engine) -> list[list[int]]:
    return [engine.encode(text) for text in TEXTS]


def sampling(max_tokens: int = 24, **settings: float) -> SamplingParams:
    return SamplingParams(temperature=1.0, max_tokens=max_tokens, **settings)


def assert_same_responses(engine: Engine, found: Responses, expected: Responses) -> None:
    """Two calls gave what an engine of this kind promises for the same call; no two tokens of the policy are close."""
    if isinstance(engine, FakeEngine | TransformersEngine):
        assert found == expected
    tokens, whole = [
        [[(c.token_ids, c.text, c.finish_reason) for c in row] for row in responses] for responses in (found, expected)
    ]
    assert tokens == whole
    for completion, other in zip(chain(*found), chain(*expected), strict=True):
        assert completion.logprobs == pytest.approx(other.logprobs, abs=LOGPROB_TOLERANCE)


def test_load_remembers_the_key_and_reads_nothing_when_it_holds_it(engine: Engine, folder: Path) -> None:
    assert engine.policy_key == "k1"
    engine.load(folder / "absent", "k1")
    engine.load(folder, "k2")
    assert engine.policy_key == "k2"


def test_generate_without_a_policy_is_refused(engine: Engine, folder: Path) -> None:
    before = generate(engine, [[5, 6, 7]], sampling(), [[1]])
    engine.sleep()
    assert engine.policy_key is None
    with pytest.raises(RuntimeError, match="holds no policy"):
        generate(engine, [[5, 6, 7]], sampling(), [[1]])
    engine.load(folder, "k1")
    assert generate(engine, [[5, 6, 7]], sampling(), [[1]]) == before


@pytest.mark.parametrize("text", [*TEXTS, "é ∑ 漢字 \\frac{1}{2}\n\n  two  spaces", ""])
def test_encode_and_decode_are_inverse(engine: Engine, text: str) -> None:
    ids = engine.encode(text)
    assert engine.decode(ids) == text
    assert bool(ids) == bool(text)


def test_chat_ends_where_the_answer_starts(engine: Engine) -> None:
    system, user = {"role": "system", "content": "Be brief."}, {"role": "user", "content": TEXTS[0]}
    shown = engine.decode(engine.encode_chat([system, user]))
    assert shown.index("Be brief.") < shown.index(TEXTS[0])
    assert shown.endswith("assistant\n")


def test_a_completion_for_every_seed_of_every_prompt(engine: Engine) -> None:
    seeds = [[1, 2, 3], [], [2**63 - 1]]
    results = generate(engine, prompts_of(engine), sampling(), seeds)
    assert [len(r) for r in results] == [3, 0, 1]
    for completion in results[0] + results[2]:
        assert 1 <= len(completion.token_ids) == len(completion.logprobs) <= 24
        assert all(p <= 0 for p in completion.logprobs)
        assert completion.text == engine.decode(completion.token_ids)


def test_nothing_asked_nothing_done(engine: Engine) -> None:
    assert generate(engine, [], sampling(), []) == []
    assert generate(engine, [engine.encode("a")], sampling(), [[]]) == [[]]


def test_length_and_stop(engine: Engine) -> None:
    seeds = [list(range(40))] * 3
    for limit in (1, 60):
        flat = [c for r in generate(engine, prompts_of(engine), sampling(limit), seeds) for c in r]
        for completion in flat:
            whole = engine.decode(completion.token_ids)
            if completion.finish_reason == "length":
                assert len(completion.token_ids) == limit
            else:
                # The eos token is there, and leaves no trace in the text.
                assert engine.decode(completion.token_ids[:-1]) == whole
    assert {c.finish_reason for c in flat} == {"stop", "length"}


def test_a_row_depends_on_its_own_seed_only(engine: Engine) -> None:
    prompts = prompts_of(engine)
    together = generate(engine, prompts, sampling(), [[1, 2, 3, 4], [5, 6], [7]])
    backwards = generate(engine, prompts[::-1], sampling(), [[7], [6, 5], [4, 3, 2, 1]])
    alone = generate(engine, [prompts[0]], sampling(), [[3]])[0][0]
    tokens = [[c.token_ids for c in row] for row in together]
    assert tokens == [[c.token_ids for c in row[::-1]] for row in backwards[::-1]]
    assert alone.token_ids == tokens[0][2]
    assert alone.logprobs == pytest.approx(together[0][2].logprobs, abs=LOGPROB_TOLERANCE)
    assert len({tuple(ids) for ids in tokens[0]}) > 1


def test_the_same_call_gives_the_same_responses(make: Callable[[], Engine], engine: Engine) -> None:
    second = make()
    seeds = [[1, 2, 3, 4], [5, 6], [7]]
    found, expected = (generate(each, prompts_of(each), sampling(), seeds) for each in (engine, second))
    second.close()
    assert_same_responses(engine, found, expected)


def test_greedy_needs_no_seed(engine: Engine) -> None:
    params = SamplingParams(temperature=0, max_tokens=24)
    (a, b), (c, d), _ = generate(engine, prompts_of(engine), params, [[1, 2], [3, 4], []])
    assert (a.token_ids, c.token_ids) == (b.token_ids, d.token_ids)


@pytest.mark.parametrize("max_tokens", [30, 60])
def test_stop_string_ends_the_response(engine: Engine, max_tokens: int) -> None:
    prompts, seeds = prompts_of(engine), [list(range(8))] * 3
    free = [c for r in generate(engine, prompts, sampling(max_tokens), seeds) for c in r]
    stop = (max((c.text for c in free), key=len)[4:6], "a", "never in it at all")
    params = SamplingParams(temperature=1.0, max_tokens=max_tokens, stop=stop)
    stopped = [c for r in generate(engine, prompts, params, seeds) for c in r]
    assert sum(c != f for c, f in zip(stopped, free, strict=True)) > 3
    for cut, whole in zip(stopped, free, strict=True):
        starts = [whole.text.index(s) for s in stop if s in whole.text]
        if not starts:
            assert cut.token_ids == whole.token_ids
            continue
        n = len(cut.token_ids)
        assert (cut.finish_reason, cut.token_ids) == ("stop", whole.token_ids[:n])
        assert cut.text == whole.text[: min(starts)]
        assert any(s in engine.decode(cut.token_ids) for s in stop)
        assert not any(s in engine.decode(cut.token_ids[:-1]) for s in stop)


def test_progress_counts_rows_and_tokens(engine: Engine) -> None:
    calls: list[tuple[int, int]] = []
    seeds = [[1, 2], [3], [4]]
    done = generate(engine, prompts_of(engine), sampling(), seeds, lambda rows, tokens: calls.append((rows, tokens)))
    assert calls == sorted(calls)
    assert calls[-1] == (4, sum(len(completion.token_ids) for row in done for completion in row))


def test_batches_are_answered_as_if_alone(engine: Engine) -> None:
    """Several batches in one call, one of them empty, one asking for nothing, one greedy."""
    prompts = prompts_of(engine)
    greedy = SamplingParams(temperature=0, max_tokens=24)
    batches = [
        Batch(prompts=prompts, seeds=[[1, 2], [], [3]], params=sampling()),
        Batch(prompts=[], seeds=[], params=sampling()),
        Batch(prompts=prompts[:1], seeds=[[]], params=sampling()),
        Batch(prompts=prompts[1:], seeds=[[0], [0]], params=greedy),
        Batch(prompts=prompts[:2], seeds=[[7], [8]], params=sampling(3)),
    ]
    together = list(engine.generate(iter(batches)))
    assert len(together) == len(batches)
    found = {id(batch): responses for batch, responses in together}
    for batch in batches:
        alone = generate(engine, batch.prompts, batch.params, batch.seeds)
        ids = [[completion.token_ids for completion in row] for row in found[id(batch)]]
        assert ids == [[completion.token_ids for completion in row] for row in alone]


def test_a_call_that_is_not_read_to_its_end_leaves_nothing_behind(engine: Engine) -> None:
    batches = [Batch(prompts=prompts_of(engine), seeds=[[n], [n], [n]], params=sampling()) for n in range(5)]
    started = engine.generate(iter(batches))
    next(started)
    del started
    prompts = prompts_of(engine)
    found, expected = (generate(engine, prompts, sampling(), [[0]] * 3) for _ in range(2))
    assert_same_responses(engine, found, expected)


def test_prompts_that_leave_no_room_are_named(engine: Engine) -> None:
    context = engine.max_model_tokens
    with pytest.raises(InputError, match=f"prompt 1 has {context} tokens.*context is {context}"):
        generate(engine, [[5], [5] * context], sampling(), [[1], [1]])
    with pytest.raises(InputError, match="prompt 0 is empty"):
        generate(engine, [[]], sampling(), [[1]])


def test_a_response_ends_with_the_context(engine: Engine) -> None:
    prompt = engine.encode("\n1. a b\n2.")
    prompt = engine.encode(" ")[:1] * (engine.max_model_tokens - 2 - len(prompt)) + prompt
    (crowded, *others), short = generate(engine, [prompt, prompt[-6:]], sampling(), [list(range(9)), [1]])
    assert {len(c.token_ids) for c in [crowded, *others]} <= {1, 2}
    assert "length" in {c.finish_reason for c in [crowded, *others]}
    assert len(short) == 1


def test_uneven_lists_are_refused(engine: Engine) -> None:
    with pytest.raises(ValueError, match="2 prompts but 1 lists"):
        generate(engine, [[5], [6]], sampling(), [[1]])
