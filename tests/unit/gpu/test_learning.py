"""Part `learning`: its report by values worked out by hand, its end before the time is over, and its next call."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from flows.config.load import load_config
from flows.config.run import RunConfig
from flows.reporting.gains import points_text
from storage.errors import InputError
from storage.run import open_run
from tests.commands import REPOSITORY
from tests.gpu import __main__ as command
from tests.gpu import learning as report
from tests.gpu.parts import learning
from tests.gpu.questions import GSM8K, write_gsm8k
from tests.gpu.record import Options, Record
from tests.gpu.registry import ARMS, PARTS, REGULAR, part_name
from tests.gpu.runner import Runner, append_result, read_results
from tests.gpu.summary import lines
from tests.helpers import fake_config, write_jsonl


def evaluation(correct: list[float], answered: list[float], **more: Any) -> dict[str, Any]:
    """An evaluation of four questions with one greedy and two sampled responses each."""
    sampled = {"correct": [1.0, 0.5, 0.0, 0.0], "answered": [1.0, 1.0, 0.5, 0.0], "cut_off": [0.0, 0.0, 0.5, 1.0]}
    greedy = {"correct": correct, "answered": answered, "cut_off": [1 - share for share in answered]}
    values = {"iteration": 0, "questions": ["a", "b", "c", "d"], "greedy": greedy, "sampled": sampled}
    return {**values, "maj_k": 0.375, "samples": 2, **more}


START = evaluation([1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0])
END = evaluation([0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0], iteration=8, maj_k=0.5)


def test_shares_by_hand() -> None:
    assert report.shares(START, "greedy") == {
        "correct": 0.25, "answered": 0.5, "cut_off": 0.5, "correct_of_answered": 0.5
    }  # fmt: skip
    assert report.shares(START, "sampled") == {
        "correct": 0.375, "answered": 0.625, "cut_off": 0.375, "correct_of_answered": 0.6
    }  # fmt: skip
    nothing = evaluation([0.0] * 4, [0.0] * 4)
    assert report.shares(nothing, "greedy")["correct_of_answered"] is None


def test_the_gain_on_questions_answered_both_times_by_hand() -> None:
    count, gain = report.answered_both_times(START, END)
    assert count == 2 and gain is not None and gain[0] == 0.0  # a was right and is wrong, b the reverse
    assert report.answered_both_times(evaluation([0.0] * 4, [0.0] * 4), END) == (0, None)


def test_the_interval_is_the_one_of_scipy() -> None:
    rng = np.random.default_rng(0)
    before, after = (rng.random(1_319) < share for share in (0.30, 0.34))
    questions = [f"q{number}" for number in range(1_319)]
    start, end = ({"questions": questions, "greedy": {"correct": list(map(float, row))}} for row in (before, after))
    mean, low, high = report.difference(start, end, "greedy")
    gains = after.astype(float) - before.astype(float)
    assert mean == pytest.approx(gains.mean())
    paired = stats.bootstrap((gains,), np.mean, n_resamples=1_000, method="percentile", rng=1).confidence_interval
    assert (low, high) == pytest.approx((paired.low, paired.high), abs=0.003)
    half = 1.96 * gains.std(ddof=1) / np.sqrt(len(gains))
    assert (low, high) == pytest.approx((gains.mean() - half, gains.mean() + half), abs=0.002)


def test_different_questions_are_not_compared() -> None:
    with pytest.raises(ValueError, match="different questions"):
        report.difference(START, {**END, "questions": ["a", "b", "c", "e"]}, "greedy")


def test_figures_of_one_evaluation_and_of_two() -> None:
    assert [name for name, _ in report.figures([START])] == ["greedy start", "sampled start", "maj@2 start"]
    figures = dict(report.figures([START, END]))
    assert figures["maj@2 end"] == 0.5 and figures["sampled gain, points"] == "+0.0 [+0.0, +0.0]"
    assert figures["greedy gain, points"].startswith("+25.0 [")
    assert figures["answered gain (greedy), points"].startswith("+25.0 [")
    assert figures["gain on questions answered both times (greedy), points"].endswith(" on 2 questions")


def arm(out: Path, name: str, passes: int, *evaluations: dict[str, Any]) -> None:
    folder = out / "parts" / part_name(name)
    folder.mkdir(parents=True)
    report.keep(folder, name, passes, 8, evaluations)
    line = {"part": part_name(name), "passed": True, "seconds": 1.0, "figures": {}, "checks": [], "left_out": []}
    append_result(out, {**line, "error": None, "traceback": None, "unfinished": None if passes == 8 else "on the way"})


def test_the_summary_has_the_arms_side_by_side(tmp_path: Path) -> None:
    """A gain that is no gain is said to be none, and the control stands next to it."""
    assert list(report.lines(tmp_path)) == []
    better = evaluation([1.0] * 4, [1.0] * 4, maj_k=1.0)
    arm(tmp_path, "majority", 8, START, END)
    arm(tmp_path, "random", 6, START, START)
    arm(tmp_path, "verified", 8, START, better)
    text = "\n".join(lines(tmp_path))
    gain = points_text(report.difference(START, END, "greedy"))
    assert f"| majority | 8 of 8 | greedy | 25.0 % | 50.0 % | {gain} |" in text
    assert "| majority | 8 of 8 | maj@2 | 37.5 % | 50.0 % | |" in text
    assert "| majority | greedy | 50.0 % → 75.0 % | 50.0 % → 25.0 % | 50.0 % → 66.7 % |" in text
    assert "majority, greedy: +25.0 [-50.0, +100.0], neither gain nor loss is shown, because the interval" in text
    assert "- random, greedy: +0.0 [+0.0, +0.0], neither gain nor loss" in text
    assert "- verified, greedy: +75.0 [+25.0, +100.0], a gain is shown." in text
    assert "- majority ahead of random at the end (after 8 and 6 passes), greedy: +25.0 [" in text
    assert "- majority ahead of verified at the end, greedy: -50.0 [-100.0, +0.0]." in text
    assert "No result yet" not in text and "another seed of the training" in text


def test_the_summary_says_what_is_missing(tmp_path: Path) -> None:
    arm(tmp_path, "majority", 0, START)
    arm(tmp_path, "random", 3, evaluation([1.0] * 4, [1.0] * 4), START)
    text = "\n".join(report.lines(tmp_path))
    assert "| majority | 0 of 8 | greedy | 25.0 % | – | – |" in text
    assert "random, greedy: -75.0 [-100.0, -25.0], a loss is shown." in text
    assert "- No result yet: majority, verified." in text and "ahead" not in text


# The run, with a fake engine.


@pytest.fixture
def record(tmp_path: Path) -> Record:
    folder = tmp_path / "parts" / "learning-majority"
    folder.mkdir(parents=True)
    options = Options(
        out=tmp_path, model=tmp_path / "model", small=True, engine="transformers", deadline=time.time() + 600
    )
    return Record(folder, options)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    """A run of three passes without a model, which the part takes for its own."""
    (tmp_path / "root").mkdir()
    config = fake_config(tmp_path / "root", iterations=3)
    config = config.model_copy(update={"evaluate": config.evaluate.model_copy(update={"every": 3})})
    monkeypatch.setattr(learning, "root_of", lambda record: tmp_path / "root")
    monkeypatch.setattr(learning, "config_of", lambda record, root: config)
    return config


def allow(monkeypatch: pytest.MonkeyPatch, *answers: bool) -> None:
    """Let `fits` give these answers, and then False."""
    remaining: Iterator[bool] = iter(answers)
    monkeypatch.setattr(learning, "fits", lambda *seconds: next(remaining, False))


def values(record: Record) -> dict[str, Any]:
    return json.loads((record.folder / "measurements.json").read_text())  # type: ignore[no-any-return]


def test_it_ends_early_with_an_evaluation_and_the_next_call_goes_on(
    record: Record, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(monkeypatch)
    learning.run(record)
    first = values(record)
    assert first["unfinished"] == "0 of 3 passes" and "greedy start" in first["figures"]
    assert first["left_out"][-2] == "the gain: no pass is finished"
    assert [check for check in first["checks"] if not check["passed"]] == []

    allow(monkeypatch, True)
    record = Record(record.folder, record.options)
    learning.run(record)
    second = values(record)
    assert second["unfinished"] == "1 of 3 passes" and second["figures"]["passes"] == "1 of 3"
    assert "greedy gain, points" in second["figures"] and "pass 1" in second["figures"]
    assert "2 of 3 passes" in second["left_out"][0]
    assert all(check["passed"] for check in second["checks"])
    assert json.loads((record.folder / report.FILE).read_text())["passes"] == 1
    before = open_run(config.uri).manifests(1)

    allow(monkeypatch, True, True)
    record = Record(record.folder, record.options)
    learning.run(record)
    last = values(record)
    assert last["unfinished"] is None and last["figures"]["passes"] == "3 of 3"
    assert "pass 2" in last["figures"] and "pass 1" not in last["figures"]
    assert not (record.options.out / "root").exists()
    kept = open_run(str(record.folder / "run"))
    assert kept.iterations == [0, 1, 2, 3] and kept.manifests(1) == before
    assert kept.table("grades", 3).height and not (record.folder / "run" / "policy").exists()


def test_a_run_that_fails_is_reported_as_far_as_it_came(
    record: Record, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance = learning._advance

    def fail(record: Record, config: RunConfig, iteration: int, resources: Any) -> None:
        if iteration == 2:
            raise InputError("the card fell out")
        advance(record, config, iteration, resources)

    monkeypatch.setattr(learning, "_advance", fail)
    allow(monkeypatch, True, True)
    learning.run(record)
    [failed] = [check for check in values(record)["checks"] if not check["passed"] and check["name"] == "the run"]
    assert failed["seen"] == "InputError: the card fell out"
    assert values(record)["unfinished"] == "1 of 3 passes" and "pass 1" in values(record)["figures"]


def test_a_run_that_cannot_begin_says_why(record: Record, config: RunConfig) -> None:
    Path(str(config.seeds.path)).unlink()
    learning.run(record)
    [failed] = values(record)["checks"]
    assert failed["name"] == "the run" and "seeds.jsonl does not exist" in failed["seen"]
    assert values(record)["unfinished"] == "it was ended on the way" and values(record)["error"] is None


@pytest.mark.parametrize(("more", "fits"), [(5.0, True), (-5.0, False)])
def test_a_pass_is_begun_only_if_evaluation_and_report_fit(record: Record, more: float, fits: bool) -> None:
    needed = learning.MARGIN * (60 + 40) + learning.REPORT_SECONDS[True]
    record = Record(record.folder, replace(record.options, deadline=time.time() + needed + more))
    assert learning.fits(record, 60, 40) is fits


# Its settings, its data, and its place among the parts.


@pytest.mark.parametrize("name", ARMS)
def test_an_arm_is_its_config_with_this_machines_folders(tmp_path: Path, record: Record, name: str) -> None:
    data = tmp_path / "data"
    for file in GSM8K:
        rows = [{"question": f"{'very ' * number}long?", "answer": f"so\n#### {number}"} for number in range(4)]
        (data / file).parent.mkdir(parents=True)
        write_jsonl(data / file, rows)
    full = Record(record.folder, replace(record.options, small=False, engine="vllm", arm=name, data=data))
    config = learning.config_of(full, tmp_path / "root")
    published = load_config(REPOSITORY / "configs" / learning.CONFIGS[name])
    for group in ("sample", "vote", "update", "rewards", "iterations", "instructions", "name", "seed"):
        assert getattr(config, group) == getattr(published, group), group
    assert config.evaluate.protocol == published.evaluate.protocol and config.engine == "vllm"
    assert config.compute.trainer.free_memory is False and config.compute.trainer.dtype == "bfloat16"
    assert config.dataset is not None and config.dataset.path == str(data / GSM8K[0])
    assert str(config.compute.scratch).startswith(str(tmp_path / "root")) and config.root == str(tmp_path / "root")
    small = learning.config_of(Record(record.folder, replace(full.options, small=True)), tmp_path / "root")
    assert small.iterations == 2 and small.compute.trainer.dtype == "float32"


def test_the_small_form_has_the_shortest_questions(tmp_path: Path) -> None:
    for file in GSM8K:
        (tmp_path / file).parent.mkdir(parents=True)
        write_jsonl(tmp_path / file, [{"question": "much longer?"}, {"question": "b?"}, {"question": "cc?"}])
    train, test = write_gsm8k(tmp_path / "small", tmp_path, (2, 1))
    assert [json.loads(line)["question"] for line in train.read_text().splitlines()] == ["b?", "cc?"]
    assert len(test.read_text().splitlines()) == 1


def test_the_ram_disk_is_taken_if_it_has_room(tmp_path: Path, record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Record(record.folder, replace(record.options, small=False))
    disk = tmp_path / "shm"
    monkeypatch.setattr(learning, "RAM_DISK", disk)
    assert learning.root_of(full) == record.folder / "root"
    assert values(full)["left_out"] == [f"the RAM disk: {disk} cannot be written"]
    disk.mkdir()
    monkeypatch.setattr(learning, "RAM_DISK_GIB", 1e9)
    assert learning.root_of(full) == record.folder / "root" and "GiB are free" in values(full)["left_out"][1]
    (record.folder / "root").mkdir()
    monkeypatch.setattr(learning, "RAM_DISK_GIB", 0.0)
    assert learning.root_of(full) == record.folder / "root"  # where the run began
    (record.folder / "root").rmdir()
    monkeypatch.setattr(learning, "RAM_DISK_GIB", 0.0)
    folder = learning.root_of(full)
    assert folder.parent == disk
    folder.mkdir()
    monkeypatch.setattr(learning, "RAM_DISK_GIB", 1e9)
    assert learning.root_of(full) == folder  # the next call finds the run


def test_missing_data_is_one_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    words = ["learning", "--small", "--model", str(tmp_path / "model"), "--out", str(tmp_path / "out")]
    assert command.main([*words, "--data", str(tmp_path / "data")]) == 2
    error = capsys.readouterr().err
    assert (
        f"part learning needs GSM8K: {tmp_path / 'data' / GSM8K[0]} and {tmp_path / 'data' / GSM8K[1]} missing" in error
    )
    assert error.count("\n") == 1


def test_it_runs_only_by_name_and_each_arm_is_a_part() -> None:
    assert [part.name for part in command.chosen([], small=False)] == [part.name for part in REGULAR]
    assert len(PARTS) == len(REGULAR) + 1
    [part] = command.chosen(["learning"], small=False, arm="random")
    assert part.name == "learning-random" and part.limit == float("inf")


def test_an_unfinished_part_goes_on_with_the_next_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    monkeypatch.setattr(Runner, "_run", lambda self, part, limit: ran.append(part.name))
    options = Options(out=tmp_path, model=tmp_path, small=True, engine="transformers", deadline=0.0)
    parts = command.chosen(["learning"], small=True)
    result = {"part": "learning-majority", "passed": True, "small": True, "checks": []}
    for unfinished in ("3 of 8 passes", None):
        append_result(tmp_path, {**result, "unfinished": unfinished})
        Runner(options=options, parts=parts, end=time.time() + 100, say=lambda line: None).run()
        assert ran == ["learning-majority"]  # the second call found it finished
    assert read_results(tmp_path)["learning-majority"]["unfinished"] is None
