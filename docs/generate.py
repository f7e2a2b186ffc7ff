"""Write the reference pages that follow from the code: docs/reference/cli.md, config.md and tables.md.

    python docs/generate.py            # write the pages
    python docs/generate.py --check    # write nothing; exit code 1 and the names of pages that differ from the code

Run this script from the root of the repository. `tests/unit/test_docs.py` fails if a committed page differs.
"""

import argparse
import importlib
import re
import sys
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
import pyarrow as pa
from pydantic.fields import FieldInfo

FOLDER = Path(__file__).resolve().parent / "reference"
sys.path.insert(0, str(FOLDER.parents[1]))

from flows.cli import GROUPS  # noqa: E402
from flows.cli import parser as cli_parser  # noqa: E402
from flows.config.run import RunConfig  # noqa: E402
from stages.contract import Stage  # noqa: E402
from stages.settings import Settings  # noqa: E402
from stages.trainer.job import SPEED_COLUMNS  # noqa: E402
from storage.tables import columns, version_of  # noqa: E402
from storage.writer import TIMINGS  # noqa: E402

WIDTH = 120
"""Longest line of a page."""
NOTE = "<!-- Written by docs/generate.py from the code. Change the code and run `python docs/generate.py`. -->"


def pages() -> dict[str, str]:
    """Return the text of every generated page, by file name."""
    return {"cli.md": cli_page(), "config.md": config_page(), "tables.md": tables_page()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a page is out of date")
    check = parser.parse_args().check
    outdated = []
    for name, text in pages().items():
        path = FOLDER / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        outdated.append(name)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for name in outdated:
        print(f"docs/reference/{name} {'differs from the code; run python docs/generate.py' if check else 'written'}")
    return int(check and bool(outdated))


# The command line


def cli_page() -> str:
    """Return the reference of `serl` and its commands, from the argument parser."""
    parser = cli_parser()
    commands = subcommands(parser)
    lines = [
        "# Command line",
        NOTE,
        *wrapped(
            f"`{parser.prog}`: {parser.description} Every command prints an error that you can act on as one line and "
            "exits with code 2; [errors.md](errors.md) lists all exit codes."
        ),
        "| | command | what it does |\n|---|---|---|\n"
        + "\n".join(
            f"| {group.title if command is group.commands[0] else ''} | [`serl {command.name}`](#serl-{command.name}) "
            f"| {cell(command.help)} |"
            for group in GROUPS
            for command in group.commands
        ),
    ]
    for name, (text, command) in commands.items():
        lines += [f"## serl {name}", *wrapped(sentence(text)), f"```\n{usage(command)}\n```"]
        lines += definitions(action_items(command))
    return page(lines)


def subcommands(parser: argparse.ArgumentParser) -> dict[str, tuple[str, argparse.ArgumentParser]]:
    """Return the help line and the parser of every command, by name, in the order of the help text."""
    (subparsers,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    texts = {command.name: command.help for group in GROUPS for command in group.commands}
    return {name: (texts[name], command) for name, command in subparsers.choices.items()}


def usage(command: argparse.ArgumentParser) -> str:
    """Return one command's synopsis, wrapped at 100 characters whatever the width of the terminal."""
    words = [f"{command.prog}"]
    for action in command._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        text = invocation(action)
        if not action.option_strings:
            text = f"[{text}]" if action.nargs == "?" else f"{text} [{text} ...]" if action.nargs == "+" else text
        elif not action.required:
            text = f"[{text}]" + (" ..." if isinstance(action, argparse._AppendAction) else "")
        words.append(text)
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + 1 + len(word) > 100:
            lines.append("    " + word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip() if len(lines) == 1 else f"{lines[-1]} {word}"
    return "\n".join(lines)


def invocation(action: argparse.Action) -> str:
    """Return how an argument is typed, such as `--port PORT`; the first name if an option has several."""
    if action.choices is not None:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    else:
        value = str(action.metavar or action.dest).upper()
    if not action.option_strings:
        return value
    return action.option_strings[0] if action.nargs == 0 else f"{action.option_strings[0]} {value}"


def action_items(command: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    """Yield (how it is typed, its help) for every argument of a command."""
    for action in command._actions:
        if not isinstance(action, argparse._HelpAction):
            required = " Required." if action.option_strings and action.required else ""
            yield f"`{invocation(action)}`", sentence(action.help or "") + required


# Settings


def config_page() -> str:
    """Return the reference of every setting of a run, from the settings models."""
    groups = list(setting_groups(RunConfig, ""))
    lines = [
        "# Settings of a run",
        NOTE,
        *wrapped(
            "A config is one YAML file with these settings. On this page the name of a setting inside a group is "
            "written with dots; in the file the setting is nested. `--set NAME=VALUE` overrides a setting on the "
            "command line, and `extends: other.yaml` starts from the settings of another file. An unknown name is an "
            "error. `serl check` says what a config would run. Settings that change what an output means are part of "
            "the output's identity: if you change one, everything that depends on it is computed again. These settings "
            "are part of no identity: `name`, `root`, `iterations`, `max_rounds`, `tokens_per_update`, `engine`, "
            "`gpu`, `gpu_runs`, `evaluate.every`, `keep`, `watchdog`, `trackers` and everything under `compute`. See "
            "[identity and resume](../explanation/identity-and-resume.md)."
        ),
        "\n".join(f"- [{title(prefix)}](#{anchor(title(prefix))})" for prefix, _, _ in groups),
    ]
    for prefix, model, fields in groups:
        lines.append(f"## {title(prefix)}")
        if text := (model.__doc__ or "").strip():
            lines += wrapped(without_measurements(tidy(text)))
        lines += definitions(setting_item(prefix, name, field) for name, field in fields)
    return page(lines)


def title(prefix: str) -> str:
    return f"`{prefix}`" if prefix else "Top level"


def setting_groups(
    model: type[Settings], prefix: str
) -> Iterator[tuple[str, type[Settings], list[tuple[str, FieldInfo]]]]:
    """Yield (dotted prefix, model, its plain fields) for a settings model and every group inside it, depth first."""
    inner = {name: settings_model(field.annotation) for name, field in model.model_fields.items()}
    yield prefix, model, [(name, model.model_fields[name]) for name in inner]
    for name, nested in inner.items():
        if nested is not None:
            many = is_many(model.model_fields[name].annotation)
            yield from setting_groups(nested, f"{prefix}.{name}".strip(".") + ("[]" if many else ""))


def setting_item(prefix: str, name: str, field: FieldInfo) -> tuple[str, str]:
    """Return (head, text) of one setting: name, type, constraints and default, then the description."""
    full = f"{prefix}.{name}".strip(".")
    parts = [type_text(field.annotation)]
    if bounds := constraints(field):
        parts.append(bounds)
    parts.append(default_text(field))
    nested = settings_model(field.annotation)
    text = tidy(field.description or "")
    if nested is not None:
        many = "[]" if is_many(field.annotation) else ""
        text = f"{text} See [{title(full + many)}](#{anchor(title(full + many))}).".strip()
    return f"`{full}`: {'; '.join(parts)}", text


def settings_model(annotation: Any) -> type[Settings] | None:
    """Return the settings model in a field's type: the type itself, or inside an optional type or a list."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType, tuple, list):
        return next((model for part in get_args(annotation) if (model := settings_model(part))), None)
    return None


def is_many(annotation: Any) -> bool:
    return get_origin(annotation) in (tuple, list)


def type_text(annotation: Any) -> str:
    """Return a type in plain words."""
    plain = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path", date: "date"}
    if annotation in plain:
        return plain[annotation]
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        values = [f"`{str(part).lower() if isinstance(part, bool) else part}`" for part in parts]
        return " or ".join(filter(None, (", ".join(values[:-1]), values[-1])))
    if origin in (Union, types.UnionType):
        return " or ".join("null" if part is type(None) else type_text(part) for part in parts)
    if origin is tuple:
        if parts[-1] is not Ellipsis:
            return f"{len(parts)} {type_text(parts[0])}s"
        if get_origin(parts[0]) is tuple:
            return f"list of lists of {type_text(parts[0])}"
        return f"list of {type_text(parts[0])}s"
    if origin is dict:
        return "mapping"
    if hasattr(annotation, "__metadata__"):  # Annotated: the constraints are shown next to the type
        return type_text(parts[0])
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return "group"
    raise TypeError(f"no words for the type {annotation!r}; add them to docs/generate.py")


def constraints(field: FieldInfo) -> str:
    """Return the bounds of a field, such as "at least 1, at most 10"."""
    words: list[str] = []
    for constraint in all_constraints(field.metadata, field.annotation):
        match constraint:
            case annotated_types.Ge(ge=value):
                words.append(f"at least {number(value)}")
            case annotated_types.Gt(gt=value):
                words.append(f"more than {number(value)}")
            case annotated_types.Le(le=value):
                words.append(f"at most {number(value)}")
            case annotated_types.Lt(lt=value):
                words.append(f"less than {number(value)}")
            case annotated_types.MinLen(min_length=value):
                words.append("not empty" if value == 1 else f"length at least {value}")
            case _ if hasattr(constraint, "pattern"):
                words.append(f"matches `{constraint.pattern}`")
    if "int" in str(field.annotation):
        words = ["at least 1" if word == "more than 0" else word for word in words]
        if sum(word.startswith("at least") for word in words) > 1:
            words.remove("at least 1")
    return ", ".join(dict.fromkeys(words))


def all_constraints(metadata: Sequence[Any], annotation: Any) -> Iterator[Any]:
    """Yield every constraint of a field: its own metadata, and the metadata of the optional type inside it."""
    for item in metadata:
        yield from item.metadata if isinstance(item, FieldInfo) else [item]
    if get_origin(annotation) in (Union, types.UnionType):
        for part in get_args(annotation):
            if hasattr(part, "__metadata__"):
                yield from all_constraints(part.__metadata__, None)


def default_text(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Settings):
        return "default: the defaults of its group"
    if value is None:
        return "not set by default"
    if isinstance(value, bool):
        return f"default `{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"default `[{', '.join(map(str, value))}]`"
    if value == "":
        return "default: empty"
    text = number(value) if isinstance(value, (int, float)) else str(value)
    return f"default `{text}`".replace("\n", "\\n")


def number(value: Any) -> str:
    return f"{value:,}".replace(",", "_") if isinstance(value, int) and value >= 10_000 else f"{value:g}"


# Tables


def tables_page() -> str:
    """Return the reference of every table: purpose, the stage that writes it, and its columns."""
    from_stages = stage_tables()
    written_by = {
        **{name: (schema, f"written by {' and '.join(stages)}") for name, (schema, stages) in from_stages.items()},
        "timings": (TIMINGS, "written after every stage; covered by no digest"),
        "speed": (SPEED, "written by `ppo_update`; covered by no digest"),
    }
    check_descriptions({name: schema for name, (schema, _) in written_by.items()})
    lines = [
        "# Tables of a run",
        NOTE,
        *wrapped(
            "Every table is a dataset of Parquet files under the run's folder: "
            "`TABLE/iteration=0003/key=k3f9c12ab4d5e/part-00000.parquet`. `open_run(URI).table(NAME)` reads the "
            "current version of all iterations, with a column `iteration` in front; `serl show RUN NAME` prints it. A "
            "column marked *optional* may be null. In a run with rounds, tables of the stages that run in every round "
            "are read over all rounds, with a column `round`. `question_id` is a digest of the question's text, so "
            "that a question has one id in every iteration and run. `version` is the version of a table's schema."
        ),
        *definitions((f"[`{name}`](#{anchor(name)})", PURPOSES[name]) for name in written_by),
    ]
    for name, (schema, origin) in written_by.items():
        version = "" if name in ("timings", "speed") else f" Version {version_of(schema)}."
        lines += [f"## {name}", *wrapped(f"{PURPOSES[name]} {origin[0].upper()}{origin[1:]}.{version}")]
        lines += definitions(
            (f"`{column}`: {kind}{', optional' if optional else ''}", column_text(name, column))
            for column, kind, optional in table_columns(schema)
        )
    return page(lines)


SPEED = pa.schema([("key", pa.string()), ("step", pa.int64()), *((name, pa.float64()) for name in SPEED_COLUMNS)])
"""Columns of the table `speed`, as `storage.writer.record_speed` writes it."""

STAGE_MODULES = (
    "import_inputs",
    "import_problems",
    "generate_instructions",
    "filter_instructions",
    "draw_instructions",
    "try_questions",
    "sample_responses",
    "vote_rewards",
    "choose_questions",
    "remember_votes",
    "ppo_update",
    "evaluate",
)
"""Modules of `stages` that declare a stage, in the order of an iteration."""

PURPOSES: Mapping[str, str] = {
    "seeds": "One row per seed question.",
    "dataset": "One row per question of the data set (`instructions: dataset`).",
    "problems": "One row per problem of an evaluation set.",
    "shots": "One row per worked example that stands before the questions of a benchmark.",
    "generations": "One row per few-shot prompt: what the policy was shown and what it wrote.",
    "candidates": "One row per question read out of a generation.",
    "accepted": "One row per question that passed the filter, or that was drawn from given ones.",
    "first_responses": "One row per response that was sampled first (`filter.answerable`).",
    "answerable": "One row per question with two equal answers among its first responses (`filter.answerable`).",
    "tries": "One row per question that was tried first (`filter.answerable`).",
    "difficulty": "One row per question that was ever asked: the last vote on it (`draw.prefer_uncertain`).",
    "rejected": "One row per candidate that did not pass, with the reason.",
    "bank": "One row per question ever accepted in the run; new candidates are compared with all of them.",
    "seed_overlaps": "One row per seed and evaluation set that overlap; reported, never dropped.",
    "labels": "One row per drawn question with the label that was given with it; read only for `rewards: verified`.",
    "responses": "One row per response of the policy.",
    "voter_responses": "One row per response of a voter other than the policy; it votes and is not trained on.",
    "rewards": "One row per response of the policy: its answer, the answer's class, its reward.",
    "voter_answers": "One row per response of a voter other than the policy: its answer and the answer's class.",
    "votes": "One row per question: the vote and the decision of the difficulty gate.",
    "pool": "One row per question kept so far; the pool supplies few-shot examples.",
    "chosen": "One row per question that the vote of any round kept, with its use; only with `questions_per_update`.",
    "diagnostics": "One row per question of a domain that can label itself; no stage that leads to a policy reads it.",
    "train_metrics": "One row per optimiser step.",
    "grades": "One row per graded response of an evaluation.",
    "results": "One row per benchmark, slice and metric, with its 95 % interval.",
    "reliability": "One row per benchmark and range of majority shares (five ranges, each 0.2 wide): how often the "
    "majority answer was right.",
    "failed_grades": "One row per response that could not be graded; all of them count as wrong.",
    "timings": "One row per execution of a stage.",
    "speed": "One row per optimiser step: how fast it was.",
}

SHARED: Mapping[str, str] = {
    "question_id": "Digest of the question's text.",
    "question": "The question's text.",
    "benchmark": "Name of the evaluation set.",
    "problem_id": "The problem's id within its evaluation set.",
    "sample_index": "Number of the response among those to its question, from 0.",
    "seed": "Seed from which the response was drawn.",
    "prompt_ids": "Token ids of the prompt.",
    "response_ids": "Token ids of the response; the last one is the end token when `finish_reason` is `stop`.",
    "response": "Text of the response.",
    "response_tokens": "Length of the response in tokens.",
    "finish_reason": "`stop` (end token or stop string) or `length` (cut off at the token limit).",
    "candidate_id": "Id of the candidate: iteration, prompt and position.",
    "answer": "The answer as extracted; its first 300 characters if it is too large.",
    "answer_class": "Number of the class of equal answers; 0 is the largest. Null without a readable answer.",
    "status": "What became of the answer: `ok`, `no_answer`, `ambiguous`, `unparsable`, `timed_out`, `too_large` or "
    "`error`.",
    "mode": "`greedy` or `sampled`.",
    "voter": "Name of the voter.",
    "level": "Difficulty, as the file gives it.",
    "subject": "Subject, as the file gives it.",
    "added_in": "Iteration that added the question.",
    "step": "Number of the optimiser step over the whole run, from 1.",
    "key": "Key of the stage execution (64 hex digits).",
}
"""Meanings of columns that several tables have."""

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "seeds": {"answer": "The seed's answer, if the file has one; only `rewards: verified` and `seeds: true` read it."},
    "dataset": {"answer": "The question's answer, if the file has one; only `rewards: verified` reads it."},
    "problems": {
        "answer": "The reference answer.",
        "group": "Group that the subject belongs to, such as STEM.",
        "seed_overlap": "Whether the problem shares `filter.overlap_words` words in a row with a seed question.",
    },
    "shots": {"reasoning": "The worked solution, which ends with the answer."},
    "generations": {
        "prompt_id": "Number of the prompt, from 0.",
        "example_ids": "Ids of the questions shown in the prompt, in order.",
    },
    "candidates": {
        "prompt_id": "Number of the prompt that the candidate came from.",
        "position": "Position of the question in the continuation, from 0.",
    },
    "accepted": {
        "candidate_id": "Id of the candidate; `given` for drawn questions.",
        "similarity": "ROUGE-L F-measure to the nearest question known before this one (0 to 1).",
    },
    "rejected": {
        "reason": "Name of the rule: one of `filter.rules.use`, or `held_out_problem`, `evaluation_overlap`, "
        "`similar`, `surplus`.",
        "similarity": "ROUGE-L F-measure to `nearest` (0 to 1), for `similar`, `copies_example` and `repeats`.",
        "nearest": "The known question that is most similar, or the evaluation set that the candidate overlaps.",
    },
    "answerable": {"candidate_id": "As in `accepted`.", "similarity": "As in `accepted`."},
    "first_responses": {"behaviour_logprobs": "As in `responses`."},
    "tries": {
        "responses": "Number of first responses; 0 if the prompt is too long.",
        "answered": "Of these, responses with a readable answer.",
        "agreed": "Responses that give the commonest answer.",
        "decision": "`answerable`, `unanswerable` (dropped) or `no_responses` (left to the vote, which drops it).",
    },
    "difficulty": {
        "iteration": "Iteration that asked the question last.",
        "times": "Number of iterations that asked the question.",
        "share": "As in the last row of `votes`; 0 if the question was dropped before the vote.",
        "mean_reward": "As in the last row of `votes`; 0 if the question was dropped before the vote.",
        "decision": "As in the last row of `votes`, or `unanswerable`.",
    },
    "labels": {"label": "The answer that was given with the question; null if there is none."},
    "responses": {"behaviour_logprobs": "Log-probability (nats) of each token under the engine, at its temperature."},
    "rewards": {
        "reward": "Reward of the response; from 0 to 1.",
        "trained": "Whether the update sees the response if its question is kept.",
    },
    "votes": {
        "responses": "Number of the policy's responses.",
        "answered": "Responses of the policy that have a readable answer.",
        "majority_answer": "The answer that most votes of the largest class give; null without a majority.",
        "share": "Weight of the votes for the top class over the weight of all responses, answered or not.",
        "margin": "Share of the top class minus that of the second.",
        "class_answers": "One answer per class, the largest class first.",
        "class_shares": "Share of each class, in the same order.",
        "mean_reward": "Mean reward of the policy's responses.",
        "decision": "`kept`, or why the question was dropped: `too_easy`, `too_hard`, `tie`, `abstain`, `no_answer`, "
        "`unparsable`, `no_responses`.",
    },
    "chosen": {
        "similarity": "As in `accepted`.",
        "round": "The round that kept the question.",
        "use": "`update` (trained on), `carried_over` (the next iteration asks it first) or `left_over` "
        "(not used, because `carry_over` is false).",
    },
    "pool": {"share": "Share of the majority when the question was kept."},
    "diagnostics": {
        "label": "The answer that the domain computes; null if it cannot solve the question.",
        "majority_correct": "Whether the majority answer equals the label.",
        "responses_correct": "Share of the policy's responses that equal the label.",
    },
    "train_metrics": {
        "loss": "The whole loss: policy loss, KL term if it is in the loss, entropy bonus.",
        "policy_loss": "The policy's part of the loss.",
        "kl": "KL (k3, nats per token) against the reference policy; null if `update.kl_coef` is 0.",
        "kl_coef": "Weight of the KL.",
        "approx_kl": "KL (k3, nats per token) against the policy before the update.",
        "entropy": "Entropy (nats per token) of the policy's distribution.",
        "clip_fraction": "Share of tokens whose loss was limited by the clip.",
        "ratio_mean": "Mean probability ratio, policy now over policy before the update.",
        "ratio_min": "Smallest ratio.",
        "ratio_max": "Largest ratio.",
        "tis_mean": "Mean importance weight between trainer and engine.",
        "tis_capped": "Share of tokens whose importance weight was reduced to the cap.",
        "behaviour_gap": "Mean |trainer's - engine's log-probability| of the sampled tokens (nats).",
        "behaviour_gap_max": "The largest such gap.",
        "advantage_mean": "Mean advantage.",
        "advantage_std": "Standard deviation of the advantages.",
        "reward_mean": "Mean reward of the responses.",
        "response_length": "Mean length of the responses in tokens.",
        "truncated": "Share of responses cut off at the token limit.",
        "responses": "Responses in the step.",
        "tokens": "Response tokens in the step.",
        "grad_norm": "Norm of the gradient before it is scaled down.",
        "learning_rate": "Learning rate of the step.",
        "skipped": "1 if the step was not taken, else 0.",
        "value_loss": "Loss of the critic; null without one.",
        "value_mean": "Mean value before the update; null without a critic.",
        "return_mean": "Mean return; null without a critic.",
        "explained_variance": "1 - var(return - value) / var(return), of values before the update; null without a "
        "critic.",
        "critic_grad_norm": "Norm of the critic's gradient; null without one.",
    },
    "grades": {
        "answer_class": "Number of the class of equal answers among the problem's responses of this mode.",
        "status": "`correct`, `wrong`, or why there is no grade (`no_answer`, `ambiguous`, ...); all but `correct` "
        "count as wrong.",
    },
    "results": {
        "slice": "`all`, `no_seed_overlap`, `level=...`, `subject=...` or `group=...`.",
        "metric": "Name of the metric ([metrics.md](metrics.md)).",
        "value": "Value of the metric.",
        "low": "Lower end of the 95 % interval.",
        "high": "Upper end of the 95 % interval.",
        "problems": "Number of problems that the value is computed from.",
        "samples": "Responses per problem.",
        "prompt": "Prompt of the benchmark, such as `chat_boxed`.",
    },
    "reliability": {
        "share_from": "Lower end of the range, not included.",
        "share_to": "Upper end of the range, included.",
        "questions": "Number of questions whose majority share is in the range.",
        "mean_share": "Mean majority share of these questions.",
        "correct": "Share of these questions whose majority answer is right.",
    },
    "failed_grades": {
        "status": "`timed_out`, `too_large` or `error`.",
        "answer": "The answer, or the exception that an answer kind raised.",
    },
    "timings": {
        "stage": "Name of the stage.",
        "seconds": "Wall-clock seconds of the execution, without `background_seconds`.",
        "started": "Start of the execution (UTC).",
        "peak_memory_mib": "Peak resident memory of the process so far, in MiB.",
        "host": "Name of the machine.",
        "process": "Process id.",
        "engine_starts": "Starts of the engine during the execution.",
        "engine_start_seconds": "Seconds that these starts took.",
        "engine_loads": "Policies loaded into the engine, those of a start included.",
        "engine_load_seconds": "Seconds that loads took, those of a start not included.",
        "on_gpu": "Whether the stage used a GPU of the machine.",
        "gpu_seconds": "Seconds in which the engine answered, or the trainer computed; on a CPU too.",
        "trainer_load_seconds": "Seconds of an update until it computed: start of the trainer, and loading.",
        "trainer_save_seconds": "Seconds in which the trainer wrote the policy.",
        "commit_wait_seconds": "Seconds in which the stage waited for its parts, or an earlier stage's outputs, to be "
        "stored.",
        "background_seconds": "Seconds after the end of the execution until its outputs were committed.",
    },
    "speed": {
        "seconds": "Wall-clock seconds of the step.",
        "tokens_per_second": "Response tokens per second.",
        "sequence_tokens": "Tokens of prompts and responses, each prompt once for every response to it.",
        "peak_memory_mib": "Peak memory of the first process, of its GPU or else of main memory, in MiB.",
        "model_flops_utilisation": "Useful floating-point operations per second over the GPU's peak; null on a CPU, "
        "and on a GPU whose peak is not known.",
    },
}


def stage_tables() -> dict[str, tuple[pa.Schema, list[str]]]:
    """Return the schema of every table and the names of the stages that write it, in the order of an iteration."""
    tables: dict[str, tuple[pa.Schema, list[str]]] = {}
    for name in STAGE_MODULES:
        for value in vars(importlib.import_module(f"stages.{name}")).values():
            if isinstance(value, Stage):
                for table, schema in value.tables.items():
                    writers = tables.setdefault(table, (schema, []))[1]
                    if f"`{value.name}`" not in writers:
                        writers.append(f"`{value.name}`")
    return tables


def table_columns(schema: pa.Schema) -> Iterator[tuple[str, str, bool]]:
    """Yield (name, type, whether it may be null) of each column."""
    words = {"double": "float64", "float": "float32", "list<item: float>": "list of float32"}
    for field, kind in zip(schema, columns(schema).values(), strict=True):
        plain = words.get(kind) or kind.replace("list<item: ", "list of ").replace("double", "float64").rstrip(">")
        yield field.name, plain, field.nullable and schema is not TIMINGS and schema is not SPEED


def column_text(table: str, column: str) -> str:
    return COLUMNS.get(table, {}).get(column) or SHARED[column]


def check_descriptions(tables: Mapping[str, pa.Schema]) -> None:
    """Raise ValueError for a table or column without a description, and for a description without its column."""
    missing = [
        f"{table}.{column}"
        for table, schema in tables.items()
        for column in schema.names
        if column not in COLUMNS.get(table, {}) and column not in SHARED
    ]
    stale = [
        f"{table}.{column}"
        for table, texts in COLUMNS.items()
        for column in texts
        if table not in tables or column not in tables[table].names
    ]
    if missing or stale or tables.keys() != PURPOSES.keys():
        raise ValueError(
            f"docs/generate.py does not match the code: columns without a description {missing}, descriptions without "
            f"a column {stale}, tables in only one of the two {sorted(tables.keys() ^ PURPOSES.keys())}; change "
            "PURPOSES, SHARED or COLUMNS"
        )


# Markdown


def page(blocks: Sequence[str]) -> str:
    return "\n\n".join(block for block in blocks if block) + "\n"


def definitions(items: Iterable[tuple[str, str]]) -> list[str]:
    """Return a list of (head, text) as one Markdown bullet list, wrapped."""
    lines: list[str] = []
    for head, text in items:
        lines += fill(f"- {head}. {text}" if text else f"- {head}.", "  ")
    return ["\n".join(lines)] if lines else []


def wrapped(text: str) -> list[str]:
    return ["\n".join(fill(text, ""))]


def fill(text: str, indent: str) -> list[str]:
    """Cut a text into lines of at most WIDTH characters, without a break inside backticks if the code fits."""
    lines = [""]
    for word in pieces(text):
        if lines[-1].strip() and len(lines[-1]) + 1 + len(word) > WIDTH:
            lines.append(indent + word)
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return lines


def pieces(text: str) -> Iterator[str]:
    """Yield the words of a text; short code and links are one word each."""
    held: list[str] = []
    for word in text.split():
        held.append(word)
        joined = " ".join(held)
        whole = joined.count("`") % 2 == 0 and joined.count("[") <= joined.count("]")
        if whole:
            yield joined
            held = []
        elif len(joined) > WIDTH - 10:
            yield from held
            held = []
    yield from held


def tidy(text: str) -> str:
    """Return a docstring or description on one line, with text in angle brackets as code."""
    return re.sub(r"</?[|\w]+>", r"`\g<0>`", " ".join(text.split()))


def without_measurements(text: str) -> str:
    """Return a text without the sentences that hold measured shares, because pages name a command for such figures."""
    return " ".join(part for part in re.split(r"(?<=\.) (?=[A-Z])", text) if not re.search(r"\d %", part))


def sentence(text: str) -> str:
    """Return a help line as a sentence: with a capital letter and a full stop."""
    return text and text[0].upper() + text[1:].rstrip(".") + "."


def cell(text: str) -> str:
    """Return a help line for a cell of a table, without parentheses, which the command's own section has."""
    return sentence(re.sub(r" \([^)]*\)", "", text)).replace("|", "\\|")


def anchor(heading: str) -> str:
    """Return the anchor that a code host gives a heading."""
    kept = "".join(letter for letter in heading.strip().lower() if letter.isalnum() or letter in "-_ ")
    return kept.replace(" ", "-")


if __name__ == "__main__":
    sys.exit(main())
