"""A run's results as plain values, for `serl show`, tables, plots and reports."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from flows.reporting.number_format import MISSING
from stages.benchmarks.metrics import UNSEEN, WHOLE, reliability
from stages.evaluate import EVALUATE
from stages.filter_instructions import REASONS_AFTER_RULES
from stages.pipeline import STAGES
from stages.text.quality import RULES
from stages.try_questions import UNANSWERABLE
from stages.vote_metrics import DECISIONS
from storage.run import Run

CURVE_PATH = "reports/learning_curve.png"
"""Path of a run's learning curve, relative to the run."""
REPORT_PATH = "reports/report.html"
"""Path of the file that `serl report` writes, relative to the run."""
AGREEMENT_PREFIX = "vote/agreement/"
"""Prefix of the metrics that say how often each voter's answers are the majority's."""
SELF_WRITTEN = "self-written questions"
"""Name of the reliability curve of the questions that were voted on; other curves have the name of a benchmark."""
_WAITS = {
    "engine_start_seconds": "starts of the engine",
    "engine_load_seconds": "loading weights",
    "trainer_load_seconds": "the trainer's start and loading",
    "trainer_save_seconds": "saving the policy",
    "commit_wait_seconds": "outputs being stored",
}
"""Columns of `timings` that hold seconds in which engine and trainer wait, in words."""


def iteration_results(run: Run, iteration: int) -> dict[str, Any]:
    """Return the results of one iteration. Accuracies are shares of 1; None means that a value was not measured.

    `pass1_*` and `maj_k` are those of the headline benchmark. `benchmarks` holds the metrics of all benchmarks with
    their intervals. `slices` holds accuracies by level, subject and group, and on the problems that overlap no seed.
    """
    metrics = run.metrics(iteration)
    benchmarks = _benchmarks(run, iteration)
    headline_name = headline_benchmark(run.config)
    headline = benchmarks.get(headline_name, {})
    timings = run.table("timings", iteration=iteration)
    seconds = stage_seconds(timings)
    return {
        "iteration": iteration,
        "benchmark": headline_name,
        "prompt": headline.get("pass1_greedy", {}).get("prompt"),
        **{metric: headline.get(metric, {}).get("value") for metric in ("pass1_sampled", "pass1_greedy", "maj_k")},
        "pass1_sampled_interval": _interval(headline.get("pass1_sampled")),
        "candidates": metrics.get("generate/candidates"),
        "accepted": metrics.get("filter/accepted", metrics.get("draw/questions")),
        "acceptance_rate": metrics.get("filter/acceptance_rate"),
        "kept": metrics.get("vote/kept"),
        "dropped": metrics.get("vote/dropped"),
        "rounds": _rounds(metrics),
        "vote_share": metrics.get("vote/mean_share"),
        "kl": metrics.get("train/kl"),
        "entropy": metrics.get("train/entropy"),
        "update_skipped": iteration > 0 and "train/optimiser_steps" not in metrics,
        "seconds": round(sum(seconds.values()), 3),
        "seconds_per_stage": seconds,
        "engine": _engine(timings),
        "gpu": _gpu_time(timings),
        "alarms": [_alarm(breach) for breach in run.revision.breaches if breach["iteration"] == iteration],
        "benchmarks": benchmarks,
        "slices": _slices(run, iteration),
        "reliability": _reliability(run, iteration),
        "agreement": {
            name.removeprefix(AGREEMENT_PREFIX): value
            for name, value in metrics.items()
            if name.startswith(AGREEMENT_PREFIX)
        },
        "metrics": metrics,
    }


def headline_benchmark(config: Mapping[str, Any]) -> str:
    """Return the name of the first benchmark that is no validation set, or of the first one if all are."""
    benchmarks = config["evaluate"]["benchmarks"]
    name: str = next((item for item in benchmarks if not item.get("validation")), benchmarks[0])["name"]
    return name


def run_results(run: Run) -> dict[str, Any]:
    """Return the results of the whole run, as `serl show RUN --json` prints them."""
    return {
        "run": run.store.uri,
        "iterations_wanted": run.config["iterations"],
        "rewards": run.config["rewards"],
        "alarms": alarms(run),
        "iterations": [iteration_results(run, number) for number in run.iterations],
    }


def measured_on(iterations: Sequence[Mapping[str, Any]]) -> str:
    """Return the name of the headline benchmark with its prompt."""
    prompts = [row["prompt"] for row in iterations if row["prompt"]]
    benchmark = iterations[-1]["benchmark"] if iterations else ""
    return f"{benchmark} (prompt: {prompts[-1]})" if prompts else benchmark


def funnel(iterations: Sequence[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """Return what became of the candidates, summed over iterations, as (step, questions); losses are negative.

    The steps are in the order of the pipeline: candidates, rejected by each filter, accepted, dropped by the vote for
    each reason, kept. With `filter.answerable` they have the questions that were dropped before the vote, and with
    `questions_per_update` those that the iteration before carried over, and those that are kept and not used. If
    questions were drawn, they begin with the drawn ones. Returns an empty list if no question was asked.
    """
    totals: dict[str, int] = {}
    for row in iterations:
        for name, value in row["metrics"].items():
            totals[name] = totals.get(name, 0) + int(value or 0)

    def losses(prefix: str, reasons: Iterable[str]) -> list[tuple[str, int]]:
        # `reasons` gives the order of the pipeline; metrics are sorted by name.
        return [(reason, -totals[prefix + reason]) for reason in reasons if totals.get(prefix + reason)]

    if "filter/candidates" in totals:
        asked = [
            ("candidates", totals["filter/candidates"]),
            *losses("filter/rejected/", (*RULES, *REASONS_AFTER_RULES)),
            *_if_any("carried over", totals.get("filter/carried_over", 0)),
            ("accepted", totals["filter/accepted"]),
        ]
    elif "draw/questions" in totals:
        carried_over = totals.get("draw/carried_over", 0)
        asked = [("drawn questions", totals["draw/questions"] - carried_over), *_if_any("carried over", carried_over)]
    else:
        return []
    return [
        *asked,
        *_if_any(UNANSWERABLE, -totals.get("answerable/dropped", 0)),
        *losses("vote/dropped/", DECISIONS),
        ("kept", totals["vote/kept"]),
        *_if_any("kept, not used", totals.get("rounds/used", 0) - totals.get("rounds/kept", 0)),
    ]


def start_of_funnel(steps: Sequence[tuple[str, int]]) -> str:
    """Return what steps of `funnel` begin with, in words."""
    return steps[0][0] if steps else "candidates"


def _if_any(step: str, count: int) -> list[tuple[str, int]]:
    return [(step, count)] if count else []


def _rounds(metrics: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return how the rounds of an iteration went; None if it did not ask in rounds."""
    if "rounds/count" not in metrics:
        return None
    prefix = "rounds/ended/"
    ended = next(name.removeprefix(prefix) for name in metrics if name.startswith(prefix))
    names = ("count", "used", "wanted", "kept", "carried_over", "tokens")
    return {**{name: metrics[f"rounds/{name}"] for name in names}, "ended": ended}


def unfinished_thinking(iterations: Sequence[Mapping[str, Any]]) -> list[tuple[str, int, int]]:
    """Return (texts, unfinished, all) for each kind of text that has thinking which never ends, over iterations.

    Nothing of such a text counts: no question and no answer is read from it. Returns an empty list if there are none.
    """
    kinds = (
        ("lists of new questions", "generate/thinking_unfinished", "generate/prompts"),
        ("responses", "sample/thinking_unfinished", "sample/responses"),
        ("responses of other voters", "voters/thinking_unfinished", "voters/responses"),
    )

    def total(name: str) -> int:
        return sum(int(row["metrics"].get(name) or 0) for row in iterations)

    counts = [(texts, count, total(whole)) for texts, part, whole in kinds if (count := total(part))]
    graded = sum(_unfinished(row, name) for row in iterations for name in row.get("benchmarks", ()))
    if graded:
        responses = sum(sum(_responses(metrics)) for row in iterations for metrics in row["benchmarks"].values())
        counts.append(("responses to evaluation sets", graded, responses))
    return counts


def stage_seconds(timings: pl.DataFrame) -> dict[str, float]:
    """Return stage name -> seconds, over all rounds; of the longest execution, if several processes shared a stage."""
    longest = timings.group_by("stage", "key", maintain_order=True).agg(pl.col("seconds").max())
    sums = longest.group_by("stage", maintain_order=True).agg(pl.col("seconds").sum())
    return {stage: round(seconds, 3) for stage, seconds in sums.iter_rows()}


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
    """Return the number of response tokens, from mean lengths; None if no lengths were measured."""
    lengths = [row for metrics in benchmarks.values() for row in _lengths(metrics)]
    return round(sum(row["value"] * row["problems"] * row["samples"] for row in lengths)) if lengths else None


def _responses(metrics: Mapping[str, Mapping[str, Any]]) -> list[int]:
    """Return the numbers of greedy and of sampled responses to a benchmark."""
    return [row["problems"] * row["samples"] for row in _lengths(metrics)]


def _lengths(metrics: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for name, row in metrics.items() if name.startswith("length_")]


def _unfinished(results: Mapping[str, Any], benchmark: str) -> int:
    """Return how many responses to a benchmark have thinking that never ends; 0 in results of older versions."""
    return int(results["metrics"].get(f"eval/{benchmark}/thinking_unfinished") or 0)


def _benchmarks(run: Run, iteration: int) -> dict[str, dict[str, dict[str, Any]]]:
    """Return benchmark -> metric -> row of the table `results`, for whole benchmarks."""
    if "evaluate" not in run.manifests(iteration):
        return {}
    benchmarks: dict[str, dict[str, dict[str, Any]]] = {}
    for row in run.table("results", iteration=iteration).iter_rows(named=True):
        if row.get("slice", WHOLE) == WHOLE:
            benchmarks.setdefault(row.pop("benchmark"), {})[row.pop("metric")] = row
    return benchmarks


def _slices(run: Run, iteration: int) -> dict[str, dict[str, dict[str, dict[str, Any]]]]:
    """Return benchmark -> slice -> metric -> row of the table `results`, without the rows of whole benchmarks."""
    if "evaluate" not in run.manifests(iteration):
        return {}
    slices: dict[str, dict[str, dict[str, dict[str, Any]]]] = {}
    for row in run.table("results", iteration=iteration).iter_rows(named=True):
        if (part := row.pop("slice", WHOLE)) != WHOLE:
            slices.setdefault(row.pop("benchmark"), {}).setdefault(part, {})[row.pop("metric")] = row
    return slices


def evaluation_rows(results: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return a row (column name -> text) for each benchmark of an iteration, with intervals and the prompt.

    The column "thinking unfinished" counts responses; it is there only if some benchmark has such responses.
    """
    unfinished = {name: _unfinished(results, name) for name in results["benchmarks"]}
    rows = []
    for name, metrics in results["benchmarks"].items():
        greedy = metrics["pass1_greedy"]
        unseen = results["slices"].get(name, {}).get(UNSEEN, {}).get("pass1_greedy")
        samples = metrics.get("pass1_sampled", {}).get("samples")
        rows.append(
            {
                "benchmark": name,
                "problems": f"{greedy['problems']:,}",
                "prompt": greedy.get("prompt", ""),
                "greedy pass@1": _measured(greedy),
                "without seed overlap": f"{_measured(unseen)} of {unseen['problems']:,}" if unseen else MISSING,
                "k": str(samples or MISSING),
                "avg@k": _measured(metrics.get("pass1_sampled")),
                "maj@k": _measured(metrics.get("maj_k")),
                "pass@k": _measured(metrics.get("pass_k")),
                "no answer": _share(metrics, "no_answer"),
                "cut off": _share(metrics, "truncated"),
                "failed": _share(metrics, "failed"),
                **({"thinking unfinished": f"{unfinished[name]:,}"} if any(unfinished.values()) else {}),
                "tokens": f"{metrics['length_greedy']['value']:,.0f}" if "length_greedy" in metrics else MISSING,
            }
        )
    return rows


def slice_rows(results: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return a row (column name -> text) for each benchmark and slice of an iteration."""
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
    """Return a share of greedy responses and, if there are any, of sampled ones."""
    shares = [metrics[f"{name}_{mode}"] for mode in ("greedy", "sampled") if f"{name}_{mode}" in metrics]
    return " / ".join(f"{row['value']:.1%}" for row in shares) or MISSING


def _reliability(run: Run, iteration: int) -> dict[str, list[dict[str, Any]]]:
    """Return how often a majority was right, by its vote share: benchmark -> rows of the table `reliability`.

    If the domain could label questions that were voted on, there is an entry `SELF_WRITTEN` for them.
    """
    outputs = {name for manifest in run.manifests(iteration).values() for name in manifest.outputs}
    curves: dict[str, list[dict[str, Any]]] = {}
    if "reliability" in outputs:
        for row in run.table("reliability", iteration=iteration).iter_rows(named=True):
            curves.setdefault(row.pop("benchmark"), []).append(row)
    if "diagnostics" in outputs:
        labels = run.table("diagnostics", iteration=iteration).drop_nulls("label")
        votes = run.table("votes", iteration=iteration).drop_nulls("majority_answer")
        judged = votes.join(labels, on="question_id").select("share", "majority_correct")
        if judged.height:
            curves[SELF_WRITTEN] = reliability(judged.rows())
    return curves


def _engine(timings: pl.DataFrame) -> dict[str, float]:
    """Return the numbers and seconds of engine starts and policy loads; empty if the run did not record them."""
    names = [name for name in timings.columns if name.startswith("engine_")]
    return {name.removeprefix("engine_"): float(timings[name].sum()) for name in names}


def _gpu_time(timings: pl.DataFrame) -> dict[str, Any]:
    """Return how many seconds engine and trainer worked in an iteration, and what they waited for.

    Of a stage that several processes shared, the longest execution counts. Empty if the run did not record it.
    """
    if "gpu_seconds" not in timings.columns:
        return {}
    executions = timings.drop_nulls("gpu_seconds").sort("seconds").unique("key", keep="last", maintain_order=True)
    working, waits = 0.0, Counter[str]()
    for row in executions.iter_rows(named=True):
        rest = max(0.0, row["seconds"] - row["gpu_seconds"])
        working += row["seconds"] - rest
        if row["stage"] not in STAGES or not STAGES[row["stage"]].uses_gpu:
            waits[row["stage"]] += rest
            continue
        for column, purpose in _WAITS.items():
            waits[purpose] += min(rest, row[column])
            rest -= min(rest, row[column])
        waits["prompts, tables and grading"] += rest
    if executions.select("host", "process").n_unique() == 1:
        starts = executions["started"].dt.epoch("ms") / 1000
        whole = max(starts + executions["seconds"]) - min(starts)
        waits["steps between stages"] += max(0.0, whole - executions["seconds"].sum())
    return {
        "on_gpu": bool(executions["on_gpu"].any()),
        "working": round(working, 3),
        "waits": {purpose: round(seconds, 3) for purpose, seconds in waits.most_common()},
    }


def alarms(run: Run) -> list[str]:
    """Return a sentence for each breach that the watchdog found in a run, in order."""
    return [_alarm(breach) for breach in run.revision.breaches]


def _alarm(breach: Mapping[str, Any]) -> str:
    branch = f" of branch {breach['branch']}" if breach["branch"] else ""
    consequence = {"warn": "", "stop": "; stopped", "rollback": f"; went back to iteration {breach['last_good']}"}
    return f"iteration {breach['iteration']}{branch}: {breach['message']}{consequence[breach['action']]}"


def _interval(row: dict[str, Any] | None) -> list[float] | None:
    return [row["low"], row["high"]] if row else None
