"""Splits of data sets, found and downloaded from a hub on this machine."""

import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.hub.client import HubError
from stages.question_files import hub_split
from stages.question_files.hub_split import data_set_commits, find_split, is_data_set
from stages.question_files.read import QuestionFile, read_questions
from stages.settings.inputs import HubSplit, ImportSeeds, ProblemSet
from storage.errors import InputError
from tests.hub import Hub

README = """\
---
configs:
- config_name: main
  data_files:
  - {split: train, path: main/train-*}
  - {split: test, path: main/test-*}
- config_name: socratic
  data_files:
  - {split: train, path: socratic/train-*}
---
"""


def rows(start: int, count: int = 2) -> list[dict[str, Any]]:
    return [{"question": f"What is {number} + 1?", "answer": str(number + 1)} for number in range(start, start + count)]


def parquet(values: Sequence[dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(values).write_parquet(buffer)
    return buffer.getvalue()


def lines(values: Sequence[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in values)


def push_gsm8k(hub: Hub, first: int = 0) -> str:
    files: dict[str, bytes | str] = {
        "README.md": README,
        "main/train-00000-of-00002.parquet": parquet(rows(first)),
        "main/train-00001-of-00002.parquet": parquet(rows(first + 2)),
        "main/test-00000-of-00001.parquet": parquet(rows(first + 10)),
        "socratic/train-00000-of-00001.parquet": parquet(rows(first + 20)),
        "eval.py": "raise SystemExit",
    }
    return hub.push("openai/gsm8k", files, kind="dataset")


def find(name: str, config: str | None = None, split: str | None = None) -> HubSplit:
    return find_split(name, config, split, data_set_commits(name, {}))


def read(split: HubSplit, **arguments: Any) -> QuestionFile:
    return read_questions(split, "seed file", **{"needs_answer": False, "drop_doubles": True, **arguments})


@pytest.fixture(autouse=True)
def _no_lists_of_files_in_memory() -> None:
    hub_split._listed.cache_clear()


@pytest.mark.slow
def test_parts_of_a_split_are_read_in_order(hub: Hub) -> None:
    commit = push_gsm8k(hub)
    split = find("openai/gsm8k", "main", "train")
    assert (split.repository, split.config, split.split, split.commit) == ("openai/gsm8k", "main", "train", commit)
    file = read(split)
    assert [question.answer for question in file.questions] == ["1", "2", "3", "4"]
    assert (file.path, file.form) == ("openai/gsm8k (main, train)", "2 files, Parquet")
    assert file.questions[2].location == "main/train-00001-of-00002.parquet, row 1"


def test_only_the_files_of_the_split_are_downloaded(hub: Hub) -> None:
    push_gsm8k(hub)
    folder = Path(find("openai/gsm8k", "main", "test").folder)
    present = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert present == ["README.md", "main/test-00000-of-00001.parquet"]


def test_one_file_is_named_as_the_form_says(hub: Hub) -> None:
    hub.push("HuggingFaceH4/MATH-500", {"test.jsonl": lines(rows(0))}, kind="dataset")
    file = read(find("HuggingFaceH4/MATH-500"))
    assert (file.form, file.questions[1].location) == ("JSON lines", "line 2")


@pytest.mark.slow
def test_rows_stay_those_of_the_commit(hub: Hub) -> None:
    push_gsm8k(hub)
    commits = data_set_commits("openai/gsm8k", {})
    push_gsm8k(hub, first=100)
    assert data_set_commits("openai/gsm8k", commits) == commits
    assert read(find_split("openai/gsm8k", "socratic", None, commits)).questions[0].answer == "21"
    newest = data_set_commits("openai/gsm8k", {})
    assert newest != commits
    assert read(find_split("openai/gsm8k", "socratic", None, newest)).questions[0].answer == "121"


@pytest.mark.slow
def test_revision_is_part_of_the_name(hub: Hub) -> None:
    hub.push("a/b", {"test.jsonl": lines(rows(5))}, kind="dataset", branch="v1")
    hub.push("a/b", {"test.jsonl": lines(rows(6))}, kind="dataset")
    assert list(data_set_commits("a/b@v1", {})) == ["datasets/a/b@v1"]
    assert read(find("a/b@v1")).questions[0].answer == "6"
    assert read(find("a/b")).questions[0].answer == "7"


@pytest.mark.slow
def test_downloaded_split_is_found_offline(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    push_gsm8k(hub)
    split = find("openai/gsm8k", "main", "train")
    hub_split._listed.cache_clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    before = len(hub.requests)
    assert find("openai/gsm8k", "main", "train") == split
    with pytest.raises(HubError, match=r"HF_HUB_OFFLINE=1 forbids a download, and the cache .* lacks main/test-00000"):
        find("openai/gsm8k", "main", "test")
    with pytest.raises(HubError, match="hf download a/b --repo-type dataset"):
        find("a/b")
    assert len(hub.requests) == before


@pytest.mark.slow
def test_cache_of_another_tool_has_to_hold_every_part(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = push_gsm8k(hub)
    split = find("openai/gsm8k", "main", "train")
    shutil.rmtree(Path(split.folder).parents[1] / "trees")
    hub_split._listed.cache_clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    name = f"openai/gsm8k@{commit}"
    with pytest.raises(HubError, match="forbids a download"):
        find(name, "main", "train")
    (Path(split.folder) / ".gitattributes").write_text("*.parquet filter=lfs\n")
    assert find(name, "main", "train").files == split.files
    (Path(split.folder) / split.files[1]).unlink()
    with pytest.raises(InputError, match="lacks main/train-00001-of-00002"):
        find(name, "main", "train")


@pytest.mark.slow
def test_program_gives_way_to_the_conversion(hub: Hub) -> None:
    hub.push("nguha/legalbench", {"legalbench.py": "raise SystemExit", "data.tar.gz": "x"}, kind="dataset")
    converted = {
        "abercrombie/test/0000.parquet": parquet(rows(0)),
        "abercrombie/test/0001.parquet": parquet(rows(2)),
        "hearsay/test/0000.parquet": parquet(rows(4)),
    }
    commit = hub.push("nguha/legalbench", converted, kind="dataset", branch="refs/convert/parquet")
    commits = data_set_commits("nguha/legalbench", {})
    assert commits == {"datasets/nguha/legalbench@refs/convert/parquet": commit}
    split = find_split("nguha/legalbench", "abercrombie", "test", commits)
    assert [question.answer for question in read(split).questions] == ["1", "2", "3", "4"]
    hub.push("nguha/legalbench", {"test.csv": "question,answer\nWhy?,1\n"}, kind="dataset")
    assert data_set_commits("nguha/legalbench", commits) == commits
    assert find("nguha/legalbench@refs/convert/parquet", "hearsay").commit == commit
    assert not any(path.endswith(".py") for path in hub.paths())


@pytest.mark.slow
def test_changed_file_in_the_cache_is_refused(hub: Hub) -> None:
    hub.push("a/b", {"test.jsonl": lines(rows(1))}, kind="dataset")
    path = Path(find("a/b").folder, "test.jsonl")
    path.write_text(lines(rows(5)))
    with pytest.raises(InputError, match=r"test.jsonl has been changed: .* not that of data set a/b, commit"):
        find("a/b")
    path.resolve().unlink()
    assert read(find("a/b")).questions[0].answer == "2"


@pytest.mark.slow
def test_conversion_is_found_offline(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.push("a/b", {"b.py": "raise SystemExit"}, kind="dataset")
    hub.push("a/b", {"default/train/0000.parquet": parquet(rows(0))}, kind="dataset", branch="refs/convert/parquet")
    split = find("a/b")
    hub_split._listed.cache_clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert find_split("a/b", None, None, {"datasets/a/b@refs/convert/parquet": split.commit}) == split
    assert find("a/b@refs/convert/parquet") == split


@pytest.mark.slow
def test_program_without_a_conversion_leaves_files_that_can_be_read(hub: Hub) -> None:
    hub.push("a/b", {"b.py": "raise SystemExit", "test.jsonl": lines(rows(0))}, kind="dataset")
    assert read(find("a/b")).rows == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"b.py": "", "data.pkl": ""},
            r"data set a/b: a program makes its rows \(b.py\), which is never run; no file of its commit .* can be "
            r"read as rows; found .py \(1\), .pkl \(1\); expected Parquet, .*, or the hub's conversion, which "
            "a/b@refs/convert/parquet names if there is one$",
        ),
        (
            {"images/1.png": "", "images/2.png": ""},
            r"data set a/b: no file of its commit .* found .png \(2\); expected",
        ),
    ],
)
def test_data_set_without_rows_is_an_error(hub: Hub, files: dict[str, str], message: str) -> None:
    hub.push("a/b", files, kind="dataset")
    with pytest.raises(InputError, match=message):
        find("a/b")


@pytest.mark.slow
def test_faults_of_the_hub_are_one_line(hub: Hub) -> None:
    hub.push("a/model", {"config.json": "{}"})
    hub.push("a/gated", {"README.md": README, "test.jsonl": lines(rows(0))}, kind="dataset")
    hub.gated.add("a/gated")
    for name, message in (
        ("a/none", "data set a/none: http.* has no data set of this name"),
        ("a/model", "data set a/model: on the hub a/model is a model, expected a data set"),
        ("a/gated", "data set a/gated is gated: accept its conditions .*HF_TOKEN"),
        ("a/gated@v9", "no branch, tag or commit 'v9'"),
    ):
        with pytest.raises(HubError, match=message) as raised:
            find(name)
        assert "\n" not in str(raised.value)


@pytest.mark.slow
def test_broken_file_is_named(hub: Hub) -> None:
    hub.push("a/b", {"train.parquet": b"PAR1 and nothing more"}, kind="dataset")
    with pytest.raises(InputError, match=r"seed file a/b train.parquet cannot be read as Parquet or Arrow"):
        read(find("a/b"))
    hub.push("a/c", {"train.jsonl": "{}\n"}, kind="dataset")
    with pytest.raises(InputError, match=r"seed file a/c \(default, train\): 1 of 1 rows cannot be used: line 1: "):
        read(find("a/c"))


def test_file_wins_over_a_name_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_data_set("openai/gsm8k")
    assert is_data_set("openai/gsm8k@v1")
    for text in ("openai/gsm8k.jsonl", "./openai/gsm8k", "/openai/gsm8k", "gsm8k", "a/b/c", ""):
        assert not is_data_set(text)
    (tmp_path / "openai").mkdir()
    assert not is_data_set("openai/gsm8k")


@pytest.mark.parametrize("name", ["gsm8k", "a/b/c", "a/../b", "./a/b", "a/b@", "a/b c", "", "a/b@x y"])
def test_name_of_a_data_set_has_two_parts(name: str) -> None:
    with pytest.raises(InputError, match="expected OWNER/NAME or OWNER/NAME@REVISION"):
        hub_split.data_set(name)


def test_identity_is_the_commit_and_not_the_cache() -> None:
    split = HubSplit(repository="a/b", config="main", split="test", commit="0" * 40, folder="/x", files=("y",))
    identity = {"repository": "a/b", "config": "main", "split": "test", "commit": "0" * 40}
    assert ImportSeeds(hub=split).model_dump(exclude_none=True)["hub"] == identity
    assert ProblemSet(name="x", hub=split, shots_hub=split).model_dump()["shots_hub"] == identity
    assert "hub" not in ImportSeeds(path="x", sha256="y").model_dump()
    assert not {"hub", "shots_hub"} & ProblemSet(name="x").model_dump().keys()
