"""What the parts do on a GPU and not with --small, with stand-ins for the steps that need one."""

import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.trainer.job import JobResult
from tests.gpu import child, watch
from tests.gpu.child import StepError
from tests.gpu.parts import engine, engine_steps, iteration, memory, rules, trainer, updates
from tests.gpu.policies import SHAPES, parameters
from tests.gpu.questions import problems, write_benchmark, write_seeds
from tests.gpu.record import Options, Record
from tests.gpu.runner import append_result
from tests.gpu.summary import SEEN_BEFORE, lines

FIRST: dict[str, Any] = {
    "first_token_s": 115.0, "tokens_per_second": 20_000.0, "responses": 768, "mean_tokens": 200.0,
    "same_instance": 20_500.0, "alone": {"equal": 0.8, "equal_first": 1.0},
    "after_sleep": {"equal": 0.8, "equal_first": 1.0}, "reload_s": 1.0, "close_s": 0.5, "output": "all well",
}  # fmt: skip
ANSWERS: dict[str, dict[str, Any]] = {
    "answer_all": FIRST,
    "answer_bare": {"first_token_s": 40.0, "same": 20_500.0, "plain": 21_000.0, "n": 22_000.0},
    "compare_float32": {"mean": 0.006, "max": 0.4, "p99": 0.05, "tokens": 9_000},
    "start_again": {"first_token_s": 22.0, "close_s": 0.2, "output": "all well"},
    "follow_rules": {
        "rules": {"length": None, "seeds": None}, "left_out": ["close"],
        "rules_traceback": "", "why_no_rules": "",
    },
}  # fmt: skip


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """The record of a part on a GPU whose card was busy for 90 % of the last minute, with 10 GiB in use."""
    now = time.time()
    rows = [f"{now - 60 + number / 100:.3f},0,90,10240,500" for number in range(9_000)]
    (tmp_path / watch.FILE).write_text("\n".join(["header", *rows]) + "\n")
    folder = tmp_path / "parts" / "part"
    folder.mkdir(parents=True)
    options = Options(out=tmp_path, model=tmp_path / "model", small=False, engine="vllm", deadline=now + 400)
    return Record(folder, options)


def checks(record: Record) -> dict[str, bool]:
    return {check["name"]: check["passed"] for check in record._values["checks"]}


def result_of(record: Record, part: str) -> dict[str, Any]:
    """Return a part's line with the figures of a record."""
    return {
        "part": part, "passed": True, "seconds": 1.0, "figures": record.figures, "checks": [], "left_out": [],
        "error": None, "traceback": None, "small": False,
    }  # fmt: skip


def run_engine(record: Record, monkeypatch: pytest.MonkeyPatch, **changes: dict[str, Any]) -> dict[str, bool]:
    """Run parts engine and rules with steps that return `ANSWERS`, some of them changed; return their checks."""

    def step(record: Record, function: Any, **arguments: Any) -> dict[str, Any]:
        now = time.time()
        return {**ANSWERS[function.__name__], "asleep": [now - 3, now], **changes.get(function.__name__, {})}

    monkeypatch.setattr(engine, "run_step", step)
    monkeypatch.setattr(child, "run_step", step)
    engine.run(record)
    append_result(record.options.out, result_of(record, "engine"))
    rules.run(record)
    return checks(record)


def test_engine_passes_near_the_speed_of_bare_vllm(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    passed = run_engine(record, monkeypatch)
    assert all(passed.values())
    assert {"ratio_to_bare", "warm_first_token_s", "gap_to_float32_mean", "conformance"} <= passed.keys()
    assert record.figures["ratio_to_bare"] == 0.97561 and record.figures["card_memory_asleep_gib"] == 10.0
    # In bfloat16 whole responses may differ; that is a figure and no check.
    assert "alone_equal_share" not in passed and record.figures["alone_equal_share"] == 0.8


@pytest.mark.parametrize(
    ("step", "change", "failed"),
    [
        ("answer_bare", {"same": 30_000.0}, "ratio_to_bare"),
        ("answer_all", {"output": "CUDA Error: invalid argument at cumem_allocator.cpp:235"}, "closes_without_errors"),
        ("answer_all", {"same_instance": 30_000.0}, "share_of_own_llm_generate"),
        ("start_again", {"output": "CUDA Error: invalid argument"}, "closes_asleep_without_errors"),
        ("answer_all", {"alone": {"equal": 0.1, "equal_first": 0.2}}, "alone_equal_first_tokens_share"),
        ("compare_float32", {"mean": 0.2}, "gap_to_float32_mean"),
        ("start_again", {"first_token_s": 90.0}, "warm_first_token_s"),
        ("follow_rules", {"rules": {"seeds": "AssertionError: other tokens"}}, "conformance"),
    ],
)
def test_engine_fails_for_a_reason(
    record: Record, monkeypatch: pytest.MonkeyPatch, step: str, change: dict[str, Any], failed: str
) -> None:
    passed = run_engine(record, monkeypatch, **{step: change})
    assert [name for name, is_passed in passed.items() if not is_passed] == [failed]


def test_a_step_that_is_killed_leaves_what_it_has_measured(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {name: FIRST[name] for name in ("first_token_s", "tokens_per_second", "responses", "mean_tokens")}

    def step(record: Record, function: Any, **arguments: Any) -> dict[str, Any]:
        raise StepError("killed", {"answer_all": kept, "answer_bare": {"same": 1.0}}.get(function.__name__, {}))

    monkeypatch.setattr(engine, "run_step", step)
    monkeypatch.setattr(child, "run_step", step)
    engine.run(record)
    rules.run(record)
    assert record.figures == {
        "cold_first_token_s": 115.0, "tokens_per_second": 20_000.0, "responses": 768, "mean_tokens": 200.0,
        "bare_tokens_per_second": 1.0,
    }  # fmt: skip
    assert "ratio_to_bare: part engine has not measured its speed" in record._values["left_out"]
    assert set(checks(record).values()) == {False}


class Process:
    """A trainer process that writes what an update writes."""

    def __init__(self, scratch: Path) -> None:
        pass

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, job: Any, progress: Any) -> JobResult:
        job.output.mkdir(parents=True)
        first = {"ratio_mean": 1.00001, "ratio_min": 0.97, "ratio_max": 1.04, "kl": None, "loss": 0.1}
        row = {**first, "behaviour_gap": 0.006, "behaviour_gap_max": 0.3}
        pl.DataFrame([row], infer_schema_length=None).write_parquet(job.output / "metrics.parquet")
        return JobResult(
            optimiser_steps=1, schedule_step=1, responses=1, tokens=1, metrics={}, seconds={"steps": 0.0, "load": 0.1}
        )


def measured(record: Record, form: updates.Form) -> dict[str, Any]:
    goal = form.shape == "1.5B" or form.tokens == 32 * 1_024
    return {
        "model_flops_utilisation": 0.46 if goal else 0.2, "tokens_per_second": 1.0, "step_seconds": [1.0, 0.5],
        "peak_memory_mib": 20_000.0, "loss": 0.1, "seconds": {},
    }  # fmt: skip


def test_trainer_measures_the_table_and_the_card(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "TrainerProcess", Process)
    monkeypatch.setattr(trainer, "measure", measured)
    written: list[str] = []
    monkeypatch.setattr(trainer, "write_policies", lambda record, forms: written.extend(form.shape for form in forms))
    monkeypatch.setattr(trainer, "rollout_of", lambda record: record.options.out / "rollout.parquet")
    monkeypatch.setattr(trainer, "SECONDS_OF_SAMPLES", (0.0, 0.01))
    trainer.run(record)
    passed = checks(record)
    assert [name for name, is_passed in passed.items() if not is_passed] == []
    assert {"around_the_steps_s", "card_memory_after_update_gib", "first_step_ratio"} <= passed.keys()
    assert {"utilisation 0.5B 32k tokens", "utilisation 1.5B 16k tokens"} <= passed.keys()
    assert record.figures["card_memory_before_gib"] == 10.0
    assert set(written) == {"0.5B", "1.5B"}


def test_every_figure_seen_before_is_measured_again(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    run_engine(record, monkeypatch)
    test_trainer_measures_the_table_and_the_card(record, monkeypatch)
    names = {*record.figures, "gpu_busy_percent"}
    assert {name.partition(".")[2] for name in SEEN_BEFORE} <= names
    append_result(record.options.out, result_of(record, "trainer"))
    assert "| trainer.utilisation 1.5B 16k tokens | 0.46 |  | 0.40 |" in list(lines(record.options.out))


def test_rows_without_time_are_left_out_by_name(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "_real_update", lambda record: None)
    monkeypatch.setattr(record, "seconds_left", lambda: 5.0)
    trainer.run(record)
    assert "1.5B 16k tokens: no time was left" in record._values["left_out"] and checks(record) == {}


def test_the_calculation_is_compared_with_trials(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_card_gib", lambda record: 80.0)
    monkeypatch.setattr(memory, "_knows_auto", lambda: True)

    def seen(record: Record, form: updates.Form) -> dict[str, Any]:
        predicted = memory.predicted_gib(updates.Form(shape="0.5B", tokens=8_192), 8_192)
        gib = 0.8 * predicted if form.shape == "0.5B" else 500.0
        return {**measured(record, form), "peak_memory_mib": gib * 1_024}

    monkeypatch.setattr(memory, "measure", seen)
    memory.run(record)
    passed = checks(record)
    assert passed["predicted_gib 0.5B 8192 tokens"] and passed["seen_gib 0.5B auto"]
    assert not passed["predicted_gib 1.5B 8192 tokens"]
    assert "trial 3B 8192 tokens: it needs a card of about 110 GiB, this one has 80" in record._values["left_out"]
    assert record.figures["smallest_card 7B"].startswith("180 GiB")
    assert memory.smallest_card(76.1) == 94 and memory.smallest_card(500) is None


def test_how_busy_the_card_is_decides(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    timings = pl.DataFrame({"stage": ["sample_responses"], "started": [now - 30], "seconds": [20.0]}).with_columns(
        pl.from_epoch(pl.col("started") * 1000, time_unit="ms")
    )

    class Run:
        def table(self, name: str, iteration: int) -> pl.DataFrame:
            return timings

    monkeypatch.setattr(iteration, "open_run", lambda uri: Run())
    iteration._busy(record, record.folder)
    assert checks(record) == {"gpu_busy_percent": True}
    assert record.figures["gpu_busy_percent sample_responses"] == 90.0 and record.figures["iteration_s"] == 20.0


def test_a_run_that_does_not_get_far_says_so(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iteration, "_command", lambda config: ["sleep", "60"])
    monkeypatch.setattr(record, "seconds_left", lambda: 5.0)
    iteration.run(record)
    assert not checks(record)["killed_in_the_second_iteration"] and checks(record)["no_process_outlives_the_kill"]
    assert record._values["left_out"] == ["the resumed run: the second iteration was not reached"]


def test_a_config_of_the_iteration_is_valid_in_both_forms(tmp_path: Path, record: Record) -> None:
    from flows.config.load import load_config

    small = Options(**{**vars(record.options), "small": True, "engine": "transformers"})
    for name, options in (("gpu", record.options), ("small", small)):
        config = load_config(iteration.write_config(Record(record.folder, options), tmp_path / name, "check"))
        assert config.compute.trainer.dtype == ("bfloat16" if name == "gpu" else "float32")
        assert config.iterations == 2 and config.engine == options.engine


def test_questions_differ_and_no_benchmark_question_is_a_seed(tmp_path: Path) -> None:
    import json

    seeds = [json.loads(line)["question"] for line in write_seeds(tmp_path, coded=True).read_text().splitlines()]
    rows = [json.loads(line) for line in write_benchmark(tmp_path, 64).read_text().splitlines()]
    assert len(set(seeds)) == 100 and len({row["question"] for row in rows}) == 64
    assert not {row["question"] for row in rows} & set(seeds)
    assert problems(5, seed=7) == problems(5, seed=7)
    assert all(isinstance(row["answer"], int) for row in rows)


def test_shapes_have_the_published_numbers_of_weights() -> None:
    published = {"0.5B": 494_032_768, "1.5B": 1_543_714_304, "3B": 3_085_938_688, "7B": 7_615_616_512}
    assert {shape: parameters(shape) for shape in SHAPES if shape != "toy"} == published


def test_bare_requests_are_the_engines_own() -> None:
    class Speaks:
        def encode_chat(self, messages: Any) -> list[int]:
            return [len(messages[0]["content"])]

    batch = engine_steps.requests(Speaks(), small=False)  # type: ignore[arg-type]
    assert len(batch.prompts) == len(batch.seeds) == 48 and {len(row) for row in batch.seeds} == {16}
    assert len({seed for row in batch.seeds for seed in row}) == 768
