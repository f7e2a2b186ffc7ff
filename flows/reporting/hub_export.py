"""`serl export`: write a run's policy and its questions to a folder that can be uploaded to the Hugging Face hub.

    FOLDER/policy/      weights, tokenizer, README.md (the model card), run.yaml (the settings)
    FOLDER/questions/   data/train.parquet, README.md (the data set card); only if the policy wrote its own questions

The folder contains no label, no secret and no path of this machine. Licence and language are left for a person to add.
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
from stages.choose_questions import CHOOSE, UPDATE
from stages.hub.models import files_of_folder
from stages.model_folder import read_model_config
from storage.errors import InputError
from storage.run import Run, open_run

PAPER = "[Fang et al. 2025 (arXiv 2505.20347)](https://arxiv.org/abs/2505.20347)"
_LOCAL_SETTINGS = {"root", "compute", "trackers", "keep", "gpu", "gpu_runs"}
"""Settings that say where and how a run is executed and stored; they do not change its policy."""


def export(uri: str, iteration: int | None, output: Path | None, push: str | None, say: Callable[[str], None]) -> Path:
    """Write the policy, the questions and their cards to a folder, and upload them if `push` is set.

    Args:
        uri: The run.
        iteration: The iteration whose policy is exported; None for the newest good one.
        output: The folder to make; None for NAME-ITERATION in the current folder.
        push: OWNER/NAME of the hub's repository for the policy. The questions go to OWNER/NAME-questions. Repositories
            that do not exist are created as private ones.
        say: Called with each line of output.

    Returns:
        The folder.

    Raises InputError if the folder is not empty, the run has no weights, `push` is not OWNER/NAME, or HF_TOKEN is not
    set for an upload.
    """
    run = open_run(uri)
    number = run.newest_good if iteration is None else iteration
    if run.config["engine"] == "fake":
        raise InputError(f"{uri} was made with engine: fake, which has no weights to export")
    token = _token(push) if push else None
    weights = run.policy(number)
    folder = output or Path(f"{run.config['name']}-{number:04d}")
    with _complete_or_absent(folder) as unfinished:
        shutil.copytree(weights, unfinished / "policy", ignore=_other_files(weights))
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
        else "the policy wrote no questions, so none are exported"
    )
    if push and token:
        _upload(folder, push, token, with_questions=questions is not None, say=say)
    return folder


@contextmanager
def _complete_or_absent(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill, and rename it to `folder` if no error was raised.

    Raises InputError if `folder` exists and is not empty.
    """
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


def _other_files(source: Path) -> Callable[[str, list[str]], list[str]]:
    """Return a function that, as `copytree` needs it, lists the files in a folder that do not belong to the model."""
    files = {str(source / name) for name in files_of_folder(source)}
    return lambda folder, names: [
        name for name in names if (path := Path(folder, name)).is_file() and str(path) not in files
    ]


def _write_policy_files(run: Run, iteration: int, folder: Path) -> None:
    settings = {name: value for name, value in run.config.items() if name not in _LOCAL_SETTINGS}
    (folder / "run.yaml").write_text(yaml.safe_dump(_without_folders(settings), sort_keys=False, allow_unicode=True))
    (folder / "README.md").write_text(_policy_card(run, iteration, _base_model(run, folder)))


def _base_model(run: Run, folder: Path) -> str | None:
    """Return the name on the hub of the model that the run started from; None if it is not recorded."""
    name = (run.config.get("policy") or {}).get("model")
    if name in run.config.get("hub_commits", {}):
        return str(name).partition("@")[0]
    return read_model_config(folder).hub_name


def _without_folders(value: Any) -> Any:
    """Replace absolute paths by their last part, because folders belong to a machine."""
    if isinstance(value, Mapping):
        return {name: _without_folders(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_folders(item) for item in value]
    return Path(value).name if isinstance(value, str) and value.startswith(("/", "s3://", "~")) else value


def _policy_card(run: Run, iteration: int, base: str | None) -> str:
    config = run.config
    front_matter = {
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
    trained_on = sum(int(run.metrics(number).get("vote/kept") or 0) for number in run.iterations if number <= iteration)
    lines = [
        f"# {config['name']}, iteration {iteration}",
        "",
        f"A language model trained by reinforcement learning (SeRL, {PAPER}). "
        f"{_QUESTIONS_TEXT[settings['questions']]}, gave many answers to each, and was rewarded "
        f"{_REWARDS_TEXT[settings['rewards']]}.",
        "",
        f"The model was trained on {trained_on:,} questions that were kept after the vote. Its settings are in "
        "`run.yaml`. The most important ones:",
        "",
        *_table(("setting", "value"), [(name, str(value)) for name, value in settings.items()]),
        "",
        "## Results",
        "",
        *_results(run, iteration),
        "",
        "## Limits",
        "",
        "If rewards come from votes, training reinforces the answers that the model gives often, even if they are "
        "wrong. Nothing was done to make the model safe or to preserve its other abilities. Each result holds only for "
        "the prompt that is given with it.",
        *(f"\nThe watchdog noticed: {alarm}" for alarm in alarms(run)),
        "",
        "## Reproducing the run",
        "",
        "```\nserl run run.yaml\n```",
        "",
        "This needs the files that `run.yaml` names, and the same version of the software.",
        "",
    ]  # fmt: skip
    return _card(front_matter, lines)


_QUESTIONS_TEXT = {
    "self": "It wrote new questions, starting from a few seed questions",
    "seeds": "It was given the seed questions",
    "dataset": "It was given questions from a data set",
}
_REWARDS_TEXT = {
    "majority": "for agreeing with the majority of its own answers",
    "verified": "for answers that agree with labels",
    "random": "at random, as a control",
}


def _results(run: Run, iteration: int) -> list[str]:
    """Return the benchmarks of the newest evaluation up to `iteration`, with their intervals, as lines of Markdown."""
    for number in range(iteration, -1, -1):
        if number in run.iterations and (rows := evaluation_rows(iteration_results(run, number))):
            earlier = f" of the policy after iteration {number}, the last one evaluated" if number < iteration else ""
            caption = f"Accuracy{earlier}, with 95 % intervals. Shares are of greedy / sampled responses."
            return [caption, "", *_table(tuple(rows[0]), [tuple(row.values()) for row in rows])]
    return ["The model was not evaluated."]


def _questions(run: Run, iteration: int) -> pl.DataFrame | None:
    """Return a row for each question that the policy wrote and the filters accepted; None if it wrote none."""
    frames = [
        _with_use(run, number).select(
            pl.lit(number, pl.Int32).alias("iteration"),
            "question_id",
            "question",
            "majority_answer",
            pl.col("share").alias("vote_share"),
            "margin",
            "responses",
            "mean_reward",
            "decision",
            "kept",
        )
        for number in run.iterations
        if number <= iteration and {"generate_instructions", "vote_rewards"} <= run.manifests(number).keys()
    ]
    return pl.concat(frames) if frames else None


def _with_use(run: Run, iteration: int) -> pl.DataFrame:
    """Return the table `votes` with a column `kept`: whether the question was trained on."""
    votes = run.table("votes", iteration)
    if CHOOSE.name not in run.manifests(iteration):
        return votes.with_columns((pl.col("decision") == "kept").alias("kept"))
    used = run.table("chosen", iteration).filter(pl.col("use") == UPDATE)["question_id"]
    return votes.with_columns(pl.col("question_id").is_in(used.implode()).alias("kept"))


def _question_card(run: Run, iteration: int, questions: pl.DataFrame) -> str:
    front_matter = {
        "task_categories": ["text-generation"],
        "tags": ["serl", "self-play", "synthetic"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "data/*.parquet"}]}],
    }
    columns = (
        ("iteration", "iteration in which the question was written"),
        ("question_id", "digest of the question"),
        ("question", "text, as the policy wrote it"),
        ("majority_answer", "the answer that most responses gave; nobody has checked it"),
        ("vote_share", "share of the responses with the majority answer"),
        ("margin", "vote share of the majority answer minus that of the next answer"),
        ("responses", "number of responses"),
        ("mean_reward", "mean reward of the responses"),
        ("decision", "`kept`, or the reason why the question was not trained on"),
        ("kept", "whether the question was trained on"),
    )
    lines = [
        f"# Questions of {run.config['name']}, up to iteration {iteration}",
        "",
        f"{questions.height:,} questions that a language model wrote during self-play reinforcement learning (SeRL, "
        f"{PAPER}) and that passed the filters. The model was trained on {questions['kept'].sum():,} of them. They "
        "were written from seed questions, which are not included. No person has read the questions or the answers.",
        "",
        *_table(("column", "content"), columns),
        "",
        '```python\nfrom datasets import load_dataset\n\nload_dataset("OWNER/NAME", split="train")\n```',
        "",
    ]
    return _card(front_matter, lines)


def _card(front_matter: Mapping[str, Any], lines: Sequence[str]) -> str:
    return f"---\n{yaml.safe_dump(dict(front_matter), sort_keys=False)}---\n\n" + "\n".join(lines)


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
            repository_url = hub.create_repo(repository, repo_type=kind, private=True, exist_ok=True)
            hub.upload_folder(repo_id=repository, repo_type=kind, folder_path=folder / part)
        except (HfHubHTTPError, OSError) as error:
            reason = " ".join(str(error).split())[:300]
            raise InputError(
                f"{repository} was not uploaded ({type(error).__name__}: {reason}); {folder} is whole: hf upload "
                f"{repository} {folder / part} --repo-type {kind}"
            ) from None
        say(f"{part}: {repository_url}")
