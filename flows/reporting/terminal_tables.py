"""Results as tables for a terminal, each at most 80 columns wide."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from flows.reporting.number_format import MISSING, number_text
from flows.reporting.results import evaluation_rows, funnel, measured_on, start_of_funnel, unfinished_thinking
from stages.benchmarks.catalogue import CATALOGUE


def plain_table(title: str) -> Table:
    """Return an empty table without borders."""
    return Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))


def results_table(iterations: Sequence[dict[str, Any]]) -> Table:
    """Return the results of all iterations, a row for each."""
    table = plain_table(f"Accuracy on {measured_on(iterations)}, votes and costs")
    rows = [result_cells(row) for row in iterations]
    for name in rows[0] if rows else ():
        table.add_column(name, justify="right", no_wrap=True)
    for cells in rows:
        table.add_row(*cells.values())
    return table


def result_cells(row: dict[str, Any]) -> dict[str, str]:
    """Return the headline numbers of an iteration as text, by column name."""
    interval = row["pass1_sampled_interval"]
    return {
        "it": str(row["iteration"]),
        "pass@1": number_text(row["pass1_sampled"], ".3f"),
        "95 %": f"{interval[0]:.2f}–{interval[1]:.2f}" if interval else MISSING,
        "greedy": number_text(row["pass1_greedy"], ".3f"),
        "maj@k": number_text(row["maj_k"], ".3f"),
        "accept": number_text(row["accepted"], "d"),
        "kept": number_text(row["kept"], "d"),
        "drop": number_text(row["dropped"], "d"),
        "share": number_text(row["vote_share"], ".2f"),
        "KL": number_text(row["kl"], ".4f"),
        "entr": number_text(row["entropy"], ".2f"),
        "seconds": number_text(row["seconds"], ".1f"),
    }


def evaluation_table(results: dict[str, Any]) -> Group:
    """Return all benchmarks of one iteration: a table of numbers with intervals, and a line about each benchmark."""
    table = plain_table(f"All benchmarks after iteration {results['iteration']}, with 95 % intervals")
    for name in ("benchmark", *(columns := ("greedy pass@1", "avg@k", "maj@k", "pass@k"))):
        table.add_column(name, justify="left" if name == "benchmark" else "right", no_wrap=name != "benchmark")
    notes = []
    for row in evaluation_rows(results):
        table.add_row(row["benchmark"], *(row[name] for name in columns))
        rates = ", ".join(f"{row[name]} {name}" for name in ("no answer", "cut off", "failed"))
        prompt = row["prompt"] or "not noted"
        note = f"{row['benchmark']}: prompt {prompt}, {row['problems']} problems, k = {row['k']}; "
        note += f"{rates} (greedy / sampled), {row['tokens']} tokens"
        if row.get("thinking unfinished", "0") != "0":
            note += f"; {row['thinking unfinished']} responses whose thinking never ends"
        if row["without seed overlap"] != MISSING:
            note += f"; greedy without seed overlap {row['without seed overlap']}"
        notes.append(note)
    return Group(table, Text("\n".join(notes)), Text())


def seconds_table(iterations: Sequence[dict[str, Any]]) -> Table:
    """Return how often each stage ran and how many seconds it took, over all iterations."""
    seconds_by_stage: dict[str, list[float]] = {}
    for row in iterations:
        for stage, seconds in row["seconds_per_stage"].items():
            seconds_by_stage.setdefault(stage, []).append(seconds)
    table = plain_table("Seconds per stage")
    for name in ("stage", "times", "mean", "sum"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for stage, seconds in seconds_by_stage.items():
        table.add_row(stage, str(len(seconds)), f"{sum(seconds) / len(seconds):.2f}", f"{sum(seconds):.1f}")
    return table


def engine_line(iterations: Sequence[dict[str, Any]]) -> str:
    """Return a line that says how often the engine was started and a policy was loaded, and how long that took."""
    engine_rows = [row["engine"] for row in iterations if row["engine"]]
    if not engine_rows:
        return "Starts of the engine were not noted."
    starts, loads = (sum(int(row[name]) for row in engine_rows) for name in ("starts", "loads"))
    starting, loading = (sum(row[name] for row in engine_rows) for name in ("start_seconds", "load_seconds"))
    share = (starting + loading) / max(1e-9, sum(row["seconds"] for row in iterations))
    return (
        f"Engine: {starts} starts took {starting:.1f} s, {loads - starts} later policies {loading:.1f} s; together "
        f"{share:.1%} of the time."
    )


def gpu_line(iterations: Sequence[dict[str, Any]]) -> str:
    """Return a line that says how busy engine and trainer were, and what they waited for; "" if it was not noted."""
    rows = [row["gpu"] for row in iterations if row.get("gpu")]
    working = sum(row["working"] for row in rows)
    waits = sum((Counter(row["waits"]) for row in rows), Counter[str]())
    whole = working + sum(waits.values())
    if not whole:
        return ""
    who = "GPU" if any(row["on_gpu"] for row in rows) else "Engine and trainer"
    longest = [
        f"{seconds:,.1f} s for {purpose}" for purpose, seconds in waits.most_common(6) if seconds >= 0.01 * whole
    ]
    return f"{who} busy {working / whole:.0%} of {whole:,.1f} s{': waited ' if longest else ''}{', '.join(longest)}."


def funnel_table(iterations: Sequence[dict[str, Any]]) -> Table:
    """Return what became of all candidates: how many questions each step removed, and how many were left."""
    steps = funnel(iterations)
    table = plain_table(f"What became of the {start_of_funnel(steps)}")
    table.add_column("step")
    table.add_column("questions", justify="right")
    table.add_column(f"of {start_of_funnel(steps)}", justify="right")
    for step, count in steps:
        lost = count < 0
        table.add_row(f"  {step}" if lost else step, f"{count:,d}", f"{abs(count) / max(1, steps[0][1]):.1%}")
    return table


def draw_line(iterations: Sequence[dict[str, Any]]) -> str:
    """Return a line about iterations that drew questions before their time (`draw.prefer_uncertain`); "" if none did.

    An iteration does so if the last votes on all questions were settled.
    """
    numbers = [str(row["iteration"]) for row in iterations if row["metrics"].get("draw/drawn_although_skipped")]
    if not numbers:
        return ""
    return (
        f"Before iteration(s) {', '.join(numbers)} the last votes on all questions were settled, so those asked "
        "longest ago were drawn. Take more or harder questions, or a smaller draw.prefer_uncertain."
    )


def unfinished_counts(iterations: Sequence[dict[str, Any]]) -> str:
    """Return the numbers of texts whose thinking never ends, as words; "" if there are none."""
    kinds = unfinished_thinking(iterations)
    return ", ".join(f"{unfinished:,d} of {total:,d} {texts}" for texts, unfinished, total in kinds)


def unfinished_line(iterations: Sequence[dict[str, Any]]) -> str:
    """Return a line that counts the texts whose thinking never ends; "" if there are none."""
    counts = unfinished_counts(iterations)
    if not counts:
        return ""
    return (
        f"Thinking never ended in {counts}; no question or answer is read from these. Raise max_tokens, or "
        "switch thinking off (docs/how-to/chat-models.md)."
    )


def benchmarks_table() -> Table:
    """Return a table of the evaluation sets that can be named in the settings."""
    table = plain_table("Evaluation sets by name (evaluate.benchmarks: [NAME, …]; from evaluate.data, or else the hub)")
    for name in ("name", "problems", "answers", "asked", "from the Hugging Face hub, or a file"):
        table.add_column(name, justify="right" if name == "problems" else "left", overflow="fold")
    for name, record in CATALOGUE.items():
        shots = f"{record.shots.count} worked examples" if record.shots else "as the protocol says"
        source = record.source if record.is_file else f"{record.source} ({record.split})"
        table.add_row(name, f"{record.problems:,}", record.answers.kind, shots, source)
    return table
