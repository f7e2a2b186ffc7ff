"""The examples outside mathematics, as they are configured, on an engine that plays a policy of the field."""

import random
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from flows.config.load import load_config
from flows.preflight.checks import check_inputs
from flows.run_loop import run_all
from flows.stage_settings import resolve
from stages.engines.base import Completion
from stages.engines.fake import ITEM, OPEN_LIST, FakeEngine
from storage.run import Run
from tests.helpers import fake_resources, memory_store

EXAMPLES = Path(__file__).parents[2] / "configs" / "examples"
SMALL = (
    "engine=fake", "policy=null", "iterations=2", "generate.questions=12", "generate.examples=3",
    "generate.questions_per_prompt=2", "sample.responses=8", "evaluate.protocol.samples=4", "filter.max_similarity=0.9",
)  # fmt: skip


class Expert(FakeEngine):
    """Writes new questions from the words of the examples; answers them in the form of the field, not always alike."""

    def __init__(self, answer: Callable[[random.Random], str], refusal: str) -> None:
        super().__init__()
        self.answer, self.refusal = answer, refusal

    def _respond(self, prompt, params, seed):  # type: ignore[no-untyped-def]
        text = self.decode(prompt).strip()
        rng = random.Random(f"{seed} {text}")
        if opened := OPEN_LIST.search(text):
            words = " ".join(item.split(" (A)")[0] for item in ITEM.findall(text)).split()
            questions = [f"{' '.join(rng.choices(words, k=9))}? {self._options(rng)}" for _ in range(3)]
            number = int(opened[1])
            written = "\n".join(f"{number + place}. {question}" for place, question in enumerate(questions))
            return self._completion(written.removeprefix(f"{number}. "))
        agreed = random.Random(text)  # what most responses to this question say
        if rng.random() < 0.1:
            return self._completion(self.refusal)
        return self._completion(self.answer(agreed if rng.random() < 0.6 else rng))

    def _options(self, rng: random.Random) -> str:
        return " ".join(f"({letter}) {rng.randrange(10**6)}" for letter in "ABCD")

    def _completion(self, text: str) -> Completion:
        tokens = self.encode(text)
        return Completion(token_ids=tokens, logprobs=[-1.0] * len(tokens), finish_reason="stop", text=text)


FIELDS: dict[str, Callable[[random.Random], str]] = {
    "medicine": lambda rng: f"It follows from the anatomy. The answer is ({rng.choice('ABCD')}).",
    "law": lambda rng: rf"\boxed{{\text{{{rng.choice(['mens rea', 'Mens  Rea', 'res judicata', 'Estoppel.'])}}}}}",
    "doses": lambda rng: f"Answer: {rng.choice(['500 mg', '0.5 g', '0.501 g', '250 mg', '2 g', 'a spoonful'])}",
}


@pytest.mark.parametrize("field", FIELDS)
def test_an_example_runs_as_configured(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES.parents[1])
    config = load_config(EXAMPLES / f"{field}.yaml", SMALL)
    check_inputs(resolve(config))
    store = memory_store()
    with fake_resources(Expert(FIELDS[field], "I am sorry, I cannot answer this.")) as resources:
        ledger = run_all(config, store, resources)
    assert ledger.complete
    run = Run(store, ledger.revision())
    votes, rewards = run.table("votes"), run.table("rewards")
    assert votes.filter(decision="kept").height > 5
    assert set(rewards["status"]) <= {"ok", "no_answer", "unparsable"} and "no_answer" in set(rewards["status"])
    forms = votes["majority_answer"].drop_nulls().to_list()
    if field == "medicine":
        assert {form.strip("().") for form in forms} <= set("ABCD")
        # The labelled seeds are an evaluation set: how often their majority is right.
        assert set(run.table("results")["benchmark"]) == {"exam", "seeds"}
        assert set(run.table("reliability")["benchmark"]) <= {"exam", "seeds"}
        assert "seeds" in set(run.table("reliability")["benchmark"])
    if field == "law":
        # Two spellings of one term never split a vote.
        for classes in votes["class_answers"].to_list():
            assert len([answer for answer in classes if "rea" in answer.casefold()]) <= 1
        assert run.table("seeds")["answer"].null_count() == 8
    if field == "doses":
        assert "unparsable" in set(rewards["status"])  # a spoonful is no dose
        half = rewards.filter(pl.col("answer").is_in(["500 mg", "0.5 g", "0.501 g"]))
        per_question = half.group_by("iteration", "question_id").agg(pl.col("answer_class").n_unique())
        assert per_question["answer_class"].max() == 1
