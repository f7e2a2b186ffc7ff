"""Files that are broken, huge, or not what their name says: one line that names the place, never a crash."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.question_files.read import QuestionFile, read_questions
from storage.errors import InputError

ROW = '{"question": "Q?", "answer": "1"}\n'


def read_content(folder: Path, name: str, content: str | bytes) -> QuestionFile:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_questions(str(path), "seed file", needs_answer=True, drop_doubles=False)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "q.jsonl",
            ROW * 3 + '{"question": "X?", "answer": ' + "[" * 500 + "]" * 500 + "}",
            "line 4: lists and objects",
        ),
        (
            "q.jsonl",
            ROW * 3 + '{"question": ' + "[" * 9_999,
            "line 4: lists and objects inside each other, more than 50",
        ),
        ("q.json", f'[{ROW}, {ROW}, {{"question": {"[" * 99}{"]" * 99}}}]', "row 3: lists and objects inside each"),
        ("q.json", f'[{ROW}, {{"question": "{"x" * 1_000_001}", "answer": 1}}]', r"row 2: 1,000,0\d\d characters"),
        (
            "q.jsonl",
            ROW * 2 + '{"question": "' + "x" * 5_000_000 + '"}',
            "line 3: .* characters; expected at most 1,000",
        ),
        ("q.jsonl", ROW * 2 + '{"question": "A?", "answer": 1, "answer": 2}', "line 3: the key 'answer' comes twice"),
        (
            "q.json",
            '[{"question": "A?", "options": {"A": 1, "A": 2}}]',
            "q.json: the key 'A' comes twice in one object",
        ),
        ("q.jsonl", ROW * 2 + '{"question": "A?", "answer": 1e999}', "line 3: no answer"),
        ("q.jsonl", ROW * 2 + '{"question": "A\\u0000?", "answer": 1}', "line 3: question holds a NUL character"),
        (
            "q.jsonl.gz",
            gzip.compress(gzip.compress(ROW.encode(), mtime=0), mtime=0),
            "is gzipped twice; unpack it once",
        ),
        ("q.parquet.gz", gzip.compress(b"PAR1 and more", mtime=0), "is a gzipped Parquet or Arrow file; unpack it"),
        ("q.txt", "Which rusts?\nA. iron\nB. tin\nANSWER: A\n", "is a quiz as text, such as Aiken's or GIFT"),
        ("q.xml", "<?xml version='1.0'?><quiz/>", "is HTML or XML, perhaps .* an export of a quiz"),
        ("q.json", '{"train": [{"question": "Q?"}], "test": [{"question": "Q?"}]}', r"`format: \{rows: train\}`"),
        ("q.json", '{"a": [{"question": "Q?"}], "b": [{"question": "Q?"}]}', r"`format: \{rows: '\*'\}`"),
        ("q.csv", "Q one?,iron,tin,zinc,x\n", r"`format: \{columns: \[question, A, B, C, answer\]\}`"),
    ],
)
def test_each_is_refused_in_one_line(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        read_content(tmp_path, name, content)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("anki.txt", "#separator:tab\n#html:true\n#columns:question\tanswer\nQ?\t1\n"),
        ("excel.csv", "sep=;\r\nquestion;answer\r\nQ?;1\r\n"),
        ("pandas.csv", "0,1\nQ?,1\n"),
        ("utf16.csv", "question,answer\nQ?,1\n".encode("utf-16-le")),
        ("marks.csv", "question\u200b,\u200eanswer\nQ?,1\n"),
        ("cr.csv", "question,answer\rQ?,1\r"),
    ],
)
def test_each_is_read_as_it_is(tmp_path: Path, name: str, content: str | bytes) -> None:
    (question,) = read_content(tmp_path, name, content).questions
    assert (question.question, question.answer) == ("Q?", "1")


def test_a_label_with_marks_of_direction(tmp_path: Path) -> None:
    row = {"question": "Q?", "options": {"\u200fA": "x", "\u200fB": "y"}, "answer": "\u200eB\u200e"}
    assert read_content(tmp_path, "q.jsonl", json.dumps(row)).questions[0].answer == "B"


def test_rows_inside_objects_of_other_names(tmp_path: Path) -> None:
    exams = {"2013": {"data": [{"question": "Q?", "answer": 1}]}, "2014": {"data": [{"question": "R?", "answer": 2}]}}
    with pytest.raises(InputError, match=r"`format: \{rows: exams.\*.data\}`"):
        read_content(tmp_path, "q.json", json.dumps({"version": 1, "exams": exams}))


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"question": [b"Q?"], "answer": [b"1"]}, ("Q?", "1")),
        (
            {
                "question": ["Q?"],
                "options": pa.array([[("A", "x"), ("B", "y")]], pa.map_(pa.string(), pa.string())),
                "answer": ["B"],
            },
            ("Q?\nAnswer Choices: (A) x (B) y", "B"),
        ),
        (
            {"question": pa.array(["Q?"]).dictionary_encode(), "options": [["x", "y"]], "answer": ["y"]},
            ("Q?\nAnswer Choices: (A) x (B) y", "B"),
        ),
    ],
)
def test_columns_of_parquet(tmp_path: Path, columns: dict[str, Any], expected: tuple[str, str]) -> None:
    path = tmp_path / "q.parquet"
    pq.write_table(pa.table(columns), path)
    (question,) = read_questions(str(path), "seed file", needs_answer=True, drop_doubles=False).questions
    assert (question.question, question.answer) == expected


def test_bytes_that_are_no_text_are_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "q.parquet"
    pq.write_table(pa.table({"question": ["Q?"], "answer": [b"\xff"]}), path)
    with pytest.raises(InputError, match="row 1: answer holds bytes that are no text"):
        read_questions(str(path), "seed file", needs_answer=True, drop_doubles=False)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (("train-0.jsonl", "test-0.jsonl"), "is a folder with files of test, train; name one file"),
        (("train/a.jsonl", "test/a.jsonl"), "is a folder without files; it has the folders test, train: name one"),
    ],
)
def test_parts_of_a_data_set_are_never_read_together(tmp_path: Path, files: tuple[str, ...], message: str) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(ROW)
    with pytest.raises(InputError, match=message):
        read_questions(str(tmp_path), "seed file", needs_answer=True, drop_doubles=False)


def test_a_pipe_and_an_empty_path_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is a device or a pipe"):
        read_questions(str(tmp_path / "pipe"), "seed file", needs_answer=True, drop_doubles=False)
    for path in ("", "x" * 5_000):
        with pytest.raises(InputError, match=r"does not exist|cannot be opened"):
            read_questions(path, "seed file", needs_answer=True, drop_doubles=False)
