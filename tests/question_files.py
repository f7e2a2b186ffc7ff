"""Files of questions for tests."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stages.question_files.read import QuestionFile, read_questions
from stages.question_files.shapes import with_preset
from stages.settings.questions import QuestionFormat


def read_file(path: Path, row_format: dict[str, Any] | None = None, **arguments: Any) -> QuestionFile:
    """Read a file, with the arguments of `read_questions`; labels are not needed and doubles stay."""
    stated = with_preset(QuestionFormat.model_validate(row_format or {}))
    arguments = {"needs_answer": False, "drop_doubles": False, **arguments}
    return read_questions(str(path), "seed file", stated, **arguments)


def read(
    rows: Sequence[dict[str, Any]], folder: Path, row_format: dict[str, Any] | None = None, **arguments: Any
) -> QuestionFile:
    """Write rows to a file of JSON lines and read it."""
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_file(path, row_format, **arguments)
