"""Resolve a `RunConfig` into the settings of every stage.

What comes from outside enters a stage's settings by content, so files are hashed here, folders are digested, and a
policy of another run is looked up.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from flows.config.evaluation import Benchmark
from flows.config.inputs import Seeds
from flows.config.run import RunConfig
from flows.config.sources import HubSource, examples_source, problems_source, seeds_source
from flows.models.asking import benchmark_prompt, dated_stages, known_control_tokens, voter_arguments
from flows.models.folders import model_folders, policy_folder
from flows.models.forms import asked_settings
from stages.answers.kinds import answer_config
from stages.contract import Stage
from stages.import_inputs import (
    DATA_SET,
    IMPORT_POLICY,
    SEED_FILE,
    import_voters_stage,
    policy_settings,
    seed_file,
)
from stages.import_problems import problem_file
from stages.question_files.hub_split import data_set_commits, find_split, is_data_set
from stages.question_files.rows import content_of
from stages.question_files.shapes import with_preset
from stages.settings import Settings
from stages.settings.answers import AnswerSettings
from stages.settings.draw import ByDifficulty
from stages.settings.evaluate import BenchmarkProtocol, EvaluateConfig
from stages.settings.filter import COPIES_EXAMPLE, REPEATS, FilterConfig
from stages.settings.generate import DrawConfig, GenerateConfig
from stages.settings.inputs import HubSplit, ImportProblems, ImportSeeds, ImportVoters, ProblemSet
from stages.settings.questions import QuestionFormat
from stages.settings.sample import SampleConfig, SampleVotersConfig, TryConfig, VoterSampling
from stages.settings.update import PpoUpdateConfig
from stages.settings.vote import VoteConfig, VoterWeight
from stages.text.quality import is_known_control_token
from stages.trainer.fake import FAKE_POLICY
from stages.warm_start import WARM_START
from storage.errors import InputError


@dataclass(frozen=True, kw_only=True, slots=True)
class StageSettings:
    """A run's config, and the settings of each of its stages that follow from it."""

    config: RunConfig
    import_seeds: ImportSeeds
    import_problems: ImportProblems
    import_policy: tuple[Stage, Settings]
    """The stage that imports or makes the starting policy, and its settings."""
    import_dataset: ImportSeeds | None
    """None unless `instructions: dataset`."""
    import_voters: tuple[Stage, ImportVoters] | None
    """The stage that imports the models of voters, and its settings; None if no voter has a `model`."""
    generate: GenerateConfig
    filter: FilterConfig
    draw: DrawConfig
    tries: TryConfig | None
    """None unless `filter.answerable` is set."""
    sample: SampleConfig
    sample_voters: SampleVotersConfig
    vote: VoteConfig
    update: PpoUpdateConfig
    evaluate: EvaluateConfig


def resolve(config: RunConfig) -> StageSettings:
    """Return the settings of every stage. Raises InputError if a file or model folder is missing or unusable."""
    dated = dated_stages(config, model_folders(config)) if config.chat_date else set()
    sample = SampleConfig(**config.sample.model_dump(), **_chat(config, dated, "sample"))
    return StageSettings(
        config=config,
        import_seeds=_import_seeds(config, config.seeds, "seeds", SEED_FILE),
        import_problems=problem_settings(config),
        import_policy=_import_policy(config),
        import_dataset=_import_seeds(config, config.dataset, "dataset", DATA_SET) if config.dataset else None,
        import_voters=_import_voters(config),
        generate=generate_settings(config, dated),
        filter=filter_settings(config),
        draw=draw_settings(config),
        tries=try_settings(config, sample),
        sample=sample,
        sample_voters=voter_settings(config, dated),
        vote=vote_settings(config),
        update=update_settings(config),
        evaluate=evaluation_settings(config, dated),
    )


def generate_settings(config: RunConfig, dated: Collection[str] = ()) -> GenerateConfig:
    """Return the settings for writing new questions. `dated`: see `flows.asking.dated_stages`.

    Raises InputError if `generate.form: auto` stands for a form that the other settings do not suit.
    """
    return GenerateConfig(**asked_settings(config), **_chat(config, dated, "generate"))


def filter_settings(config: RunConfig) -> FilterConfig:
    """Return the settings of the filter for new questions.

    In a built-in domain, and with the fake engine, other numbers make another question, so the rules that set numbers
    aside are left out.

    Raises InputError if the files of a model's tokenizer are malformed.
    """
    rules = config.filter.rules
    if config.domain or config.engine == "fake":
        use = tuple(name for name in rules.use if name not in (COPIES_EXAMPLE, REPEATS))
        rules = rules.model_copy(update={"use": use})
    return FilterConfig(
        **config.filter.model_copy(update={"rules": rules}).model_dump(exclude={"answerable"}),
        questions=config.generate.questions,
        domain=config.domain,
        seed_sets=tuple(benchmark.name for benchmark in config.evaluate.benchmarks if benchmark.seeds),
        control_tokens=_control_tokens(config),
    )


def _control_tokens(config: RunConfig) -> tuple[str, ...]:
    """Return the control tokens that the filter's rule does not know by their look (Gemma has 6,000 of the others)."""
    tokens = known_control_tokens(config, model_folders(config))
    return tuple(sorted(token for token in tokens if not is_known_control_token(token)))


def draw_settings(config: RunConfig) -> DrawConfig:
    """Return the settings for drawing existing questions (`instructions: seeds` or `dataset`)."""
    return DrawConfig(
        questions=config.generate.questions,
        by_difficulty=_by_difficulty(config),
        labelled_only=config.rewards == "verified" and config.domain is None,
        drop_overlaps=config.instructions == "dataset",
        overlap_words=config.filter.overlap_words,
    )


def _by_difficulty(config: RunConfig) -> ByDifficulty | None:
    if config.draw.prefer_uncertain is None:
        return None
    return ByDifficulty(
        prefer_uncertain=config.draw.prefer_uncertain,
        min_reward=config.vote.min_reward,
        max_reward=config.vote.max_reward,
        by_label=config.rewards == "verified",
    )


def try_settings(config: RunConfig, sample: SampleConfig) -> TryConfig | None:
    """Return the settings for trying questions first; None if they are not tried.

    `sample`: settings for sampling all responses. Raises InputError if the file of an answer kind cannot be used.
    """
    if config.filter.answerable is None:
        return None
    shared = sample.model_dump(exclude={"responses"})
    return TryConfig(**shared, responses=config.filter.answerable, answers=answer_config(config.answers))


def voter_settings(config: RunConfig, dated: Collection[str] = ()) -> SampleVotersConfig:
    """Return the settings for sampling the responses of voters other than the policy.

    `dated`: see `flows.asking.dated_stages`.
    """
    voters = tuple(
        VoterSampling(
            name=voter.name,
            responses=voter.responses,
            prompt=voter.prompt or config.sample.prompt,
            template_arguments=voter_arguments(voter, config),
            chat_date=config.chat_date if f"voter {voter.name}" in dated else None,
        )
        for voter in config.voters
    )
    return SampleVotersConfig(
        **config.sample.model_dump(exclude={"template_arguments"}),
        voters=voters,
        thinking_marks=config.thinking_marks,
    )


def vote_settings(config: RunConfig) -> VoteConfig:
    """Return the settings of the vote. Raises InputError if the file of an answer kind cannot be used."""
    return VoteConfig(
        **config.vote.model_dump(),
        rewards=config.rewards,
        domain=config.domain,
        answers=answer_config(config.answers),
        voters=tuple(VoterWeight(name=voter.name, weight=voter.weight) for voter in config.voters),
    )


def update_settings(config: RunConfig) -> PpoUpdateConfig:
    """Return the settings of the policy update."""
    return PpoUpdateConfig(
        update=config.update, temperature=config.sample.temperature, max_tokens=config.sample.max_tokens
    )


def problem_settings(config: RunConfig) -> ImportProblems:
    """Return the settings for importing all evaluation sets. Raises InputError that names every missing file."""
    sets, missing = [], []
    for benchmark in config.evaluate.benchmarks:
        try:
            sets.append(problem_set(config, benchmark))
        except InputError as error:
            missing.append(str(error))
    if missing:
        raise InputError("; and ".join(missing))
    return ImportProblems(sets=tuple(sets), overlap_words=config.filter.overlap_words)


def problem_set(config: RunConfig, benchmark: Benchmark) -> ProblemSet:
    """Return where a benchmark's problems come from. Raises InputError if a file or data set is missing."""
    label, record = f"benchmark {benchmark.name}", benchmark.record
    problems = problems_source(config.evaluate, benchmark)
    examples = examples_source(config.evaluate, benchmark)
    path, sha256, hub = _located(problems, label, config)
    shots_path, shots_sha256, shots_hub = _located(examples, f"examples of {label}", config)
    settings = ProblemSet(
        **benchmark.model_dump(include={"name", "domain", "count", "seed"}),
        seeds=bool(benchmark.seeds),
        path=path,
        sha256=sha256,
        hub=hub,
        format=with_preset(benchmark.format or (record.format if record else QuestionFormat())),
        on_bad_row=benchmark.on_bad_row,
        shots_path=shots_path,
        shots_sha256=shots_sha256,
        shots_hub=shots_hub,
    )
    if settings.source is None or benchmark.on_bad_row == "error":
        return settings
    return settings.model_copy(update={"skipped_rows": len(problem_file(settings).bad_rows)})


def _located(
    source: str | HubSource | None, label: str, config: RunConfig
) -> tuple[str | None, str | None, HubSplit | None]:
    """Return (path, digest, None) of a file, (None, None, split) of a data set of the hub, and None for no source."""
    if isinstance(source, HubSource):
        data = source.data
        try:
            commits = data_set_commits(data.hub, config.hub_commits)
            return None, None, find_split(data.hub, data.config, data.split, commits)
        except InputError as error:
            raise source.error(str(error)) from None
    try:
        return source, content_of(source, label) if source else None, None
    except InputError as error:
        advice = f"; a data set of the Hugging Face hub is set as `hub: {source}`" if is_data_set(source or "") else ""
        raise InputError(f"{error}{advice}") from None


def evaluation_settings(config: RunConfig, dated: Collection[str] = ()) -> EvaluateConfig:
    """Return the settings of the evaluation. Raises InputError if the file of an answer kind cannot be used.

    `dated`: see `flows.asking.dated_stages`.
    """
    protocol = config.evaluate.protocol
    benchmarks = {}
    for benchmark in config.evaluate.benchmarks:
        benchmarks[benchmark.name] = BenchmarkProtocol(
            answers=answer_config(_answers_of(benchmark, config)),
            prompt=benchmark_prompt(benchmark, config),
            shots=benchmark.worked_examples,
            samples=benchmark.samples,
        )
    return EvaluateConfig(**protocol.model_dump(), benchmarks=benchmarks, **_chat(config, dated, "evaluate"))


def _chat(config: RunConfig, dated: Collection[str], stage: str) -> dict[str, Any]:
    """Return what the run decides about the chats of a stage."""
    day = config.chat_date if stage in dated else None
    return {"chat_date": day, "thinking_marks": config.thinking_marks}


def _answers_of(benchmark: Benchmark, config: RunConfig) -> AnswerSettings:
    """Return what counts as an answer to a benchmark's questions.

    A named set knows its kind of answers; whether responses that were cut off count is the run's setting there, too.
    """
    if benchmark.answers or benchmark.record is None:
        return benchmark.answers or config.answers
    return benchmark.record.answers.model_copy(update={"count_truncated": config.answers.count_truncated})


def _import_seeds(config: RunConfig, seeds: Seeds, name: str, label: str) -> ImportSeeds:
    """Return where seeds or a data set come from; `name` is the setting, `label` says in errors what a file is."""
    path, sha256, hub = _located(seeds_source(seeds, name), label, config)
    settings = ImportSeeds(
        path=path,
        sha256=sha256,
        hub=hub,
        domain=seeds.domain,
        count=seeds.count,
        format=with_preset(seeds.format or QuestionFormat()),
        on_bad_row=seeds.on_bad_row,
    )
    if settings.source is None or seeds.on_bad_row == "error":
        return settings
    return settings.model_copy(update={"skipped_rows": len(seed_file(settings, label).bad_rows)})


def _import_policy(config: RunConfig) -> tuple[Stage, Settings]:
    if config.policy is None:
        return FAKE_POLICY, Settings()
    if config.policy.warm_start:
        return WARM_START, config.policy.warm_start
    model = config.policy.model or str(policy_folder(config))
    return IMPORT_POLICY, policy_settings(model, config.policy.adapter, config.hub_commits)


def _import_voters(config: RunConfig) -> tuple[Stage, ImportVoters] | None:
    models = {
        voter.name: policy_settings(voter.model, voter.adapter, config.hub_commits)
        for voter in config.voters
        if voter.model
    }
    return (import_voters_stage(models), ImportVoters(models=models)) if models else None
