"""An update that is still being saved while its policy is evaluated: the same run in the end, whatever happens."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

import flows.run_loop
import stages.shared_resources
import stages.work
from flows.config.run import RunConfig
from flows.run_loop import run_locally
from flows.run_progress import next_context
from flows.shutdown import EXIT_CODE, stoppable
from stages.trainer.fake import FakeTrainer
from storage.errors import TrainerError
from storage.run import open_run
from tests.commands import HANG_SECONDS, REPOSITORY
from tests.helpers import fake_config
from tests.kill.check import differences


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    return fake_config(tmp_path)


def elsewhere(config: RunConfig, name: str) -> RunConfig:
    return config.model_copy(update={"root": f"{config.root}-{name}"})


def uncommitted(config: RunConfig) -> list[str]:
    """Return what lies in the run of iteration 1 although its update was never committed."""
    run = Path(config.uri)
    assert list(run.glob("manifests/iteration=0001/vote_rewards-*.json"))
    return [
        *map(str, run.glob("manifests/iteration=0001/ppo_update-*.json")),
        *map(str, run.glob("manifests/iteration=0001/evaluate-*.json")),
        *(
            str(path)
            for kind in ("grades", "results", "timings")
            for path in run.glob(f"{kind}/iteration=0001/*evalu*")
        ),
        *(str(path) for kind in ("grades", "results") for path in run.glob(f"{kind}/iteration=0001/**/*")),
    ]


def test_a_run_is_the_same_with_and_without_it(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = FakeTrainer.wait_saved

    def slowly(trainer: FakeTrainer) -> dict[str, float]:
        time.sleep(0.1)
        return saved(trainer)

    monkeypatch.setattr(FakeTrainer, "wait_saved", slowly)
    run_locally(config)
    timings = open_run(config.uri).table("timings", iteration=1)
    at_once = elsewhere(config, "at-once")
    monkeypatch.setattr(
        flows.run_loop, "next_context", lambda *arguments: replace(next_context(*arguments), background=False)
    )
    run_locally(at_once)
    assert differences(Path(at_once.uri), Path(config.uri)) == []
    assert timings.filter(stage="ppo_update")["background_seconds"].item() > 0
    assert timings.filter(stage="evaluate")["commit_wait_seconds"].item() > 0
    others = open_run(at_once.uri).table("timings", iteration=1)
    assert others["background_seconds"].sum() == 0


def test_an_update_that_cannot_be_saved_is_lost_with_what_followed(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = elsewhere(config, "undisturbed")
    run_locally(undisturbed)

    def fail(trainer: FakeTrainer) -> dict[str, float]:
        trainer._unsaved = None
        raise TrainerError("the trainer process died")

    with monkeypatch.context() as patch:
        patch.setattr(FakeTrainer, "wait_saved", lambda trainer: fail(trainer) if trainer._unsaved else {})
        with pytest.raises(TrainerError, match="the trainer process died"):
            run_locally(config)
    assert uncommitted(config) == []
    run_locally(config)
    assert differences(Path(undisturbed.uri), Path(config.uri)) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, EXIT_CODE)])
def test_a_run_that_is_stopped_meanwhile_goes_on_from_the_vote(
    config: RunConfig, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    undisturbed = elsewhere(config, "undisturbed")
    run_locally(undisturbed)
    settings = tmp_path / "config.json"
    settings.write_text(config.model_dump_json())
    command = [sys.executable, "-m", "tests.integration.test_background_commit", str(settings)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "evaluated\n"
        process.send_signal(number)
        assert process.wait(HANG_SECONDS) == code
    assert uncommitted(config) == []
    assert open_run(config.uri).iterations == [0]
    run_locally(config)
    assert differences(Path(undisturbed.uri), Path(config.uri)) == []


def main(settings: Path) -> None:
    """Run, and say when the policy has been evaluated whose trainer state is never saved."""
    stages.work.LAST_SECONDS = stages.shared_resources.LAST_SECONDS = 0.1  # type: ignore[attr-defined]
    FakeTrainer.wait_saved = lambda trainer: time.sleep(HANG_SECONDS) if trainer._unsaved else {}  # type: ignore
    config = RunConfig.model_validate_json(settings.read_text())
    updated = False

    def report(stage: str, done: int, total: int, note: str) -> None:
        nonlocal updated
        updated = updated or stage == "ppo_update"
        if updated and stage == "evaluate" and done == total:
            print("evaluated", flush=True)

    try:
        with stoppable():
            run_locally(config, report)
    except KeyboardInterrupt:
        sys.exit(EXIT_CODE)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
