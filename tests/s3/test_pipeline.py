"""Whole runs on S3: the same digests as in a folder, with a faulty network, and with two processes that race."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.config.run import RunConfig
from flows.run_loop import run_locally
from storage.artifact import Manifest
from storage.run import open_run
from tests.commands import CUT, serl
from tests.helpers import fake_config
from tests.racing import racers
from tests.s3.conftest import reach
from tests.s3.proxy import FaultProxy, fault_proxy
from tests.s3.servers import S3Server


def outputs(uri: str) -> dict[str, Any]:
    """Return names, rows and digests of all output files of a run, by iteration and stage."""
    run = open_run(uri)
    return {
        f"{number} {stage}": _digests(manifest)
        for number in run.iterations
        for stage, manifest in run.manifests(number).items()
    }


def _digests(manifest: Manifest) -> dict[str, list[tuple[str, int, str]]]:
    """Return (name, rows, digest) of each file of each output.

    Only names are compared, not paths, because a run in a folder does not copy imported folders.
    """
    return {
        kind: [(Path(file.path).name, file.rows or 0, file.sha256) for file in output.files]
        for kind, output in manifest.outputs.items()
    }


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    config = fake_config(tmp_path_factory.mktemp("local"))
    run_locally(config)
    return config


def on_s3(config: RunConfig, prefix: str) -> RunConfig:
    return config.model_copy(update={"root": prefix})


def test_a_run_on_s3_has_the_digests_of_a_run_in_a_folder(local: RunConfig, prefix: str) -> None:
    config = on_s3(local, prefix)
    run_locally(config)
    assert outputs(config.uri) == outputs(local.uri)
    run = open_run(config.uri)
    assert run.table("votes").equals(open_run(local.uri).table("votes"))
    for name in run.tables():
        if name != "timings" and any(name in manifest.outputs for manifest in run.manifests(1).values()):
            assert pl.read_parquet(run.files(name, 1)).equals(run.table(name, 1)), name
    assert sorted(path.name for path in run.policy(2).iterdir()) == ["policy.json"]


@pytest.mark.slow
def test_the_cut_quickstart_runs_on_s3(cut_quickstart: Path, prefix: str) -> None:
    """The main job as a user runs it: warm start, engine, trainer, Prefect, a kept policy, the learning curve."""
    serl("run", "configs/quickstart.yaml", *CUT, "--set", f"root={prefix}", expect=0)
    uri = f"{prefix}/quickstart"
    assert outputs(uri) == outputs(str(cut_quickstart))
    summary = json.loads(serl("show", uri, "--json").stdout)
    assert [row["iteration"] for row in summary["iterations"]] == [0, 1, 2]
    assert open_run(uri).store.read("reports/learning_curve.png")[:4] == b"\x89PNG"
    again = serl("run", "configs/quickstart.yaml", *CUT, "--set", f"root={prefix}", expect=0)
    assert "nothing to do" in again.stdout
    assert "nothing to remove" in serl("gc", uri).stdout
    assert "no damage" in serl("repair", uri, expect=0).stdout


@pytest.fixture
def faulty(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, FaultProxy]]:
    with fault_proxy(server.endpoint, share=0.2, seed=1) as proxy:
        for prefix in reach(server, monkeypatch, proxy.endpoint):
            yield prefix, proxy


@pytest.mark.slow
def test_a_run_survives_failures_of_a_fifth_of_all_requests(local: RunConfig, faulty: tuple[str, FaultProxy]) -> None:
    prefix, proxy = faulty
    config = on_s3(local, prefix)
    run_locally(config)
    proxy.share = 0
    assert outputs(config.uri) == outputs(local.uri)
    assert set(proxy.injected) == {"500", "503", "reset_before", "reset_after", "slow", "cut"}
    assert proxy.injected.total() > 0.1 * proxy.requests


@pytest.mark.parametrize("pairs", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("lease", [True, False], ids=["lease", "no lease"])
def test_pairs_start_the_same_run(local: RunConfig, prefix: str, lease: bool, pairs: int) -> None:
    with racers(2, lease=lease) as pair:
        for number in range(pairs):
            config = on_s3(local, f"{prefix}/{number}")
            outcomes = pair.race(config)
            assert "done" in outcomes
            assert all(outcome == "done" or "is being worked on by" in outcome for outcome in outcomes)
            assert outputs(config.uri) == outputs(local.uri)
