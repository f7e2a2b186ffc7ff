"""The notebook that reads a run from S3."""

from pathlib import Path

import polars as pl
import pytest

from flows.run_loop import run_locally
from storage.run import open_run
from tests.helpers import fake_config
from tests.notebooks import executed


@pytest.mark.slow
def test_notebook_of_a_run_on_s3(prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = fake_config(tmp_path).model_copy(update={"root": prefix})
    run_locally(config)
    monkeypatch.setenv("SERL_RUN", config.uri)
    output = executed("read_from_s3")
    assert f"{config.uri}: iterations [0, 1, 2]" in output.text and len(output.pictures) == 1
    run = open_run(config.uri)
    assert run.files("responses", 2)[0] in output.text
    # The notebook counts with Polars' own reader; the expected counts come from this software's reader.
    rewarded = run.table("responses").join(run.table("rewards"), on=["iteration", "question_id", "sample_index"])
    counts = rewarded.group_by("iteration", "status").agg(pl.len(), pl.col("response").str.len_chars().mean())
    for iteration, status, rows, _ in counts.rows():
        assert any(
            [cell.strip() for cell in line.split("┆")][:3] == [f"│ {iteration}", status, str(rows)]
            for line in output.text.splitlines()
        ), (iteration, status)
