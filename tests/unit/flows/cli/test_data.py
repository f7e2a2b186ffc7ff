"""`serl data`: a file of questions as a run would read it."""

from pathlib import Path

import pytest

from flows.cli import main
from stages.question_files.shapes import SHAPES
from tests.helpers import write_jsonl

ROWS = [
    {"question": "Which rusts?", "options": ["iron", "zinc"], "answer": ["A", "B"], "id": 1},
    {"question": "Which is soft?", "options": ["iron", "tin"], "answer": "B", "id": 2},
    {"question": "Which shines?", "options": ["iron"], "answer": "B", "id": 3},
]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(write_jsonl(tmp_path / "exam.jsonl", ROWS))


def test_a_file_is_shown_with_one_row(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "show", path, "--skip-bad-rows", "--row", "2"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "graded as `answers: {kind: choice, several: true}`",
        f"{path} (JSON lines, read as multiple_choice)",
        "3 rows, 2 read; 1 skipped (the first: line 3: only one option ('iron'); expected two or more); 2 with options "
        "(2 with 2); 2 with a label (1 set, 1 letter)",
        "labels: 2 of 2 equal themselves; 1 of 1 right options can be named by their text",
        "not read: id",
        "line 2 is asked as:",
        "  Which is soft?",
        "  Answer Choices: (A) iron (B) tin",
        "label: B",
    ]


def test_settings_that_the_labels_need_are_named(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "show", path, "--skip-bad-rows", "--kind", "choice"]) == 0
    out = capsys.readouterr().out
    assert "labels: 1 of 2 equal themselves (not 'A, B': " in out
    assert "labels that are sets of letters: 1; set `answers: {kind: choice, several: true}`" in out


def test_words_need_another_kind_than_the_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"frage": f"{number}?", "answer": answer} for number, answer in enumerate(("eine Woche", "Ja", "§ 87"))]
    path = str(write_jsonl(tmp_path / "words.jsonl", rows))
    assert main(["data", "show", path, "--format", "format: {fields: {question: frage, answer: answer}}"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("graded as `answers: {kind: math}`, the default; ")
    assert "labels that are words: 2; set `answers: {kind: text}`" in out


def test_labels_that_may_have_a_decimal_comma_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = ("22,9", "0,125", "75 %", "1,250", "2, 3", "1.250,50 EUR")
    path = str(write_jsonl(tmp_path / "commas.jsonl", [{"question": f"{label}?", "answer": label} for label in labels]))
    assert main(["data", "show", path]) == 0
    assert (
        "labels with a comma between digits: 2 (the first: '22,9'); a comma separates members"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "1 of 3 rows cannot be used: line 3: only one option"),
        (["--skip-bad-rows", "--row", "3"], "has 2 questions; found --row 3"),
        (["--format", "{preset: medq}"], "format: unknown preset 'medq'; expected medqa, "),
        (["--format", "{fields: {quesion: x}}"], "--format or --kind: unknown setting fields.quesion"),
        (["--format", "{fields: {"], "--format or --kind: "),
        (["--kind", "essay"], "unknown kind of answers 'essay'"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], message: str, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "show", path, *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("serl: ") and message in error and error.count("\n") == 1


def test_presets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "presets"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(SHAPES)
    assert main(["data", "show"]) == 2
    expected = "expected a file or a data set of the hub: serl data show FILE, or serl data show OWNER/NAME"
    assert capsys.readouterr().err == f"serl: {expected}\n"
