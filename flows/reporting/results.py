"""A run's results as plain values: what `serl show`, the tables and the plots draw from."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from flows.reporting.text import MISSING
from stages.benchmarks.metrics import UNSEEN, WHOLE, reliability
from stages.evaluate import EVALUATE
from stages.filter_instructions import REASONS_AFTER_RULES
from stages.pipeline import STAGES
from stages.text.quality import RULES
from stages.vote_rewards import DECISIONS
from storage.reader import read_file
from storage.run import Run
from storage.tables import decode

CURVE = "reports/learning_curve.png"
"""Where a run's learning curve lies, relative to the run."""
PAGE = "reports/report.html"
"""Where `serl report` writes, relative to the run."""
AGREEMENT = "vote/agreement/"
"""Prefix of the metrics that say how often each voter's answers are the majority's."""
_SAMPLE_COLUMNS = ("sample_index", "response", "finish_reason", "answer", "answer_class", "status", "reward")
SELF_WRITTEN = "self-written questions"
"""Name of the vote's own questions among the reliability curves, beside the benchmarks'."""


def iteration_results(run: Run, iteration: int) -> dict[str, Any]:
    """One iteration's headline numbers. What was not measured is None; accuracies are shares of 1.

    `pass1_*` and `maj_k` are of the headline benchmark; `benchmarks` holds all of them with their intervals, `slices`
    their accuracy by level, subject and group, and without the problems that overlap a seed.
    """
    metrics = run.metrics(iteration)
    benchmarks = _benchmarks(run, iteration)
    name = headline_benchmark(run.config)
    headline = benchmarks.get(name, {})
    timings = run.table("timings", iteration=iteration)
    seconds = stage_seconds(timings)
    trained = iteration > 0
    return {
        "iteration": iteration,
        "benchmark": name,
        "prompt": headline.get("pass1_greedy", {}).get("prompt"),
        **{metric: headline.get(metric, {}).get("value") for metric in ("pass1_sampled", "pass1_greedy", "maj_k")},
        "pass1_sampled_interval": _interval(headline.get("pass1_sampled")),
        "candidates": metrics.get("generate/candidates"),
        "accepted": metrics.get("filter/accepted", metrics.get("draw/questions")),
        "acceptance_rate": metrics.get("filter/acceptance_rate"),
        "kept": metrics.get("vote/kept"),
        "dropped": metrics.get("vote/dropped"),
        "vote_share": metrics.get("vote/mean_share"),
        "kl": metrics.get("train/kl"),
        "entropy": metrics.get("train/entropy"),
        "update_skipped": trained and "train/optimiser_steps" not in metrics,
        "seconds": round(sum(seconds.values()), 3),
        "seconds_per_stage": seconds,
        "engine": _engine(timings),
        "alarms": [_alarm(breach) for breach in run.revision.breaches if breach["iteration"] == iteration],
        "benchmarks": benchmarks,
        "slices": _slices(run, iteration),
        "reliability": _reliability(run, iteration),
        "agreement": {
            name.removeprefix(AGREEMENT): value for name, value in metrics.items() if name.startswith(AGREEMENT)
        },
        "metrics": metrics,
    }


def headline_benchmark(config: Mapping[str, Any]) -> str:
    """The first benchmark of a run's settings that no policy is chosen by; the very first where there is none."""
    benchmarks = config["evaluate"]["benchmarks"]
    name: str = next((found for found in benchmarks if not found.get("validation")), benchmarks[0])["name"]
    return name


def run_results(run: Run) -> dict[str, Any]:
    """The whole run: what `serl show RUN --json` prints."""
    return {
        "run": run.store.uri,
        "iterations_wanted": run.config["iterations"],
        "rewards": run.config["rewards"],
        "alarms": alarms(run),
        "iterations": [iteration_results(run, number) for number in run.iterations],
    }


def measured_on(iterations: Sequence[Mapping[str, Any]]) -> str:
    """What the headline numbers are of: the benchmark, and how it was asked."""
    asked = [row["prompt"] for row in iterations if row["prompt"]]
    named = iterations[-1]["benchmark"] if iterations else ""
    return f"{named} (prompt: {asked[-1]})" if asked else named


def funnel(iterations: Sequence[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """What became of the candidates, summed over iterations: (step, questions), losses as negative numbers.

    In the order of the pipeline: candidates, what each filter rejected, accepted, what the vote dropped, kept.
    """
    totals: dict[str, int] = {}
    for row in iterations:
        for name, value in row["metrics"].items():
            totals[name] = totals.get(name, 0) + int(value or 0)
    if "filter/candidates" not in totals:
        return []

    def lost(prefix: str, order: Iterable[str]) -> list[tuple[str, int]]:
        # Metrics come back in the order of the alphabet.
        return [(reason, -totals[prefix + reason]) for reason in order if totals.get(prefix + reason)]

    return [
        ("candidates", totals["filter/candidates"]),
        *lost("filter/rejected/", (*RULES, *REASONS_AFTER_RULES)),
        ("accepted", totals["filter/accepted"]),
        *lost("vote/dropped/", DECISIONS),
        ("kept", totals["vote/kept"]),
    ]


def stage_seconds(timings: pl.DataFrame) -> dict[str, float]:
    """Seconds of each stage, of the execution that took longest where several were tried."""
    longest = timings.group_by("stage", maintain_order=True).max()
    return {stage: round(seconds, 3) for stage, seconds in longest.select("stage", "seconds").iter_rows()}


def stage_costs(results: Mapping[str, Any]) -> list[tuple[str, float, int | None]]:
    """Return (stage, seconds, response tokens) of an iteration's stages, in order; None for stages without tokens."""

    def tokens(stage: str) -> int | None:
        if stage == EVALUATE.name:
            return _evaluation_tokens(results["benchmarks"])
        metric = STAGES[stage].token_metric if stage in STAGES else None
        count = results["metrics"].get(metric)
        return None if count is None else int(count)

    order = list(STAGES)
    seconds = results["seconds_per_stage"]
    stages = sorted(seconds, key=lambda stage: order.index(stage) if stage in order else -1)  # imports come first
    return [(stage, seconds[stage], tokens(stage)) for stage in stages]


def _evaluation_tokens(benchmarks: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> int | None:
    """Responses times their mean length."""
    lengths = [row for metrics in benchmarks.values() for name, row in metrics.items() if name.startswith("length_")]
    return round(sum(row["value"] * row["problems"] * row["samples"] for row in lengths)) if lengths else None


def sample_questions(run: Run, iteration: int, questions: int = 5, responses: int = 4) -> list[dict[str, Any]]:
    """Some questions of an iteration, from the lowest vote share to the highest: rows of `votes`, each with a few of
    the policy's responses (`examples`: columns of `responses` and `rewards`), of different answers where there are any.

    The same run gives the same ones. Nothing of `responses` is read but the parts that hold them.
    """
    if "vote_rewards" not in run.manifests(iteration):
        return []
    picked = _spread(run.table("votes", iteration), questions)
    ids = picked["question_id"].to_list()
    examples: dict[str, list[dict[str, Any]]] = {question: [] for question in ids}
    rewarded = _responses(run, iteration, ids).join(run.table("rewards", iteration), on=["question_id", "sample_index"])
    for row in rewarded.sort("answer_class", "sample_index", nulls_last=True).iter_rows(named=True):
        examples[row["question_id"]].append({name: row[name] for name in _SAMPLE_COLUMNS})
    return [
        {**row, "examples": _different(examples[row["question_id"]], responses)} for row in picked.iter_rows(named=True)
    ]


def _spread(votes: pl.DataFrame, count: int) -> pl.DataFrame:
    """Rows whose shares lie closest to `count` even steps from the lowest to the highest share, by share."""
    remaining = votes.sort("share", "question_id")
    low, high = remaining["share"].min(), remaining["share"].max()
    picked = remaining.clear()
    for step in range(min(count, votes.height)):
        share = low + (high - low) * step / max(1, count - 1)  # type: ignore[operator]
        nearest = remaining.sort((pl.col("share") - share).abs(), maintain_order=True).head(1)
        picked = picked.vstack(nearest)
        remaining = remaining.filter(pl.col("question_id") != nearest["question_id"].item())
    return picked.sort("share", "question_id")


def _responses(run: Run, iteration: int, ids: Sequence[str]) -> pl.DataFrame:
    """Return the rows of `responses` to some questions; reads only the parts that hold them.

    Rows of `responses` lie in the order of `votes`, as both stages promise (see `schemas.RESPONSES`).
    """
    votes = run.table("votes", iteration)
    stop = pl.col("responses").cum_sum()
    rows = votes.select("question_id", start=stop - pl.col("responses"), stop=stop)
    spans = rows.filter(pl.col("question_id").is_in(ids)).select("start", "stop").rows()
    manifest = next(manifest for manifest in run.manifests(iteration).values() if "responses" in manifest.outputs)
    frames: list[pl.DataFrame] = []
    first_row = 0
    for file in manifest.outputs["responses"].files:
        next_row = first_row + (file.rows or 0)
        # At least one part is read, for the columns.
        if not frames or any(start < next_row and stop > first_row for start, stop in spans):
            frame = pl.from_arrow(decode(read_file(run.store, file)))
            assert isinstance(frame, pl.DataFrame)
            frames.append(frame.filter(pl.col("question_id").is_in(ids)))
        first_row = next_row
    return pl.concat(frames)


def _different(rows: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """At most `count` of a question's responses, which come by answer: of each answer one, then more of the first."""
    answers: set[int | None] = set()
    first: list[dict[str, Any]] = []
    more: list[dict[str, Any]] = []
    for row in rows:
        (more if row["answer_class"] in answers else first).append(row)
        answers.add(row["answer_class"])
    return sorted([*first, *more][:count], key=lambda row: row["sample_index"])


def _benchmarks(run: Run, iteration: int) -> dict[str, dict[str, dict[str, Any]]]:
    if "evaluate" not in run.manifests(iteration):
        return {}
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in run.table("results", iteration=iteration).iter_rows(named=True):
        if row.get("slice", WHOLE) == WHOLE:
            found.setdefault(row.pop("benchmark"), {})[row.pop("metric")] = row
    return found


def _slices(run: Run, iteration: int) -> dict[str, dict[str, dict[str, dict[str, Any]]]]:
    """Benchmark -> slice -> metric -> row, but for the whole."""
    if "evaluate" not in run.manifests(iteration):
        return {}
    found: dict[str, dict[str, dict[str, dict[str, Any]]]] = {}
    for row in run.table("results", iteration=iteration).iter_rows(named=True):
        if (part := row.pop("slice", WHOLE)) != WHOLE:
            found.setdefault(row.pop("benchmark"), {}).setdefault(part, {})[row.pop("metric")] = row
    return found


def evaluation_rows(results: Mapping[str, Any]) -> list[dict[str, str]]:
    """One row per benchmark of an iteration, as text by column name: every number with its interval and its prompt."""
    rows = []
    for name, metrics in results["benchmarks"].items():
        greedy = metrics["pass1_greedy"]
        clean = results["slices"].get(name, {}).get(UNSEEN, {}).get("pass1_greedy")
        samples = metrics.get("pass1_sampled", {}).get("samples")
        rows.append(
            {
                "benchmark": name,
                "problems": f"{greedy['problems']:,}",
                "prompt": greedy.get("prompt", ""),
                "greedy pass@1": _measured(greedy),
                "without seed overlap": f"{_measured(clean)} of {clean['problems']:,}" if clean else MISSING,
                "k": str(samples or MISSING),
                "avg@k": _measured(metrics.get("pass1_sampled")),
                "maj@k": _measured(metrics.get("maj_k")),
                "pass@k": _measured(metrics.get("pass_k")),
                "no answer": _share(metrics, "no_answer"),
                "cut off": _share(metrics, "truncated"),
                "failed": _share(metrics, "failed"),
                "tokens": f"{metrics['length_greedy']['value']:,.0f}" if "length_greedy" in metrics else MISSING,
            }
        )
    return rows


def slice_rows(results: Mapping[str, Any]) -> list[dict[str, str]]:
    """One row per benchmark and slice of an iteration, as text by column name."""
    return [
        {
            "benchmark": benchmark,
            "part": part,
            "problems": f"{metrics['pass1_greedy']['problems']:,}",
            "greedy pass@1": _measured(metrics["pass1_greedy"]),
            "avg@k": _measured(metrics.get("pass1_sampled")),
        }
        for benchmark, parts in results["slices"].items()
        for part, metrics in sorted(parts.items())
    ]


def _measured(row: Mapping[str, Any] | None) -> str:
    return f"{row['value']:.3f} {row['low']:.2f}–{row['high']:.2f}" if row else MISSING


def _share(metrics: Mapping[str, Mapping[str, Any]], name: str) -> str:
    """Of greedy responses, and of sampled ones where there are any."""
    shares = [metrics[f"{name}_{mode}"] for mode in ("greedy", "sampled") if f"{name}_{mode}" in metrics]
    return " / ".join(f"{row['value']:.1%}" for row in shares) or MISSING


def _reliability(run: Run, iteration: int) -> dict[str, list[dict[str, Any]]]:
    """How often a majority was right, by its share: rows as of the table `reliability`, by benchmark.

    The vote's own questions stand beside the benchmarks where a domain could label them.
    """
    outputs = {name for manifest in run.manifests(iteration).values() for name in manifest.outputs}
    found: dict[str, list[dict[str, Any]]] = {}
    if "reliability" in outputs:
        for row in run.table("reliability", iteration=iteration).iter_rows(named=True):
            found.setdefault(row.pop("benchmark"), []).append(row)
    if "diagnostics" in outputs:
        labels = run.table("diagnostics", iteration=iteration).drop_nulls("label")
        votes = run.table("votes", iteration=iteration).drop_nulls("majority_answer")
        judged = votes.join(labels, on="question_id").select("share", "majority_correct")
        if judged.height:
            found[SELF_WRITTEN] = reliability(judged.rows())
    return found


def _engine(timings: pl.DataFrame) -> dict[str, float]:
    """Starts of the engine, policies loaded into it, and their seconds; empty for runs of before these were noted."""
    names = [name for name in timings.columns if name.startswith("engine_")]
    return {name.removeprefix("engine_"): float(timings[name].sum()) for name in names}


def alarms(run: Run) -> list[str]:
    """What the watchdog found in a run, in words and in order."""
    return [_alarm(breach) for breach in run.revision.breaches]


def _alarm(breach: Mapping[str, Any]) -> str:
    branch = f" of branch {breach['branch']}" if breach["branch"] else ""
    done = {"warn": "", "stop": "; stopped", "rollback": f"; went back to iteration {breach['last_good']}"}
    return f"iteration {breach['iteration']}{branch}: {breach['message']}{done[breach['action']]}"


def _interval(row: dict[str, Any] | None) -> list[float] | None:
    return [row["low"], row["high"]] if row else None
