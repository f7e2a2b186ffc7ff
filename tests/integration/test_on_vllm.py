"""Real vLLM killed in the middle of a stage: in the run's own process, and behind `serl serve`."""

import signal
import threading
from pathlib import Path

import polars as pl
import pytest
import torch
from transformers import AutoModelForCausalLM

from flows.run_loop import run_all
from stages import schemas
from stages.contract import Context, run_stage
from stages.domains.arithmetic import problems
from stages.engines.vllm_copies import VllmCopies
from stages.import_inputs import IMPORT_POLICY, content_of_policy
from stages.sample_responses import SAMPLE
from stages.settings.compute import Compute
from stages.settings.engines import ServerPlacement
from stages.settings.inputs import ImportPolicy
from stages.settings.sample import SampleConfig
from stages.shared_resources import Resources
from storage.store import Store
from tests.helpers import put_table
from tests.kill.attempt import Attempt, living_processes
from tests.kill.cases import real_case
from tests.kill.check import faults
from tests.tiny_models import logprobs_of, make_tiny_policy
from tests.vllm_server import VllmServer

pytestmark = [pytest.mark.vllm, pytest.mark.slow]


PARTS = "responses/*/*/*.parquet"


def test_a_run_killed_while_vllm_samples_keeps_every_part(tmp_path: Path) -> None:
    """Tokens of rows that are sampled again may differ on vLLM; parts that were there may not."""
    # Few responses at a time, so that parts are complete one after the other.
    settings = ("engine=vllm", "compute.vllm={max_sequences: 4, max_model_tokens: 512, cache_gib: 0.2}",
                "compute.shard_rows=1", "generate.over_generation=16", "generate.questions=12")  # fmt: skip
    config = real_case(*settings, iterations=1).model_copy(update={"root": str(tmp_path)})
    run = Path(config.uri)
    with Attempt(config) as attempt:
        for event in attempt.events():
            if event.stage_run.stage == "sample_responses" and len(list(run.glob(PARTS))) == 2:
                attempt.kill()
        assert attempt.wait() == -signal.SIGKILL, (tmp_path / "errors.txt").read_text()[-2_000:]
    before = {path: path.read_bytes() for path in run.glob(PARTS)}
    assert len(before) >= 2 and not list(run.glob("manifests/*/sample_responses*"))
    with Attempt(config) as again:
        for _ in again.events():
            pass
        assert again.wait() == 0, (tmp_path / "errors.txt").read_text()[-2_000:]
    after = {path: path.read_bytes() for path in run.glob(PARTS)}
    assert len(after) > len(before) and before.items() <= after.items()
    assert faults(run) == [] and living_processes(tmp_path) == []


def test_a_server_killed_in_the_middle_costs_only_what_was_under_way(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    policy, other = (make_tiny_policy(tmp_path / str(seed), seed=seed) for seed in (0, 1))
    # It starts with other weights than the policy's.
    with VllmServer(other) as server:
        placement = ServerPlacement(urls=(server.url,), patience_seconds=300)
        with Resources(Compute(shard_rows=16, server=placement), "server") as resources:
            written: dict[Path, int] = {}
            back: list[threading.Thread] = []
            parts = tmp_path / "run" / "responses"

            def kill_once(stage: str, done: int, total: int, note: str) -> None:
                if not back and len(found := sorted(parts.rglob("*.parquet"))) >= 2:
                    written.update({path: path.stat().st_mtime_ns for path in found})
                    server.kill()
                    back.append(threading.Thread(target=server.start))
                    back[0].start()

            context = Context(
                store=Store(str(tmp_path / "run")), seed=1, iteration=1, resources=resources, progress=kill_once
            )
            texts = list(dict.fromkeys(problem.question for problem in problems("seed", 400, 0)))
            accepted = [
                {"question_id": schemas.question_id(text), "candidate_id": f"c{n}", "question": text, "similarity": 0.0}
                for n, text in enumerate(texts)
            ]
            settings = ImportPolicy(path=str(policy), sha256=content_of_policy(str(policy)))
            inputs = {
                "policy": run_stage(IMPORT_POLICY, {}, settings, context).refs["policy"],
                "accepted": put_table(context, "accepted", schemas.ACCEPTED, accepted),
            }
            result = run_stage(SAMPLE, inputs, SampleConfig(responses=8, max_tokens=48), context)
            back[0].join()
    assert len(written) < len(list(parts.rglob("*.parquet"))) and "answers again" in caplog.text
    assert written == {path: path.stat().st_mtime_ns for path in written}
    rows = pl.concat(pl.read_parquet(path) for path in sorted(parts.rglob("*.parquet")))
    assert rows.height == 8 * len(texts) == result.metrics["sample/responses"]
    assert rows.select("question_id", "sample_index").is_unique().all() and rows["seed"].n_unique() == rows.height
    # All of them are the policy's own, also those from after the restart.
    model = AutoModelForCausalLM.from_pretrained(policy, dtype=torch.float32)
    for row in rows.sample(200, seed=0).iter_rows(named=True):
        whole = logprobs_of(model, row["prompt_ids"], row["response_ids"])
        sampled = whole.gather(1, torch.tensor(row["response_ids"])[:, None])[:, 0]
        torch.testing.assert_close(torch.tensor(row["behaviour_logprobs"]), sampled, atol=1e-4, rtol=1e-5)


def test_a_whole_node_samples_with_a_copy_and_updates_with_a_process_for_each_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two CPUs stand in for two cards: one setting starts two copies of vLLM and two trainer processes."""
    monkeypatch.setattr("stages.engines.gpu.visible_cards", lambda: ["0", "1"])
    settings = ("engine=vllm", "compute.vllm={max_sequences: 16, max_model_tokens: 512, cache_gib: 0.2}",
                "compute.gpus=all", "evaluate.every=2")  # fmt: skip
    config = real_case(*settings, iterations=1).model_copy(update={"root": str(tmp_path)})
    with Resources(config.compute, config.engine) as resources:
        progress = run_all(config, Store(config.uri), resources)
        engine = resources.engine()
        assert isinstance(engine, VllmCopies) and len(engine._pool.servers) == 2
        assert resources.trainer_placement.processes_per_node == 2
        assert engine.counters.starts == 1
        processes = [process for process in engine._processes if process is not None]
    assert len(processes) == 2
    assert progress.complete and faults(Path(config.uri)) == []
    assert [process.wait() for process in processes if process.poll() is None] == []
