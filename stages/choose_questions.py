"""After the rounds of an iteration: choose the questions that the update takes, and sum up the rounds.

Runs only with `questions_per_update`. The first kept questions are used, in the order of rounds and within a round in
that of `accepted`. The rest are carried over: the next iteration asks them first, of its own policy. If there are too
few for an update, all of them are carried over.

The metrics are those of the whole iteration, under the names that the stages of a round use.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from stages import schemas
from stages.carried_over import CARRIED_OVER
from stages.contract import Inputs, Metrics, Stage, Work
from stages.settings.choose import ChooseConfig
from stages.vote_metrics import Numbers, label_metrics, vote_metrics
from stages.work import input_of_round

UPDATE, LEFT_OVER = "update", "left_over"
"""Uses of a kept question, besides `CARRIED_OVER`: the update takes it, or nothing does."""
_OF_THE_LAST_ROUND = (
    *("filter/bank", "filter/seeds_overlapping"),
    *("draw/given", "draw/overlapping", "draw/epoch", "draw/position", "draw/left", "draw/skipped"),
)
"""Metrics that say how things are after a round, not how much the round did."""
_TOKENS = ("generate/tokens", "answerable/tokens", "sample/tokens", "voters/tokens")


def choose_questions(config: ChooseConfig, inputs: Inputs, work: Work) -> Metrics:
    """Write the table `chosen`."""
    votes, rewards = inputs.over_rounds("votes"), inputs.over_rounds("rewards")
    origins = inputs.over_rounds("accepted").select("question_id", "candidate_id", "similarity")
    kept = votes.filter(pl.col("decision") == "kept").join(origins, on="question_id", how="left", maintain_order="left")
    usable = 0 if config.update_skipped else config.questions
    surplus = CARRIED_OVER if config.carry_over else LEFT_OVER
    chosen = kept.select("question_id", "question", "candidate_id", "similarity", "round").with_columns(
        use=pl.when(pl.int_range(pl.len()) < usable).then(pl.lit(UPDATE)).otherwise(pl.lit(surplus))
    )
    work.write("chosen", chosen.to_dicts())

    finished = inputs.over_rounds("responses").select("question_id", "sample_index", "finish_reason")
    trained = rewards.filter("trained").join(finished, on=["question_id", "sample_index"])
    complete = trained.filter(pl.col("finish_reason") != "length").select("question_id")
    used = chosen.filter(pl.col("use") == UPDATE)
    metrics_of_rounds = list(_metrics_of_rounds(inputs))
    totals = sum_up(metrics_of_rounds)
    return {
        "rounds/used": used.height,
        "rounds/wanted": config.questions,
        "rounds/count": len(metrics_of_rounds),
        "rounds/kept": kept.height,
        "rounds/reached": min(kept.height, config.questions) / config.questions,
        "rounds/tokens": tokens_of(totals),
        "rounds/carried_over": chosen.filter(pl.col("use") == CARRIED_OVER).height,
        "rounds/complete_responses": complete.join(used, on="question_id", how="semi").height,
        f"rounds/ended/{config.ended}": 1,
        **totals,
        **vote_metrics(
            votes.to_dicts(),
            rewards.to_dicts(),
            inputs.over_rounds("voter_answers").to_dicts(),
            complete=complete.join(kept, on="question_id", how="semi").height,
            voters=config.voters,
        ),
        **label_metrics(inputs.over_rounds("diagnostics").to_dicts()),
    }


def tokens_of(metrics: Metrics) -> int:
    """Return how many tokens were generated and sampled."""
    return sum(int(metrics.get(name) or 0) for name in _TOKENS)


def _metrics_of_rounds(inputs: Inputs) -> list[Metrics]:
    """Return the metrics of each round's stages before the vote."""
    rounds: list[Metrics] = []
    while input_of_round("accepted", len(rounds) + 1) in inputs:
        kinds = ("candidates", "accepted", "answerable", "responses", "voter_responses")
        names = (input_of_round(kind, len(rounds) + 1) for kind in kinds)
        refs = [name for name in names if name in inputs]
        rounds.append({metric: value for ref in refs for metric, value in inputs.metrics(ref).items()})
    return rounds


def sum_up(rounds: Sequence[Metrics]) -> Numbers:
    """Return the metrics of all rounds before the vote: counts are summed, means are weighted by what they are over.

    The share of distinct word triples is such a mean too. Computed over all candidates it would fall with every further
    round, and iterations with more rounds would look less diverse.
    """
    totals: Numbers = {}
    for name in dict.fromkeys(name for metrics in rounds for name in metrics):
        measured = [(metrics, value) for metrics in rounds if (value := metrics.get(name)) is not None]
        if not measured:
            totals[name] = None
        elif name in _OF_THE_LAST_ROUND:
            totals[name] = measured[-1][1]
        elif all(isinstance(value, int) for _, value in measured):
            totals[name] = sum(int(value) for _, value in measured)
        else:
            weights = [_weight(name, metrics) for metrics, _ in measured]
            weighted = sum(weight * value for weight, (_, value) in zip(weights, measured, strict=True))
            totals[name] = weighted / sum(weights) if sum(weights) else measured[-1][1]
    return totals


def _weight(name: str, metrics: Mapping[str, float | int | None]) -> float:
    """Return how many questions or responses the mean `name` of a round is over."""
    stage = name.partition("/")[0]
    if stage == "filter":  # surplus was not judged
        return (metrics.get("filter/candidates") or 0) - (metrics.get("filter/rejected/surplus") or 0)
    counts = {"generate": "generate/candidates", "sample": "sample/responses", "voters": "voters/responses"}
    return metrics.get(counts.get(stage, "")) or 0


CHOOSE = Stage(name="choose_questions", version=1, body=choose_questions, tables={"chosen": schemas.CHOSEN})
