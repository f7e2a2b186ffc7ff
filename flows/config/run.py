"""`RunConfig`: every setting of a run, checked when it is loaded.

A YAML file holds exactly these fields. What several stages share (number of questions, rewards, domain) is set once
here; `flows.stage_settings` passes it on to the stages' own settings.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from flows.config.evaluation import Evaluation
from flows.config.inputs import Dataset, Domain, Policy, Seeds, Voter
from flows.config.retention import Keep
from flows.config.tracking import TrackerSettings
from flows.config.watchdog import Watchdog
from stages.settings import Settings, left_out
from stages.settings.answers import AnswerSettings
from stages.settings.chat import ChatDate, ThinkingMarks
from stages.settings.compute import Compute
from stages.settings.draw import DrawSettings
from stages.settings.engines import EngineKind
from stages.settings.filter import FilterSettings
from stages.settings.generate import Form, GenerateSettings
from stages.settings.sample import SampleSettings
from stages.settings.update import UpdateConfig
from stages.settings.vote import RewardSource, VoteSettings


class ChosenForm(Settings):
    """What `generate.form: auto` stands for in a run."""

    form: Form
    """How the policy is asked for new questions."""
    reason: str
    """Why, in words."""


class RunConfig(Settings):
    """Settings that define a run (its identity) and settings that place it (`root`, `compute`, `iterations`, ...)."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    """Folder of the run under `root`."""
    root: str = Field("runs", min_length=1)
    """Folder, or s3://bucket/prefix, that holds runs."""
    seed: int = Field(1, ge=0)
    """Every random choice of the run follows from it."""
    iterations: int = Field(3, ge=0)
    """Passes of the six stages after iteration 0."""
    engine: EngineKind = "transformers"
    """transformers needs no further package. vllm and server (vLLM on other machines, or kept running between runs)
    suit large models. fake uses no model at all."""
    gpu: Literal["inline", "deployment"] = "inline"
    """inline: everything runs on one machine. deployment: workers of the Prefect work pool `gpu` run the stages that
    use a GPU; the rest runs here."""
    gpu_runs: PositiveInt | None = None
    """For `gpu: deployment`: number of GPU workers that share a stage; if not set, all workers that are online."""
    domain: Domain | None = None
    """Built-in domain that the questions belong to."""
    rewards: RewardSource = "majority"
    """majority is the method; verified and random are comparison arms."""
    instructions: Literal["self", "seeds", "dataset"] = "self"
    """self is the method: the policy writes its questions. seeds and dataset draw them from existing questions."""
    dataset: Dataset | None = None
    """Questions for `instructions: dataset`."""
    generator: Literal["policy", "initial"] = "policy"
    """Model that writes the questions: the policy as it learns, or (comparison arm) always the starting policy."""
    min_kept: PositiveInt = 1
    """If fewer questions are kept, the update of the iteration is skipped."""
    questions_per_update: PositiveInt | None = left_out(None)
    """Kept questions for each update. If set, an iteration generates, filters, samples and votes in rounds of
    `generate.questions` until so many are kept. If not set: one round, whatever it yields."""
    max_rounds: PositiveInt = left_out(8)
    """For `questions_per_update`: most rounds of an iteration. After them it trains on the questions that were kept."""
    tokens_per_update: PositiveInt | None = left_out(None)
    """For `questions_per_update`: no further round begins in an iteration whose rounds have generated and sampled so
    many tokens. The first round always runs."""
    carry_over: bool = left_out(True)
    """For `questions_per_update`: questions kept beyond it wait for the next iteration. The new policy answers them
    anew, and they count if they are kept again. false: they are not used."""
    answers: AnswerSettings = AnswerSettings()
    """What counts as an answer."""
    seeds: Seeds
    """Seed questions."""
    policy: Policy | None = None
    """The starting policy; left out with `engine: fake` only."""
    generate: GenerateSettings = GenerateSettings()
    """How the policy writes new questions."""
    draw: DrawSettings = left_out(DrawSettings())
    """How existing questions are drawn."""
    filter: FilterSettings = FilterSettings()
    """Which new questions are accepted."""
    sample: SampleSettings = SampleSettings()
    """How the policy answers the accepted questions."""
    voters: tuple[Voter, ...] = ()
    """Models that vote in addition to the policy."""
    thinking_marks: ThinkingMarks = ()
    """Further pairs of texts between which a model thinks, such as [["<plan>", "</plan>"]]. Nothing between them is a
    question or an answer. The marks of the known families, such as <think> and </think>, need no setting."""
    chat_date: ChatDate = None
    """Date that chat templates with a date write into prompts. If not set: the day on which the run started."""
    vote: VoteSettings = VoteSettings()
    """How votes become rewards, and which questions are kept."""
    update: UpdateConfig = UpdateConfig()
    """The policy update."""
    hub_commits: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]] = left_out({})
    """Name of the Hugging Face hub, as written in `policy` or `voters`, or datasets/NAME of a data set -> commit (40
    hex digits). A run fills this in when it starts and keeps it, so set it only to repeat another run."""
    chosen_form: ChosenForm | None = left_out(None)
    """What `generate.form: auto` stands for. A run fills this in when it starts and keeps it, so set it only to repeat
    another run."""
    refresh_reference: PositiveInt | None = None
    """The current policy becomes the reference every so many iterations; null: always the starting policy."""
    evaluate: Evaluation
    """Evaluation sets, and when policies are evaluated on them."""
    keep: Keep = Keep()
    """Which weights of past iterations stay."""
    watchdog: Watchdog = Watchdog()
    """Bounds on the run's health."""
    trackers: TrackerSettings = TrackerSettings()
    """Experiment trackers."""
    compute: Compute = Compute()
    """Devices, batch sizes, folders and servers; nothing here is part of the run's identity."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        self._check_arms()
        self._check_votes()
        self._check_rounds()
        self._check_engine()
        best = self.keep.policies.best
        if best and best.benchmark and best.benchmark not in self.validation:
            raise ValueError(
                f"keep.policies.best.benchmark is {best.benchmark}, expected a benchmark with `validation: true` "
                f"(found {', '.join(self.validation) or 'none'}): one that is reported must not choose"
            )
        return self

    def _check_arms(self) -> None:
        if (self.policy is None) != (self.engine == "fake"):
            raise ValueError("`policy` must be set, unless `engine` is fake, which has none")
        if self.rewards == "verified" and self.domain is None and self.instructions == "self":
            raise ValueError(
                "rewards: verified needs labels, which self-written questions have only in a built-in `domain`; with "
                "instructions: seeds or dataset the answers given with the questions are taken"
            )
        if (self.instructions == "dataset") != (self.dataset is not None):
            raise ValueError(
                "instructions: dataset needs the questions to draw from: `dataset` is not set"
                if self.dataset is None
                else f"`dataset` goes with `instructions: dataset`; found instructions: {self.instructions}"
            )
        if self.generator == "initial" and self.instructions != "self":
            raise ValueError(f"generator: initial goes with instructions: self; found {self.instructions}")

        if self.draw.prefer_uncertain and self.instructions == "self":
            raise ValueError(
                "draw.prefer_uncertain goes with instructions: seeds or dataset; new questions are not drawn"
            )

    def _check_votes(self) -> None:
        if self.vote.train_responses and self.vote.train_responses > self.sample.responses:
            raise ValueError(
                f"vote.train_responses {self.vote.train_responses} is more than the {self.sample.responses} of "
                "sample.responses"
            )
        tried = self.filter.answerable
        if tried is not None and tried >= self.sample.responses:
            raise ValueError(
                f"filter.answerable {tried} is not less than the {self.sample.responses} of sample.responses, so no "
                "response would be saved; lower it"
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

    def _check_rounds(self) -> None:
        wanted = self.questions_per_update
        names = ("max_rounds", "tokens_per_update", "carry_over")
        changed = [name for name in names if getattr(self, name) != type(self).model_fields[name].default]
        if wanted is None and changed:
            raise ValueError(f"`{changed[0]}` goes with `questions_per_update`, which is not set")
        if wanted is not None and wanted < self.min_kept:
            raise ValueError(
                f"questions_per_update {wanted} is less than min_kept {self.min_kept}, so no iteration would have an "
                "update; lower min_kept"
            )

    def _check_engine(self) -> None:
        if self.engine != "vllm":
            return
        vllm = self.compute.vllm
        if self.longest_sequence > vllm.max_model_tokens:
            raise ValueError(
                f"prompts and responses may have {self.longest_sequence} tokens together, "
                f"compute.vllm.max_model_tokens is {vllm.max_model_tokens}; raise it"
            )

    @property
    def validation(self) -> list[str]:
        """Names of the validation sets, which may be used to choose policies."""
        return self.evaluate.validation

    @property
    def longest_sequence(self) -> int:
        """The largest number of tokens that a prompt and its response can have together.

        Evaluation prompts count only if they have worked examples; without them they are short.
        """
        protocol = self.evaluate.protocol
        has_examples = any(benchmark.worked_examples for benchmark in self.evaluate.benchmarks)
        return max(
            self.generate.max_prompt_tokens + self.generate.max_tokens,
            self.sample.max_prompt_tokens + self.sample.max_tokens,
            protocol.max_prompt_tokens + protocol.max_tokens if has_examples else 0,
        )

    @property
    def uri(self) -> str:
        """Folder or URI of the run."""
        return f"{self.root.rstrip('/')}/{self.name}"

    def evaluation_is_due(self, iteration: int) -> bool:
        """Return whether the evaluation of an iteration is due."""
        return iteration % self.evaluate.every == 0 or iteration == self.iterations
