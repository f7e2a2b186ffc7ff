"""Executing the notebooks of `notebooks/`, as a reader does."""

from dataclasses import dataclass
from typing import Any

import nbformat
from nbclient import NotebookClient

from tests.commands import HANG_SECONDS, REPOSITORY

FOLDER = REPOSITORY / "notebooks"


@dataclass(frozen=True)
class Told:
    """What the cells of a notebook showed."""

    text: str
    pictures: list[str]


def executed(name: str) -> Told:
    """Run all cells, in this process's environment; raises when one fails."""
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "notebooks are kept without outputs"
    NotebookClient(notebook, timeout=int(HANG_SECONDS), resources={"metadata": {"path": str(FOLDER)}}).execute()
    outputs: list[Any] = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    shown = [output.get("data", {}) for output in outputs]
    return Told(
        text="\n".join(
            [*(str(output.get("text", "")) for output in outputs), *(data.get("text/plain", "") for data in shown)]
        ),
        pictures=[data["image/png"] for data in shown if "image/png" in data],
    )
