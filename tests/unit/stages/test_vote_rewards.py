"""The vote on responses written by hand: majority, tie, no answer, the gate's ends, and the comparison arms."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from stages import schemas
from stages.answers.kinds import Ambiguous, AnswerKind
from stages.contract import Context
from stages.domains import arithmetic
from stages.settings.answers import AnswerConfig
from stages.settings.vote import VoteConfig, VoterWeight
from stages.vote_rewards import VOTE
from tests.helpers import Numbers, Tables, do, memory_store, put_table


def boxed(*answers: int | None) -> list[str]:
    return ["I do not know" if answer is None else rf"So it is \boxed{{{answer}}}." for answer in answers]


def run_vote(
    context: Context,
    questions: dict[str, Sequence[str]],
    config: VoteConfig,
    *,
    shuffle: int | None = None,
    voters: Sequence[dict[str, Any]] = (),
) -> tuple[Tables, Numbers]:
    """Vote on `questions`: text -> its responses."""
    accepted = [
        {"question_id": schemas.question_id(text), "question": text, "candidate_id": f"c{row}", "similarity": 0.0}
        for row, text in enumerate(questions)
    ]
    responses = [
        _response(text, index, response) for text in questions for index, response in enumerate(questions[text])
    ]
    if shuffle is not None:
        random.Random(shuffle).shuffle(responses)
    inputs = {
        "accepted": put_table(context, "accepted", schemas.ACCEPTED, accepted),
        "responses": put_table(context, "responses", schemas.RESPONSES, responses),
    }
    if voters:
        inputs["voter_responses"] = put_table(context, "voter_responses", schemas.VOTER_RESPONSES, voters)
    return do(VOTE, inputs, config, context)


def _response(question: str, index: int, text: str) -> dict[str, Any]:
    """A row of `responses`; a text that ends in "…" was cut off by the token limit."""
    ids = {"prompt_ids": [1], "response_ids": [2], "behaviour_logprobs": [-1.0], **_end(text)}
    return {"question_id": schemas.question_id(question), "sample_index": index, "seed": 0, **ids}


def _end(text: str) -> dict[str, str]:
    return {"response": text.removesuffix("…"), "finish_reason": "length" if text.endswith("…") else "stop"}


def only_vote(context: Context, responses: Sequence[str], **config: Any) -> tuple[dict[str, Any], list[float]]:
    tables, _ = run_vote(context, {"How many?": responses}, VoteConfig(**config))
    return tables["votes"].to_dicts()[0], tables["rewards"]["reward"].to_list()


def test_the_majority_earns_and_the_rest_does_not(context: Context) -> None:
    vote, rewards = only_vote(context, boxed(7, 5, 7, None, 7, 6, 7, 5))
    assert rewards == [1, 0, 1, 0, 1, 0, 1, 0]
    assert vote["majority_answer"] == "7" and vote["decision"] == "kept"
    assert (vote["responses"], vote["answered"]) == (8, 7)
    assert (vote["class_answers"], vote["class_shares"]) == (["7", "5", "6"], [0.5, 0.25, 0.125])
    assert (vote["share"], vote["margin"], vote["mean_reward"]) == (0.5, 0.25, 0.5)


def test_equal_answers_in_other_spellings_vote_together(context: Context) -> None:
    texts = [r"\boxed{0.5}", r"\boxed{\frac{1}{2}}", r"\boxed{\dfrac12}", r"\boxed{3}", r"\boxed{4}"]
    vote, rewards = only_vote(context, texts)
    assert rewards == [1, 1, 1, 0, 0]
    assert vote["share"] == 0.6


def test_a_tie_is_no_majority(context: Context) -> None:
    vote, rewards = only_vote(context, boxed(7, 7, 5, 5, 3))
    assert vote["decision"] == "tie" and vote["majority_answer"] is None
    assert rewards == [0] * 5


def test_without_answers_there_is_no_vote(context: Context) -> None:
    vote, rewards = only_vote(context, boxed(None, None, None))
    assert vote["decision"] == "no_answer" and vote["majority_answer"] is None and vote["answered"] == 0
    assert rewards == [0, 0, 0]


def test_a_response_without_answer_does_not_vote_but_counts(context: Context) -> None:
    """Three of five unanswered: the release let "no answer" be the majority."""
    vote, rewards = only_vote(context, boxed(None, 7, None, 7, None))
    assert rewards == [0, 1, 0, 1, 0]
    assert vote["share"] == 0.4 and vote["decision"] == "kept"


def test_a_question_without_responses_is_dropped(context: Context) -> None:
    tables, metrics = run_vote(context, {"Too long a prompt?": []}, VoteConfig())
    assert tables["votes"]["decision"].to_list() == ["no_responses"]
    assert tables["rewards"].height == tables["pool"].height == 0
    assert metrics["vote/dropped/no_responses"] == metrics["vote/dropped"] == 1


@pytest.mark.parametrize(
    ("top", "n", "decision"),
    [
        (2, 10, "kept"),  # exactly 0.2
        (3, 15, "kept"),  # 15 * 0.2 = 3.0000000000000004 in floating point
        (2, 11, "too_hard"),
        (8, 10, "kept"),  # exactly 0.8
        (12, 15, "kept"),
        (13, 16, "too_easy"),
        (16, 16, "too_easy"),
    ],
)
def test_both_ends_of_the_gate_are_inside(context: Context, top: int, n: int, decision: str) -> None:
    vote, _ = only_vote(context, boxed(*[7] * top, *range(100, 100 + n - top)))
    assert vote["decision"] == decision


def test_the_gate_is_a_setting(context: Context) -> None:
    assert only_vote(context, boxed(7, 7, 7, 7))[0]["decision"] == "too_easy"
    assert only_vote(context, boxed(7, 7, 7, 7), max_reward=1.0)[0]["decision"] == "kept"
    with pytest.raises(ValidationError, match=r"min_reward 0\.9 is above max_reward 0\.8"):
        VoteConfig(min_reward=0.9)


def test_boxed_only_ignores_other_answers(context: Context) -> None:
    texts = ["the answer is 7", "the answer is 7", r"\boxed{5}", r"\boxed{5}", r"\boxed{6}"]
    assert only_vote(context, texts)[0]["decision"] == "tie"
    assert only_vote(context, texts, answers=AnswerConfig(boxed_only=True))[0]["majority_answer"] == "5"


def test_every_response_has_the_status_of_its_answer(context: Context) -> None:
    texts = [
        r"\boxed{n+1}",
        r"\boxed{1+n}",
        r"\boxed{\frac{1}{}}",
        r"\boxed{" + "7" * 301 + "}",
        "no idea",
        r"\boxed{5}",
    ]
    tables, metrics = run_vote(context, {"How many?": texts}, VoteConfig())
    rewards = tables["rewards"]
    assert rewards["status"].to_list() == ["ok", "ok", "unparsable", "too_large", "no_answer", "ok"]
    assert rewards["answer_class"].to_list() == [0, 0, None, None, None, 1]
    assert rewards["reward"].to_list() == [1, 1, 0, 0, 0, 0]
    assert rewards["answer"].to_list()[3] == "7" * 300  # its beginning, to look at
    assert (metrics["vote/unparsable_share"], metrics["vote/too_large_share"]) == (1 / 6, 1 / 6)


def test_question_without_a_readable_answer_is_dropped(context: Context) -> None:
    vote, rewards = only_vote(context, [r"\boxed{\frac{1}{}}", r"\boxed{\frac{1}{}}", "no idea"])
    assert vote["decision"] == "unparsable" and vote["majority_answer"] is None
    assert rewards == [0, 0, 0]


CUT_OFF = "We get 4 + 5 = 9, then 9 + 3…"


def test_responses_that_were_cut_off_do_not_win(context: Context) -> None:
    """Six responses stopped in the same addition; their last number used to be the majority, and earned."""
    texts = [CUT_OFF] * 6 + ["The total is 16."] * 4
    tables, metrics = run_vote(context, {"How many?": texts}, VoteConfig())
    vote = tables["votes"].to_dicts()[0]
    assert (vote["majority_answer"], vote["share"], vote["answered"], vote["decision"]) == ("16", 0.4, 4, "kept")
    assert tables["rewards"]["reward"].to_list() == [0] * 6 + [1] * 4
    assert tables["rewards"]["status"].to_list() == ["no_answer"] * 6 + ["ok"] * 4
    assert metrics["vote/no_answer_share"] == 0.6 and metrics["vote/complete_responses"] == 4


def test_count_truncated_lets_them_vote(context: Context) -> None:
    texts = ["= 9, then 9 + 3 = 1…"] * 6 + ["The total is 16."] * 4
    vote, rewards = only_vote(context, texts, answers=AnswerConfig(count_truncated=True))
    assert vote["majority_answer"] == "1" and rewards == [1] * 6 + [0] * 4


def test_an_answer_that_was_closed_before_the_cut_votes(context: Context) -> None:
    texts = [r"So \boxed{16}. Check: 9 + 3…", r"\boxed{16}…", r"So far \boxed{12}. Now \boxed{1…", r"\boxed{1…", "16"]
    tables, _ = run_vote(context, {"How many?": texts}, VoteConfig())
    assert tables["rewards"]["answer"].to_list() == ["16", "16", "12", None, "16"]
    assert tables["rewards"]["answer_class"].to_list() == [0, 0, 1, None, 0]


def test_thinking_does_not_vote(context: Context) -> None:
    texts = [r"<think>\boxed{5}"] * 3 + [r"<think>\boxed{5}</think>Hm."] * 3 + [r"<think>5?</think>\boxed{6}"] * 2
    vote, rewards = only_vote(context, texts)
    assert (vote["majority_answer"], vote["share"]) == ("6", 0.25) and rewards == [0] * 6 + [1] * 2


def test_question_whose_responses_were_all_cut_off_is_dropped(context: Context) -> None:
    tables, metrics = run_vote(context, {"How many?": [CUT_OFF] * 4}, VoteConfig())
    assert tables["votes"]["decision"].to_list() == ["no_answer"]
    assert metrics["vote/complete_responses"] == 0


def test_complete_responses_are_those_that_the_update_sees(context: Context) -> None:
    boxes = [r"\boxed{7}…", r"\boxed{7}", r"\boxed{8}", r"\boxed{9}…"]
    questions = {"Kept?": boxes, "Easy?": [r"\boxed{1}"] * 4}
    assert run_vote(context, questions, VoteConfig())[1]["vote/complete_responses"] == 2
    assert run_vote(context, questions, VoteConfig(train_responses=2))[1]["vote/complete_responses"] == 1
    all_cut_off = {"Kept?": [r"\boxed{7}…", r"\boxed{7}…", r"\boxed{8}…"]}
    _, metrics = run_vote(context, all_cut_off, VoteConfig())
    assert (metrics["vote/kept"], metrics["vote/complete_responses"]) == (1, 0)


def test_ambiguous_answers_are_recorded_and_earn_nothing(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    class Points(AnswerKind):
        def extract(self, response: str, question: str) -> str | None:
            return response

        def canonical(self, answer: str, question: str) -> str | None:
            return Ambiguous("5 or 3") if "-" in answer else answer

    monkeypatch.setattr("stages.vote_rewards.load_kind", lambda config: Points())
    tables, metrics = run_vote(context, {"What was the score?": ["5-3", "5-3", "5-3", "5", "7"]}, VoteConfig())
    assert tables["rewards"]["status"].to_list() == ["ambiguous"] * 3 + ["ok"] * 2
    assert tables["rewards"]["reward"].to_list() == [0] * 5
    assert tables["rewards"]["answer"].to_list() == ["5-3", "5-3", "5-3", "5", "7"]
    assert tables["votes"]["decision"].to_list() == ["tie"]
    assert metrics["vote/ambiguous_share"] == 0.6 and metrics["vote/unanswered_share"] == 0.6


def test_voters_that_were_cut_off_do_not_vote(context: Context) -> None:
    rows = voter_rows("teacher", {"How many?": [CUT_OFF, r"\boxed{7}…"]})
    config = VoteConfig(voters=(VoterWeight(name="teacher", weight=1.0),))
    tables, _ = run_vote(context, {"How many?": boxed(7, 5)}, config, voters=rows)
    assert tables["voter_answers"]["status"].to_list() == ["no_answer", "ok"]
    assert tables["votes"]["class_shares"].to_list() == [[0.5, 0.25]]


def test_thin_margin_abstains_if_set(context: Context) -> None:
    texts = boxed(7, 7, 7, 5, 5, None, None, None)  # margin 1/8
    assert only_vote(context, texts)[0]["decision"] == "kept"
    assert only_vote(context, texts, abstain_below=0.125)[0]["decision"] == "kept"
    vote, _ = only_vote(context, texts, abstain_below=0.13)
    assert vote["decision"] == "abstain" and vote["margin"] == 0.125 and vote["majority_answer"] == "7"


def test_soft_votes_pay_the_share_of_each_class(context: Context) -> None:
    texts = boxed(7, 7, 7, 7, 5, 5, 6, None)
    vote, rewards = only_vote(context, texts, soft=True)
    assert rewards == [0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125, 0]
    assert vote["mean_reward"] == pytest.approx(2.625 / 8)
    # The gate uses how often the majority answer is given (0.5), not the mean reward (0.33).
    assert only_vote(context, texts, soft=True, min_reward=0.4)[0]["decision"] == "kept"


def test_low_agreement_is_penalized_if_set(context: Context) -> None:
    texts = boxed(7, 7, 7, 7, 5, 5, 6, None)  # share 0.5
    assert only_vote(context, texts, low_agreement_penalty=1.0)[1] == [0.5] * 4 + [0] * 4
    assert only_vote(context, texts, low_agreement_penalty=0.2)[1] == pytest.approx([0.9] * 4 + [0] * 4)


def test_all_vote_and_fewer_are_trained_on(context: Context) -> None:
    questions = {"How many?": boxed(5, 6, 7, 7, 7, 5), "And now?": boxed(1, 1, 2)}
    whole, _ = run_vote(context, questions, VoteConfig())
    tables, _ = run_vote(context, questions, VoteConfig(train_responses=2))
    assert tables["votes"].equals(whole["votes"])
    assert tables["rewards"].drop("trained").equals(whole["rewards"].drop("trained"))
    trained = tables["rewards"].filter("trained").select("question_id", "sample_index").rows()
    assert trained == [(schemas.question_id(text), index) for text in questions for index in (0, 1)]
    assert whole["rewards"]["trained"].all()


def voter_rows(voter: str, questions: dict[str, Sequence[str]]) -> list[dict[str, Any]]:
    common = {"seed": 0, "response_tokens": 1, "voter": voter}
    return [
        {"question_id": schemas.question_id(text), "sample_index": index, **_end(response), **common}
        for text, responses in questions.items()
        for index, response in enumerate(responses)
    ]


def test_voters_vote_and_are_not_trained_on(context: Context) -> None:
    texts = {"How many?": boxed(7, 7, 5, None), "And now?": boxed(1, 1, 1, 2)}
    rows = [
        *voter_rows("teacher", {"How many?": boxed(5, 5), "And now?": boxed(1, 3)}),
        *voter_rows("older", {"How many?": boxed(7, 5), "And now?": boxed(2)}),
    ]
    voters = (VoterWeight(name="teacher", weight=1.5), VoterWeight(name="older", weight=0.5))
    config = VoteConfig(voters=voters)
    tables, metrics = run_vote(context, texts, config, voters=rows)
    # Weights for 7: 1+1+0.5; for 5: 1+1.5+1.5+0.5; of 4+3+1 in all.
    first, second = tables["votes"].to_dicts()
    assert first["class_answers"] == ["5", "7"]
    assert first["class_shares"] == [4.5 / 8, 2.5 / 8] and first["margin"] == 2 / 8
    assert (first["responses"], first["mean_reward"]) == (4, 0.25)
    assert (second["majority_answer"], second["share"]) == ("1", 4.5 / 7.5)
    assert tables["rewards"]["reward"].to_list() == [0, 0, 1, 0, 1, 1, 1, 0]
    assert tables["voter_answers"].select("voter", "sample_index", "answer", "answer_class").rows() == [
        ("teacher", 0, "5", 0),
        ("teacher", 1, "5", 0),
        ("older", 0, "7", 1),
        ("older", 1, "5", 0),
        ("teacher", 0, "1", 0),
        ("teacher", 1, "3", 2),
        ("older", 0, "2", 1),
    ]
    assert metrics["vote/agreement/policy"] == 4 / 8
    assert metrics["vote/agreement/teacher"] == 3 / 4
    assert metrics["vote/agreement/older"] == 1 / 3


def test_without_voters_there_are_no_voter_metrics(context: Context) -> None:
    tables, metrics = run_vote(context, {"How many?": boxed(7, 7, 5)}, VoteConfig())
    assert tables["voter_answers"].height == 0
    assert not any(name.startswith("vote/agreement") for name in metrics)


@pytest.mark.parametrize(
    ("kind", "question", "responses", "rewards", "classes"),
    [
        (
            "choice",
            "Which drugs cause a dry cough?\nA. statins\nB. ACE inhibitors\nC. nitrates",
            ["The answer is (B).", r"\boxed{ACE inhibitors}", "B) ACE inhibitors", "Answer: C", "I cannot say."],
            [1, 1, 1, 0, 0],
            [0.6, 0.2],
        ),
        (
            "text",
            "Which doctrine keeps a matter that was decided from being tried again?",
            ["Answer: res judicata", r"\boxed{Res Judicata}", "The answer is stare decisis.", "I cannot.", "I cannot."],
            [1, 1, 0, 0, 0],
            [0.4, 0.2],
        ),
    ],
    ids=["medicine", "law"],
)
def test_votes_outside_mathematics(
    kind: str, question: str, responses: list[str], rewards: list[int], classes: list[float], context: Context
) -> None:
    tables, _ = run_vote(context, {question: responses}, VoteConfig(answers=AnswerConfig(kind=kind)))
    assert tables["rewards"]["reward"].to_list() == rewards
    assert tables["votes"]["class_shares"].to_list() == [classes]
    assert tables["votes"]["decision"].to_list() == ["kept"]


def test_the_order_of_rows_does_not_matter(context: Context) -> None:
    questions = {"First?": boxed(7, 5, 7, None), "Second?": boxed(1, 2, 2, 3), "Third?": boxed(4, 4, 5, 5)}
    expected, _ = run_vote(context, questions, VoteConfig())
    for seed in range(3):
        tables, _ = run_vote(context, questions, VoteConfig(), shuffle=seed)
        assert all(tables[name].equals(expected[name]) for name in expected)


def test_kept_questions_join_the_pool(context: Context) -> None:
    old = {"question_id": "q0", "question": "Old?", "added_in": 0, "share": 0.6}
    text = "How many?"
    accepted = {"question_id": schemas.question_id(text), "question": text, "candidate_id": "c", "similarity": 0.0}
    inputs = {
        "accepted": put_table(context, "accepted", schemas.ACCEPTED, [accepted]),
        "responses": put_table(
            context, "responses", schemas.RESPONSES, [_response(text, i, t) for i, t in enumerate(boxed(7, 7, 5))]
        ),
        "pool": put_table(context, "pool", schemas.POOL, [old]),
    }
    tables, _ = do(VOTE, inputs, VoteConfig(), context)
    new = {"question_id": schemas.question_id(text), "question": text, "added_in": 1, "share": 2 / 3}
    assert tables["pool"].to_dicts() == [old, new]


def test_metrics_count_decisions(context: Context) -> None:
    questions = {
        "Kept?": boxed(1, 1, 2, None),
        "Easy?": boxed(1, 1, 1, 1),
        "Tie?": boxed(1, 1, 2, 2),
        "Nothing?": boxed(None, None, None, None),
    }
    _, metrics = run_vote(context, questions, VoteConfig())
    assert (metrics["vote/kept"], metrics["vote/dropped"]) == (1, 3)
    dropped = {name.rsplit("/", 1)[1]: value for name, value in metrics.items() if name.startswith("vote/dropped/")}
    assert {name: number for name, number in dropped.items() if number} == {"too_easy": 1, "tie": 1, "no_answer": 1}
    assert set(dropped) == {"too_easy", "too_hard", "tie", "abstain", "no_answer", "unparsable", "no_responses"}
    assert metrics["vote/mean_share"] == pytest.approx((0.5 + 1 + 0.5 + 0) / 4)
    assert metrics["vote/mean_reward_kept"] == 0.5
    assert metrics["vote/no_answer_share"] == pytest.approx(5 / 16)


LONG = boxed(*[7] * 8, *range(100, 108))
"""Sixteen responses, half of them the majority: 12,870 orders of rewards."""


def test_random_rewards_permute_those_of_the_majority(context: Context) -> None:
    questions = {"First?": LONG, "Second?": boxed(*[3] * 5, *range(50, 61)), "Easy?": boxed(*[1] * 16)}
    majority, _ = run_vote(context, questions, VoteConfig())
    permuted, _ = run_vote(context, questions, VoteConfig(rewards="random"))
    assert majority["votes"].equals(permuted["votes"])
    assert majority["pool"].equals(permuted["pool"])
    sums = [
        t["rewards"].group_by("question_id").agg(pl.col("reward").sum()).sort("question_id")
        for t in (majority, permuted)
    ]
    assert sums[0].equals(sums[1])
    assert majority["rewards"]["reward"].to_list() != permuted["rewards"]["reward"].to_list()
    assert set(permuted["rewards"]["reward"].to_list()) == {0.0, 1.0}


def test_random_rewards_follow_from_the_seed_alone(context: Context) -> None:
    def rewards(seed: int, shuffle: int) -> list[float]:
        other = replace(context, seed=seed, store=memory_store())
        tables, _ = run_vote(other, {"First?": LONG}, VoteConfig(rewards="random"), shuffle=shuffle)
        return tables["rewards"]["reward"].to_list()

    assert rewards(3, shuffle=1) == rewards(3, shuffle=2)
    assert rewards(3, shuffle=1) != rewards(4, shuffle=1)


PROBLEM = arithmetic.problems("warm", 1, 5)[0]


def test_verified_rewards_follow_the_label_not_the_vote(context: Context) -> None:
    right, wrong = PROBLEM.answer, PROBLEM.answer + 1
    responses = {PROBLEM.question: boxed(wrong, right, wrong, right, wrong, None)}
    tables, _ = run_vote(context, responses, VoteConfig(rewards="verified", domain="arithmetic"))
    assert tables["rewards"]["reward"].to_list() == [0, 1, 0, 1, 0, 0]
    assert tables["votes"]["mean_reward"].to_list() == [pytest.approx(1 / 3)]
    assert tables["votes"]["majority_answer"].to_list() == [str(wrong)]
    assert tables["votes"]["decision"].to_list() == ["kept"]


def with_label(
    context: Context, label: str | None, texts: Sequence[str], kind: str = "math"
) -> tuple[list[float], str]:
    """Return the rewards and the decision of one question whose label was given with it."""
    question_id = schemas.question_id("How many?")
    accepted = [{"question_id": question_id, "question": "How many?", "candidate_id": "given", "similarity": 0.0}]
    responses = [_response("How many?", index, text) for index, text in enumerate(texts)]
    inputs = {
        "accepted": put_table(context, "accepted", schemas.ACCEPTED, accepted),
        "responses": put_table(context, "responses", schemas.RESPONSES, responses),
        "labels": put_table(context, "labels", schemas.LABELS, [{"question_id": question_id, "label": label}]),
    }
    config = VoteConfig(rewards="verified", answers=AnswerConfig(kind=kind))
    tables, _ = do(VOTE, inputs, config, context)
    return tables["rewards"]["reward"].to_list(), tables["votes"]["decision"].item()


@pytest.mark.parametrize(
    "label",
    [
        "8",
        "4+4=<<4+4=8>>8\n#### 8",
        "She has 4.\nThen 4+4=<<4+4=8>>8.\n#### 8\n",
        "4+4=8\n####8",
        "4+4=8\n#### 8.0",
        "First #### 7\nNo.\n#### 8",
        "4+4=8\n####\n8",
        r"4+4=\boxed{8}",
        r"So $4+4=\boxed{8}$, as the table says.",
    ],
)
def test_label_may_be_a_solution(context: Context, label: str) -> None:
    assert with_label(context, label, boxed(8, 4, 7, None)) == ([1, 0, 0, 0], "kept")


@pytest.mark.parametrize("label", [None, "", " ", "\n\t", "nan", "NaN"])
def test_blank_label_is_none(context: Context, label: str | None) -> None:
    assert with_label(context, label, ["The answer is nan"] * 2 + boxed(8), "text") == ([0, 0, 0], "too_hard")


def test_verified_rewards_read_no_response_after_its_cut(context: Context) -> None:
    assert with_label(context, "12", ["4 + 8 = 12…", r"\boxed{12}…", "12", "So 13"])[0] == [0, 1, 1, 0]


@pytest.mark.parametrize("min_reward", [0.2, 0.0])
def test_verified_drops_a_question_that_the_domain_cannot_label(context: Context, min_reward: float) -> None:
    """With min_reward 0 a question without a label was kept, all of its rewards 0."""
    tables, _ = run_vote(
        context,
        {"How high is up?": boxed(7, 7, 5)},
        VoteConfig(rewards="verified", domain="arithmetic", min_reward=min_reward),
    )
    assert tables["rewards"]["reward"].to_list() == [0, 0, 0]
    assert tables["votes"]["decision"].to_list() != ["kept"]


def test_diagnostics_compare_with_the_label_and_change_nothing(context: Context) -> None:
    right, wrong = PROBLEM.answer, PROBLEM.answer + 1
    questions = {PROBLEM.question: boxed(wrong, wrong, right, None), "How high is up?": boxed(1, 1, 2)}
    plain, plain_metrics = run_vote(context, questions, VoteConfig())
    labelled, metrics = run_vote(context, questions, VoteConfig(domain="arithmetic"))
    first, second = labelled["diagnostics"].to_dicts()
    assert (first["label"], first["majority_correct"], first["responses_correct"]) == (str(right), False, 0.25)
    assert (second["label"], second["majority_correct"], second["responses_correct"]) == (None, None, None)
    assert metrics["diagnostics/solvable_share"] == 0.5
    assert metrics["diagnostics/majority_correct"] == 0 and metrics["diagnostics/responses_correct"] == 0.25
    assert all(plain[name].equals(labelled[name]) for name in ("rewards", "votes", "pool"))
    assert plain["diagnostics"].height == 0
    assert plain_metrics == {name: value for name, value in metrics.items() if name.startswith("vote/")}
