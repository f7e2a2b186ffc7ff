"""Inputs are identified by content; errors about unusable inputs name the file and the line."""

import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.contract import Context, run_stage, stage_key
from stages.domains import arithmetic
from stages.import_inputs import (
    IMPORT_DATASET,
    IMPORT_POLICY,
    IMPORT_SEEDS,
    SEED_FILE,
    content_of_policy,
    import_voters_stage,
    policy_settings,
    seed_file,
    seed_rows,
)
from stages.import_problems import IMPORT_PROBLEMS, problems_of
from stages.question_files.rows import content_of
from stages.settings.inputs import ImportPolicy, ImportProblems, ImportSeeds, ImportVoters, ProblemSet
from storage.errors import InputError
from storage.reader import read_folder
from storage.store import Store
from tests.helpers import Tables, do, write_jsonl
from tests.tiny_models import make_tiny_policy, saved_adapter


def import_seeds(context: Context, path: Path) -> Tables:
    return do(IMPORT_SEEDS, {}, ImportSeeds(path=str(path), sha256=content_of(str(path), "seed file")), context)[0]


def import_problems(context: Context, path: Path) -> Tables:
    problem_set = ProblemSet(name="sums", path=str(path), sha256=content_of(str(path), "benchmark"))
    return do(IMPORT_PROBLEMS, {}, ImportProblems(sets=(problem_set,)), context)[0]


def read_seeds(path: str, label: str = SEED_FILE) -> list[dict[str, Any]]:
    return seed_rows(seed_file(ImportSeeds(path=path), label))


def text_file(folder: Path, content: str | bytes, name: str = "seeds.jsonl") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_seeds_of_a_jsonl_file(context: Context, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"problem": " What is 1+1? ", "answer": 2, "level": "Level 1", "solution": "ignored"},
        {"question": "What is 2+2?", "problem": "not this one"},
        {"question": "", "problem": "What is 3+3?"},
        {"question": "What is 1+1?"},
    ]
    seeds = import_seeds(context, write_jsonl(tmp_path / "seeds.jsonl", rows))["seeds"]
    assert seeds["question"].to_list() == ["What is 1+1?", "What is 2+2?", "What is 3+3?"]
    assert seeds["question_id"].to_list()[1] == "q" + hashlib.sha256(b"What is 2+2?").hexdigest()[:16]
    assert seeds["answer"].to_list() == ["2", None, None]  # a double without a label adds nothing


def test_seeds_of_a_parquet_file(context: Context, tmp_path: Path) -> None:
    pl.DataFrame({"question": ["What is 1+1?"], "answer": ["2"]}).write_parquet(tmp_path / "seeds.parquet")
    seeds = import_seeds(context, tmp_path / "seeds.parquet")["seeds"]
    assert seeds.select("question", "answer").rows() == [("What is 1+1?", "2")]


NO_LABELS = [None, float("nan"), "", " ", "\n", "\t \u00a0", "nan", "NaN", " nan ", [], [None], ["", float("nan")]]
LABELS = [
    *((0, "0"), (0.0, "0.0"), (-3, "-3"), (False, "False"), ("0", "0"), ("8", "8"), ("None", "None"), ("N/A", "N/A")),
    *(("none", "none"), ("null", "null"), ("Nan", "Nan"), ("no solution", "no solution"), ("unknown", "unknown")),
]
"""Fields and the label that each holds. "None" and "N/A" may be answers, and Nan is a province."""


@pytest.mark.parametrize(("value", "label"), [*((value, None) for value in NO_LABELS), *LABELS], ids=repr)
def test_nan_or_blank_is_no_label(context: Context, tmp_path: Path, value: Any, label: str | None) -> None:
    path = write_jsonl(tmp_path / "seeds.jsonl", [{"question": "How many?", "answer": value, "level": value}])
    for stage in (IMPORT_SEEDS, IMPORT_DATASET):
        settings = ImportSeeds(path=str(path), sha256=content_of(str(path), "seed file"))
        [table] = do(stage, {}, settings, context)[0].values()
        assert table.select("answer", "level").rows() == [(label, label)]


def test_empty_cells_of_a_parquet_file_are_no_labels(context: Context, tmp_path: Path) -> None:
    """As pandas writes a column of numbers with an empty cell."""
    frame = pl.DataFrame({"question": ["One?", "Two?"], "answer": [1.0, float("nan")], "problem": [None, float("nan")]})
    frame.write_parquet(tmp_path / "seeds.parquet")
    seeds = import_seeds(context, tmp_path / "seeds.parquet")["seeds"]
    assert seeds.select("question", "answer").rows() == [("One?", "1.0"), ("Two?", None)]


def test_question_is_in_the_first_field_that_holds_one(tmp_path: Path) -> None:
    rows = [{"question": value, "problem": "How many?"} for value in (None, "", " ", float("nan"), "nan")]
    [row] = read_seeds(str(write_jsonl(tmp_path / "seeds.jsonl", rows)))
    assert row["question"] == "How many?"


def test_seeds_of_the_domain(context: Context) -> None:
    tables, metrics = do(IMPORT_SEEDS, {}, ImportSeeds(domain="arithmetic", count=7), context)
    assert metrics == {"seeds/questions": 7}
    solved = [arithmetic.solve(question) for question in tables["seeds"]["question"]]
    assert all(problem is not None and arithmetic.split_of(problem.chain) == "seed" for problem in solved)
    assert tables["seeds"]["answer"].to_list() == [None] * 7


GOOD = '{"question": "What is 1+1?"}\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; expected at least one question"),
        ("\n \n", "is empty; expected at least one question"),
        (GOOD + "\n" + '{"question": \n', "line 3: not JSON"),
        (GOOD + "not json", "line 2: not JSON"),
        (GOOD + '["What is 1+1?"]\n', "line 2: found list, expected a JSON object"),
        (GOOD + "3\n", "line 2: found int, expected a JSON object"),
        (
            GOOD + '{"text": "What is 1+1?"}\n',
            "line 2: no question; expected text in one of the fields question, problem",
        ),
        ('{"question": ""}\n', "line 1: no question"),
        ('{"question": "  "}\n', "line 1: no question"),
        ('{"question": [{"a": 1}]}\n', "line 1: question is a list of objects without a turn of the user"),
        (
            '{"question": {"stem": "Why?"}}\n',
            "question holds an object; name a field in it, such as question.stem",
        ),
        ('{"question": null, "problem": null}\n', "line 1: no question"),
        (b'{"question": "\xff\xfe"}\n', "line 1: not UTF-8"),
        ('{"question": "' + "x" * 1_000_000 + '"}\n', "line 1: 1,000,017 characters; expected at most 1,000,000"),
    ],
)
def test_an_unusable_row_is_named_by_its_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = text_file(tmp_path, content)
    with pytest.raises(InputError) as error:
        read_seeds(str(path))
    assert f"seed file {path}" in str(error.value) and message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content", ['{"question": "What is \\ud800?"}\n', '{"question": ' + "[" * 100_000 + "\n"], ids=["surrogate", "deep"]
)
def test_hostile_json_is_an_input_error(context: Context, tmp_path: Path, content: str) -> None:
    """Half a character pair is JSON but not UTF-8 (UnicodeEncodeError), deep nesting a RecursionError."""
    with pytest.raises(InputError, match="line 1"):
        import_seeds(context, text_file(tmp_path, content))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "seeds.xlsx",
            b"PK\x03\x04 and more",
            "is a zip archive or an Excel file; unpack it, or save",
        ),
        ("seeds.pkl", b"\x80\x04\x95 and more", "is a Python pickle, which is never opened"),
        ("seeds.jsonl", "version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
        ("seeds.jsonl", "<!DOCTYPE html>", "download the raw file"),
        ("seeds.parquet", b"PAR1 and no more", "cannot be read as Parquet or Arrow"),
        ("seeds.jsonl.gz", b"\x1f\x8b and no more", "cannot be unpacked"),
        ("seeds.txt", "Why?\nHow long is it, and why?\n", "has no line with the names of its columns"),
        ("seeds.parquet", "", "is empty"),
    ],
)
def test_another_kind_of_file_is_refused(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_seeds(str(text_file(tmp_path, content, name)))


def test_a_parquet_row_without_question_is_named(tmp_path: Path) -> None:
    pl.DataFrame({"question": ["What is 1+1?", None]}).write_parquet(tmp_path / "seeds.parquet")
    with pytest.raises(InputError, match="row 2: no question"):
        read_seeds(str(tmp_path / "seeds.parquet"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    for read in (content_of, read_seeds):
        with pytest.raises(InputError, match=f"seed file {path} does not exist"):
            read(str(path), "seed file")


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("Notes.")
    with pytest.raises(InputError, match=f"seed file {tmp_path} is a folder without files"):
        read_seeds(str(tmp_path))


def test_problems_keep_their_order_and_the_boxed_answer(context: Context, tmp_path: Path) -> None:
    rows = [
        {"question": "Half?", "answer": r"It is \boxed{\frac12}.", "level": 3, "subject": "Algebra"},
        {"problem": "One plus one?", "answer": 2},
    ]
    problems = import_problems(context, write_jsonl(tmp_path / "p.jsonl", rows))["problems"]
    assert problems["answer"].to_list() == [r"\frac12", "2"]
    assert problems["problem_id"].to_list() == ["00000", "00001"]
    assert problems["benchmark"].unique().to_list() == ["sums"]
    assert problems.select("level", "subject").rows() == [("3", "Algebra"), (None, None)]


@pytest.mark.parametrize("row", [{"question": "One?"}, *({"question": "One?", "answer": value} for value in NO_LABELS)])
def test_a_problem_without_answer_is_named(context: Context, tmp_path: Path, row: dict[str, Any]) -> None:
    path = write_jsonl(tmp_path / "p.jsonl", [{"question": "Zero?", "answer": 0}, row])
    with pytest.raises(InputError, match="line 2: no answer; expected the field answer"):
        import_problems(context, path)


def test_the_labelled_seeds_can_be_an_evaluation_set(context: Context, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"question": "What is 1+1?", "answer": "so $\\boxed{2}$", "level": 1},
        {"question": "What is love?"},
        *({"question": f"What is love, {index}?", "answer": value} for index, value in enumerate(NO_LABELS)),
        {"question": "What is 2+2?", "answer": 4},
        {"question": "What is 4+4?", "answer": "4+4=<<4+4=8>>8\n#### 8"},
    ]
    seeds = ImportSeeds(path=str(write_jsonl(tmp_path / "seeds.jsonl", rows)), sha256="any")
    inputs = {"seeds": run_stage(IMPORT_SEEDS, {}, seeds, context).refs["seeds"]}
    sets = ImportProblems(sets=(ProblemSet(name="own", seeds=True),))
    problems = do(IMPORT_PROBLEMS, inputs, sets, context)[0]["problems"]
    assert problems.select("benchmark", "question", "answer", "level").rows() == [
        ("own", "What is 1+1?", "2", "1"),
        ("own", "What is 2+2?", "4", None),
        ("own", "What is 4+4?", "8", None),
    ]


def test_benchmark_of_seeds_without_answers_is_refused(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "seeds.jsonl", [{"question": "What is love?"}])
    problem_set = ProblemSet(name="own", seeds=True)
    with pytest.raises(InputError, match="benchmark own is made of the seeds that have an answer, and no seed has one"):
        problems_of(problem_set, read_seeds(str(path)))


def test_problems_of_the_domain_are_held_out_and_labelled(context: Context) -> None:
    sets = (ProblemSet(name="heldout", domain="arithmetic", count=5, seed=9),)
    problems = do(IMPORT_PROBLEMS, {}, ImportProblems(sets=sets), context)[0]["problems"]
    for question, answer in problems.select("question", "answer").iter_rows():
        solved = arithmetic.solve(question)
        assert solved is not None and str(solved.answer) == answer
        assert arithmetic.is_held_out(question)


def test_identity_is_the_content_not_the_place(context: Context, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    here, there, changed = (text_file(tmp_path, GOOD, name) for name in ("a.jsonl", "other/b.jsonl", "c.jsonl"))
    changed.write_text(GOOD + GOOD.replace("1", "2"))

    def key(path: Path) -> str:
        config = ImportSeeds(path=str(path), sha256=content_of(str(path), "seed file"))
        return stage_key(IMPORT_SEEDS, {}, config, context)

    assert key(here) == key(there) != key(changed)


def model_folder(folder: Path, *, without: str = "") -> Path:
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        if name != without:
            (folder / name).write_text(json.dumps({"file": name}))
    return folder


@pytest.mark.parametrize(
    ("without", "message"),
    [
        ("config.json", r"has no config\.json with \*\.safetensors"),
        ("model.safetensors", r"has no config\.json with \*\.safetensors"),
        ("tokenizer.json", r"has no tokenizer \(tokenizer\.json.*save the model's tokenizer into it"),
    ],
)
def test_an_incomplete_model_folder_is_refused(tmp_path: Path, without: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        content_of_policy(str(model_folder(tmp_path / "model", without=without)))


def test_a_missing_model_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist; expected a local Hugging Face model folder"):
        content_of_policy(str(tmp_path / "model"))


def test_policy_folder_stays_in_place(context: Context, tmp_path: Path) -> None:
    context = replace(context, store=Store(str(tmp_path / "run")))
    folder = model_folder(tmp_path / "model")
    config = ImportPolicy(path=str(folder), sha256=content_of_policy(str(folder)))
    policy = run_stage(IMPORT_POLICY, {}, config, context).refs["policy"]
    assert read_folder(policy) == folder
    assert context.store.names("policy") == []


def test_a_policy_is_copied_to_a_store_that_other_machines_read(context: Context, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model")
    config = ImportPolicy(path=str(folder), sha256=content_of_policy(str(folder)))
    policy = run_stage(IMPORT_POLICY, {}, config, context).refs["policy"]
    shutil.rmtree(folder)
    assert content_of_policy(str(read_folder(policy))) == config.sha256


def test_policy_is_identified_by_its_files(tmp_path: Path) -> None:
    first, second = model_folder(tmp_path / "first"), model_folder(tmp_path / "else" / "second")
    os.utime(second / "config.json", (1, 1))
    assert content_of_policy(str(first)) == content_of_policy(str(second))
    (second / "model.safetensors").write_text("other weights")
    assert content_of_policy(str(first)) != content_of_policy(str(second))


def test_traces_of_a_download_are_not_part_of_a_policy(tmp_path: Path) -> None:
    """`hf download --local-dir` leaves time stamps in .cache/, so that one model had two identities."""
    first, second = model_folder(tmp_path / "first"), model_folder(tmp_path / "second")
    (second / ".cache" / "huggingface").mkdir(parents=True)
    (second / ".cache" / "huggingface" / "config.json.metadata").write_text("1763843000.1")
    assert content_of_policy(str(first)) == content_of_policy(str(second))


def test_policy_with_an_adapter_is_merged_and_keyed_by_both(context: Context, tmp_path: Path) -> None:
    base = make_tiny_policy(tmp_path / "base")
    adapter = saved_adapter(tmp_path / "adapter", base)
    config = policy_settings(str(base), str(adapter))
    assert "adapter_sha256" not in policy_settings(str(base), None).model_dump()
    merged = read_folder(run_stage(IMPORT_POLICY, {}, config, context).refs["policy"])
    assert (merged / "tokenizer.json").read_bytes() == (base / "tokenizer.json").read_bytes()
    assert (merged / "model.safetensors").read_bytes() != (base / "model.safetensors").read_bytes()
    voters = ImportVoters(models={"teacher": config})
    voter = run_stage(import_voters_stage(["teacher"]), {}, voters, context).refs["voter_teacher"]
    assert (read_folder(voter) / "model.safetensors").read_bytes() == (merged / "model.safetensors").read_bytes()
    (adapter / "adapter_model.safetensors").unlink()
    with pytest.raises(InputError, match=r"adapter .* has no adapter_model.safetensors; expected a folder that peft"):
        policy_settings(str(base), str(adapter))
