"""`serl export`: a run's policy with a model card, and the questions that it wrote as a data set, ready for the hub.

    FOLDER/policy/      weights, tokenizer, README.md (the card), run.yaml (the settings)
    FOLDER/questions/   data/train.parquet, README.md (the card); where the policy wrote its own questions

No label, no secret and no path of this machine gets into it; what a person should say (licence, language) is left out.
"""

import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from flows.reporting.results import alarms, evaluation_rows, iteration_results
from stages.model_folder import read_model_config
from storage.errors import InputError
from storage.run import Run, open_run

PAPER = "[Fang et al. 2025 (arXiv 2505.20347)](https://arxiv.org/abs/2505.20347)"
_OF_A_PLACE = {"root", "compute", "trackers", "keep", "gpu", "gpu_runs"}
"""Settings that say where a run ran, and nothing about its policy."""


def export(uri: str, iteration: int | None, output: Path | None, push: str | None, say: Callable[[str], None]) -> Path:
    """Write the folder and, with `push` (OWNER/NAME), upload it; the folder.

    The questions go to OWNER/NAME-questions; repositories that are not there are made, private. Raises InputError for a
    folder that has something in it, a run without weights, a name that is none, and an upload without HF_TOKEN.
    """
    run = open_run(uri)
    number = run.newest_good if iteration is None else iteration
    if run.config["engine"] == "fake":
        raise InputError(f"{uri} was made with engine: fake, which has no weights to export")
    token = _token(push) if push else None
    weights = run.policy(number)
    folder = output or Path(f"{run.config['name']}-{number:04d}")
    with _whole_or_not(folder) as unfinished:
        shutil.copytree(weights, unfinished / "policy")
        _write_policy_files(run, number, unfinished / "policy")
        questions = _questions(run, number)
        if questions is not None:
            (unfinished / "questions" / "data").mkdir(parents=True)
            questions.write_parquet(unfinished / "questions" / "data" / "train.parquet")
            (unfinished / "questions" / "README.md").write_text(_question_card(run, number, questions))
    say(f"policy after iteration {number}: {folder / 'policy'}")
    say(
        f"{questions.height:,} questions: {folder / 'questions'}"
        if questions is not None
        else "no questions of its own"
    )
    if push and token:
        _upload(folder, push, token, with_questions=questions is not None, say=say)
    return folder


@contextmanager
def _whole_or_not(folder: Path) -> Iterator[Path]:
    """A folder to fill beside `folder`, which takes its name in the end. Raises InputError where something is there."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already and not empty; name another folder with --output")
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:8]}"
    unfinished.mkdir()
    try:
        yield unfinished
        if folder.exists():
            folder.rmdir()
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _write_policy_files(run: Run, iteration: int, folder: Path) -> None:
    settings = {name: value for name, value in run.config.items() if name not in _OF_A_PLACE}
    (folder / "run.yaml").write_text(yaml.safe_dump(_without_places(settings), sort_keys=False, allow_unicode=True))
    (folder / "README.md").write_text(_policy_card(run, iteration, read_model_config(folder).hub_name))


def _without_places(value: Any) -> Any:
    """Absolute paths, which are somebody's machine, by their last part."""
    if isinstance(value, Mapping):
        return {name: _without_places(found) for name, found in value.items()}
    if isinstance(value, list | tuple):
        return [_without_places(found) for found in value]
    return Path(value).name if isinstance(value, str) and value.startswith(("/", "s3://", "~")) else value


def _policy_card(run: Run, iteration: int, base: str | None) -> str:
    config = run.config
    front = {
        **({"base_model": base} if base else {}),
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["serl", "self-play", "reinforcement-learning"],
    }
    update = config["update"]
    settings = {
        "rewards": config["rewards"],
        "questions": config.get("instructions", "self"),
        "update": update["algorithm"],
        "learning rate": f"{update['learning_rate']:g}",
        "KL coefficient": f"{update['kl_coef']:g}",
        "responses per question": config["sample"]["responses"],
        "iterations": iteration,
        "seed": config["seed"],
        "software": ", ".join(sorted({manifest.code for manifest in run.manifests(iteration).values()})),
    }
    learned = sum(int(run.metrics(number).get("vote/kept") or 0) for number in run.iterations if number <= iteration)
    lines = [
        f"# {config['name']}, iteration {iteration}",
        "",
        f"A language model trained by reinforcement learning (SeRL, {PAPER}): {_WROTE[settings['questions']]}, "
        f"answered each many times, and was rewarded {_REWARDED[settings['rewards']]}.",
        "",
        f"It was trained on {learned:,} questions that were kept after the vote. Settings are in `run.yaml`; those "
        "that matter most:",
        "",
        *_table(("setting", "value"), [(name, str(value)) for name, value in settings.items()]),
        "",
        "## Results",
        "",
        *_results(run, iteration),
        "",
        "## Limits",
        "",
        "Where rewards come from votes, training confirms what the model says often, also where it is wrong. Nothing "
        "was done to make it safe or to keep other abilities. Results hold for the prompts beside them.",
        *(f"\nThe watchdog noticed: {alarm}" for alarm in alarms(run)),
        "",
        "## Doing it again",
        "",
        "```\nserl run run.yaml\n```",
        "",
        "with the files that `run.yaml` names at hand, and the same version of the software.",
        "",
    ]  # fmt: skip
    return _card(front, lines)


_WROTE = {
    "self": "it wrote questions from a few seed questions",
    "seeds": "it took the seed questions",
    "dataset": "it took questions of a data set",
}
_REWARDED = {
    "majority": "for agreeing with the majority of its own answers",
    "verified": "for answers that labels confirm",
    "random": "at random, as a control",
}


def _results(run: Run, iteration: int) -> list[str]:
    """Every benchmark with its intervals, of the newest evaluation of this policy or one before."""
    for number in range(iteration, -1, -1):
        if number in run.iterations and (rows := evaluation_rows(iteration_results(run, number))):
            which = (
                "" if number == iteration else f" of the policy after iteration {number}, the last that was evaluated"
            )
            said = f"Accuracy{which}, with 95 % intervals; shares are of greedy / sampled responses."
            return [said, "", *_table(tuple(rows[0]), [tuple(row.values()) for row in rows])]
    return ["It was not evaluated."]


def _questions(run: Run, iteration: int) -> pl.DataFrame | None:
    """One row per question that the policy wrote and the filters accepted; None where it wrote none."""
    frames = [
        run.table("votes", number).select(
            pl.lit(number, pl.Int32).alias("iteration"),
            "question_id",
            "question",
            "majority_answer",
            pl.col("share").alias("vote_share"),
            "margin",
            "responses",
            "mean_reward",
            "decision",
            (pl.col("decision") == "kept").alias("kept"),
        )
        for number in run.iterations
        if number <= iteration and {"generate_instructions", "vote_rewards"} <= run.manifests(number).keys()
    ]
    return pl.concat(frames) if frames else None


def _question_card(run: Run, iteration: int, questions: pl.DataFrame) -> str:
    front = {
        "task_categories": ["text-generation"],
        "tags": ["serl", "self-play", "synthetic"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "data/*.parquet"}]}],
    }
    columns = (
        ("iteration", "in which the question was written"),
        ("question_id", "digest of the question"),
        ("question", "as the policy wrote it"),
        ("majority_answer", "the answer that most of its responses gave; nobody has checked it"),
        ("vote_share", "share of the responses with that answer"),
        ("margin", "by how much it was ahead of the next"),
        ("responses", "how many there were"),
        ("mean_reward", "of these"),
        ("decision", "`kept`, or why the question was not trained on"),
        ("kept", "whether it was trained on"),
    )
    lines = [
        f"# Questions of {run.config['name']}, up to iteration {iteration}",
        "",
        f"{questions.height:,} questions that a language model wrote by itself during self-play reinforcement learning "
        f"(SeRL, {PAPER}) and that passed its filters; {questions['kept'].sum():,} were trained on. They were written "
        "from seed questions, which are not among them. Neither questions nor answers were read by a person.",
        "",
        *_table(("column", "what it holds"), columns),
        "",
        '```python\nfrom datasets import load_dataset\n\nload_dataset("OWNER/NAME", split="train")\n```',
        "",
    ]
    return _card(front, lines)


def _card(front: Mapping[str, Any], lines: Sequence[str]) -> str:
    return f"---\n{yaml.safe_dump(dict(front), sort_keys=False)}---\n\n" + "\n".join(lines)


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (names, ["---"] * len(names), *rows)]


def _token(push: str) -> str:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", push):
        raise InputError(f"--push {push}: expected OWNER/NAME, as in my-lab/my-policy")
    token = os.environ.get("HF_TOKEN")
    if not token:
        raise InputError("--push needs a token of the Hugging Face hub with the right to write: export HF_TOKEN=…")
    return token


def _upload(folder: Path, name: str, token: str, *, with_questions: bool, say: Callable[[str], None]) -> None:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    hub = HfApi(token=token)
    parts = [("policy", name, "model"), *([("questions", f"{name}-questions", "dataset")] if with_questions else [])]
    for part, repository, kind in parts:
        try:
            made = hub.create_repo(repository, repo_type=kind, private=True, exist_ok=True)
            hub.upload_folder(repo_id=repository, repo_type=kind, folder_path=folder / part)
        except (HfHubHTTPError, OSError) as error:
            reason = " ".join(str(error).split())[:300]
            raise InputError(
                f"{repository} was not uploaded ({type(error).__name__}: {reason}); {folder} is whole: hf upload "
                f"{repository} {folder / part} --repo-type {kind}"
            ) from None
        say(f"{part}: {made}")
