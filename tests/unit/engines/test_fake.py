"""The fake plays a policy well enough to exercise every branch of the pipeline."""

import re
from collections import Counter

import pytest

from stages.engines.base import SamplingParams
from stages.engines.fake import FakeEngine
from tests.helpers import generate

EXAMPLES = ("Tom has 3 apples and buys 4. How many?", "Ann has 9 keys and loses 2. How many are left?")


@pytest.fixture
def engine() -> FakeEngine:
    engine = FakeEngine()
    engine.load("nowhere", "k")  # type: ignore[arg-type]
    return engine


def texts(engine: FakeEngine, prompt: list[int], n: int, *, max_tokens: int = 400) -> list[tuple[str, str]]:
    [completions] = generate(engine, [prompt], SamplingParams(temperature=1.0, max_tokens=max_tokens), [list(range(n))])
    return [(c.text, c.finish_reason) for c in completions]


def list_prompts(engine: FakeEngine) -> list[list[int]]:
    shown = "Come up with a series of questions:\n" + "\n".join(f"{i}. {q}" for i, q in enumerate(EXAMPLES, start=1))
    return [engine.encode(f"{shown}\n3."), engine.encode_chat([{"role": "user", "content": f"{shown}\n3. "}])]


@pytest.mark.parametrize("kind", [0, 1])
def test_a_list_is_continued_with_good_and_bad_questions(engine: FakeEngine, kind: int) -> None:
    written = texts(engine, list_prompts(engine)[kind], 200)
    items = [item for text, _ in written for item in re.split(r"\n\d+\. ", text)]
    assert all(re.fullmatch(r" \S[^\n]*(\n\d+\. [^\n]+)*", text) for text, reason in written if reason == "stop")
    # The first continues the open number, so the next one is numbered 4.
    assert {m[1] for text, _ in written if (m := re.search(r"\n(\d+)\.", text))} == {"4"}
    assert any(item.strip() in EXAMPLES for item in items)
    assert any(len(item.split()) < 4 for item in items)
    assert any("graph" in item for item in items)
    assert 0.05 < sum(reason == "length" for _, reason in written) / 200 < 0.3
    assert sum(bool(re.search(r"has \d+ \w+, .*\d", item)) for item in items) > 0.6 * len(items)


def test_questions_are_answered_with_varying_agreement(engine: FakeEngine) -> None:
    shares, unanswered = [], 0
    for number in range(60):
        responses = [t for t, _ in texts(engine, engine.encode(f"Tom has {number} apples. How many?"), 50)]
        answers = [m[1] for t in responses if (m := re.search(r"\\boxed\{(\d+)\}$", t))]
        unanswered += 50 - len(answers)
        shares.append(Counter(answers).most_common(1)[0][1] / 50)
    assert 0.5 < sum(shares) / 60 < 0.7
    assert min(shares) < 0.3 and max(shares) > 0.85
    assert unanswered


def test_a_question_that_ends_with_a_number_is_no_list(engine: FakeEngine) -> None:
    assert "boxed" in texts(engine, engine.encode("Add the numbers 3 and 5."), 20)[0][0]


def test_greedy_gives_the_usual_answer(engine: FakeEngine) -> None:
    prompt = engine.encode("Tom has 3 apples and gets 4. How many has he?")
    [[greedy]] = generate(engine, [prompt], SamplingParams(temperature=0, max_tokens=50), [[1]])
    usual = Counter(t.split("=")[-1] for t, _ in texts(engine, prompt, 200)).most_common(1)[0][0]
    assert greedy.text.split("=")[-1] == usual
