"""`serl check`: what a config would run, where, how much of it, and roughly how long it takes. Starts nothing."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from flows.config.inputs import Voter
from flows.config.run import RunConfig
from flows.models.asking import QUESTION
from flows.models.folders import policy_folder, voter_folders
from flows.models.forms import asked_form
from flows.preflight.cards import device_of, gpu_lines, on_this_machine, refusal
from flows.preflight.control_text import control_text_lines
from flows.preflight.durations import assumed_rounds, trained_questions
from flows.preflight.estimates import (
    disk_line,
    generated_tokens,
    responses_per_question,
    sampled_tokens,
    time_lines,
)
from flows.preflight.prompts import describe_models
from flows.preflight.question_files import describe_file
from flows.preflight.shapes import count_parameters
from flows.run_progress import find_finished
from flows.stage_settings import StageSettings
from stages.answers.algebra.verifier import Verifier
from stages.answers.kinds import answer_config, load_kind
from stages.engines.loader import NO_GPU, check_installed
from stages.hub.models import LocalModel, local_adapter, local_model
from stages.import_inputs import DATA_SET, SEED_FILE, seed_file
from stages.import_problems import problem_file, problems_of
from stages.question_files.read import QuestionFile
from stages.settings.answers import AnswerConfig
from stages.settings.compute import Compute
from stages.settings.generate import PAPER_SYSTEM, REQUEST, Form
from stages.settings.inputs import HubSplit
from stages.settings.sample import AnswerPrompt
from stages.text.contamination import EvaluationOverlap
from stages.text.quality import reject_reason
from storage.errors import InputError
from storage.store import Store

FORMS: dict[Form, str] = {
    "list": "one user turn with a numbered list, which the policy continues",
    "turns": "a chat in which each example is an answer of the policy",
    "plain": "the examples as text, without a chat template",
}
"""Form of asking for new questions -> what the policy sees."""


def describe(config: RunConfig) -> str:
    """Return the description as text. Raises InputError if an input file or model folder is missing or unusable."""
    return describe_and_judge(config)[0]


def describe_and_judge(config: RunConfig) -> tuple[str, str | None]:
    """Return the description, and why this machine's GPUs cannot do what it asks of them (None if they can).

    Raises InputError if an input file or model folder is missing or unusable.
    """
    store = Store(config.uri)
    store.check_reachable()
    progress = find_finished(config, store)
    resolved, config = progress.resolved, progress.config
    parameters = count_parameters(config)
    trained = trained_questions(config) * (config.vote.train_responses or config.sample.responses)
    models = describe_models(config, _questions(resolved))
    device, placed = device_of(config), on_this_machine(config)
    lines = [
        f"run          {config.uri} (seed {config.seed}, rewards: {config.rewards}, engine: {config.engine})",
        *_missing_engine(config),
        f"policy       {_policy(config)}" + ("" if "policy" in models else f", {parameters / 1e6:,.1f} M parameters"),
        *_indented(models.get("policy", [])),
        *_domain_seeds(config),
        f"iterations   {config.iterations} after the starting policy; {progress.finished} of {config.iterations + 1} "
        "finished",
        *([f"stopped      {progress.stopped}"] if progress.stopped else []),
        f"generate     {_instructions(resolved)}",
        *_form(config),
        *_default_teacher(resolved),
        *_rounds(resolved),
        f"sample       {responses_per_question(config)} responses each, at most {sampled_tokens(config):,} tokens",
        *_tries(config),
        *(
            line
            for voter in config.voters
            for line in (f"voter        {_voter(config, voter)}", *_indented(models.get(f"voter {voter.name}", [])))
        ),
        *_vllm_restarts(config),
        f"answers      {config.answers.kind}{', sets of letters' if config.answers.several else ''}"
        f"{', in a box only' if config.answers.boxed_only else ''}",
        f"update       {config.update.algorithm}, at most "
        f"{math.ceil(trained / config.update.batch_responses):,} optimiser steps of "
        f"{config.update.batch_responses} responses, {_processes(config.compute)}",
        *_without_reference(config),
        f"evaluate     every {config.evaluate.every}: {', '.join(_benchmarks(resolved))}",
        *_files(resolved),
        *control_text_lines(resolved),
        *_unfit_seeds(resolved),
        *_overlap(resolved),
        f"watchdog     {_watchdog(config)}",
        f"disk         {disk_line(resolved, parameters)}",
        *gpu_lines(placed, device),
        *_labelled("time", time_lines(replace(resolved, config=placed), store, parameters, device)),
    ]
    return "\n".join(lines), refusal(config) if config.gpu == "inline" else None


def _policy(config: RunConfig) -> str:
    if config.policy is None:
        return "none (fake engine)"
    if config.policy.warm_start:
        return "made by warm start"
    if config.policy.model:
        return _model(config, config.policy.model, config.policy.adapter)
    iteration = (
        "the newest good iteration" if config.policy.iteration is None else f"iteration {config.policy.iteration}"
    )
    return f"{iteration} of {config.policy.run}"


def _model(config: RunConfig, model: str, adapter: str | None) -> str:
    """Return a model with its adapter; a name of the hub with its commit and with its folder in the cache."""
    text = _source(model, local_model(model, config.hub_commits))
    if adapter is None:
        return text
    return f"{text} with adapter {_source(adapter, local_adapter(adapter, config.hub_commits))}"


def _source(name: str, model: LocalModel) -> str:
    return name if model.repository is None else f"{name} of the hub (commit {model.commit}, in {model.folder})"


def _labelled(label: str, lines: Iterable[str]) -> list[str]:
    return [f"{'' if i else label:<12} {line}" for i, line in enumerate(lines)]


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"{'':13}{line}" for line in lines]


def _domain_seeds(config: RunConfig) -> list[str]:
    """Return a line about seeds of a built-in domain; a file has lines of its own."""
    if config.seeds.domain is None:
        return []
    return [f"seeds        {config.seeds.count} of the built-in domain {config.seeds.domain}"]


def _questions(resolved: StageSettings) -> list[str]:
    """Return questions for the prompts that are shown: the first seeds of a file, else a made-up one."""
    if not resolved.import_seeds.source:
        return [QUESTION]
    return [row.question for row in seed_file(resolved.import_seeds, SEED_FILE).questions[:100]]


def _missing_engine(config: RunConfig) -> list[str]:
    """Return a line if the engine has to run here and is not installed; a config may be checked elsewhere."""
    if config.gpu != "inline":
        return []
    try:
        check_installed(config.engine)
    except InputError as error:
        if str(error) == NO_GPU:  # which is refused
            return []
        return [f"engine       {str(error).removeprefix('engine: ')}"]
    return []


def _default_teacher(resolved: StageSettings) -> list[str]:
    """Return a line if questions of another field are asked for with words about mathematics."""
    config, generate = resolved.config, resolved.generate
    if config.instructions != "self" or config.answers.kind == "math":
        return []
    defaults = {"system": PAPER_SYSTEM, "request": REQUEST}
    names = [f"generate.{name}" for name, default in defaults.items() if getattr(generate, name) == default]
    if not names:
        return []
    return _indented(
        [
            f"{' and '.join(names)} ask{'s' * (len(names) == 1)} for mathematics, and answers are of kind "
            f"{config.answers.kind}: say there what kind of questions to write"
        ]
    )


def _unfit_seeds(resolved: StageSettings) -> list[str]:
    """Return a line about seeds that the rules of the filter would reject; none if there are no such seeds.

    Seeds are not filtered, but new questions are written after their example.
    """
    config = resolved.config
    if config.seeds.domain or config.instructions != "self":
        return []
    seeds = [row.question for row in seed_file(resolved.import_seeds, SEED_FILE).questions]
    counts = Counter(reason for seed in seeds if (reason := reject_reason(seed, config.filter.rules)))
    if not counts:
        return []
    by_rule = ", ".join(f"{rule}: {count:,}" for rule, count in counts.most_common())
    return [
        f"filter       {counts.total():,} of {len(seeds):,} seeds break filter.rules ({by_rule}); seeds stay, but new "
        "questions like them are rejected"
    ]


def _overlap(resolved: StageSettings) -> list[str]:
    """Return a line about seeds that share text with an evaluation set; none if there are no such seeds."""
    config = resolved.config
    if config.seeds.domain:
        return []
    words = config.filter.overlap_words
    sets = [problem_set for problem_set in resolved.import_problems.sets if not problem_set.seeds]
    problems = [(problem_set.name, row["question"]) for problem_set in sets for row in problems_of(problem_set)]
    overlap = EvaluationOverlap(problems, words)
    seeds = [row.question for row in seed_file(resolved.import_seeds, SEED_FILE).questions]
    overlapping = [names for seed in seeds if (names := overlap.overlapping_sets(seed))]
    if not overlapping:
        return []
    counts = Counter(name for names in overlapping for name in names)
    by_set = ", ".join(f"{name}: {count:,}" for name, count in counts.most_common())
    shared = f"{words} words in a row, or all," if words else "all words"
    line = f"overlap      {len(overlapping):,} of {len(seeds):,} seeds share {shared} with an evaluation set ({by_set})"
    rejected = "; new questions that do are rejected (filter.overlap_words)"
    return [line + (rejected if config.instructions == "self" else "")]


def _form(config: RunConfig) -> list[str]:
    """Return a line about the form in which the policy is asked for new questions, if it writes any."""
    if config.instructions != "self":
        return []
    asked = asked_form(config)
    return _indented([f"form {asked.form}: {FORMS[asked.form]} ({asked.reason})"])


def _instructions(resolved: StageSettings) -> str:
    config, generate = resolved.config, resolved.generate
    if config.instructions == "self":
        writer = ", by the starting policy" if config.generator == "initial" else ""
        return (
            f"{generate.prompts:,} prompts for {generate.questions:,} accepted questions, at most "
            f"{generated_tokens(resolved):,} tokens{writer}"
        )
    source = config.seeds if config.dataset is None else config.dataset
    name = source.path or source.hub or f"{source.count} of the built-in domain {source.domain}"
    skip = config.draw.prefer_uncertain
    order = f", by their last votes; settled ones not again for {skip} iteration(s)" if skip else ""
    return f"nothing: {config.generate.questions:,} questions are drawn from the {config.instructions} ({name}){order}"


def _tries(config: RunConfig) -> list[str]:
    """Return a line about the responses that are sampled first; none if all are sampled at once."""
    tries = config.filter.answerable
    if tries is None:
        return []
    return _indented(
        [
            f"each question gets {tries} of the {config.sample.responses} first; if no two of their answers are equal, "
            "the question is dropped"
        ]
    )


def _rounds(resolved: StageSettings) -> list[str]:
    """Return a line about the rounds of an iteration; none if it asks once."""
    config = resolved.config
    wanted = config.questions_per_update
    if wanted is None:
        return []
    budget = config.tokens_per_update
    limit = f" or {budget:,} tokens" if budget else ""
    one_round = generated_tokens(resolved) + sampled_tokens(config)
    small = f"; one round alone may take {one_round:,}" if budget and budget < one_round else ""
    most = config.max_rounds * config.generate.questions
    notes = []
    if config.generate.questions > 4 * wanted:
        notes.append("a round is far larger than an update needs: lower generate.questions")
    if most < wanted:
        notes.append(
            f"{config.max_rounds} rounds accept at most {most:,} questions, fewer than questions_per_update: raise "
            "generate.questions or max_rounds"
        )
    surplus = "asked again in the next iteration" if config.carry_over else "not used"
    return [
        f"rounds       of {config.generate.questions:,} questions, until {wanted:,} are kept; at most "
        f"{config.max_rounds} rounds{limit}{small}",
        *_indented(
            [
                f"questions kept beyond {wanted:,} are {surplus}; estimates assume {assumed_rounds(config)} round(s), "
                "in which half of the questions are kept",
                *notes,
            ]
        ),
    ]


def _voter(config: RunConfig, voter: Voter) -> str:
    if voter.model:
        model = _model(config, voter.model, voter.adapter)
    elif voter.iteration == 0:
        model = "the starting policy"
    else:
        model = f"the policy {-(voter.iteration or 0)} iteration(s) before"
    return f"{voter.name}: {model}, {voter.responses} responses each, weight {voter.weight:g}"


def _vllm_restarts(config: RunConfig) -> list[str]:
    """Return a line about voters for which vLLM has to restart; none if the running vLLM can load all models."""
    folder = policy_folder(config)
    models = voter_folders(config)
    if config.engine != "vllm" or folder is None or not models:
        return []
    from stages.engines.tokenizer import architecture

    names = [name for name, model in models.items() if architecture(model) != architecture(folder)]
    if not names:
        return []
    return [
        f"restarts     vLLM is started anew for {', '.join(names)} (another model or tokenizer than the policy's) and "
        "again for the policy, in every iteration; with engine: server each model keeps servers of its own"
    ]


def _without_reference(config: RunConfig) -> list[str]:
    """Return a line if the update does not use the reference; none if it does."""
    if config.update.uses_reference:
        return []
    return _indented(
        ["update.kl_coef is 0: the reference is not loaded, train/kl is null and watchdog.kl has nothing to watch"]
    )


def _processes(compute: Compute) -> str:
    placement = compute.trainer
    text = "a process for each GPU" if compute.gpus else f"{placement.processes_per_node} process(es)"
    return text if placement.nodes == 1 else f"{text} on each of {placement.nodes} machines"


def _benchmarks(resolved: StageSettings) -> list[str]:
    """Return each benchmark with its source and its prompt."""
    texts = []
    sets = resolved.import_problems.sets
    for benchmark, problem_set in zip(resolved.config.evaluate.benchmarks, sets, strict=True):
        source = _source_name(problem_set.source) or f"{benchmark.count} problems"
        source = "labelled seeds" if benchmark.seeds else source
        validation = ", validation" if benchmark.validation else ""
        prompt = resolved.evaluate.benchmarks[benchmark.name].label
        examples = f" from {problem_set.shots_hub.name} of the hub" if problem_set.shots_hub else ""
        texts.append(f"{benchmark.name} ({source}, prompt: {prompt}{examples}{validation})")
    return texts


def _source_name(source: str | HubSplit | None) -> str | None:
    """Return a path, or the name of a data set of the hub, whose commit the lines about its rows have."""
    return f"{source.name} of the hub" if isinstance(source, HubSplit) else source


def _watchdog(config: RunConfig) -> str:
    if config.validation:
        return f"on a breach: {config.watchdog.on_breach}; watches the accuracy on {', '.join(config.validation)} too"
    return (
        f"on a breach: {config.watchdog.on_breach}; no benchmark has `validation: true`, so it has signals without "
        "labels only, which are later to notice"
    )


def _files(resolved: StageSettings) -> list[str]:
    """Return lines about each file of questions: the seeds, the data set, and the evaluation sets from files."""
    config = resolved.config
    blocks: list[tuple[str, QuestionFile, AnswerConfig, AnswerPrompt]] = []
    own = answer_config(config.answers)
    if resolved.import_seeds.source:
        blocks.append(("seeds", seed_file(resolved.import_seeds, SEED_FILE), own, config.sample.prompt))
    if resolved.import_dataset and resolved.import_dataset.source:
        blocks.append(("dataset", seed_file(resolved.import_dataset, DATA_SET), own, config.sample.prompt))
    for problem_set in resolved.import_problems.sets:
        if problem_set.source:
            protocol = resolved.evaluate.benchmarks[problem_set.name]
            prompt = protocol.prompt
            blocks.append((problem_set.name, problem_file(problem_set), protocol.answers, prompt))
    lines = []
    with Verifier() as verifier:
        for name, file, answers, prompt in blocks:
            first, *others = describe_file(file, answers, load_kind(answers), prompt, verifier)
            lines += [f"{name:<12} {first}" if len(name) < 13 else f"{name} {first}", *(f"{'':13}{o}" for o in others)]
    return lines
