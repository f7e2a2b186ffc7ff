"""The report of a run as a list of parts, which `flows.reporting.render` turns into Markdown or HTML.

A report shows the newest iteration in full, and all iterations in one table. A model wrote the questions and responses,
so `excerpt` shortens them and removes line ends and control characters, and `render` escapes them.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, TypeAlias

from flows.reporting.number_format import MISSING, number_text
from flows.reporting.plots import training_plot, votes_plot
from flows.reporting.results import (
    alarms,
    evaluation_rows,
    funnel,
    measured_on,
    slice_rows,
    stage_costs,
    start_of_funnel,
)
from flows.reporting.sample_questions import sample_questions
from flows.reporting.terminal_tables import draw_line, engine_line, gpu_line, result_cells, unfinished_line
from flows.rounds.shortfall import shortfall
from storage.run import Run

_QUESTION_LENGTH, _RESPONSE_LENGTH, _ANSWER_LENGTH = 600, 400, 60
"""Most characters that are shown of each question, response and answer."""
_UNSAFE_CHARACTERS = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""Control characters, invisible characters, and characters that change the direction of text."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; level 1 is the title of the report."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    text: str
    label: str = ""
    """Printed in bold type before the text, with a colon."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text cells."""

    names: tuple[str, ...]
    """Names of the columns."""
    rows: tuple[tuple[str, ...], ...]
    left: tuple[str, ...] = ()
    """Names of the columns that hold words and are aligned left. The others hold numbers and are aligned right."""


@dataclass(frozen=True, slots=True)
class Image:
    """A picture."""

    text: str
    """Description of the picture, for readers who cannot see it."""
    png: bytes


@dataclass(frozen=True, slots=True)
class Code:
    """A block of text in a fixed-width font."""

    text: str


Part: TypeAlias = Heading | Text | Table | Image | Code


def report(run: Run, iterations: Sequence[dict[str, Any]], curve: bytes) -> list[Part]:
    """Return the parts of the report on the last of `iterations`.

    Args:
        run: The run.
        iterations: The results of each iteration up to the last one, from `flows.reporting.results.iteration_results`.
        curve: The learning curve of these iterations as PNG, from `flows.reporting.plots.learning_curve`.
    """
    newest = iterations[-1]
    number = newest["iteration"]
    return [
        Heading(1, f"{run.config['name']}: iteration {number} of {run.config['iterations']}"),
        Text(run.store.uri),
        *(Text(alarm, label="Watchdog") for alarm in alarms(run)),
        Text(_settings_line(run, number)),
        Text(f"Accuracy on {measured_on(iterations)}:"),
        _table_of_dicts([result_cells(row) for row in iterations]),
        Image("Learning curve: accuracy, questions, and how often the majority is right", curve),
        *_benchmarks(newest),
        *_questions(run, newest),
        *_training(run, iterations),
        *_samples(run, number),
        *_costs(iterations),
        *_files(run, number),
    ]


def excerpt(text: str, limit: int) -> str:
    """Return the first `limit` characters of a model's text on one line.

    Line ends become ⏎. Characters that control a terminal, are invisible or change the direction of text become �.
    """
    line = re.sub(r"\s*\n\s*", " ⏎ ", text[:limit].strip()).replace("\t", " ")
    rest = f" … ({len(text):,} characters)" if len(text) > limit else ""
    return _UNSAFE_CHARACTERS.sub("\N{REPLACEMENT CHARACTER}", line) + rest


def excerpt_of_ends(text: str, limit: int) -> str:
    """Return a model's text on one line, as `excerpt` does; of a text above the limit, its beginning and its end.

    An answer stands at the end of a response, often behind long thinking.
    """
    if len(text) <= limit:
        return excerpt(text, limit)
    half = limit // 2
    return f"{excerpt(text[:half], half)} … ({len(text):,} characters) … {excerpt(text[-half:], half)}"


def _settings_line(run: Run, iteration: int) -> str:
    config = run.config
    versions = " and ".join(sorted({manifest.code for manifest in run.manifests(iteration).values()}))
    return (
        f"Rewards: {config['rewards']}. Questions: {config.get('instructions', 'self')}. "
        f"Update: {config['update']['algorithm']}. Engine: {config['engine']}. Seed: {config['seed']}. "
        f"Code: {versions}."
    )


def _benchmarks(newest: dict[str, Any]) -> Iterator[Part]:
    if not newest["benchmarks"]:
        yield Text(f"Iteration {newest['iteration']} was not evaluated.")
        return
    yield Heading(2, "Benchmarks, with 95 % intervals")
    yield _table_of_dicts(evaluation_rows(newest), left=("benchmark", "prompt"))
    if slices := slice_rows(newest):
        yield Heading(2, "By level, subject and group")
        yield _table_of_dicts(slices, left=("benchmark", "part"))


def _questions(run: Run, newest: dict[str, Any]) -> Iterator[Part]:
    """Yield the numbers of candidates by step, the vote shares, and how often a majority was right."""
    steps = funnel([newest])
    if steps:
        yield Heading(2, f"What became of this iteration's {start_of_funnel(steps)}")
        first, whole = steps[0]
        rows = [
            (step, f"{count:+,d}" if count < 0 else f"{count:,d}", f"{abs(count) / max(1, whole):.1%}")
            for step, count in steps
        ]
        yield _table(("step", "questions", f"of {first}"), rows, left=("step",))
    if newest["rounds"]:
        yield Heading(2, "Rounds of this iteration")
        yield _table_of_dicts([{name: str(value) for name, value in newest["rounds"].items()}], left=("ended",))
    if short := shortfall(newest["iteration"], newest["metrics"]):
        yield Text(short, label="Too few questions")
    if drawn_early := draw_line([newest]):
        yield Text(drawn_early)
    if unfinished := unfinished_line([newest]):
        yield Text(unfinished)
    if newest["kept"] is not None:
        votes = run.table("votes", newest["iteration"])
        if votes.height:
            vote = run.config["vote"]
            picture = votes_plot(votes, steps, vote)
            yield Image("Candidates by step, and questions by their vote share", picture)
    if newest["agreement"]:
        yield Heading(2, "How often each voter's answer is the majority's")
        agreement_rows = [(voter, f"{share:.3f}") for voter, share in newest["agreement"].items()]
        yield _table(("voter", "share of its responses"), agreement_rows, left=("voter",))
    reliability_rows = [
        (name, f"{row['share_from']:.1f}–{row['share_to']:.1f}", str(row["questions"]), f"{row['correct']:.3f}")
        for name, curve in newest["reliability"].items()
        for row in curve
    ]
    if reliability_rows:
        yield Heading(2, "How often the majority was right, by its share of the votes")
        yield _table(("questions of", "share", "questions", "right"), reliability_rows, left=("questions of",))


def _training(run: Run, iterations: Sequence[dict[str, Any]]) -> Iterator[Part]:
    """Yield KL and entropy by iteration and by step of the newest update, or why the policy was not updated."""
    newest = iterations[-1]
    updated = "ppo_update" in run.manifests(newest["iteration"])
    if newest["iteration"] > 0:
        yield Heading(2, "Policy update")
        if not updated:
            kept, needed = newest["kept"], run.config["min_kept"]
            reason = ""
            if kept is not None and kept < needed:
                reason = f": {kept} questions kept, at least {needed} needed"
            elif 0 in (newest["metrics"].get(f"{name}/complete_responses") for name in ("vote", "rounds")):
                reason = ": every response to the kept questions was cut off, and update.overlong is mask"
            yield Text(f"The policy was not updated in iteration {newest['iteration']}{reason}.")
    if any(row["entropy"] is not None for row in iterations):
        steps = run.table("train_metrics", newest["iteration"]) if updated else None
        picture = training_plot(iterations, steps)
        measures = "KL to the reference and entropy" if any(row["kl"] is not None for row in iterations) else "Entropy"
        yield Image(f"{measures}: by iteration, and by step of the newest update", picture)


def _samples(run: Run, iteration: int) -> Iterator[Part]:
    questions = sample_questions(run, iteration)
    if questions:
        yield Heading(2, "Sample questions, from the most contested vote to the clearest")
    for row in questions:
        majority = excerpt(row["majority_answer"], _ANSWER_LENGTH) if row["majority_answer"] is not None else MISSING
        yield Heading(3, f"{row['decision']}: vote share {row['share']:.2f}")
        yield Text(excerpt(row["question"], _QUESTION_LENGTH), label="Question")
        yield Text(f"{majority} ({row['answered']} of {row['responses']} responses have an answer)", label="Majority")
        for example in row["examples"]:
            yield Text(_response(example), label=_vote_text(example, row["majority_answer"] is not None))


def _vote_text(row: dict[str, Any], has_majority: bool) -> str:
    """Return the vote and the reward of a response."""
    reward = f"reward {row['reward']:.3g}"
    if row["answer_class"] is None:
        return f"Response {row['sample_index']}, no vote ({row['status']}), {reward}"
    majority = " (majority)" if has_majority and row["answer_class"] == 0 else ""
    return (
        f"Response {row['sample_index']}, votes for {excerpt(row['answer'] or '', _ANSWER_LENGTH)}{majority}, {reward}"
    )


def _response(row: dict[str, Any]) -> str:
    truncated = " (cut off at the token limit)" if row["finish_reason"] == "length" else ""
    return excerpt_of_ends(row["response"], _RESPONSE_LENGTH) + truncated


def _costs(iterations: Sequence[dict[str, Any]]) -> Iterator[Part]:
    yield Heading(2, "Seconds and response tokens per stage")
    rows = []
    for stage, seconds, tokens in stage_costs(iterations[-1]):
        speed = None if tokens is None else tokens / max(seconds, 1e-3)
        rows.append((stage, f"{seconds:,.2f}", number_text(tokens, ",d"), number_text(speed, ",.0f")))
    yield _table(("stage", "seconds", "tokens", "tokens/s"), rows, left=("stage",))
    yield Text(engine_line(iterations))
    if busy := gpu_line(iterations[-1:]):
        yield Text(busy)


def _files(run: Run, iteration: int) -> Iterator[Part]:
    """Yield the paths of the newest artifacts, and commands that show them."""
    uri = run.store.uri
    yield Heading(2, "Files of this iteration")
    yield Text(f"Paths are relative to {uri}. A manifest lists the files of its stage with their digests.")
    rows = []
    for stage, path in run.revision.iterations[iteration].items():
        rows.append((f"{stage}, manifest", MISSING, path))
        for kind, output in run.manifests(iteration)[stage].outputs.items():
            if output.folder is not None:
                rows.append((kind, MISSING, output.folder))
            elif output.files:
                rows.append((kind, f"{output.rows:,}", str(PurePosixPath(output.files[0].path).parent)))
    yield _table(("what", "rows", "path"), rows, left=("what", "path"))
    table = "votes" if "vote_rewards" in run.manifests(iteration) else "problems"
    yield Code(
        f"serl show {shlex.quote(uri)} {table} --iteration {iteration}\n"
        f"serl show {shlex.quote(uri)} tables\n"
        f"serl show {shlex.quote(uri)} --lineage"
    )


def _table_of_dicts(rows: Sequence[dict[str, str]], left: tuple[str, ...] = ()) -> Table:
    return _table(tuple(rows[0]), [tuple(row.values()) for row in rows], left)


def _table(names: tuple[str, ...], rows: Sequence[tuple[str, ...]], left: tuple[str, ...] = ()) -> Table:
    return Table(names, tuple(rows), left)
