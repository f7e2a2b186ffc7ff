"""Resolve a `RunConfig` into the settings of every stage.

What comes from outside enters a stage's settings by content, so files are hashed here, folders are digested, and a
policy of another run is looked up.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flows.config.evaluation import Benchmark
from flows.config.run import RunConfig
from flows.config.sources import HubSource, examples_source, problems_source, seeds_source
from stages.answers.kinds import answer_config
from stages.contract import Stage
from stages.hub.models import local_model
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
from stages.settings.evaluate import BenchmarkProtocol, EvaluateConfig
from stages.settings.filter import FilterConfig
from stages.settings.generate import DrawConfig, GenerateConfig
from stages.settings.inputs import HubSplit, ImportProblems, ImportSeeds, ImportVoters, ProblemSet
from stages.settings.questions import QuestionFormat
from stages.settings.sample import SampleConfig, SampleVotersConfig, VoterSampling
from stages.settings.update import PpoUpdateConfig
from stages.settings.vote import VoteConfig, VoterWeight
from stages.trainer.fake import FAKE_POLICY
from stages.warm_start import WARM_START
from storage.errors import InputError
from storage.run import newest_revision, open_run
from storage.store import Store


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
    sample: SampleConfig
    sample_voters: SampleVotersConfig
    vote: VoteConfig
    update: PpoUpdateConfig
    evaluate: EvaluateConfig


def resolve(config: RunConfig) -> StageSettings:
    """Return the settings of every stage. Raises InputError if a file or model folder is missing or unusable."""
    return StageSettings(
        config=config,
        import_seeds=_import_seeds(config, "seeds"),
        import_problems=problem_settings(config),
        import_policy=_import_policy(config),
        import_dataset=_import_seeds(config, "dataset") if config.dataset else None,
        import_voters=_import_voters(config),
        generate=config.generate,
        filter=filter_settings(config),
        draw=draw_settings(config),
        sample=config.sample,
        sample_voters=voter_settings(config),
        vote=vote_settings(config),
        update=update_settings(config),
        evaluate=evaluation_settings(config),
    )


def filter_settings(config: RunConfig) -> FilterConfig:
    """Return the settings of the filter for new questions."""
    return FilterConfig(
        **config.filter.model_dump(),
        questions=config.generate.questions,
        domain=config.domain,
        seed_sets=tuple(benchmark.name for benchmark in config.evaluate.benchmarks if benchmark.seeds),
    )


def draw_settings(config: RunConfig) -> DrawConfig:
    """Return the settings for drawing existing questions (`instructions: seeds` or `dataset`)."""
    return DrawConfig(
        questions=config.generate.questions,
        labelled_only=config.rewards == "verified" and config.domain is None,
        drop_overlaps=config.instructions == "dataset",
        overlap_words=config.filter.overlap_words,
    )


def voter_settings(config: RunConfig) -> SampleVotersConfig:
    """Return the settings for sampling the responses of voters other than the policy."""
    voters = tuple(
        VoterSampling(name=voter.name, responses=voter.responses, prompt=voter.prompt or config.sample.prompt)
        for voter in config.voters
    )
    return SampleVotersConfig(**config.sample.model_dump(), voters=voters)


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


def evaluation_settings(config: RunConfig) -> EvaluateConfig:
    """Return the settings of the evaluation. Raises InputError if the file of an answer kind cannot be used."""
    protocol = config.evaluate.protocol
    benchmarks = {}
    for benchmark in config.evaluate.benchmarks:
        record = benchmark.record
        benchmarks[benchmark.name] = BenchmarkProtocol(
            answers=answer_config(_answers_of(benchmark, config)),
            prompt=benchmark.prompt or (record.prompt if record else None) or protocol.prompt,
            shots=benchmark.worked_examples,
            samples=benchmark.samples,
        )
    return EvaluateConfig(**protocol.model_dump(), benchmarks=benchmarks)


def _answers_of(benchmark: Benchmark, config: RunConfig) -> AnswerSettings:
    """Return what counts as an answer to a benchmark's questions.

    A named set knows its kind of answers; whether responses that were cut off count is the run's setting there, too.
    """
    if benchmark.answers or benchmark.record is None:
        return benchmark.answers or config.answers
    return benchmark.record.answers.model_copy(update={"count_truncated": config.answers.count_truncated})


def policy_folder(config: RunConfig) -> Path | None:
    """Return the local folder of the starting policy; None for a warm start and for the fake engine.

    A model of the hub is downloaded if it is not here. Raises HubError if that fails.

    Raises InputError or MissingArtifact if the policy is that of another run, and that run or its policy is missing.
    """
    policy = config.policy
    if policy is None or policy.warm_start:
        return None
    if policy.model:
        return local_model(policy.model, config.hub_commits).folder
    return open_run(policy.run or "").policy(policy.iteration)


def voter_folders(config: RunConfig) -> dict[str, Path]:
    """Return the folder of each voter's model, by the voter's name; voters without a `model` are left out.

    A model of the hub is downloaded if it is not here. Raises HubError if that fails.
    """
    return {voter.name: local_model(voter.model, config.hub_commits).folder for voter in config.voters if voter.model}


def newest_policy_folder(config: RunConfig) -> Path | None:
    """Return the folder of the run's newest good policy, or else of its starting policy; None if neither exists yet."""
    if newest_revision(Store(config.uri)) is not None and (run := open_run(config.uri)).iterations:
        return run.policy()
    return policy_folder(config)


def _import_seeds(config: RunConfig, name: Literal["seeds", "dataset"]) -> ImportSeeds:
    seeds, label = (config.dataset, DATA_SET) if config.dataset and name == "dataset" else (config.seeds, SEED_FILE)
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
