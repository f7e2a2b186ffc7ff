"""`serl check`: what a config would run, where, how much of it, and roughly how long it takes. Starts nothing.

Sizes follow from the settings and are upper bounds (every response at its longest). Time is measured where the run has
finished iterations; before that it is estimated from floating-point operations, good to a factor of three or so.
"""

import math
import shutil
from collections import Counter
from pathlib import Path

from flows.cli.terminal import size_text
from flows.config.run import RunConfig, Voter
from flows.iteration import find_finished
from flows.reporting.results import stage_seconds
from stages.answers.kinds import load_kind
from stages.answers.verifier import Verifier
from stages.benchmarks.agreement import agreement
from stages.import_inputs import read_seeds
from stages.import_problems import problems_of
from stages.model_folder import read_model_config
from stages.settings.trainer import TrainerPlacement
from stages.text.contamination import EvaluationOverlap
from storage.run import newest_revision, open_run
from storage.store import Store

CPU_FLOPS_PER_THREAD = 1.5e10
"""An assumption: what small matrices sustain on one thread of a 2020s server."""
GPU_FLOPS_DECODE, GPU_FLOPS_TRAIN = 2e13, 2e14
"""Assumptions for one H100: batched decoding is bound by memory, training reaches about a fifth of the peak."""
BYTES_OF_STATE = 8
"""AdamW's two float32 moments, per parameter."""
TABLE_BYTES_PER_TOKEN = 9
"""Token id, log-probability and text in compressed Parquet."""


def describe(config: RunConfig) -> str:
    """The report, as text. Raises InputError where an input file or model folder is missing or unusable."""
    store = Store(config.uri)
    store.check_reachable()
    ledger = find_finished(config, store)
    done = ledger.finished
    parameters = count_parameters(config)
    writes = config.instructions == "self"
    generated = config.generate.prompts * config.generate.max_tokens if writes else 0
    trained = config.generate.questions * (config.vote.train_responses or config.sample.responses)
    responses = config.sample.responses + sum(voter.responses for voter in config.voters)
    sampled = config.generate.questions * responses * config.sample.max_tokens
    lines = [
        f"run          {config.uri} (seed {config.seed}, rewards: {config.rewards}, engine: {config.engine})",
        f"policy       {_policy(config)}, {parameters / 1e6:,.1f} M parameters",
        f"seeds        {config.seeds.path or f'{config.seeds.count} of the built-in domain {config.seeds.domain}'}",
        *_overlap(config),
        f"iterations   {config.iterations} after the starting policy; {done} of {config.iterations + 1} finished",
        *([f"stopped      {ledger.stopped}"] if ledger.stopped else []),
        f"generate     {_instructions(config, generated)}",
        f"sample       {responses} responses each, at most {sampled:,} tokens",
        *(f"voter        {_voter(voter)}" for voter in config.voters),
        *_restarts(config),
        f"answers      {config.answers.kind}{', in a box only' if config.answers.boxed_only else ''}",
        f"update       {config.update.algorithm}, at most "
        f"{math.ceil(trained / config.update.batch_responses):,} optimiser steps of "
        f"{config.update.batch_responses} responses, {_processes(config.compute.trainer)}",
        f"evaluate     every {config.evaluate.every}: {', '.join(_benchmark(config))}",
        *_grading(config),
        f"watchdog     {_watchdog(config)}",
        f"disk         {_disk(config, parameters, generated + sampled)}",
        f"time         {_time(config, store, parameters, generated, sampled)}",
    ]
    return "\n".join(lines)


def count_parameters(config: RunConfig) -> int:
    """Parameters of the policy: from the file sizes of a folder, from the sizes of a warm start."""
    if config.policy is None:
        return 0
    if warm := config.policy.warm_start:
        attention = 4 * warm.width * warm.heads * warm.head_size
        return warm.vocabulary * warm.width + warm.layers * (attention + 3 * warm.width * warm.feed_forward)
    folder = config.policy.folder()
    assert folder is not None  # only a warm start has none
    weights = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    return weights // read_model_config(folder).bytes_per_weight


def _instructions(config: RunConfig, tokens: int) -> str:
    if config.instructions == "self":
        writer = ", by the starting policy" if config.generator == "initial" else ""
        return (
            f"{config.generate.prompts:,} prompts for {config.generate.questions:,} accepted questions, at most "
            f"{tokens:,} tokens{writer}"
        )
    given = config.seeds if config.dataset is None else config.dataset
    source = given.path or f"{given.count} of the built-in domain {given.domain}"
    return f"nothing: {config.generate.questions:,} questions are drawn from the {config.instructions} ({source})"


def _policy(config: RunConfig) -> str:
    if config.policy is None:
        return "none (fake engine)"
    if config.policy.warm_start:
        return "made by warm start"
    if config.policy.adapter:
        return f"{config.policy.model} with adapter {config.policy.adapter}"
    return config.policy.model or f"iteration {config.policy.iteration} of {config.policy.run}"


def _overlap(config: RunConfig) -> list[str]:
    """A line about the seeds that the filter will report as found in an evaluation set; none where there are none."""
    if config.seeds.path is None:
        return []
    words = config.filter.overlap_words
    sets = [found for found in config.problems_config().sets if not found.seeds]
    problems = [(found.name, row["question"]) for found in sets for row in problems_of(found)]
    overlap = EvaluationOverlap(problems, words)
    seeds = [row["question"] for row in read_seeds(config.seeds.path)]
    found = [names for seed in seeds if (names := overlap.found_in(seed))]
    if not found:
        return []
    counts = Counter(name for names in found for name in names)
    where = ", ".join(f"{name}: {count}" for name, count in counts.most_common())
    shared = f"{words} words in a row, or all," if words else "all words"
    return [f"overlap      {len(found)} of {len(seeds)} seeds share {shared} with an evaluation set ({where})"]


def _voter(voter: Voter) -> str:
    if voter.model:
        who = voter.model
    elif voter.iteration == 0:
        who = "the starting policy"
    else:
        who = f"the policy {-(voter.iteration or 0)} iteration(s) before"
    return f"{voter.name}: {who}, {voter.responses} responses each, weight {voter.weight:g}"


def _restarts(config: RunConfig) -> list[str]:
    """A line about voters whose model vLLM cannot take over in place; none where there are none."""
    folder = config.policy.folder() if config.policy else None
    models = {voter.name: Path(voter.model) for voter in config.voters if voter.model}
    if config.engine != "vllm" or folder is None or not models:
        return []
    from stages.engines.tokenizer import architecture

    others = [name for name, model in models.items() if architecture(model) != architecture(folder)]
    if not others:
        return []
    return [
        f"restarts     vLLM is started anew for {', '.join(others)} (another model or tokenizer than the policy's) and "
        "again for the policy, in every iteration; with engine: server each model keeps servers of its own"
    ]


def _processes(placement: TrainerPlacement) -> str:
    text = f"{placement.processes_per_node} process(es)"
    return text if placement.nodes == 1 else f"{text} on each of {placement.nodes} machines"


def _benchmark(config: RunConfig) -> list[str]:
    """Each with its source and how it is asked."""
    found = []
    protocols = config.evaluate_config().benchmarks
    for benchmark in config.evaluate.benchmarks:
        path = config.evaluate.problem_set(benchmark).path
        source = "labelled seeds" if benchmark.seeds else path or f"{benchmark.count} problems"
        validation = ", validation" if benchmark.validation else ""
        found.append(f"{benchmark.name} ({source}, prompt: {protocols[benchmark.name].label}{validation})")
    return found


def _watchdog(config: RunConfig) -> str:
    if config.validation:
        return f"on a breach: {config.watchdog.on_breach}; watches the accuracy on {', '.join(config.validation)} too"
    return (
        f"on a breach: {config.watchdog.on_breach}; no benchmark has `validation: true`, so it has signals without "
        "labels only, which are later to notice"
    )


def _grading(config: RunConfig) -> list[str]:
    """A line per evaluation set from a file: whether its own answers pass its own grading."""
    lines = []
    with Verifier() as verifier:
        for found in config.problems_config().sets:
            if found.path:
                kind = load_kind(config.evaluate_config().benchmarks[found.name].answers)
                result = agreement(problems_of(found), kind, verifier)
                equal = result.problems - len(result.unequal_to_itself)
                line = f"grading      {found.name}: {equal:,} of {result.problems:,} answers equal themselves"
                if result.unequal_to_itself:
                    answer, status = result.unequal_to_itself[0]
                    line += f" (not {answer[:60]!r}: {status}; check `answers` and `format`)"
                if result.false_positives:
                    one, other = result.false_positives[0]
                    count = len(result.false_positives)
                    line += f", {count} the next problem's, written otherwise ({one[:40]!r} and {other[:40]!r})"
                lines.append(line)
    return lines


def _disk(config: RunConfig, parameters: int, tokens: int) -> str:
    policy, state, tables = 4 * parameters, BYTES_OF_STATE * parameters, tokens * TABLE_BYTES_PER_TOKEN
    keep = config.keep.policies
    kept = keep.last + (config.iterations // keep.every if keep.every else 0) + (keep.best.count if keep.best else 0)
    policies = min(config.iterations, kept)
    states = min(config.iterations, config.keep.trainer_states)
    whole = policy * (1 + policies) + state * states + tables * config.iterations
    text = (
        f"about {size_text(policy + state + tables)} per iteration (policy, trainer state, tables), {size_text(whole)} "
        f"in all with what `keep` keeps ({policies} policies, {states} trainer states)"
    )
    if not Store(config.uri).is_local:
        return text
    free = shutil.disk_usage(_existing(Path(config.root).resolve())).free
    return f"{text}; {size_text(free)} free" + (": NOT ENOUGH" if free < whole else "")


def _existing(folder: Path) -> Path:
    """The folder or the nearest one above it that exists."""
    return folder if folder.exists() else _existing(folder.parent)


def _time(config: RunConfig, store: Store, parameters: int, generated: int, sampled: int) -> str:
    if newest_revision(store) is not None:
        run = open_run(config.uri)
        seconds = [
            sum(stage_seconds(run.table("timings", iteration=number)).values())
            for number in run.iterations
            if number > 0
        ]
        if seconds:
            mean = sum(seconds) / len(seconds)
            whole = _duration(mean * config.iterations)
            return f"{_duration(mean)} per iteration (measured over {len(seconds)}), {whole} in all"
    on_gpu = config.compute.trainer.dtype == "bfloat16"
    decode = GPU_FLOPS_DECODE if on_gpu else CPU_FLOPS_PER_THREAD * config.compute.threads
    train = GPU_FLOPS_TRAIN if on_gpu else CPU_FLOPS_PER_THREAD * config.compute.trainer.threads
    # Two operations per parameter and token forward; the update adds old and reference log-probs and the backward pass.
    seconds_per_iteration = 2 * parameters * (generated + sampled) / decode + 10 * parameters * sampled / train
    where = "one H100" if on_gpu else "this CPU"
    return f"at most {_duration(seconds_per_iteration)} per iteration on {where} (rough), evaluation and start apart"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6_000 else f"{seconds / 3_600:.1f} h"
