"""How many usable questions a model writes, by the form in which it is asked and by temperature.

    python -m tests.benchmarks.questions --model FOLDER [--form turns] [--temperature 0.8] [--prompts 24]
        [--seeds FILE] [--set generate.request="..."] [--seed 1] [--threads 1] [--out questions.txt] [--keep FOLDER]

Questions are written and filtered by the stages of a run, with its default settings and with those that `--set` gives.
Without `--form`, all forms are tried. --seeds: a file of seed questions, by default the 500 of the paper where they
lie beside the repository. All outputs are written to a text file, each candidate with its verdict: read them, because
the rules do not know whether a question makes sense. With --keep, a second call with other settings of the filter asks
the model nothing. For each form and temperature the last line, one JSON object, has

prompts, candidates, accepted       numbers
accepted_per_prompt                 accepted questions for each prompt
reasons                             reason -> share of the candidates that were rejected for it
unread                              share of the outputs in which no candidate was found
distinct_3                          share of different runs of three words in the candidates
repeated                            share of the candidates that equal an earlier one, numbers aside
tokens_per_accepted                 tokens written for each accepted question; null without any
"""

import argparse
import json
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, TextIO, get_args

from flows.config.load import load_config
from flows.models.forms import asked_form
from flows.stage_settings import resolve
from stages.contract import Context, run_stage
from stages.filter_instructions import FILTER
from stages.generate_instructions import GENERATE
from stages.import_inputs import IMPORT_SEEDS
from stages.import_problems import IMPORT_PROBLEMS
from stages.settings.generate import Form
from stages.shared_resources import Resources
from stages.text.similarity import distinct_share
from storage.reader import read_table
from storage.store import Store
from tests.chat_templates import FOLDER

MATH_SEEDS = FOLDER.parent / "seeds" / "math_seed_500.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.benchmarks.questions", description="see the module's docstring")
    parser.add_argument("--model", required=True, help="model folder, or a name of the Hugging Face hub")
    parser.add_argument("--form", choices=["auto", *get_args(Form)], action="append")
    parser.add_argument("--temperature", type=float, action="append")
    parser.add_argument("--prompts", type=int, default=24)
    parser.add_argument("--seeds", default=str(MATH_SEEDS))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("questions.txt"))
    parser.add_argument("--keep", type=Path, help="folder for the tables that the stages write")
    options = parser.parse_args()
    cells = []
    with tempfile.TemporaryDirectory() as temporary, options.out.open("w") as out:
        folder = options.keep or temporary
        for form in options.form or get_args(Form):
            for temperature in options.temperature or [0.8]:
                cell = measure(options, form, temperature, Path(folder), out)
                print(json.dumps(cell), flush=True)
                cells.append(cell)
    print(f"\nall outputs: {options.out}\n")
    print(json.dumps({f"{cell['form']} {cell['temperature']:g}": cell for cell in cells}))


def measure(options: argparse.Namespace, form: str, temperature: float, folder: Path, out: TextIO) -> dict[str, Any]:
    """Return the figures of one form and temperature, and write its outputs to a file."""
    folder.mkdir(parents=True, exist_ok=True)
    config_file = folder / "questions.yaml"
    values = {
        "name": "questions",
        "root": str(folder.resolve()),
        "seed": options.seed,
        "seeds": {"path": str(Path(options.seeds).resolve())},
        "policy": {"model": options.model},
        "generate": {"form": form, "temperature": temperature, "over_generation": 1.0},
        "evaluate": {"benchmarks": [{"name": "sums", "domain": "arithmetic", "count": 1, "seed": 1}]},
        "compute": {"threads": options.threads},
    }
    config_file.write_text(json.dumps(values))
    config = load_config(config_file, options.set)
    resolved = resolve(config)
    per_prompt = resolved.generate.questions_per_prompt
    asked = asked_form(config)
    generate = resolved.generate.model_copy(update={"questions": options.prompts * per_prompt})
    filtering = resolved.filter.model_copy(update={"questions": 64 * options.prompts})  # none is surplus
    with Resources(config.compute, config.engine) as resources:
        context = Context(store=Store(config.uri), seed=config.seed, iteration=1, resources=resources)
        seeds = run_stage(IMPORT_SEEDS, {}, resolved.import_seeds, context).refs["seeds"]
        problems = run_stage(IMPORT_PROBLEMS, {"seeds": seeds}, resolved.import_problems, context).refs["problems"]
        stage, settings = resolved.import_policy
        policy = run_stage(stage, {}, settings, context).refs["policy"]
        started = time.perf_counter()
        written = run_stage(GENERATE, {"policy": policy, "seeds": seeds}, generate, context).refs
        seconds = time.perf_counter() - started
        inputs = {**written, "seeds": seeds, "problems": problems}
        judged = run_stage(FILTER, inputs, filtering, context).refs
        generations, candidates = (read_table(written[name]).to_dicts() for name in ("generations", "candidates"))
        accepted, rejected = (read_table(judged[name]).to_dicts() for name in ("accepted", "rejected"))
        first = resources.engine().decode(generations[0]["prompt_ids"])
    print(f"{form} {temperature:g}: {asked.form} ({asked.reason}), {seconds:.0f} s", file=sys.stderr)
    verdicts = {row["candidate_id"]: "accepted" for row in accepted}
    verdicts |= {row["candidate_id"]: _verdict(row) for row in rejected}
    by_prompt: dict[int, list[str]] = {}
    for row in candidates:
        line = f"  [{verdicts.get(row['candidate_id'], 'not judged')}] {row['question']}"
        by_prompt.setdefault(row["prompt_id"], []).append(line)
    print(f"==== {asked.form}, temperature {temperature:g}; the first prompt:\n\n{first}\n", file=out)
    for row in generations:
        read = by_prompt.get(row["prompt_id"], [])
        print(f"---- {row['prompt_id']} ({row['finish_reason']})\n{row['response']}\n", *read, "", sep="\n", file=out)
    tokens = sum(len(row["response_ids"]) for row in generations)
    questions = [row["question"] for row in candidates]
    return {
        "form": asked.form,
        "temperature": temperature,
        "prompts": len(generations),
        "candidates": len(candidates),
        "accepted": len(accepted),
        "accepted_per_prompt": round(len(accepted) / len(generations), 3),
        "reasons": _shares(Counter(row["reason"] for row in rejected), len(candidates)),
        "unread": round(sum(row["prompt_id"] not in by_prompt for row in generations) / len(generations), 3),
        "distinct_3": _distinct_3(questions),
        "repeated": _repeated(questions),
        "tokens_per_accepted": round(tokens / len(accepted), 1) if accepted else None,
    }


def _verdict(row: dict[str, Any]) -> str:
    nearest = f", nearest: {row['nearest']}" if row["nearest"] else ""
    return f"{row['reason']}{nearest}"


def _shares(counts: Counter[str], of: int) -> dict[str, float]:
    return {reason: round(count / of, 3) for reason, count in counts.most_common()}


def _distinct_3(questions: list[str]) -> float | None:
    share = distinct_share(questions, 3)
    return None if share is None else round(share, 3)


def _repeated(questions: list[str]) -> float | None:
    texts = [re.sub(r"\d+", "0", " ".join(question.casefold().split())) for question in questions]
    return round(1 - len(set(texts)) / len(texts), 3) if texts else None


if __name__ == "__main__":
    main()
