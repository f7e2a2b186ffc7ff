"""Comparison of a config with the published settings of SeRL.

The settings are those of arXiv 2505.20347 with its appendix, and of the authors' released code. A second list names
defects of the release that this implementation avoids on purpose; no setting brings them back.
"""

import operator
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from flows.config.diff import flatten
from flows.config.run import RunConfig
from flows.reporting.terminal_tables import plain_table

PUBLISHED_QUESTIONS = 6_000
"""Three published iterations of 2,000 kept questions each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """One published setting."""

    setting: str
    """Dotted name of the setting here."""
    value: Any
    """The published value."""
    note: str = ""
    """A remark on the value, for the table."""


SETTINGS: tuple[Published, ...] = (
    Published(setting="instructions", value="self"),
    Published(setting="rewards", value="majority"),
    Published(setting="questions_per_update", value=16, note="kept ones; the release waits for them too"),
    Published(setting="generate.form", value="list", note="one user turn with a numbered list"),
    Published(setting="generate.examples", value=8, note="questions in the few-shot prompt"),
    Published(setting="generate.examples_from_pool", value=2, note="of them generated, at most"),
    Published(setting="generate.temperature", value=0.8),
    Published(setting="generate.top_p", value=0.95),
    Published(setting="generate.presence_penalty", value=2.0),
    Published(setting="generate.max_prompt_tokens", value=1_024),
    Published(setting="generate.max_tokens", value=1_024),
    Published(setting="generate.user", value="Come up with a series of questions:"),
    Published(setting="generate.read", value="published"),
    Published(setting="filter.rules.min_words", value=4),
    Published(setting="filter.rules.max_words", value=150),
    Published(
        setting="filter.rules.banned_words",
        value=[
            *("image", "images", "graph", "graphs", "picture", "pictures"),
            *("file", "files", "map", "maps", "draw", "plot"),
        ],
    ),
    Published(setting="filter.rules.banned_phrases", value=["go to"]),
    Published(setting="filter.rules.banned_openings", value=["Write a program"]),
    Published(setting="filter.max_similarity", value=0.7, note="ROUGE-L F-measure"),
    Published(setting="sample.responses", value=16),
    Published(setting="sample.temperature", value=1.0),
    Published(setting="sample.top_p", value=1.0),
    Published(setting="sample.max_prompt_tokens", value=1_024),
    Published(setting="sample.max_tokens", value=1_024),
    Published(setting="sample.prompt.template", value="{question}", note="the question alone"),
    Published(setting="sample.prompt.chat", value=False),
    Published(setting="answers.count_truncated", value=True, note="the release reads responses that were cut off"),
    Published(setting="vote.min_reward", value=0.2, note="both ends kept"),
    Published(setting="vote.max_reward", value=0.8),
    Published(setting="update.algorithm", value="reinforce_pp"),
    Published(setting="update.loss", value="ppo"),
    Published(setting="update.loss_aggregation", value="token"),
    Published(setting="update.clip", value=0.2),
    Published(setting="update.kl_coef", value=1e-3, note="the authors' README says 1e-4"),
    Published(setting="update.kl_in", value="reward"),
    Published(setting="update.kl_estimator", value="k1"),
    Published(setting="update.gamma", value=1.0),
    Published(setting="update.learning_rate", value=5e-7),
    Published(setting="update.betas", value=[0.9, 0.95]),
    Published(setting="update.weight_decay", value=0.0),
    Published(setting="update.max_grad_norm", value=1.0),
    Published(setting="update.batch_responses", value=16),
    Published(setting="update.epochs", value=1),
    Published(setting="update.schedule", value="cosine"),
    Published(setting="update.warmup_fraction", value=0.03),
    Published(setting="update.min_learning_rate_ratio", value=0.1),
    Published(setting="update.importance_weight_cap", value=None, note="no correction between engine and trainer"),
    Published(setting="refresh_reference", value=None, note="the reference is the starting policy"),
    Published(setting="evaluate.protocol.samples", value=16, note="maj@16; 32 is reported too"),
    Published(setting="evaluate.protocol.temperature", value=1.0),
    Published(setting="evaluate.protocol.top_p", value=0.95),
    Published(setting="evaluate.protocol.max_tokens", value=1_024),
    Published(setting="evaluate.protocol.prompt.template", value="{question}\n"),
    Published(setting="evaluate.protocol.prompt.chat", value=False),
)

BENCHMARKS = ("math_500", "math_hard", "asdiv", "college_math", "tabmwp", "mmlu_pro")
"""Benchmarks of the paper's main tables."""

ON_PURPOSE: tuple[tuple[str, str], ...] = (
    ("votes on prompt + response, so an expression of the question counts", "votes on the response alone"),
    ("a verifier's failure counts as not equal, silently", "killable workers; every answer has a status"),
    ("classes depend on the order of samples; ties are broken silently", "order-independent classes; a tie is dropped"),
    ("lower-cases generated questions", "keeps their text"),
    (
        "loses the first generated question, keeps a last one that is cut off",
        "keeps the first, drops one that is cut off",
    ),
    ("cuts a long few-shot prompt from the right", "drops whole examples until it fits"),
    ("compares with seeds and the current batch", "compares with everything ever accepted"),
    ("whitens advantages, then drops groups", "drops groups, then whitens"),
    ("averages the loss per micro-batch", "normalises over the whole optimiser step"),
    ("decodes prompts and tokenises them again", "carries token ids"),
    ("a control token in a question becomes one in its prompt", "what a question holds is text"),
    ("leaves failed gradings out of the denominator", "counts them as wrong and lists them"),
    (
        "starts the learning rate again after 2,000 steps; a restart loses state",
        "one schedule, which a resumed run continues",
    ),
)
"""Intended differences, as (the authors' release, this implementation)."""


def differing(config: RunConfig) -> list[str]:
    """Return the names of the published settings from which a config differs."""
    return [name for name, published, ours, _ in _rows(config) if published != ours]


def against_paper(config: RunConfig) -> Group:
    """Return the published settings next to those of a config, for a terminal."""
    table = plain_table("Published settings, and those of this config")
    for name in ("setting", "published", "here", "", "note"):
        table.add_column(name, overflow="fold", no_wrap=name == "setting")
    for name, published, ours, note in _rows(config):
        equal = published == ours
        table.add_row(
            name, str(published), str(ours), "" if equal else "DIFFERS", note, style="" if equal else "bold red"
        )
    different = differing(config)
    names = f": {', '.join(different)}" if different else ""
    summary = f"{len(different)} of {len(list(_rows(config)))} differ{names}"
    return Group(table, Text(f"{summary}\n"), _on_purpose_table())


def _rows(config: RunConfig) -> Iterator[tuple[str, Any, Any, str]]:
    """Yield (name, published value, value of the config, note) for every published setting."""
    ours = flatten(config.model_dump(mode="json", by_alias=False))
    for item in SETTINGS:
        # A setting that is left out of dumps has its default.
        value = ours.get(item.setting, operator.attrgetter(item.setting)(config))
        yield item.setting, item.value, value, item.note
    kept = config.iterations * (config.questions_per_update or config.generate.questions)
    yield "iterations x questions_per_update", PUBLISHED_QUESTIONS, kept, "three published iterations of 2,000"
    names = {benchmark.name for benchmark in config.evaluate.benchmarks}
    yield "evaluate.benchmarks", list(BENCHMARKS), [name for name in BENCHMARKS if name in names], "main tables"


def _on_purpose_table() -> Table:
    table = plain_table("Different on purpose, whatever the settings")
    table.add_column("the authors' release", overflow="fold")
    table.add_column("here", overflow="fold")
    for theirs, here in ON_PURPOSE:
        table.add_row(theirs, here)
    return table
