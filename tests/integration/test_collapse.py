"""Real collapses of the tiny policy: rewarded for its shortest responses, and writing one question again and again.

Both start from a policy that the quickstart's first iteration has taught to work its answers out (pass@1 0.84 on
held-out problems). The watchdog has to catch them before pass@1 has lost 5 points, by signals without labels or by a
validation set; pass@1 is of another set, which it never looks at.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.config.load import load_config
from flows.config.run import RunConfig
from flows.reporting.results import iteration_results
from flows.rounds import collect
from flows.run_loop import run_locally
from flows.watchdog import Collapsed
from stages.contract import Inputs, Metrics, Stage, Work
from stages.generate_instructions import GENERATE
from stages.settings import Settings
from stages.vote_rewards import VOTE
from storage.run import Run, open_run
from tests.commands import REPOSITORY, serl
from tests.helpers import fake_values
from tests.integration.conftest import SharedServer


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the run `start`, whose policy of iteration 1 knows what it does."""
    folder = tmp_path_factory.mktemp("collapse")
    run_locally(quickstart(folder, "start", "iterations=1"))
    return folder


def quickstart(root: Path, name: str, *changes: str) -> RunConfig:
    return load_config(REPOSITORY / "configs/quickstart.yaml", (f"root={root}", f"name={name}", *changes))


def collapsing(root: Path, name: str, *changes: str) -> RunConfig:
    benchmarks = (
        "[{name: heldout, domain: arithmetic, count: 200, seed: 20262},"
        "{name: valid, domain: arithmetic, count: 400, seed: 7, validation: true}]"
    )
    policy = f"policy={{run: {root}/start, iteration: 1}}"
    return quickstart(root, name, policy, f"evaluate.benchmarks={benchmarks}", *changes)


def stand_in(stage: Stage, monkeypatch: pytest.MonkeyPatch, work_of: Any) -> None:
    """Have the stage work through `work_of(work, inputs)` in all runs of this test."""

    def body(config: Settings, inputs: Inputs, work: Work) -> Metrics:
        return stage.body(config, inputs, work_of(work, inputs))

    name = next(name for name, value in vars(collect).items() if value is stage)
    monkeypatch.setattr(collect, name, replace(stage, body=body))


class Around:
    """A `Work` that is as another one but for what a subclass overrides."""

    def __init__(self, work: Work, inputs: Inputs) -> None:
        self._work, self._inputs = work, inputs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._work, name)


class RewardShortest(Around):
    """Every question's four shortest responses are rewarded, whatever they say."""

    def write(self, table: str, rows: Any) -> None:
        if table == "rewards":
            lengths = {
                (row["question_id"], row["sample_index"]): len(row["response_ids"])
                for row in self._inputs.table("responses").iter_rows(named=True)
            }
            of_question: dict[str, list[int]] = {}
            for (question, _), length in lengths.items():
                of_question.setdefault(question, []).append(length)
            limit = {question: sorted(found)[3] for question, found in of_question.items()}
            rows = [
                {**row, "reward": float(lengths[row["question_id"], row["sample_index"]] <= limit[row["question_id"]])}
                for row in rows
            ]
        self._work.write(table, rows)


class RepeatItself(Around):
    """From iteration 2 on, and on the first branch, each prompt is the same and so is what follows it."""

    def seed(self, *names: str | int) -> int:
        context = self._work.context
        if context.branch == 0 and context.iteration > 1:
            return self._work.seed(names[0])
        return self._work.seed(*names)


def pass_at_1(run: Run) -> list[float]:
    found = [iteration_results(run, number)["pass1_sampled"] for number in run.iterations]
    return [value for value in found if value is not None]


@pytest.mark.slow
def test_rewards_for_the_shortest_answer_are_caught(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(VOTE, monkeypatch, RewardShortest)
    gently = ("iterations=8", "update.learning_rate=4.0e-5")
    config = collapsing(root, "shortest", *gently)
    with pytest.raises(Collapsed, match=r"accuracy on valid is .* \(watchdog.validation_loss\)") as found:
        run_locally(config)
    caught = pass_at_1(open_run(config.uri))
    assert max(caught) - caught[-1] < 0.05
    good = open_run(config.uri).revision.breaches[-1]["last_good"]
    assert f"the last good policy is that of iteration {good}" in str(found.value) and good == len(caught) - 2
    # Left alone, it is a collapse: the same run goes on where it was stopped.
    run_locally(collapsing(root, "shortest", *gently, "watchdog.on_breach=warn"))
    alone = pass_at_1(open_run(config.uri))
    assert alone[: len(caught)] == caught
    assert max(alone) - alone[-1] > 0.10


@pytest.mark.slow
def test_a_generator_that_repeats_itself_is_caught_and_left_behind(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(GENERATE, monkeypatch, RepeatItself)
    config = collapsing(root, "repeats", "iterations=2", "watchdog.on_breach=rollback")
    run_locally(config)
    run = open_run(config.uri)
    (back,) = (breach for breach in run.revision.breaches if breach["action"] == "rollback")
    assert back["bound"] in ("question_diversity", "acceptance")
    assert (back["iteration"], back["last_good"]) == (2, 0)
    # On the other branch it went on and stayed well.
    assert run.iterations == [0, 1, 2] and run.manifests(2)["generate_instructions"].branch == 1
    assert min(run.metrics(number)["generate/distinct_3"] or 0 for number in (1, 2)) > 0.4
    assert min(pass_at_1(run)) > pass_at_1(run)[0] - 0.05


@pytest.mark.slow
def test_the_command_line_tells_a_rollback_and_a_stop(shared_server: SharedServer, tmp_path: Path) -> None:
    """Through Prefect, on the fake engine; agreement of five times the start's is never reached."""
    watchdog = {"agreement": 5.0, "on_breach": "rollback", "max_rollbacks": 1}
    values = fake_values(tmp_path, iterations=3, watchdog=watchdog, compute={"shard_rows": 64})
    values["generate"].update(questions=70, over_generation=3)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(values))
    env = {"PREFECT_API_URL": shared_server.prefect.env["PREFECT_API_URL"]}
    done = serl("run", str(path), expect=2, **env)
    printed = " ".join(done.stdout.split())
    assert printed.count("watchdog: iteration 2") == 2
    assert "went back to iteration 0" in printed and "(watchdog.agreement); stopped" in printed
    assert printed.count("iteration 1 pass@1") == 2  # done again on the other branch
    assert "in iteration 2 after 1 rollback(s): the mean share of the majority is" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    again = serl("run", str(path), **env)
    assert (again.returncode, again.stderr) == (2, done.stderr)
