"""The settings of a run: frozen, checked when loaded, free of torch.

A YAML file holds exactly these fields. What several stages share (questions wanted, rewards, domain) is said once here
and handed to the stages' own settings below.
"""

import difflib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import yaml
from pydantic import (
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from flows.watchdog import Watchdog
from stages.answers.kinds import answer_config
from stages.benchmarks.catalogue import CATALOGUE
from stages.contract import Stage
from stages.engines.loader import check_chat_template, check_installed
from stages.import_inputs import IMPORT_POLICY, bring_policy, import_voters_stage, read_seeds
from stages.import_problems import problems_of, shots_of
from stages.input_files import content_of_file
from stages.settings import Settings
from stages.settings.answers import AnswerSettings
from stages.settings.benchmarks import BenchmarkFormat, Record, Shots
from stages.settings.compute import Compute
from stages.settings.engines import EngineKind
from stages.settings.evaluate import BenchmarkProtocol, EvaluateConfig, EvaluateSettings
from stages.settings.filter import FilterConfig, FilterSettings
from stages.settings.generate import DrawConfig, GenerateConfig
from stages.settings.inputs import ImportProblems, ImportSeeds, ImportVoters, ProblemSet
from stages.settings.sample import AnswerPrompt, SampleConfig, SampleVotersConfig, VoterSampling
from stages.settings.update import PpoUpdateConfig, UpdateConfig
from stages.settings.vote import POLICY, RewardSource, VoteConfig, VoterWeight, VoteSettings
from stages.settings.warm_start import WarmStartConfig
from stages.trainer.deepspeed_config import read_deepspeed_settings
from stages.trainer.fake import FAKE_POLICY
from stages.warm_start import WARM_START
from storage.errors import ConfigError, IncompatibleCode, InputError
from storage.run import Run, newest_revision, open_run
from storage.store import Store
from storage.version import code_version

Domain = Literal["arithmetic"]


class Seeds(Settings):
    """Seed questions: a JSONL or Parquet file with a field `question` or `problem`, or some of a built-in domain."""

    path: str | None = Field(None, description="JSONL or Parquet file.")
    domain: Domain | None = Field(None, description="Built-in domain that questions are drawn from.")
    count: PositiveInt | None = Field(None, le=10_000, description="Questions taken from the built-in domain.")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        _exactly_one(type(self).__name__.lower(), path=self.path, domain=self.domain)
        if (self.domain is None) != (self.count is None):
            raise ValueError("`count` goes with `domain`; a file is read whole")
        return self


class Dataset(Seeds):
    """Questions for `instructions: dataset`: a file as for seeds, or some of a built-in domain."""


class Policy(Settings):
    """The starting policy: one of a warm start, a local Hugging Face folder, or a policy of another run."""

    warm_start: WarmStartConfig | None = Field(None, description="A tiny policy, made and taught on the spot.")
    model: str | None = Field(None, description="Local Hugging Face folder with safetensors and tokenizer.")
    adapter: str | None = Field(None, description="LoRA adapter for `model`, in peft's format; merged once.")
    run: str | None = Field(None, description="Another run's folder.")
    iteration: int | None = Field(None, ge=0, description="Iteration of that run; its last one when not set.")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        _exactly_one("policy", warm_start=self.warm_start, model=self.model, run=self.run)
        if self.iteration is not None and self.run is None:
            raise ValueError("`iteration` goes with `run`")
        if self.adapter is not None and self.model is None:
            raise ValueError("`adapter` goes with `model`")
        return self

    def folder(self) -> Path | None:
        """The local folder it lies in; None for a warm start, which has yet to make it."""
        if self.warm_start:
            return None
        return Path(self.model) if self.model else open_run(self.run or "").policy(self.iteration)


class Voter(Settings):
    """A model that votes beside the policy. Only the policy's responses are trained on."""

    name: str = Field(pattern=r"^[a-z0-9_]+$", description="What tables call it.")
    model: str | None = Field(None, description="Local Hugging Face folder with safetensors and tokenizer.")
    adapter: str | None = Field(None, description="LoRA adapter for `model`, in peft's format; merged once.")
    iteration: int | None = Field(
        None,
        le=0,
        description="An earlier policy of this run: 0 is the starting one, -3 that of three iterations before (the "
        "starting one, until there is such).",
    )
    weight: PositiveFloat = Field(1.0, description="What each of its votes counts; the policy's count 1.")
    responses: PositiveInt = Field(16, description="Responses per question.")
    prompt: AnswerPrompt | None = Field(None, description="How it is asked; as the policy is, when not set.")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        _exactly_one(f"voter {self.name}", model=self.model, iteration=self.iteration)
        if self.adapter is not None and self.model is None:
            raise ValueError(f"voter {self.name}: `adapter` goes with `model`")
        if self.name == POLICY:
            raise ValueError(f"a voter cannot be called {POLICY}, which always votes")
        return self


class Benchmark(Settings):
    """An evaluation set: one that has a name (`serl benchmarks` lists them), a JSONL or Parquet file of your own,
    held-out problems of a built-in domain, or the seeds that have an answer."""

    name: str = Field(pattern=r"^[a-z0-9_]+$", description="A known set's, or one of your own.")
    path: str | None = Field(None, description="JSONL or Parquet file; NAME.jsonl or .parquet under evaluate.data.")
    domain: Domain | None = Field(None, description="Built-in domain that held-out problems are drawn from.")
    count: PositiveInt | None = Field(None, le=10_000, description="Problems drawn from the domain.")
    seed: int = Field(0, description="Which held-out problems of the domain are drawn.")
    seeds: Literal[True] | None = Field(
        None, description="The labelled seeds: how far their votes can be trusted. Their answers are used here only."
    )
    answers: AnswerSettings | None = Field(None, description="What counts as an answer; the run's own when not set.")
    prompt: AnswerPrompt | None = Field(None, description="How it is asked; as the protocol says when not set.")
    format: BenchmarkFormat | None = Field(None, description="Which field of a row is what; a named set knows its own.")
    shots: Shots | None = Field(None, description="Worked examples before each question.")
    examples: str | None = Field(None, description="File of the worked examples; NAME_examples.* under evaluate.data.")
    samples: NonNegativeInt | None = Field(None, description="Sampled responses; the protocol's when not set.")
    validation: bool = Field(
        False, description="Policies may be chosen by it, so its numbers are no result; the others only report."
    )

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, given: Any) -> Any:
        return {"name": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = {"path": self.path, "domain": self.domain, "seeds": self.seeds}
        if self.record is None or any(value is not None for value in sources.values()):
            known = "" if self.record else ", no named one,"
            _exactly_one(f"benchmark {self.name}{known}", **sources)
        if (self.domain is None) != (self.count is None):
            raise ValueError("`count` goes with `domain`; a file is read whole")
        return self

    @property
    def record(self) -> Record | None:
        """What is known of a set of this name."""
        return None if self.domain or self.seeds else CATALOGUE.get(self.name)


class Evaluation(Settings):
    """When and on what policies are evaluated. Iteration 0 and the last one always are."""

    every: PositiveInt = Field(1, description="Iterations from one evaluation to the next.")
    data: str = Field("data", description="Folder in which named evaluation sets without a `path` are looked for.")
    benchmarks: tuple[Benchmark, ...] = Field(min_length=1, description="Evaluation sets, the headline one first.")
    protocol: EvaluateSettings = EvaluateSettings()

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [benchmark.name for benchmark in self.benchmarks]
        if len(set(names)) < len(names):
            raise ValueError(f"benchmark names must differ, found {names}")
        return self

    def problem_set(self, benchmark: Benchmark) -> ProblemSet:
        """What is brought in for a benchmark. Raises InputError where a file is missing."""
        what, record, shots = f"benchmark {benchmark.name}", benchmark.record, self.shots(benchmark)
        path = benchmark.path or (self._file(benchmark.name, record.download, None) if record else None)
        examples = benchmark.examples
        if shots and not examples:
            split = record.shots_split if record else None
            download = record.download if record else None
            examples = self._file(f"{benchmark.name}_examples", download, split)
        return ProblemSet(
            **benchmark.model_dump(include={"name", "domain", "count", "seed"}),
            seeds=bool(benchmark.seeds),
            path=path,
            sha256=content_of_file(path, what) if path else None,
            format=benchmark.format or (record.format if record else BenchmarkFormat()),
            shots_path=examples,
            shots_sha256=content_of_file(examples, f"examples of {what}") if examples else None,
        )

    def shots(self, benchmark: Benchmark) -> Shots | None:
        return benchmark.shots or (benchmark.record.shots if benchmark.record else None)

    def benchmark_protocol(self, benchmark: Benchmark, answers: AnswerSettings) -> BenchmarkProtocol:
        """How a benchmark is asked and read; `answers`: the run's own."""
        record = benchmark.record
        return BenchmarkProtocol(
            answers=answer_config(benchmark.answers or (record.answers if record else answers)),
            prompt=benchmark.prompt or (record.prompt if record else None) or self.protocol.prompt,
            shots=self.shots(benchmark),
            samples=benchmark.samples,
        )

    def _file(self, name: str, download: Callable[[str, str | None], str] | None, split: str | None) -> str:
        for suffix in (".jsonl", ".parquet"):
            if (found := Path(self.data, name + suffix)).is_file():
                return str(found)
        missing = f"{self.data}/{name}.jsonl (or .parquet) does not exist"
        if download is None:
            raise InputError(f"{missing}; expected the worked examples there, or set `examples`")
        raise InputError(f"{missing}; set its `path`, or: {download(f'{self.data}/{name}', split)}")


class KeepBest(Settings):
    """Which policies count as the best: by a validation set, or by a number that needs no label."""

    count: PositiveInt = Field(1, description="How many of the best stay.")
    benchmark: str | None = Field(
        None, description="A benchmark with `validation: true`: by pass@1, sampled where it is. No other may choose."
    )
    signal: Literal["vote/mean_share", "vote/mean_margin"] | None = Field(
        None,
        description="How far the policy's answers agree in the iteration after it, without any label. It rises in a "
        "collapse as well: prefer a validation set.",
    )

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        _exactly_one("keep.policies.best", benchmark=self.benchmark, signal=self.signal)
        return self


class KeepPolicies(Settings):
    """Which policies stay, beside those that the run still needs itself (reference, voters)."""

    last: PositiveInt = Field(2, description="The newest ones.")
    every: PositiveInt | None = Field(10, description="Those of every so many iterations; null: none for that reason.")
    best: KeepBest | None = Field(None, description="The best ones.")


class Keep(Settings):
    """Which weights of past iterations stay; tables always do. Changing it recomputes nothing."""

    trainer_states: PositiveInt = Field(2, description="Newest optimiser states; one is enough to go on.")
    policies: KeepPolicies = KeepPolicies()


class WandbSettings(Settings):
    """Weights & Biases; the key comes from WANDB_API_KEY, and WANDB_MODE=offline keeps everything here."""

    project: str = Field(min_length=1, description="Project that the run appears in.")
    entity: str | None = Field(None, description="User or team; the account's default when not set.")


class MlflowSettings(Settings):
    """MLflow; a user and password come from MLFLOW_TRACKING_USERNAME and _PASSWORD, or MLFLOW_TRACKING_TOKEN."""

    uri: str = Field(min_length=1, description="Tracking server, such as http://mlflow:5000, or sqlite:///file.db.")
    experiment: str = Field("serl", min_length=1, description="Experiment that the run appears in.")

    @field_validator("uri")
    @classmethod
    def _holds_no_secret(cls, uri: str) -> str:
        if "@" in urlsplit(uri).netloc:
            raise ValueError("a user and password go into MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD")
        return uri


class TrackerSettings(Settings):
    """Where a run's numbers go besides its own tables. Changing it recomputes nothing."""

    tensorboard: bool = Field(True, description="Event files under reports/tensorboard in the run's folder.")
    wandb: WandbSettings | None = Field(None, description="Weights & Biases.")
    mlflow: MlflowSettings | None = Field(None, description="MLflow.")

    def check(self) -> None:
        """Raises InputError where a tracker's package is missing."""
        for name, wanted in (("wandb", self.wandb), ("mlflow", self.mlflow)):
            if wanted and importlib.util.find_spec(name) is None:
                raise InputError(f"trackers.{name}: {name} is not installed here; pip install 'serl[{name}]'")


class RunConfig(Settings):
    """Everything that says what a run is (identity) and where it runs (`root`, `compute`, `iterations`)."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", description="Folder of the run under `root`.")
    root: str = Field("runs", min_length=1, description="Folder, or s3://bucket/prefix, that holds runs.")
    seed: int = Field(1, ge=0, description="Every random choice of the run follows from it.")
    iterations: int = Field(3, ge=0, description="Passes of the six stages after iteration 0.")
    engine: EngineKind = Field(
        "transformers",
        description="transformers needs nothing else; vllm, or server (vLLM elsewhere, or kept between runs), for "
        "models of a size; fake: no model at all.",
    )
    gpu: Literal["inline", "deployment"] = Field(
        "inline",
        description="inline: everything on one machine; deployment: what wants a GPU is done by workers of the Prefect "
        "work pool `gpu`, the rest here.",
    )
    gpu_runs: PositiveInt | None = Field(
        None,
        description="For gpu: deployment: how many GPU workers share a stage; as many as are online when not set.",
    )
    domain: Domain | None = Field(None, description="Built-in domain that the questions belong to.")
    rewards: RewardSource = Field(
        "majority", description="majority is the method; verified and random are comparison arms."
    )
    instructions: Literal["self", "seeds", "dataset"] = Field(
        "self",
        description="self is the method: the policy writes its questions; else they are drawn from what is given.",
    )
    dataset: Dataset | None = Field(None, description="For `instructions: dataset`.")
    generator: Literal["policy", "initial"] = Field(
        "policy",
        description="Who writes the questions: the policy as it learns, or (an arm) the starting one for ever.",
    )
    min_kept: PositiveInt = Field(1, description="With fewer questions kept, the update of an iteration is skipped.")
    answers: AnswerSettings = AnswerSettings()
    seeds: Seeds
    policy: Policy | None = Field(None, description="Not set with `engine: fake` only.")
    generate: GenerateConfig = GenerateConfig()
    filter: FilterSettings = FilterSettings()
    sample: SampleConfig = SampleConfig()
    voters: tuple[Voter, ...] = Field((), description="Models that vote beside the policy.")
    vote: VoteSettings = VoteSettings()
    update: UpdateConfig = UpdateConfig()
    refresh_reference: PositiveInt | None = Field(
        None, description="Iterations after which the reference becomes the policy of that time; never when not set."
    )
    evaluate: Evaluation
    keep: Keep = Keep()
    watchdog: Watchdog = Watchdog()
    trackers: TrackerSettings = TrackerSettings()
    compute: Compute = Compute()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.policy is None) != (self.engine == "fake"):
            raise ValueError("`policy` must be set, unless `engine` is fake, which has none")
        if self.rewards == "verified" and self.domain is None and self.instructions == "self":
            raise ValueError(
                "rewards: verified needs labels, which self-written questions have only in a built-in `domain`; with "
                "instructions: seeds or dataset the answers given with the questions are taken"
            )
        if (self.instructions == "dataset") != (self.dataset is not None):
            raise ValueError("`dataset` goes with `instructions: dataset`")
        if self.generator == "initial" and self.instructions != "self":
            raise ValueError(f"generator: initial goes with instructions: self; found {self.instructions}")
        if self.vote.train_responses and self.vote.train_responses > self.sample.responses:
            raise ValueError(
                f"vote.train_responses {self.vote.train_responses} is more than the {self.sample.responses} of "
                "sample.responses"
            )
        trained = self.vote.train_responses or self.sample.responses
        if self.update.needs_groups and trained < 2:
            raise ValueError(
                f"update.algorithm {self.update.algorithm} compares the responses to a question, and only one is "
                "trained on; raise sample.responses or use reinforce_pp"
            )
        names = [voter.name for voter in self.voters]
        if len(set(names)) < len(names):
            raise ValueError(f"names of voters must differ, found {names}")
        if self.voters and self.rewards == "verified":
            raise ValueError("voters have no say with rewards: verified, where the domain's labels decide")
        if self.engine == "vllm" and self.longest > self.compute.vllm.max_model_tokens:
            raise ValueError(
                f"prompts and responses may have {self.longest} tokens together, compute.vllm.max_model_tokens is "
                f"{self.compute.vllm.max_model_tokens}; raise it"
            )
        if self.engine == "vllm" and self.compute.vllm.data_parallel > 1:
            raise ValueError(
                f"compute.vllm.data_parallel is {self.compute.vllm.data_parallel}, and a run's own process holds one "
                "copy of the model; set engine: server and start the copies with `serl serve`"
            )
        best = self.keep.policies.best
        if best and best.benchmark and best.benchmark not in self.validation:
            raise ValueError(
                f"keep.policies.best.benchmark is {best.benchmark}, expected a benchmark with `validation: true` "
                f"(found {', '.join(self.validation) or 'none'}): one that is reported must not choose"
            )
        return self

    @property
    def validation(self) -> list[str]:
        """Names of the validation sets, by which policies may be judged."""
        return [benchmark.name for benchmark in self.evaluate.benchmarks if benchmark.validation]

    @property
    def longest(self) -> int:
        """Most tokens that a prompt and its response may have together; questions that are evaluated without worked
        examples are short."""
        with_examples = any(map(self.evaluate.shots, self.evaluate.benchmarks))
        protocol = self.evaluate.protocol
        return max(
            self.generate.max_prompt_tokens + self.generate.max_tokens,
            self.sample.max_prompt_tokens + self.sample.max_tokens,
            protocol.max_prompt_tokens + protocol.max_tokens if with_examples else 0,
        )

    @property
    def uri(self) -> str:
        """Where the run lives."""
        return f"{self.root.rstrip('/')}/{self.name}"

    def newest_policy(self) -> Path | None:
        """Folder of the run's newest policy, or of the one it will start from; None where that has yet to be made."""
        started = newest_revision(Store(self.uri)) is not None
        if started and (run := open_run(self.uri)).iterations:
            return run.policy()
        return self.policy.folder() if self.policy else None

    def seeds_config(self) -> ImportSeeds:
        return _import(self.seeds, "seed file")

    def dataset_config(self) -> ImportSeeds | None:
        return _import(self.dataset, "data set") if self.dataset else None

    def draw_config(self) -> DrawConfig:
        return DrawConfig(
            questions=self.generate.questions,
            labelled_only=self.rewards == "verified" and self.domain is None,
            drop_overlaps=self.instructions == "dataset",
            overlap_words=self.filter.overlap_words,
        )

    def problems_config(self) -> ImportProblems:
        sets, missing = [], []
        for benchmark in self.evaluate.benchmarks:
            try:
                sets.append(self.evaluate.problem_set(benchmark))
            except InputError as error:
                missing.append(str(error))
        if missing:
            raise InputError("; and ".join(missing))
        return ImportProblems(sets=tuple(sets), overlap_words=self.filter.overlap_words)

    def policy_stage(self) -> tuple[Stage, Settings]:
        """The stage that brings in the starting policy, and its settings."""
        if self.policy is None:
            return FAKE_POLICY, Settings()
        if self.policy.warm_start:
            return WARM_START, self.policy.warm_start
        return IMPORT_POLICY, bring_policy(str(self.policy.folder()), self.policy.adapter)

    def voters_stage(self) -> tuple[Stage, ImportVoters] | None:
        """The stage that brings in the voters that are models of their own, and its settings; None without any."""
        found = {voter.name: bring_policy(voter.model, voter.adapter) for voter in self.voters if voter.model}
        return (import_voters_stage(found), ImportVoters(models=found)) if found else None

    def check_inputs(self) -> None:
        """Raises InputError for an engine, file or model folder that is missing; the stages would do so too late."""
        seeds = read_seeds(self.seeds.path) if self.seeds.path else []
        if self.dataset and self.dataset.path:
            read_seeds(self.dataset.path, "data set")
        for problem_set in self.problems_config().sets:
            problems_of(problem_set, seeds)
            shots_of(problem_set)
        self.policy_stage()
        self.voters_stage()
        self._check_chat_templates()
        if self.gpu == "inline":
            self.check_engine()
        read_deepspeed_settings(self.compute.trainer)
        self.trackers.check()
        self.evaluate_config()
        self.vote_config()

    def check_engine(self) -> None:
        """Raises InputError where the engine is missing, or can be known not to run the policy's model or a voter's."""
        check_installed(self.engine)
        models = {f"voter {voter.name}": Path(voter.model) for voter in self.voters if voter.model}
        if self.policy and (folder := self.policy.folder()):
            models["policy"] = folder  # its later ones have the same architecture
        if self.engine == "vllm":
            from stages.engines.vllm import check_models

            check_models(self.compute.vllm, models)
        if self.engine == "server":
            from stages.engines.vllm_client import ServerEngine

            engine = ServerEngine(self.compute.server)
            try:
                engine.check(models, self.longest)
            finally:
                engine.close()

    def _check_chat_templates(self) -> None:
        """New questions are always asked for as in a chat, by iteration 1; voters come later still."""
        folder = self.policy.folder() if self.policy else None
        if folder is not None and self.iterations:
            check_chat_template("policy", folder)
        for voter in self.voters:
            if voter.model and (voter.prompt or self.sample.prompt).chat:
                check_chat_template(f"voter {voter.name}", Path(voter.model))

    def filter_config(self) -> FilterConfig:
        return FilterConfig(
            **self.filter.model_dump(),
            questions=self.generate.questions,
            domain=self.domain,
            seed_sets=tuple(benchmark.name for benchmark in self.evaluate.benchmarks if benchmark.seeds),
        )

    def sample_voters_config(self) -> SampleVotersConfig:
        voters = tuple(
            VoterSampling(name=voter.name, responses=voter.responses, prompt=voter.prompt or self.sample.prompt)
            for voter in self.voters
        )
        return SampleVotersConfig(**self.sample.model_dump(), voters=voters)

    def vote_config(self) -> VoteConfig:
        return VoteConfig(
            **self.vote.model_dump(),
            rewards=self.rewards,
            domain=self.domain,
            answers=answer_config(self.answers),
            voters=tuple(VoterWeight(name=voter.name, weight=voter.weight) for voter in self.voters),
        )

    def evaluate_config(self) -> EvaluateConfig:
        evaluation = self.evaluate
        benchmarks = {found.name: evaluation.benchmark_protocol(found, self.answers) for found in evaluation.benchmarks}
        return EvaluateConfig(**evaluation.protocol.model_dump(), benchmarks=benchmarks)

    def update_config(self) -> PpoUpdateConfig:
        return PpoUpdateConfig(
            update=self.update, temperature=self.sample.temperature, max_tokens=self.sample.max_tokens
        )

    def evaluated(self, iteration: int) -> bool:
        return iteration % self.evaluate.every == 0 or iteration == self.iterations


def load_config(path: Path, overrides: tuple[str, ...] = ()) -> RunConfig:
    """A run's settings from a YAML file, with `key.subkey=value` overrides.

    A file may start from another one (`extends: other.yaml`, relative to itself) and say only what differs; groups of
    settings are merged, lists are not. Raises ConfigError that names the file, the setting, what was found and what was
    expected.
    """
    values = _read_yaml(path, ())
    for override in overrides:
        _override(values, override)
    return parse_config(values, str(path))


def _read_yaml(path: Path, extending: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in extending:
        raise ConfigError(f"{path} extends itself, through {' and '.join(str(found) for found in extending)}")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        what = f"{path}, which {extending[-1]} extends," if extending else str(path)
        raise ConfigError(f"{what} does not exist; expected a YAML file such as configs/quickstart.yaml") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds {type(values).__name__}, expected settings by name")
    if (base := values.pop("extends", None)) is None:
        return values
    return _merged(_read_yaml(path.parent / str(base), (*extending, path.resolve())), values)


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in changes.items():
        both_groups = isinstance(value, dict) and isinstance(base.get(name), dict)
        merged[name] = _merged(base[name], value) if both_groups else value
    return merged


def parse_config(values: dict[str, Any], source: str) -> RunConfig:
    """Settings from plain values. Raises ConfigError with one line about the first thing that is wrong."""
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(error, source)) from None


def config_of_run(run: Run) -> RunConfig:
    """The settings that a run was made with. Raises IncompatibleCode when this version does not know them."""
    try:
        return parse_config(run.config, run.store.uri)
    except ConfigError as error:
        raise IncompatibleCode(
            f"{error}. This is serl {code_version()}, and the run was made by another version: its tables can be read, "
            "but it can only go on with the version that made it"
        ) from None


def _override(values: dict[str, Any], override: str) -> None:
    name, found, text = override.partition("=")
    if not found or not name:
        raise ConfigError(f"--set {override}: expected key=value, such as --set update.learning_rate=1e-6")
    *parents, last = name.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise ConfigError(f"--set {override}: {parent} is not a group of settings")
    try:
        values[last] = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"--set {override}: {text!r} is not a YAML value") from None


def _explain(error: ValidationError, source: str) -> str:
    """One line about the first problem; pydantic's own report runs over several and names web pages."""
    first, *others = error.errors()
    place = ".".join(str(part) for part in first["loc"])
    more = f" (and {len(others)} more)" if others else ""
    if first["type"] == "extra_forbidden":
        return f"{source}: {place}: unknown setting{_did_you_mean(first['loc'])}{more}"
    found = "" if first["type"] in ("missing", "value_error") else f", found {str(first['input'])[:80]!r}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{source}: {place + ': ' if place else ''}{message}{found}{more}"


def _did_you_mean(location: tuple[int | str, ...]) -> str:
    """The nearest known name in the group of settings that `location` is in."""
    group: Any = RunConfig
    for part in location[:-1]:
        if isinstance(part, str) and part in group.model_fields:
            group = _settings_in(group.model_fields[part].annotation)
    close = difflib.get_close_matches(str(location[-1]), group.model_fields, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known here: {', '.join(group.model_fields)}"


def _settings_in(annotation: Any) -> Any:
    """The settings class inside `X | None` or `tuple[X, ...]`."""
    choices = [annotation, *getattr(annotation, "__args__", ())]
    return next(choice for choice in choices if isinstance(choice, type) and issubclass(choice, Settings))


def _import(given: Seeds, what: str) -> ImportSeeds:
    sha256 = content_of_file(given.path, what) if given.path else None
    return ImportSeeds(path=given.path, sha256=sha256, domain=given.domain, count=given.count)


def _exactly_one(what: str, **sources: object) -> None:
    given = [name for name, value in sources.items() if value is not None]
    if len(given) != 1:
        raise ValueError(f"{what} needs exactly one of {', '.join(sources)}; found {' and '.join(given) or 'none'}")
