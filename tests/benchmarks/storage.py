"""The cost of storing: its share of an iteration's time, the check of a finished run, bytes and MB/s of token tables.

    python -m tests.benchmarks.storage

share           share of the seconds of the quickstart's iterations spent on encoding, writing, syncing and committing
                (tables, weights, manifests, revisions, timings)
resume_s        seconds until a finished run of 100 iterations in a folder is recognised as finished
resume_s3_s     the same on S3: Ceph's gateway if it is installed, otherwise moto
bytes_per_token of a responses table (ids, log-probabilities, text), and its ratio to plain pyarrow's
mb_s_ratio      our MB/s over plain pyarrow's (from_pylist, write_table, read_table), written and read back; ours also
                checks the schema, syncs to disk, and compares the bytes with their digest

The last line is JSON.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import flows.run_loop
import stages.contract
from flows.config.load import load_config
from flows.config.run import RunConfig
from flows.run_loop import run_locally
from flows.run_progress import find_finished
from stages import schemas
from storage import s3
from storage.reader import read_parts
from storage.run import open_run
from storage.store import Store
from storage.writer import Committer
from tests.commands import REPOSITORY
from tests.helpers import fake_config
from tests.s3.servers import moto_server, radosgw_missing, radosgw_server

RESPONSES, TOKENS, VOCABULARY = 2_048, 500, 128_000


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        share = storing_share(folder)
        print(f"share of an iteration's time spent on storing   {100 * share:.2f} %")
        resume = resume_seconds(hundred_iterations(folder))
        print(f"finished run of 100 iterations, in a folder      {resume:.2f} s until nothing is to be done")
        kind = "moto" if radosgw_missing() else "Ceph"
        with moto_server() if radosgw_missing() else radosgw_server() as server:
            os.environ.update(server.environment)
            s3._file_system.cache_clear()
            config = hundred_iterations(folder, server.uri)
            resume_s3 = resume_seconds(config)
        print(f"the same on S3 ({kind})                            {resume_s3:.2f} s")
        sizes, ratio = token_tables(folder)
        print(f"bytes per token   ours {sizes[0]:.2f}   plain pyarrow {sizes[1]:.2f}")
        print(f"MB/s of ours over plain pyarrow's                {ratio:.2f}")
    print(
        json.dumps(
            {
                "share": round(share, 4),
                "resume_s": round(resume, 2),
                "resume_s3_s": round(resume_s3, 2),
                "bytes_per_token": round(sizes[0], 2),
                "bytes_per_token_ratio": round(sizes[0] / sizes[1], 2),
                "mb_s_ratio": round(ratio, 2),
            }
        )
    )


def storing_share(folder: Path) -> float:
    """Return the share of two iterations of the quickstart, after its warm start, that is spent on storing."""
    config = load_config(REPOSITORY / "configs" / "quickstart.yaml", (f"root={folder}", "iterations=2"))
    run_locally(config.model_copy(update={"iterations": 0}))
    with timed_storing() as clock:
        run_locally(config)
    run = open_run(config.uri)
    whole = sum(run.table("timings", number)["seconds"].sum() for number in (1, 2))
    return clock["seconds"] / whole


@contextmanager
def timed_storing() -> Iterator[dict[str, float]]:
    """Add up the seconds inside all functions that store; calls within calls count once."""
    clock, depth = {"seconds": 0.0}, [0]

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            depth[0] += 1
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                depth[0] -= 1
                if depth[0] == 0:
                    clock["seconds"] += time.perf_counter() - start

        return call

    storing: list[tuple[Any, str]] = [
        *((Committer, name) for name in ("write_table", "write_folder", "plan", "write_part", "outputs")),
        *((Store, name) for name in ("create", "replace")),
        (stages.contract, "record_timing"),
        (flows.run_loop, "write_revision"),
        (flows.run_loop, "prune_weights"),
    ]
    originals = [getattr(owner, name) for owner, name in storing]
    for owner, name in storing:
        setattr(owner, name, timed(getattr(owner, name)))
    try:
        yield clock
    finally:
        for (owner, name), function in zip(storing, originals, strict=True):
            setattr(owner, name, function)


def hundred_iterations(folder: Path, root: str | None = None) -> RunConfig:
    """Do a run of 100 small iterations on the fake engine; the sizes of tables do not matter here."""
    config = fake_config(
        folder,
        iterations=100,
        generate={"questions": 2, "questions_per_prompt": 2, "examples": 3, "examples_from_pool": 1},
        sample={"responses": 4},
        compute={"shard_rows": 1_024},
    )
    config = config.model_copy(update={"root": root or config.root})
    run_locally(config)
    return config


def resume_seconds(config: RunConfig) -> float:
    """Return the seconds until a finished run is recognised as finished."""
    start = time.perf_counter()
    assert find_finished(config, Store(config.uri)).complete
    return time.perf_counter() - start


def token_tables(folder: Path) -> tuple[tuple[float, float], float]:
    """Return ((bytes per token of ours, of plain pyarrow), our MB/s over plain pyarrow's), each the best of three."""
    rows = responses()
    tokens = sum(len(row["response_ids"]) for row in rows)
    best = {"ours": float("inf"), "plain": float("inf")}
    sizes = {}
    for attempt in range(3):
        for name, work in (("ours", _ours), ("plain", _plain)):
            start = time.perf_counter()
            sizes[name] = work(folder / f"{name}{attempt}", rows) / tokens
            best[name] = min(best[name], time.perf_counter() - start)
    return (sizes["ours"], sizes["plain"]), best["plain"] / best["ours"]


def _ours(folder: Path, rows: list[dict[str, Any]]) -> int:
    store = Store(str(folder))
    committer = Committer(store, {"responses": schemas.RESPONSES}, (), 1, "ab" * 32)
    committer.write_table("responses", rows)
    output = committer.outputs()["responses"]
    assert read_parts(store, output).height == len(rows)
    return output.files[0].bytes


def _plain(folder: Path, rows: list[dict[str, Any]]) -> int:
    folder.mkdir()
    path = folder / "responses.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=schemas.RESPONSES), path, compression="zstd")
    assert pq.read_table(path).num_rows == len(rows)
    return path.stat().st_size


def responses() -> list[dict[str, Any]]:
    """Return rows with Zipf's frequencies of tokens, log-probabilities mostly near zero, 16 responses per prompt."""
    rng = np.random.Generator(np.random.Philox(key=1))
    rows = []
    for index in range(RESPONSES):
        count = int(rng.integers(TOKENS // 2, TOKENS * 3 // 2))
        ids = np.minimum(rng.zipf(1.3, count) - 1, VOCABULARY - 1)
        if index % 16 == 0:
            prompt = np.minimum(rng.zipf(1.3, 90) - 1, VOCABULARY - 1).tolist()
        rows.append(
            {
                "question_id": f"q{index // 16:016x}",
                "sample_index": index % 16,
                "seed": int(rng.integers(0, 2**62)),
                "prompt_ids": prompt,
                "response_ids": ids.tolist(),
                "behaviour_logprobs": (-rng.exponential(0.4, count)).astype(np.float32).tolist(),
                "finish_reason": "stop",
                "response": " ".join(f"w{token}" for token in ids),
            }
        )
    return rows


if __name__ == "__main__":
    main()
