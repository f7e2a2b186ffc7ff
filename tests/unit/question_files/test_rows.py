"""Files in the forms that people have, each with the same two rows."""

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from storage.errors import InputError
from tests.question_files import read_file

ROWS: list[dict[str, Any]] = [
    {"question": "Was heißt „Öl“?", "answer": "oil"},
    {"question": 'One, two; or "three"?', "answer": "1"},
]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
TABLE = 'question,answer\nWas heißt „Öl“?,oil\n"One, two; or ""three""?",1\n'
SEMICOLONS = 'question;answer\nWas heißt „Öl“?;oil\n"One, two; or ""three""?";1\n'
TABS = 'question\tanswer\nWas heißt „Öl“?\toil\nOne, two; or "three"?\t1\n'
DICTS = {row["question"]: row for row in ROWS}


def arrow_stream() -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pylist(ROWS)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


FORMS: dict[str, tuple[str, str | bytes, str]] = {
    "JSON lines": ("q.jsonl", LINES, "JSON lines"),
    "JSON lines called NDJSON": ("q.ndjson", LINES, "JSON lines"),
    "JSON lines called JSON": ("q.json", LINES, "JSON lines"),
    "upper-case ending": ("Q.JSONL", LINES, "JSON lines"),
    "no ending": ("questions", LINES, "JSON lines"),
    "blank lines between": ("q.jsonl", LINES.replace("\n", "\n\n"), "JSON lines"),
    "line ends of Windows": ("q.jsonl", LINES.replace("\n", "\r\n"), "JSON lines"),
    "byte-order mark": ("q.jsonl", b"\xef\xbb\xbf" + LINES.encode(), "JSON lines"),
    "gzipped": ("q.jsonl.gz", gzip.compress(LINES.encode()), "JSON lines, gzipped"),
    "gzipped without saying so": ("q.jsonl", gzip.compress(LINES.encode()), "JSON lines, gzipped"),
    "UTF-16": ("q.jsonl", LINES.encode("utf-16"), "JSON lines in utf-16"),
    "a JSON list": ("q.json", json.dumps(ROWS), "JSON"),
    "an indented JSON list": ("q.json", json.dumps(ROWS, indent=2), "JSON"),
    "a JSON list called JSON lines": ("q.jsonl", json.dumps(ROWS, indent=1), "JSON"),
    "rows under a key": ("q.json", json.dumps({"version": 1, "examples": ROWS}), "JSON"),
    "rows under data": ("q.json", json.dumps({"data": ROWS}, indent=4), "JSON"),
    "an object of rows": ("q.json", json.dumps(DICTS, indent=4), "JSON"),
    "columns as lists": ("q.json", json.dumps({key: [row[key] for row in ROWS] for key in ROWS[0]}), "JSON"),
    "columns as pandas writes them": (
        "q.json",
        json.dumps({key: {str(index): row[key] for index, row in enumerate(ROWS)} for key in ROWS[0]}),
        "JSON",
    ),
    "objects over several lines": ("q.json", "\n".join(json.dumps(row, indent=2) for row in ROWS), "JSON"),
    "CSV": ("q.csv", TABLE, "CSV"),
    "CSV with semicolons": ("q.csv", SEMICOLONS, "CSV (;)"),
    "CSV with a byte-order mark": ("q.csv", TABLE.encode("utf-8-sig"), "CSV"),
    "CSV of Windows": ("q.csv", TABLE.replace("\n", "\r\n").encode("cp1252"), "CSV in cp1252"),
    "CSV in UTF-16": ("q.csv", TABLE.encode("utf-16"), "CSV in utf-16"),
    "CSV, gzipped": ("q.csv.gz", gzip.compress(TABLE.encode()), "CSV, gzipped"),
    "CSV called text": ("q.txt", TABLE, "CSV"),
    "CSV with an index": ("q.csv", ',question,answer\n0,Was heißt „Öl“?,oil\n1,"One, two; or ""three""?",1\n', "CSV"),
    "TSV": ("q.tsv", TABS, "TSV"),
    "Arrow": ("data-00000-of-00001.arrow", arrow_stream(), "Arrow"),
}


@pytest.mark.parametrize("form", sorted(FORMS))
def test_each_form_gives_the_same_rows(form: str, tmp_path: Path) -> None:
    name, content, expected = FORMS[form]
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    file = read_file(path)
    assert file.form == expected
    assert [(question.question, question.answer) for question in file.questions] == [tuple(r.values()) for r in ROWS]


def test_parquet(tmp_path: Path) -> None:
    pl.DataFrame(ROWS).write_parquet(tmp_path / "q.parquet")
    file = read_file(tmp_path / "q.parquet")
    assert (file.form, file.rows, file.questions[1].location) == ("Parquet", 2, "row 2")


def test_a_folder_of_parts(tmp_path: Path) -> None:
    for index, row in enumerate([*ROWS, {"question": "Third?", "answer": "3"}]):
        (tmp_path / f"part-{index:02d}.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "README.md").write_text("Notes.")
    (tmp_path / "dataset_info.json").write_text("{}")
    file = read_file(tmp_path)
    assert file.form == "3 files, JSON lines"
    assert [question.location for question in file.questions][2] == "part-02.jsonl, line 1"
    assert [question.answer for question in file.questions] == ["oil", "1", "3"]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("question,answer\nWelche Prüfung ist für Ärzte in Österreich größer?,Approbation\n", "cp1252"),
        ("question,answer\nQuelle est la première étape ? Où ça ?,déjà\n", "cp1252"),
        ("question,answer\n" + "下列哪一项属于民法的基本原则，请选择正确的答案。,平等原则\n" * 5, "gb18030"),
        ("question,answer\n" + "正しいものを一つ選びなさい。この問題は医師国家試験から。,あ\n" * 5, "cp932"),
        ("question,answer\n" + "Какой орган вырабатывает инсулин у человека?,поджелудочная железа\n" * 5, "cp1251"),
        ("question,answer\n" + "다음 중 옳은 것을 고르시오. 대한민국의 수도는 어디인가?,서울\n" * 5, "cp949"),
    ],
)
def test_the_encoding_of_a_table_is_detected(text: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_bytes(text.encode(encoding))
    question = read_file(path).questions[0]
    assert f"{question.question},{question.answer}" == text.splitlines()[1]


def test_a_stated_encoding_counts(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_bytes(LINES.encode("cp1252"))
    assert read_file(path, {"encoding": "cp1252"}).questions[0].question == "Was heißt „Öl“?"
    with pytest.raises(InputError, match=r"line 1: not UTF-8; perhaps cp1252: set `format: \{encoding: cp1252\}`"):
        read_file(path)
    path.write_bytes(json.dumps(ROWS, ensure_ascii=False, indent=0).encode("cp1252"))
    with pytest.raises(InputError, match=r"line 3: not UTF-8; perhaps cp1252"):
        read_file(path)


def test_a_table_without_header_of_a_known_shape(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_text("Which rusts?,iron,zinc,tin,lead,A\nWhich is soft?,iron,zinc,tin,lead,D\n")
    file = read_file(path)
    assert [question.answer for question in file.questions] == ["A", "D"]
    assert file.questions[0].question == "Which rusts?\nAnswer Choices: (A) iron (B) zinc (C) tin (D) lead"
    path.write_text("How many apples are there?\t18\nHow many pears?\t1,200\n")
    assert [question.answer for question in read_file(path).questions] == ["18", "1,200"]
    path.write_text("How many apples are there?;x;18\nHow many pears?;y;20\n")
    with pytest.raises(InputError, match="has no line with the names of its columns; its first line is"):
        read_file(path)
    file = read_file(path, {"columns": ["question", "id", "answer"]})
    assert [(question.question, question.answer) for question in file.questions][1] == ("How many pears?", "20")


def test_rows_inside_other_rows(tmp_path: Path) -> None:
    document = {
        "data": [
            {
                "title": "Metals",
                "paragraphs": [{"context": "Iron rusts.", "qas": [{"question": "Which rusts?", "answer": "iron"}]}],
            }
        ]
    }
    path = tmp_path / "q.json"
    path.write_text(json.dumps(document))
    file = read_file(path, {"rows": "data.paragraphs.qas", "fields": {"context": "context", "subject": "title"}})
    (question,) = file.questions
    assert (question.question, question.subject) == ("Iron rusts.\nWhich rusts?", "Metals")
    with pytest.raises(InputError, match=r"has no rows at `format: \{rows: data.qas\}`; the file holds data"):
        read_file(path, {"rows": "data.qas"})


def test_one_object_without_rows_is_named(tmp_path: Path) -> None:
    path = tmp_path / "q.json"
    path.write_text(json.dumps({"train": ROWS, "test": ROWS}, indent=1))
    with pytest.raises(InputError, match=r"is one object with the fields train, test; .* `format: \{rows: train\}`"):
        read_file(path)
    assert read_file(path, {"rows": "test"}).rows == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("question,answer\nOne?,1\nTwo?\n", "line 3: 1 cells; expected 2, as in the first line"),
        ('question,answer\n"One\ntwo?",1\nThree?,3,4\n', "line 4: 3 cells; expected 2, as in the first line"),
        ("question,question\nOne?,1\n", "two columns are called 'question'"),
        ('question,answer\n"One?,1\n', "line 2: not a line of a table"),
    ],
)
def test_a_broken_table_is_named_by_its_line(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_text(content)
    with pytest.raises(InputError) as error:
        read_file(path)
    assert message in str(error.value)


def test_empty_cells_at_the_end_and_column_names_with_spaces(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_text(" question , answer,\nOne?,1,\nTwo?,2,,\n")
    assert [question.answer for question in read_file(path).questions] == ["1", "2"]


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.question_files.sources.MAX_FILE_BYTES", 10_000)
    path = tmp_path / "q.json.gz"
    path.write_bytes(gzip.compress(json.dumps([{"question": "x" * 20_000}], indent=1).encode()))
    with pytest.raises(InputError, match="has more than 10,000 bytes"):
        read_file(path)


def test_bytes_of_no_language_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_bytes(b"question,answer\nWhat\x9d is\xff\x81 it\x8d\xfe?,1\n")
    with pytest.raises(InputError, match=r"the encoding cannot be told; set `format: \{encoding: NAME\}`"):
        read_file(path)
