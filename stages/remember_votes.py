"""After the vote, with `draw.prefer_uncertain`: keep what the last vote said about each question that was ever asked.

The next iteration draws its questions by this table (`stages.draw_instructions`). It runs with `instructions: seeds` or
`dataset` only, where a question can be asked again.
"""

from typing import Any

from stages import schemas
from stages.contract import Inputs, Metrics, Stage, Work
from stages.settings import Settings
from stages.try_questions import UNANSWERABLE


def remember_votes(config: Settings, inputs: Inputs, work: Work) -> Metrics:
    """Write the table `difficulty`: the rows of the iteration before, and those of the questions of this iteration."""
    before = inputs.table("difficulty").to_dicts() if "difficulty" in inputs else []
    rows = {row["question_id"]: row for row in before}
    times = {row["question_id"]: row["times"] for row in before}
    for question in _asked(inputs):
        identity = question["question_id"]
        # Removed and added again, so that the rows are in the order in which questions were last asked.
        rows.pop(identity, None)
        rows[identity] = {**question, "iteration": work.context.iteration, "times": times.get(identity, 0) + 1}
    work.write("difficulty", list(rows.values()))
    return {"difficulty/questions": len(rows)}


def _asked(inputs: Inputs) -> list[dict[str, Any]]:
    """Return the questions of this iteration, with columns of `difficulty`."""
    votes = inputs.over_rounds("votes").select("question_id", "share", "mean_reward", "decision").to_dicts()
    if "tries" not in inputs:
        return votes
    tries = inputs.over_rounds("tries")
    dropped = tries.filter(tries["decision"] == UNANSWERABLE)["question_id"]
    nothing = {"share": 0.0, "mean_reward": 0.0, "decision": UNANSWERABLE}
    return [*votes, *({"question_id": identity, **nothing} for identity in dropped)]


REMEMBER = Stage(
    name="remember_votes",
    version=1,
    body=remember_votes,
    tables={"difficulty": schemas.DIFFICULTY},
    size=lambda settings, rows: f"{rows('votes'):,} votes",
)
