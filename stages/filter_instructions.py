"""Stage 2: keep the good, new questions (paper, section 3.1, "online filtering").

Departs from the authors' release: a question is compared with the seeds and with every question accepted in this run,
not only with the current batch. Questions carried over from the iteration before come first and are not judged again. A
question's text is never altered. Overlap with an evaluation set is a reason to reject. A seed that overlaps an
evaluation set is reported and stays. Chat models copy the examples of their prompt and repeat themselves with other
numbers, so a question is also compared with those examples, and with the accepted questions of this run with all
numbers equal.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from stages import schemas
from stages.carried_over import CARRIED_OVER, carried_questions
from stages.chat.control_tokens import TokenFinder
from stages.contract import Inputs, Metrics, Stage, Work
from stages.domains import arithmetic
from stages.settings.filter import COPIES_EXAMPLE, REPEATS, FilterConfig
from stages.text.contamination import EvaluationOverlap
from stages.text.likeness import EarlierQuestions, copied_example
from stages.text.quality import reject_reason
from stages.text.similarity import RougeLBank
from stages.text.unfinished import CUT_OFF
from storage.tables import make_table

REASON_SURPLUS, UNFINISHED = "surplus", "unfinished"
REASONS_AFTER_RULES = (
    COPIES_EXAMPLE, "held_out_problem", "evaluation_overlap", "similar", REPEATS, REASON_SURPLUS
)  # fmt: skip
"""Why a question that passes the quality rules is rejected, in the order of the checks."""

Row = Mapping[str, Any]


def filter_instructions(config: FilterConfig, inputs: Inputs, work: Work) -> Metrics:
    """Write the tables `accepted`, `rejected`, `bank` and `seed_overlaps`.

    The inputs `generations` and, if there is one, `pool` are there if the rule `copies_example` needs them.
    """
    candidates, seeds = inputs.table("candidates").to_dicts(), inputs.table("seeds").to_dicts()
    bank = inputs.table("bank").to_arrow().cast(schemas.BANK) if "bank" in inputs else schemas.BANK.empty_table()
    problems = inputs.table("problems").filter(~pl.col("benchmark").is_in(config.seed_sets))
    overlap = EvaluationOverlap(problems.select("benchmark", "question").rows(), config.overlap_words)

    good, unfit = _screen(candidates, _examples(inputs, config), overlap, config)
    known = [*(row["question"] for row in seeds), *bank["question"].to_pylist()]
    earlier = EarlierQuestions(bank["question"].to_pylist()) if REPEATS in config.rules.use else None
    carried = carried_questions(inputs)
    new, not_new = _deduplicate(good, known, earlier, config, config.questions - len(carried), work.progress)

    rejected = [*unfit, *not_new]
    additions = [
        {"question_id": row["question_id"], "question": row["question"], "added_in": work.context.iteration}
        for row in new  # carried-over questions are in the bank already
    ]
    seed_overlaps = [
        {"question_id": row["question_id"], "question": row["question"], "benchmark": benchmark}
        for row in seeds
        for benchmark in overlap.overlapping_sets(row["question"])
    ]
    work.write("accepted", [*carried, *new])
    work.write("rejected", rejected)
    work.write("bank", pa.concat_tables([bank, make_table(additions, schemas.BANK)]).combine_chunks())
    work.write("seed_overlaps", seed_overlaps)

    reasons = Counter(row["reason"] for row in rejected)
    judged = len(candidates) - reasons[REASON_SURPLUS]
    return {
        "filter/candidates": len(candidates),
        "filter/accepted": len(carried) + len(new),
        **({"filter/carried_over": len(carried)} if CARRIED_OVER in inputs else {}),
        # Surplus was never judged, so it counts neither for nor against the generator.
        "filter/acceptance_rate": len(new) / judged if judged else None,
        "filter/bank": bank.num_rows + len(additions),
        "filter/seeds_overlapping": len({row["question_id"] for row in seed_overlaps}),
        **{
            f"filter/rejected/{reason}": reasons[reason]
            for reason in dict.fromkeys((*config.rules.use, UNFINISHED, *REASONS_AFTER_RULES))
            if reasons[reason]
        },
    }


def _examples(inputs: Inputs, config: FilterConfig) -> Mapping[int, Sequence[str]]:
    """Return the example questions of each prompt by its id; none if no rule compares with them."""
    if COPIES_EXAMPLE not in config.rules.use or "generations" not in inputs:
        return {}
    tables = [inputs.table(name) for name in ("seeds", "pool") if name in inputs]
    texts = dict(pl.concat(table.select("question_id", "question") for table in tables).iter_rows())
    prompts = inputs.table("generations").select("prompt_id", "example_ids").iter_rows()
    return {prompt: [texts[example] for example in examples] for prompt, examples in prompts}


def _screen(
    candidates: Iterable[Row],
    examples: Mapping[int, Sequence[str]],
    overlap: EvaluationOverlap,
    config: FilterConfig,
) -> tuple[list[Row], list[dict[str, Any]]]:
    """Judge each candidate by itself. Returns the candidates that pass, and rows of `rejected` for the others."""
    good, rejected = [], []
    control_tokens = TokenFinder(config.control_tokens)
    for row in candidates:
        question = row["question"]
        if reason := reject_reason(question, config.rules, control_tokens):
            rejected.append(_rejected_row(row, reason))
        elif question.endswith(CUT_OFF):  # whichever rules are in use: half a question is none
            rejected.append(_rejected_row(row, UNFINISHED))
        elif copied := copied_example(
            question, examples.get(row["prompt_id"], ()), config.rules.max_example_similarity
        ):
            rejected.append(_rejected_row(row, COPIES_EXAMPLE, *copied))
        elif config.domain and arithmetic.is_held_out(question):
            rejected.append(_rejected_row(row, "held_out_problem"))
        elif benchmarks := overlap.overlapping_sets(question):
            rejected.append(_rejected_row(row, "evaluation_overlap", nearest=benchmarks[0]))
        else:
            good.append(row)
    return good, rejected


def _deduplicate(
    candidates: Sequence[Row],
    known: Sequence[str],
    earlier: EarlierQuestions | None,
    config: FilterConfig,
    limit: int,
    progress: Callable[[int, int], None],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Accept candidates, in order, that differ from `known` questions and from each other, until there are `limit`.

    `earlier`: for the rule `repeats`, the questions of this run that were accepted before; None without that rule.
    Returns rows of `accepted`, and rows of `rejected` for the other candidates.
    """
    accepted: list[dict[str, Any]] = []
    rejected: list[dict[str, Any]] = []
    texts = set(known)  # with max_similarity 1 equal texts are not too similar, but a question_id must have one row
    accepted_bank = RougeLBank()
    scores, indices = RougeLBank(known).nearest([row["question"] for row in candidates])
    for done, (row, known_score, known_index) in enumerate(zip(candidates, scores, indices, strict=True), start=1):
        if len(accepted) >= limit:
            rejected.append(_rejected_row(row, REASON_SURPLUS))
            continue
        similarity = float(known_score)
        nearest = known[int(known_index)] if known else None
        (score,), (index,) = accepted_bank.nearest([row["question"]])
        if accepted and score > similarity:
            similarity, nearest = float(score), accepted[int(index)]["question"]
        if similarity > config.max_similarity or row["question"] in texts:
            rejected.append(_rejected_row(row, "similar", similarity, nearest))
            continue
        if earlier is not None:
            if repeated := earlier.repeated_by(row["question"], config.rules.max_repeat_similarity):
                rejected.append(_rejected_row(row, REPEATS, *repeated))
                continue
            earlier.add(row["question"])
        accepted_bank.add([row["question"]])
        texts.add(row["question"])
        accepted.append(
            {
                "question_id": schemas.question_id(row["question"]),
                "question": row["question"],
                "candidate_id": row["candidate_id"],
                "similarity": similarity,
            }
        )
        progress(done, len(candidates))
    return accepted, rejected


def _rejected_row(row: Row, reason: str, similarity: float | None = None, nearest: str | None = None) -> dict[str, Any]:
    candidate = {name: row[name] for name in ("candidate_id", "question")}
    return {**candidate, "reason": reason, "similarity": similarity, "nearest": nearest}


FILTER = Stage(
    name="filter_instructions",
    version=3,
    body=filter_instructions,
    tables={
        "accepted": schemas.ACCEPTED,
        "rejected": schemas.REJECTED,
        "bank": schemas.BANK,
        "seed_overlaps": schemas.SEED_OVERLAPS,
    },
    size=lambda settings, rows: f"{rows('candidates'):,} candidates",
)
