"""Stage 2: keep the good, new questions (paper, section 3.1, "online filtering").

Departs from the authors' release: diversity is judged against the seeds and everything ever accepted in this run, not
only the current batch; a question's text is never altered; overlap with an evaluation set is a reason to reject. A seed
that overlaps one is reported, and stays.
"""

from collections import Counter
from typing import Any

import polars as pl
import pyarrow as pa

from stages import schemas
from stages.contract import Inputs, Metrics, Stage, Work
from stages.domains import arithmetic
from stages.settings.filter import FilterConfig
from stages.text.contamination import EvaluationOverlap
from stages.text.quality import reject_reason
from stages.text.similarity import RougeLBank
from storage.tables import make_table

REASON_SURPLUS = "surplus"
REASONS_AFTER_RULES = ("held_out_problem", "evaluation_overlap", "similar", REASON_SURPLUS)
"""Why a question that passes the quality rules is rejected, in the order in which it is looked at."""


def filter_instructions(config: FilterConfig, inputs: Inputs, work: Work) -> Metrics:
    candidates = inputs.table("candidates")
    seeds = inputs.table("seeds")
    known = seeds["question"].to_list()
    bank = inputs.table("bank").to_arrow().cast(schemas.BANK) if "bank" in inputs else schemas.BANK.empty_table()
    known += bank["question"].to_pylist()
    problems = inputs.table("problems").filter(~pl.col("benchmark").is_in(config.seed_sets))
    overlap = EvaluationOverlap(problems.select("benchmark", "question").rows(), config.overlap_words)
    accepted: list[dict[str, Any]] = []
    rejected: list[dict[str, Any]] = []

    def reject(row: dict[str, Any], reason: str, similarity: float | None = None, nearest: str | None = None) -> None:
        kept = {name: row[name] for name in ("candidate_id", "question")}
        rejected.append({**kept, "reason": reason, "similarity": similarity, "nearest": nearest})

    good = []
    for row in candidates.iter_rows(named=True):
        if reason := reject_reason(row["question"], config.rules):
            reject(row, reason)
        elif config.domain and arithmetic.is_held_out(row["question"]):
            reject(row, "held_out_problem")
        elif found := overlap.found_in(row["question"]):
            reject(row, "evaluation_overlap", nearest=found[0])
        else:
            good.append(row)

    scores, indices = RougeLBank(known).nearest([row["question"] for row in good])
    texts = set(known)  # a limit of 1 lets equal texts pass, but one question_id has one row
    fresh = RougeLBank()  # what this call accepted: candidates are compared with each other too, in order
    for done, (row, known_score, known_index) in enumerate(zip(good, scores, indices, strict=True), start=1):
        similarity = float(known_score)
        nearest = known[int(known_index)] if known else None
        if len(accepted) >= config.questions:
            reject(row, REASON_SURPLUS)
            continue
        (fresh_score,), (fresh_index,) = fresh.nearest([row["question"]])
        if accepted and fresh_score > similarity:
            similarity, nearest = float(fresh_score), accepted[int(fresh_index)]["question"]
        if similarity > config.max_similarity or row["question"] in texts:
            reject(row, "similar", similarity, nearest)
            continue
        fresh.add([row["question"]])
        texts.add(row["question"])
        accepted.append(
            {
                "question_id": schemas.question_id(row["question"]),
                "question": row["question"],
                "candidate_id": row["candidate_id"],
                "similarity": similarity,
            }
        )
        work.progress(done, len(good))
    work.write("accepted", accepted)
    work.write("rejected", rejected)
    new = [
        {"question_id": r["question_id"], "question": r["question"], "added_in": work.context.iteration}
        for r in accepted
    ]
    work.write("bank", pa.concat_tables([bank, make_table(new, schemas.BANK)]).combine_chunks())
    seed_overlaps = [
        {"question_id": row["question_id"], "question": row["question"], "benchmark": name}
        for row in seeds.iter_rows(named=True)
        for name in overlap.found_in(row["question"])
    ]
    work.write("seed_overlaps", seed_overlaps)
    reasons = Counter(row["reason"] for row in rejected)
    judged = candidates.height - reasons[REASON_SURPLUS]
    return {
        "filter/candidates": candidates.height,
        "filter/accepted": len(accepted),
        # Surplus was never judged, so it counts neither for nor against the generator.
        "filter/acceptance_rate": len(accepted) / judged if judged else None,
        "filter/bank": bank.num_rows + len(new),
        "filter/seeds_overlapping": len({row["question_id"] for row in seed_overlaps}),
        **{
            f"filter/rejected/{reason}": reasons[reason]
            for reason in (*config.rules.use, *REASONS_AFTER_RULES)
            if reasons[reason]
        },
    }


FILTER = Stage(
    name="filter_instructions",
    version=2,
    body=filter_instructions,
    tables={
        "accepted": schemas.ACCEPTED,
        "rejected": schemas.REJECTED,
        "bank": schemas.BANK,
        "seed_overlaps": schemas.SEED_OVERLAPS,
    },
    size=lambda settings, rows: f"{rows('candidates'):,} candidates",
)
