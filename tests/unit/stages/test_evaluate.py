"""Grades and figures worked out by hand; a grading that fails counts as wrong."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from stages import schemas
from stages.answers.algebra.verifier import Verifier
from stages.answers.kinds import Ambiguous, AnswerKind
from stages.answers.math import MathAnswer
from stages.answers.voting import AnswerToGrade, Ballot, grade, vote
from stages.benchmarks.metrics import reliability, summarise
from stages.chat.options import PLAIN as PLAIN_CHAT
from stages.contract import Context, stage_key
from stages.evaluate import EVALUATE
from stages.settings.answers import AnswerConfig
from stages.settings.benchmarks import Shots
from stages.settings.evaluate import BenchmarkProtocol, EvaluateConfig
from stages.settings.sample import BOXED, AnswerPrompt
from tests.helpers import (
    Numbers,
    ScriptedEngine,
    Tables,
    do,
    fake_resources,
    memory_store,
    problem_row,
    put_policy,
    put_table,
)

PROBLEMS = {"Seven?": "7", "Eight?": "8", "Half?": r"\frac{1}{2}"}
SCRIPT = {
    "Seven?\n": [r"\boxed{7}", r"\boxed{7}", r"\boxed{5}", "no idea"],  # 2 of 4, majority right
    "Eight?\n": [r"\boxed{3}", r"\boxed{3}", r"\boxed{8}", r"\boxed{8}"],  # 2 of 4, tie at the top
    "Half?\n": [r"\boxed{0.5}", r"\boxed{2}…", "…", r"\boxed{\dfrac12}"],  # 2 of 4, majority right
}


PLAIN = AnswerPrompt(template="{question}\n")


def evaluate(context: Context, engine: ScriptedEngine | None = None, **config: Any) -> tuple[Tables, Numbers]:
    rows = [problem_row("b", text, answer, str(row)) for row, (text, answer) in enumerate(PROBLEMS.items())]
    with fake_resources(engine or ScriptedEngine(SCRIPT), shard_rows=2) as resources:
        context = replace(context, resources=resources)
        inputs = {"policy": put_policy(context), "problems": put_table(context, "problems", schemas.PROBLEMS, rows)}
        settings = {"samples": 4, "benchmarks": {"b": BenchmarkProtocol(prompt=PLAIN)}, **config}
        return do(EVALUATE, inputs, EvaluateConfig(**settings), context)


def values(tables: Tables) -> dict[str, float]:
    return dict(tables["results"].select("metric", "value").iter_rows())


def test_metrics_equal_figures_by_hand(context: Context) -> None:
    tables, metrics = evaluate(context)
    assert values(tables) == pytest.approx(
        {
            "pass1_greedy": 2 / 3,  # the first response: 7, 3, 0.5
            "no_answer_greedy": 0,
            "truncated_greedy": 0,
            "failed_greedy": 0,
            "length_greedy": (9 + 9 + 11) / 3,  # one token a character
            "pass1_sampled": 0.5,
            "maj@2": (0.5 + 0.5 + 0.75) / 3,  # 7 7, then 5 alone; 3 3, then 8 8; 0.5 and 2 tie, then 1/2 alone
            "maj_k": (1 + 0.5 + 1) / 3,
            "pass@2": 5 / 6,  # 1 - C(2, 2) / C(4, 2) for each
            "pass_k": 1,
            "no_answer_sampled": 2 / 12,
            "truncated_sampled": 2 / 12,
            "failed_sampled": 0,
            "length_sampled": (9 * 3 + 7 + 9 * 4 + 11 + 9 + 0 + 16) / 12,
        }
    )
    assert metrics["eval/b/maj_k"] == pytest.approx(2.5 / 3)
    assert tables["results"]["problems"].unique().to_list() == [3]
    samples = dict(tables["results"].select("metric", "samples").iter_rows())
    assert samples["pass1_greedy"] == 1 and samples["pass1_sampled"] == samples["maj_k"] == 4


def test_every_response_is_graded_and_kept(context: Context) -> None:
    grades = evaluate(context)[0]["grades"]
    assert grades.height == 3 * (1 + 4)
    sampled = grades.filter(mode="sampled").sort("problem_id", "sample_index")
    assert sampled["status"].to_list() == [
        *("correct", "correct", "wrong", "no_answer"),
        *("wrong", "wrong", "correct", "correct"),
        *("correct", "wrong", "no_answer", "correct"),
    ]
    half = sampled.filter(problem_id="2")
    assert half["answer"].to_list() == ["0.5", "2", None, r"\dfrac12"]
    assert half["answer_class"].to_list() == [0, 1, None, 0]


def test_responses_whose_thinking_never_ends_are_counted(context: Context) -> None:
    script = {**SCRIPT, "Half?\n": ["<think>0.5…", r"<think>2</think>\boxed{0.5}", "<think>…", r"\boxed{\dfrac12}"]}
    tables, metrics = evaluate(context, ScriptedEngine(script))
    # The first response is the greedy one as well.
    assert metrics["eval/b/thinking_unfinished"] == 3
    assert "thinking_unfinished" not in values(tables)
    again = evaluate(replace(context, store=memory_store()))[1]
    assert again["eval/b/thinking_unfinished"] == 0


def test_greedy_only(context: Context) -> None:
    tables, _ = evaluate(context, samples=0)
    rates = {"no_answer_greedy", "truncated_greedy", "failed_greedy", "length_greedy"}
    assert set(values(tables)) == {"pass1_greedy", *rates}


def test_one_sample_has_no_majority(context: Context) -> None:
    assert "maj_k" not in values(evaluate(context, samples=1)[0])


def test_every_iteration_draws_the_same_random_numbers(context: Context) -> None:
    """Policies are compared on common seeds; another run seed draws others."""
    seeds = []
    for changes in ({"iteration": 1}, {"iteration": 5}, {"seed": 4}):
        engine = ScriptedEngine(SCRIPT)
        evaluate(replace(context, store=memory_store(), **changes), engine)  # type: ignore[arg-type]
        seeds.append([call[2] for call in engine.calls])
    assert seeds[0] == seeds[1] != seeds[2]


def test_greedy_is_asked_at_temperature_zero(context: Context) -> None:
    engine = ScriptedEngine(SCRIPT)
    evaluate(context, engine, temperature=0.7, top_p=0.9)
    # Two parts, each greedy and then sampled.
    assert [(params.temperature, params.top_p) for _, params, _ in engine.calls] == [(0.0, 1.0), (0.7, 0.9)] * 2


def grades(*problems: Sequence[tuple[int | None, str]], benchmark: str = "b") -> list[dict[str, Any]]:
    """Rows of grades from (answer class, status) of the sampled responses of each problem."""
    return [
        {
            "benchmark": benchmark,
            "problem_id": f"{number}",
            "mode": "sampled",
            "answer_class": answer_class,
            "status": status,
            "finish_reason": "stop",
            "response_tokens": 3,
        }
        for number, responses in enumerate(problems)
        for answer_class, status in responses
    ]


def maj_k(*problems: Sequence[tuple[int | None, str]]) -> float:
    return next(row["value"] for row in summarise(grades(*problems)) if row["metric"] == "maj_k")


R, W, N = "correct", "wrong", "no_answer"


@pytest.mark.parametrize(
    ("responses", "expected"),
    [
        ([(0, R), (0, R), (1, W)], 1.0),
        ([(0, W), (0, W), (1, R)], 0.0),
        ([(0, R), (1, W)], 0.5),
        ([(0, W), (1, R), (2, W)], 1 / 3),
        ([(0, W), (0, W), (1, R), (1, R), (2, R)], 0.5),  # the third class is not at the top
        ([(None, N), (None, N), (0, R)], 1.0),  # no answer, no vote
        ([(None, N), (None, N)], 0.0),
        ([(0, "timeout"), (0, "timeout"), (1, R)], 0.0),  # a failed grading counts as wrong
    ],
)
def test_maj_k_by_hand(responses: list[tuple[int | None, str]], expected: float) -> None:
    assert maj_k(responses) == pytest.approx(expected)


def evaluate_one(
    context: Context, gold: str, responses: Sequence[str], **answers: Any
) -> tuple[dict[str, float], Tables]:
    """Evaluate on one problem; return the metrics, and the tables."""
    with fake_resources(ScriptedEngine({"How many?\n": responses})) as resources:
        context = replace(context, resources=resources)
        rows = [problem_row("b", "How many?", gold)]
        inputs = {"policy": put_policy(context), "problems": put_table(context, "problems", schemas.PROBLEMS, rows)}
        protocol = BenchmarkProtocol(prompt=PLAIN, answers=AnswerConfig(**answers))
        tables, _ = do(EVALUATE, inputs, EvaluateConfig(samples=len(responses), benchmarks={"b": protocol}), context)
    return values(tables), tables


@pytest.mark.parametrize(
    ("answers", "gold", "expected"),
    [
        (["50", "50", "50%"], "0.5", 0.0),  # most say 50, which is not 0.5
        (["50%", "50", "50"], "0.5", 0.0),
        (["50%", "50%", "50"], "0.5", 1.0),
        (["50", "50", "50%"], "50", 1.0),
        (["50%", "50%", "50"], "50", 1.0),
        (["0.5", "0.5", "50%"], "50", 0.0),
        (["25.0", "25", "25%"], "1/4", 0.0),
        (["25%", "25%", "25"], "1/4", 1.0),
        (["x=5", "x=5", "5"], "y=5", 0.0),
        (["5", "5", "x=5"], "x=5", 1.0),
        (["50", "50%", "7"], "7", 0.0),
        (["50", "50%", "7", "7", "7"], "7", 1.0),
    ],
)
def test_maj_k_grades_the_answer_that_stands_for_the_class(
    context: Context, answers: Sequence[str], gold: str, expected: float
) -> None:
    """A member that happens to equal the gold answer makes no majority right; a vote would pay the same answer."""
    metrics, tables = evaluate_one(context, gold, [rf"\boxed{{{answer}}}" for answer in answers])
    assert metrics["maj_k"] == expected
    with Verifier(workers=1) as verifier:
        [vote_of_all] = vote([Ballot(question="How many?", answers=answers)], MathAnswer(), verifier)
        row = AnswerToGrade(question="How many?", answer=vote_of_all.majority, gold=gold)
        assert grade([row], MathAnswer(), verifier) == ["correct" if expected else "wrong"]
    assert tables["reliability"]["correct"].to_list() == [expected]


@pytest.mark.parametrize(
    ("answers", "statuses", "expected"),
    [
        (["50", "50", "50%"], [W, W, R], 0.0),
        (["50%", "50%", "50"], [R, R, W], 1.0),
        (["50%", "50"], [R, W], 0.0),  # equally frequent: the shorter
        ([None, "50", "50", "50%"], [N, W, W, R], 0.0),
    ],
)
def test_rows_of_grades_are_enough_for_maj_k(
    answers: Sequence[str | None], statuses: Sequence[str], expected: float
) -> None:
    """Rows of the table have no column `form`: the answers as written take its place."""
    responses = [(None if answer is None else 0, status) for answer, status in zip(answers, statuses, strict=True)]
    rows = [{**row, "answer": answer} for row, answer in zip(grades(responses), answers, strict=True)]
    assert next(row["value"] for row in summarise(rows) if row["metric"] == "maj_k") == expected


def test_responses_that_were_cut_off_have_no_answer(context: Context) -> None:
    responses = ["We get 9, then 9 + 3…", "The total is 16…", r"\boxed{16}. Check: 9…", "It is 16", r"\boxed{1…"]
    metrics, tables = evaluate_one(context, "16", responses)
    sampled = tables["grades"].filter(mode="sampled")
    assert sampled["status"].to_list() == [N, N, R, R, N]
    assert (metrics["pass1_sampled"], metrics["pass1_greedy"], metrics["truncated_sampled"]) == (0.4, 0, 0.8)


def test_count_truncated_reads_them(context: Context) -> None:
    responses = ["The total is 16…", "It is 16"]
    metrics, tables = evaluate_one(context, "16", responses, count_truncated=True)
    assert tables["grades"]["status"].to_list() == [R, R, R] and metrics["pass1_sampled"] == 1


def test_thinking_is_not_graded(context: Context) -> None:
    responses = [r"<think>\boxed{16}", r"<think>\boxed{16}</think>\boxed{3}", r"<think>\boxed{3}</think>\boxed{16}"]
    assert evaluate_one(context, "16", responses)[1]["grades"].filter(mode="sampled")["status"].to_list() == [N, W, R]


def test_ambiguous_answers_are_not_correct(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    class Scores(AnswerKind):
        def extract(self, response: str, question: str) -> str | None:
            return Ambiguous("5 or 3") if "-" in response else response

    monkeypatch.setattr("stages.evaluate.load_kind", lambda config: Scores())
    metrics, tables = evaluate_one(context, "5", ["5-3", "5-3", "5"])
    sampled = tables["grades"].filter(mode="sampled")
    assert sampled.select("answer", "answer_class", "status").rows() == [
        ("5 or 3", None, "ambiguous"),
        ("5 or 3", None, "ambiguous"),
        ("5", 0, R),
    ]
    assert metrics["maj_k"] == 1 and metrics["failed_sampled"] == 0 and tables["failed_grades"].height == 0


@pytest.mark.parametrize("gold", ["4+4=<<4+4=8>>8\n#### 8", r"So $4+4=\boxed{8}$.", "8"])
def test_a_gold_answer_may_be_a_solution(context: Context, gold: str) -> None:
    assert evaluate_one(context, gold, ["It is 8", "It is 4"])[0]["pass1_sampled"] == 0.5


def test_a_failed_grading_stays_in_the_denominator() -> None:
    rows = {row["metric"]: row["value"] for row in summarise(grades([(0, R), (1, "timeout"), (2, "error"), (3, W)]))}
    assert rows["pass1_sampled"] == 0.25


def test_benchmarks_are_summarised_apart() -> None:
    rows = summarise(grades([(0, R), (0, R)]) + grades([(0, W), (0, W)], [(0, W), (0, R)], benchmark="a"))
    assert {row["benchmark"]: row["value"] for row in rows if row["metric"] == "pass1_sampled"} == {"a": 0.25, "b": 1.0}
    assert {row["benchmark"]: row["problems"] for row in rows} == {"a": 2, "b": 1}


def test_each_benchmark_has_its_kind_of_answers(context: Context) -> None:
    question = "Which is a mammal?\nA. trout\nB. otter"
    rows = [
        problem_row(name, text, answer)
        for name, text, answer in [("animals", question, "otter"), ("sums", "Seven?", "7")]
    ]
    script = {f"{question}\n": ["The answer is (B)."], "Seven?\n": [r"\boxed{7.0}"]}
    kinds = {"sums": AnswerConfig(), "animals": AnswerConfig(kind="choice")}
    benchmarks = {name: BenchmarkProtocol(answers=answers, prompt=PLAIN) for name, answers in kinds.items()}
    with fake_resources(ScriptedEngine(script)) as resources:
        context = replace(context, resources=resources)
        inputs = {"policy": put_policy(context), "problems": put_table(context, "problems", schemas.PROBLEMS, rows)}
        tables, _ = do(EVALUATE, inputs, EvaluateConfig(samples=0, benchmarks=benchmarks), context)
    assert tables["grades"].select("benchmark", "answer", "status").rows() == [
        ("animals", "(B).", "correct"),
        ("sums", "7.0", "correct"),
    ]


def test_reliability_of_the_majority(context: Context) -> None:
    # Eight? ties and has no majority; the others have shares of 2/4 and are right.
    rows = evaluate(context)[0]["reliability"].to_dicts()
    assert rows == [
        {"benchmark": "b", "share_from": 0.4, "share_to": 0.6, "questions": 2, "mean_share": 0.5, "correct": 1.0}
    ]


def test_a_reliability_curve_by_hand() -> None:
    voted = [(0.2, False), (0.1, True), (0.25, False), (0.8, True), (0.8, True), (0.7, False), (1.0, True), (0.6, True)]
    assert reliability(voted) == [
        {"share_from": 0.0, "share_to": 0.2, "questions": 2, "mean_share": pytest.approx(0.15), "correct": 0.5},
        {"share_from": 0.2, "share_to": 0.4, "questions": 1, "mean_share": 0.25, "correct": 0.0},
        {"share_from": 0.4, "share_to": 0.6, "questions": 1, "mean_share": 0.6, "correct": 1.0},
        {"share_from": 0.6, "share_to": 0.8, "questions": 3, "mean_share": pytest.approx(2.3 / 3), "correct": 2 / 3},
        {"share_from": 0.8, "share_to": 1.0, "questions": 1, "mean_share": 1.0, "correct": 1.0},
    ]
    # 3/15 and 12/15 are ends of fifths whatever floating point makes of them.
    assert [row["share_to"] for row in reliability([(3 / 15, True), (12 / 15, True)])] == [0.2, 0.8]
    assert reliability([]) == []


def test_worked_examples_precede_questions_of_their_subject(context: Context) -> None:
    rows = [
        problem_row("exam", "Two?", "B", "0", subject="law"),
        problem_row("exam", "Three?", "C", "1", subject="art"),
    ]
    shots = [
        {"benchmark": "exam", "subject": subject, "question": f"{subject} {number}?", "reasoning": "The answer is (A)."}
        for subject in ("law", "art")
        for number in range(3)
    ]
    shots.append({"benchmark": "other", "subject": "law", "question": "no", "reasoning": "no"})
    law, art = (
        f"About {subject}.\nQ: {subject} 0?\nA: The answer is (A).\n\nQ: {subject} 1?\nA: The answer is (A).\n\n"
        for subject in ("law", "art")
    )
    script = {f"{law}Q: Two?\nA:": ["The answer is (B)."], f"{art}Q: Three?\nA:": ["The answer is (D)."]}
    short = f"About law.\nQ: law 0?\nA: The answer is (A).\n\nQ: {'Very ' * 20}?\nA:"  # no room for the second one
    script[short] = ["The answer is (C)."]
    rows.append(problem_row("exam", f"{'Very ' * 20}?", "C", "2", subject="law"))
    protocol = BenchmarkProtocol(
        answers=AnswerConfig(kind="choice"),
        prompt=AnswerPrompt(template="Q: {question}\nA:"),
        shots=Shots(count=2, header="About {subject}."),
    )
    with fake_resources(ScriptedEngine(script)) as resources:
        context = replace(context, resources=resources)
        inputs = {
            "policy": put_policy(context),
            "problems": put_table(context, "problems", schemas.PROBLEMS, rows),
            "shots": put_table(context, "shots", schemas.SHOTS, shots),
        }
        config = EvaluateConfig(samples=0, benchmarks={"exam": protocol}, max_prompt_tokens=len(short))
        tables, _ = do(EVALUATE, inputs, config, context)
    assert tables["grades"]["status"].to_list() == ["correct", "wrong", "correct"]
    assert set(tables["results"]["prompt"]) == {"own, 2 examples"}


def test_all_that_a_file_says_is_text(context: Context) -> None:
    class MarkingEngine(ScriptedEngine):
        def as_text(self, content: str) -> str:
            return f"<{content}>"

    script = {"About <law>.\nQ: <One?>\nA: <(A).>\n\nQ: <Two?>\nA:": ["The answer is (B)."]}
    shots = [{"benchmark": "exam", "subject": "law", "question": "One?", "reasoning": "(A)."}]
    protocol = BenchmarkProtocol(
        prompt=AnswerPrompt(template="Q: {question}\nA:"), shots=Shots(count=1, header="About {subject}.")
    )
    with fake_resources(MarkingEngine(script)) as resources:
        context = replace(context, resources=resources)
        rows = [problem_row("exam", "Two?", "B", subject="law")]
        inputs = {
            "policy": put_policy(context),
            "problems": put_table(context, "problems", schemas.PROBLEMS, rows),
            "shots": put_table(context, "shots", schemas.SHOTS, shots),
        }
        tables, _ = do(EVALUATE, inputs, EvaluateConfig(samples=0, benchmarks={"exam": protocol}), context)
    assert tables["grades"].height == 1


def test_results_name_the_prompt_and_the_key_holds_it(context: Context) -> None:
    script = {f"{question}\n{BOXED}\n": responses for question, responses in (("Seven?", [r"\boxed{7}"]),)}
    rows = [problem_row("b", "Seven?", "7")]
    keys = []
    for prompt, responses in (("boxed", script), ("plain", {"Seven?\n": [r"\boxed{8}"]})):
        with fake_resources(ScriptedEngine(responses)) as resources:
            here = replace(context, resources=resources)
            inputs = {"policy": put_policy(here), "problems": put_table(here, "problems", schemas.PROBLEMS, rows)}
            benchmarks = {"b": BenchmarkProtocol(prompt=AnswerPrompt.model_validate(prompt))}
            config = EvaluateConfig(samples=0, benchmarks=benchmarks)
            keys.append(stage_key(EVALUATE, inputs, config, here))
            tables, metrics = do(EVALUATE, inputs, config, here)
            assert set(tables["results"]["prompt"]) == {prompt}
            assert metrics["eval/b/pass1_greedy"] == float(prompt == "boxed")
    assert keys[0] != keys[1]


class Brittle(AnswerKind):
    """A custom kind with a bug."""

    def extract(self, response: str, question: str) -> str | None:
        return response.split("=")[1]

    def canonical(self, answer: str, question: str) -> str | None:
        return str(int(answer))


def test_an_exception_in_grading_counts_as_wrong_and_is_listed(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.evaluate.load_kind", lambda config: Brittle())
    rows = [problem_row("b", "Seven?", "7")]
    script = {"Seven?\n": ["x=7", "no equation", "x=seven", "x=8"]}
    with fake_resources(ScriptedEngine(script)) as resources:
        context = replace(context, resources=resources)
        inputs = {"policy": put_policy(context), "problems": put_table(context, "problems", schemas.PROBLEMS, rows)}
        config = EvaluateConfig(samples=4, benchmarks={"b": BenchmarkProtocol(prompt=PLAIN)})
        tables, metrics = do(EVALUATE, inputs, config, context)
    sampled = tables["grades"].filter(mode="sampled")
    assert sampled.select("answer", "status").rows() == [
        ("7", "correct"),
        ("IndexError: list index out of range", "error"),
        ("seven", "error"),
        ("8", "wrong"),
    ]
    assert metrics["eval/b/pass1_sampled"] == 0.25 and metrics["eval/b/failed_sampled"] == 0.5
    assert tables["failed_grades"].select("problem_id", "mode", "sample_index", "status", "answer").rows() == [
        ("0", "sampled", 1, "error", "IndexError: list index out of range"),
        ("0", "sampled", 2, "error", "seven"),
    ]


def test_failure_of_the_grader_ends_the_stage(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """Grading runs beside the engine; what it raises must not be lost there."""

    def fail(*_: object) -> None:
        raise RuntimeError("no verifier")

    monkeypatch.setattr("stages.evaluate.grade", fail)
    with pytest.raises(RuntimeError, match="no verifier"):
        evaluate(context)


def test_a_benchmark_may_have_its_own_number_of_samples(context: Context) -> None:
    rows = [
        problem_row(name, question, "7", str(number))
        for number in range(2)
        for name, question in (("large", f"l{number}?"), ("small", f"s{number}?"))
    ]
    script = {f"{row['question']}\n": [r"\boxed{7}", r"\boxed{8}", r"\boxed{7}", r"\boxed{7}"] for row in rows}
    benchmarks = {
        "large": BenchmarkProtocol(prompt=PLAIN, samples=0),
        "small": BenchmarkProtocol(prompt=PLAIN, samples=4),
    }
    with fake_resources(ScriptedEngine(script), shard_rows=3) as resources:
        context = replace(context, resources=resources)
        inputs = {"policy": put_policy(context), "problems": put_table(context, "problems", schemas.PROBLEMS, rows)}
        tables, metrics = do(EVALUATE, inputs, EvaluateConfig(samples=2, benchmarks=benchmarks), context)
    counts = tables["grades"].group_by("benchmark", "mode").len().sort("benchmark", "mode").rows()
    assert counts == [("large", "greedy", 2), ("small", "greedy", 2), ("small", "sampled", 8)]
    assert metrics["eval/small/pass1_sampled"] == 0.75 and "eval/large/pass1_sampled" not in metrics
    assert tables["grades"]["problem_id"].to_list() == ["0"] * 6 + ["1"] * 6  # problem by problem


def test_all_benchmarks_reach_the_engine_as_one_stream(context: Context) -> None:
    """One load, one call: an engine that batches continuously never runs dry between benchmarks or modes."""
    rows = [problem_row(name, f"{name}?", "7") for name in ("a", "b", "c")]

    class Counting(ScriptedEngine):
        generated = loaded = 0

        def generate(self, batches, progress=None):  # type: ignore[no-untyped-def]
            type(self).generated += 1
            yield from super().generate(batches, progress)

        def load(self, folder, key, chat=PLAIN_CHAT):  # type: ignore[no-untyped-def]
            type(self).loaded += 1
            super().load(folder, key, chat)

    engine = Counting({f"{name}?\n": [r"\boxed{7}"] * 2 for name in ("a", "b", "c")})
    with fake_resources(engine, shard_rows=1) as resources:
        context = replace(context, resources=resources)
        inputs = {"policy": put_policy(context), "problems": put_table(context, "problems", schemas.PROBLEMS, rows)}
        benchmarks = {name: BenchmarkProtocol(prompt=PLAIN) for name in ("a", "b", "c")}
        do(EVALUATE, inputs, EvaluateConfig(samples=2, benchmarks=benchmarks), context)
    assert (engine.generated, engine.loaded) == (1, 1) and len(engine.calls) == 3 * 2
