"""What the tests of storage, stages and flows share: a run without a model, inputs made by hand, scripted responses."""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import polars as pl
import pyarrow as pa
import pytest

import flows.runners
from flows.config.load import parse_config
from flows.config.run import RunConfig
from flows.run_loop import run_all
from flows.run_progress import RunProgress
from stages.contract import Context, Inputs, Metrics, Result, Stage, Work, run_stage
from stages.engines.base import Batch, Completion, Engine, Progress, Responses, SamplingParams
from stages.engines.fake import FakeEngine
from stages.settings import Settings
from stages.settings.compute import Compute
from stages.shared_resources import Resources
from stages.trainer.fake import FAKE_POLICY
from storage.artifact import ArtifactRef
from storage.fingerprint import fingerprint
from storage.reader import read_table
from storage.run import open_run
from storage.store import Store

Tables = dict[str, pl.DataFrame]
Numbers = dict[str, float | int | None]


def memory_store() -> Store:
    """An empty store in memory, with a new name: all in-memory stores of a process share one file system."""
    return Store(f"memory://{uuid.uuid4().hex}")


class TableContent(Settings):
    """Settings of the stage in `put_table`: a digest of the rows, so that equal rows get equal keys."""

    content: str


def put_table(context: Context, kind: str, schema: pa.Schema, rows: Sequence[Mapping[str, Any]]) -> ArtifactRef:
    """Commit `rows` as the output `kind` of a stage that does nothing else."""

    def body(config: Settings, inputs: Inputs, work: Work) -> Metrics:
        work.write(kind, rows)
        return {}

    stage = Stage(name=f"given_{kind}", version=1, body=body, tables={kind: schema})
    return run_stage(stage, {}, TableContent(content=fingerprint(list(rows))), context).refs[kind]


def problem_row(benchmark: str, question: str, answer: str, problem_id: str = "0", **other: Any) -> dict[str, Any]:
    """A row of `problems`."""
    row = {"benchmark": benchmark, "problem_id": problem_id, "question": question, "answer": answer}
    return {**row, "level": None, "subject": None, "group": None, "seed_overlap": False, **other}


def put_policy(context: Context) -> ArtifactRef:
    return run_stage(FAKE_POLICY, {}, Settings(), context).refs["policy"]


def do(stage: Stage, inputs: Mapping[str, ArtifactRef], config: Settings, context: Context) -> tuple[Tables, Numbers]:
    """Run a stage; return its tables by name, and its metrics."""
    result = run_stage(stage, inputs, config, context)
    return {name: read_table(result.refs[name]) for name in stage.tables}, dict(result.metrics)


class ScriptedEngine(FakeEngine):
    """The fake engine with responses from a script.

    `script`: prompt text -> its responses in the order of the seeds. A response that ends in "…" was cut off by the
    token limit. Greedy sampling takes the first response. `calls` holds (prompts, parameters, seeds) of each batch.
    """

    def __init__(self, script: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.script = script
        self.calls: list[tuple[list[str], SamplingParams, list[list[int]]]] = []

    def generate(self, batches, progress=None):  # type: ignore[no-untyped-def]
        for batch in batches:
            texts = [self.decode(prompt) for prompt in batch.prompts]
            self.calls.append((texts, batch.params, [list(row) for row in batch.seeds]))
            yield (
                batch,
                [
                    [self._scripted(response) for response in self.script[text][: len(row)]]
                    for text, row in zip(texts, batch.seeds, strict=True)
                ],
            )

    def _scripted(self, response: str) -> Completion:
        text = response.removesuffix("…")
        tokens = self.encode(text)
        reason: Literal["stop", "length"] = "length" if response.endswith("…") else "stop"
        return Completion(token_ids=tokens, logprobs=[-0.5] * len(tokens), finish_reason=reason, text=text)


def fake_resources(engine: FakeEngine | None = None, **compute: Any) -> Resources:
    """Resources on the fake engine, or on `engine`."""
    resources = Resources(Compute(**compute), "fake")
    resources._engine = engine
    return resources


SEED_QUESTIONS = (
    "A farmer plants 12 rows of corn with 9 stalks in each row. How many stalks are there altogether?",
    "What is the remainder when 2 to the power 20 is divided by seven?",
    "Lisa reads 15 pages each evening. After how many evenings has she finished a novel of 240 pages?",
    "The perimeter of a square is 36 centimetres. Find its area in square centimetres.",
    "A bag holds five red and three blue marbles. What is the chance that the first one drawn is blue?",
    "Two trains leave a station in opposite directions at 40 and 60 kilometres per hour. When are they 250 apart?",
)


def write_jsonl(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def fake_values(folder: Path, **changes: Any) -> dict[str, Any]:
    """Settings of a small run on the fake engine, as a YAML file holds them; its inputs lie in `folder`."""
    seeds = write_jsonl(folder / "seeds.jsonl", [{"question": question} for question in SEED_QUESTIONS])
    problems = [
        {"question": f"What is {n} plus {n + 3}? Answer with one number.", "answer": 2 * n + 3} for n in range(5)
    ]
    return {
        "name": "small",
        "root": str(folder / "runs"),
        "engine": "fake",
        "seed": 3,
        "iterations": 2,
        "seeds": {"path": str(seeds)},
        "generate": {"form": "list", "questions": 8, "questions_per_prompt": 2, "examples": 3, "examples_from_pool": 1},
        "sample": {"responses": 8},
        "evaluate": {
            "benchmarks": [{"name": "sums", "path": str(write_jsonl(folder / "sums.jsonl", problems))}],
            "protocol": {"samples": 3},
        },
        "compute": {"shard_rows": 2},
        **changes,
    }


def fake_config(folder: Path, **changes: Any) -> RunConfig:
    return parse_config(fake_values(folder, **changes), "test")


def run_here(config: RunConfig) -> RunProgress:
    """Run every missing iteration in this process, without Prefect and without a lease."""
    with Resources(config.compute, config.engine) as resources:
        return run_all(config, Store(config.uri), resources)


def keys_of(config: RunConfig) -> dict[str, str]:
    """Iteration and stage -> key of the stage's manifest, for all that a run holds."""
    run = open_run(config.uri)
    return {
        f"{iteration} {stage}": manifest.key
        for iteration in run.iterations
        for stage, manifest in run.manifests(iteration).items()
    }


def tree(folder: Path) -> dict[str, int]:
    """Every file under `folder` with its modification time."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()
    }


def generate(
    engine: Engine,
    prompts: Sequence[Sequence[int]],
    params: SamplingParams,
    seeds: Sequence[Sequence[int]],
    progress: Progress | None = None,
) -> Responses:
    """The responses to one batch."""
    [(_, responses)] = engine.generate([Batch(prompts=prompts, params=params, seeds=seeds)], progress)
    return responses


T = TypeVar("T")


def in_many_starts(run: Callable[[], T], monkeypatch: pytest.MonkeyPatch) -> tuple[T, int]:
    """Let a process end after each stage that it executed; return what `run` returns at last, and the number of starts.

    A stage is committed before the process ends.
    """

    class Ended(Exception):
        pass

    def run_one(*arguments: Any) -> Result:
        result = run_stage(*arguments)
        if not result.skipped:
            arguments[-1].resources.commits.wait()
            raise Ended
        return result

    monkeypatch.setattr(flows.runners, "run_stage", run_one)
    for starts in range(1, 200):
        try:
            return run(), starts
        except Ended:
            pass
    raise AssertionError("the run does not end")
