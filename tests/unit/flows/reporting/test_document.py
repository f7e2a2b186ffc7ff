"""The report of a run: its content, the escaping of hostile text, and equal pages from equal runs."""

import html.parser
import io
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import flows.orchestration.artifacts
from flows.cli import main
from flows.orchestration.artifacts import Report
from flows.reporting.document import Code, Heading, Image, Part, Table, Text, excerpt, excerpt_of_ends, report
from flows.reporting.plots import learning_curve
from flows.reporting.render import as_html, as_markdown
from flows.reporting.results import REPORT_PATH, iteration_results, run_results, stage_costs
from flows.reporting.sample_questions import sample_questions
from flows.run_loop import run_all
from storage.run import Run, open_run, write_revision
from storage.store import Store
from tests.helpers import fake_config, fake_resources, memory_store

PNG = b"\x89PNG"
HOSTILE = (
    "<script>alert(1)</script> [x](javascript:alert(1)) ![y](http://evil.test/z.png) | `rm` **bold** http://evil.test "
    "www.evil.test a@evil.test &lt;b&gt; \\| <img src=x onerror=alert(1)>"
)


def make_run(folder: Path, **changes: Any) -> Run:
    """Make a run on the fake engine, in memory."""
    store = memory_store()
    with fake_resources(shard_rows=2) as resources:
        progress = run_all(fake_config(folder, **changes), store, resources)
    return Run(store, progress.revision())


def report_of(run: Run, iteration: int | None = None) -> list[Part]:
    rows = run_results(run)["iterations"]
    if iteration is not None:
        rows = rows[: iteration + 1]
    return report(run, rows, b"\x89PNG curve")


def headings(parts: list[Part]) -> list[str]:
    return [part.text for part in parts if isinstance(part, Heading)]


def table_with(parts: list[Part], column: str) -> Table:
    return next(part for part in parts if isinstance(part, Table) and column in part.names)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(tmp_path)


# Content


def test_sample_questions_are_spread_over_the_vote_shares(run: Run) -> None:
    votes = run.table("votes", 1).sort("share")
    questions = sample_questions(run, 1, questions=3)
    assert len(questions) == 3
    shares = [row["share"] for row in questions]
    assert shares == sorted(shares) and shares[0] == votes["share"].min() and shares[-1] == votes["share"].max()
    assert len({row["question_id"] for row in questions}) == 3
    assert questions == sample_questions(run, 1, questions=3)
    all_questions = sample_questions(run, 1, questions=100)
    assert sorted(row["question_id"] for row in all_questions) == sorted(votes["question_id"])


def test_examples_equal_the_tables(run: Run) -> None:
    rewarded = run.table("responses", 1).join(run.table("rewards", 1), on=["question_id", "sample_index"])
    for row in sample_questions(run, 1, questions=100, responses=3):
        responses = rewarded.filter(question_id=row["question_id"]).sort("sample_index")
        indices = [example["sample_index"] for example in row["examples"]]
        assert indices == sorted(indices) and len(indices) == min(3, responses.height)
        for example in row["examples"]:
            assert (
                responses.filter(sample_index=example["sample_index"]).select(list(example)).row(0, named=True)
                == example
            )
        # As many different answers as fit.
        assert len({example["answer_class"] for example in row["examples"]}) == min(
            3, responses["answer_class"].n_unique()
        )


def test_samples_read_only_the_parts_they_need(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    files = run.manifests(1)["sample_responses"].outputs["responses"].files
    assert len(files) > 2
    paths_read: list[str] = []

    def recording_read(path: str, size: int | None = None) -> bytes:
        paths_read.append(path)
        return Store.read(run.store, path, size)

    expected = sample_questions(run, 1, questions=1)[0]
    monkeypatch.setattr(run.store, "read", recording_read)
    assert sample_questions(run, 1, questions=1)[0] == expected
    paths_with_question = {
        file.path
        for file in files
        if expected["question_id"] in pl.read_parquet(io.BytesIO(Store.read(run.store, file.path)))["question_id"]
    }
    # The first part is read for the columns.
    assert {path for path in paths_read if path.startswith("responses/")} == paths_with_question | {files[0].path}


def test_costs_have_seconds_and_tokens_of_each_stage(run: Run) -> None:
    costs = {stage: (seconds, tokens) for stage, seconds, tokens in stage_costs(iteration_results(run, 1))}
    names = list(costs)
    assert names == [
        "generate_instructions", "filter_instructions", "sample_responses", "vote_rewards", "ppo_update", "evaluate",
    ]  # fmt: skip
    timings = run.table("timings", 1)
    assert costs["vote_rewards"] == (
        pytest.approx(timings.filter(stage="vote_rewards")["seconds"].max(), abs=1e-3),
        None,
    )
    for stage, table, column in (
        ("generate_instructions", "generations", pl.col("response_ids").list.len()),
        ("sample_responses", "responses", pl.col("response_ids").list.len()),
        ("evaluate", "grades", pl.col("response_tokens")),
    ):
        assert costs[stage][1] == run.table(table, 1).select(column.sum()).item(), stage


def test_report_names_tables_files_and_samples(run: Run) -> None:
    parts = report_of(run)
    assert headings(parts)[0] == f"{run.config['name']}: iteration 2 of 2"
    assert [row[0] for row in table_with(parts, "it").rows] == ["0", "1", "2"]
    assert table_with(parts, "greedy pass@1").rows[0][0] == "sums"
    paths = {row[2] for row in table_with(parts, "path").rows}
    assert set(run.revision.iterations[2].values()) <= paths
    assert {
        str(Path(run.files(name, 2)[0].removeprefix(f"{run.store.uri}/")).parent) for name in ("votes", "responses")
    } <= paths
    assert any(isinstance(part, Code) and f"{run.store.uri} votes --iteration 2" in part.text for part in parts)
    assert [part.png[:4] for part in parts if isinstance(part, Image)] == [b"\x89PNG"] * 3
    questions = [part.text for part in parts if isinstance(part, Text) and part.label == "Question"]
    assert questions == [excerpt(row["question"], 600) for row in sample_questions(run, 2)] and questions


# Runs without some results


def test_report_of_iteration_0_has_no_votes(run: Run) -> None:
    parts = report_of(run, 0)
    assert len([part for part in parts if isinstance(part, Image)]) == 1
    assert not any("candidates" in text or "Sample" in text or "update" in text for text in headings(parts))
    assert any(isinstance(part, Code) and "problems --iteration 0" in part.text for part in parts)


def test_report_explains_a_skipped_update(tmp_path: Path) -> None:
    run = make_run(tmp_path, min_kept=1000)
    kept = iteration_results(run, 2)["kept"]
    parts = report_of(run)
    expected = f"The policy was not updated in iteration 2: {kept} questions kept, at least 1000 needed."
    assert Text(expected) in parts
    assert len([part for part in parts if isinstance(part, Image)]) == 2  # no KL to draw


def test_report_names_a_missing_evaluation(tmp_path: Path) -> None:
    run = make_run(tmp_path, evaluate={**fake_config(tmp_path).model_dump(mode="json")["evaluate"], "every": 2})
    parts = report_of(run, 1)
    assert Text("Iteration 1 was not evaluated.") in parts
    assert "Benchmarks, with 95 % intervals" not in headings(parts)
    assert "Benchmarks, with 95 % intervals" in headings(report_of(run, 2))


@pytest.mark.parametrize(
    "changes", [{"instructions": "seeds"}, {"rewards": "random"}, {"vote": {"min_reward": 1.0, "max_reward": 1.0}}]
)
def test_report_of_arms_and_gates(tmp_path: Path, changes: dict[str, Any]) -> None:
    run = make_run(tmp_path, **changes)
    parts = report_of(run)
    first = "drawn questions" if changes.get("instructions") == "seeds" else "candidates"
    assert f"What became of this iteration's {first}" in headings(parts)
    assert any("Sample questions" in text for text in headings(parts))
    as_html(parts), as_markdown(parts)


def test_report_of_a_run_of_format_1() -> None:
    parts = report_of(open_run(str(Path(__file__).parents[3] / "golden" / "format-1")))
    assert any("Sample questions" in text for text in headings(parts))


# Hostile text


class Tags(html.parser.HTMLParser):
    """Collects all elements with their attributes, and all text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def every_kind(text: str) -> list[Part]:
    return [
        Heading(1, text), Text(text), Text(text, label=text), Table((text, "b"), ((text, text),), left=("b",)),
        Image(text, PNG), Code(text),
    ]  # fmt: skip


def test_html_escapes_hostile_text() -> None:
    page = as_html(every_kind(HOSTILE))
    parser = Tags()
    parser.feed(page)
    allowed = "html head meta title style body h1 p strong div table tr th td img pre"
    assert {tag for tag, _ in parser.tags} <= set(allowed.split())
    assert all(not name.startswith("on") for _, attributes in parser.tags for name in attributes)
    sources = [attributes["src"] for _, attributes in parser.tags if "src" in attributes]
    assert len(sources) == 1 and str(sources[0]).startswith("data:image/png;base64,")
    assert parser.text.count(HOSTILE) == 9  # the heading is the title too; the image has it as its `alt`
    assert [attributes["alt"] for _, attributes in parser.tags if "alt" in attributes] == [HOSTILE]
    assert "default-src 'none'" in page and not any("href" in attributes for _, attributes in parser.tags)


def test_markdown_escapes_hostile_text() -> None:
    for part in every_kind(HOSTILE)[:-1]:
        text = (
            as_markdown([part])
            .replace("(data:image/png;base64,iVBORw==)", "")
            .replace("(data:image/png;base64,iVBORw)", "")
        )
        unescaped = re.sub(r"\\[!-/:-@\[-`{-~]", "", text)  # CommonMark: a backslash makes punctuation plain
        assert not re.search(r"[<>`@]|\]\(|://|www\.", unescaped), unescaped
        if isinstance(part, Table):
            assert all(line.count("|") == 3 for line in unescaped.splitlines())
    assert as_markdown([Text("- no list\n# no heading")]) == r"\- no list \# no heading"
    assert as_markdown([Text("1. no list")]) == r"1\. no list"


def test_code_block_fence_is_long_enough() -> None:
    text = "a\n````\n[x](javascript:alert(1))\n```"
    fence, *lines = as_markdown([Code(text)]).split("\n")
    assert fence == "`````" and lines == [*text.split("\n"), fence]


def test_a_long_response_is_shown_with_its_end() -> None:
    assert excerpt_of_ends("one\ntwo", 10) == "one ⏎ two"
    response = f"<think>{'hmm ' * 1_000}</think>\nThe answer is\x1b (B)."
    shown = excerpt_of_ends(response, 60)
    assert shown == "<think>hmm hmm hmm hmm hmm hmm … (4,035 characters) … m </think> ⏎ The answer is� (B)."


def test_excerpt_shortens_and_replaces_control_characters() -> None:
    assert excerpt("a\x1b[31m\x00b\u202ec\u200bd\te", 100) == "a�[31m�b�c�d e"
    assert excerpt("one  \r\n\n two\n", 100) == "one ⏎ two"
    shortened = excerpt("é" * 3_000_000, 100)
    assert shortened == "é" * 100 + " … (3,000,000 characters)"
    assert excerpt("", 10) == ""


def test_report_escapes_what_a_model_writes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = sample_questions(run, 2, questions=1)
    example = {
        **row["examples"][0],
        "response": "\x1b" + HOSTILE + "a" * 2_000_000,
        "finish_reason": "length",
        "answer": HOSTILE,
    }
    hostile = {**row, "question": HOSTILE + "\n# x", "majority_answer": HOSTILE, "examples": [example]}
    monkeypatch.setattr("flows.reporting.document.sample_questions", lambda *_: [hostile])
    parts = report_of(run)
    page = as_html(parts)
    parser = Tags()
    parser.feed(page)
    assert "script" not in {tag for tag, _ in parser.tags} and HOSTILE in parser.text
    markdown = as_markdown(parts)
    assert "<script" not in markdown.replace(r"\<", "") and "\x1b" not in markdown + page
    assert len(page) < 500_000 and len(markdown) < 500_000
    assert "cut off at the token limit" in page


# Publishing and writing


def test_report_is_published_once_an_iteration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifacts: dict[str, Any] = {}
    monkeypatch.setattr(
        flows.orchestration.artifacts,
        "create_markdown_artifact",
        lambda **fields: artifacts.update({fields["key"]: fields}),
    )
    monkeypatch.setattr(
        flows.orchestration.artifacts,
        "create_image_artifact",
        lambda **fields: artifacts.update({fields["key"]: fields}),
    )
    config = fake_config(tmp_path, name="Small.Run_1")
    store = Store(config.uri)
    with fake_resources() as resources:
        run_all(config, store, resources)
    run = open_run(config.uri)
    published_report = Report(run.revision)
    assert published_report.publish(run)["iteration"] == 2
    assert set(artifacts) == {"serl-small-run-1-report", "serl-small-run-1-curve"}
    markdown = artifacts["serl-small-run-1-report"]["markdown"]
    assert "| 2 |" in markdown and markdown.count("](data:image/png;base64,") == 3
    assert artifacts["serl-small-run-1-curve"]["image_url"].startswith("data:image/png;base64,")
    assert sum(len(str(fields)) for fields in artifacts.values()) < 1_000_000
    # Results of earlier iterations are not read again.
    monkeypatch.setattr(flows.orchestration.artifacts, "iteration_results", lambda *_: pytest.fail("read again"))
    published_report.publish(run)


def test_serl_report_writes_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = fake_config(tmp_path)
    store = Store(config.uri)
    with fake_resources() as resources:
        write_revision(store, run_all(config, store, resources).revision())
    assert main(["report", config.uri]) == 0
    assert capsys.readouterr().out == f"report  {config.uri}/{REPORT_PATH}\n"
    page = store.read(REPORT_PATH)
    assert page.startswith(b"<!DOCTYPE html>") and page.count(b"data:image/png;base64,") == 3
    other_file = tmp_path / "page.html"
    assert main(["report", config.uri, "--output", str(other_file)]) == 0
    assert other_file.read_bytes() == page  # the same page from the same run
    assert main(["report", config.uri, "--output", str(tmp_path / "none" / "page.html")]) == 2
    assert "name a file in a folder that exists" in capsys.readouterr().err
    run = open_run(config.uri)
    iterations = run_results(run)["iterations"]
    assert as_html(report(run, iterations, learning_curve(iterations, "sums"))).encode() == page
