"""What an iteration says if its rounds ended before there were enough questions: how many, what became of the others,
and which setting loses most of them."""

from collections.abc import Iterator, Mapping
from typing import Any

from stages.try_questions import UNANSWERABLE

_SURPLUS = "surplus"  # not lost: the filter had enough
_SETTINGS = {
    "empty": "generate.form, generate.mark or generate.stop",
    "too_short": "filter.rules.min_words",
    "too_long": "filter.rules.max_words or filter.rules.max_chars",
    "banned_word": "filter.rules.banned_words",
    "banned_phrase": "filter.rules.banned_phrases",
    "banned_opening": "filter.rules.banned_openings",
    "similar": "filter.max_similarity or generate.temperature, or take more varied seeds",
    "repeats": "generate.temperature, or take more varied seeds",
    "copies_example": "generate.temperature or generate.examples",
    "has_solution": "generate.form",
    "several_questions": "generate.form",
    "not_a_question": "generate.form, or generate.request (generate.user in a list)",
    "refusal": "generate.system or the wording of the request (generate.request, or generate.user in a list)",
    "unfinished": "generate.max_tokens",
    "evaluation_overlap": "filter.overlap_words",
    UNANSWERABLE: "filter.answerable (more tries find more agreement), or take easier seeds",
    "too_easy": "vote.max_reward, or take harder seeds",
    "too_hard": "vote.min_reward, or take easier seeds",
    "tie": "sample.responses",
    "abstain": "vote.abstain_below",
    "no_answer": "sample.prompt or sample.max_tokens",
    "unparsable": "answers.kind",
    "no_responses": "sample.max_prompt_tokens",
}
"""Why questions are lost -> what to change; for other reasons of the filter, filter.rules.use."""
_LIMITS = {
    "max_rounds": "max_rounds or generate.questions",
    "tokens_per_update": "tokens_per_update",
    "nothing_left": "the number of questions to draw from",
}
"""Why the rounds ended -> what to raise."""


def shortfall(iteration: int, metrics: Mapping[str, Any]) -> str:
    """Return what to say about an iteration; "" if it had enough questions, or did not ask in rounds.

    `metrics`: of the whole iteration, as `storage.run.Run.metrics` returns them.
    """
    kept, wanted = metrics.get("rounds/kept"), metrics.get("rounds/wanted")
    if wanted is None or kept is None or kept >= wanted:
        return ""
    ended = next(limit for limit in _LIMITS if f"rounds/ended/{limit}" in metrics)
    update = "" if "train/optimiser_steps" in metrics else ", without an update"
    rounds = f"{metrics['rounds/count']} round(s) and {metrics['rounds/tokens']:,} tokens"
    text = f"iteration {iteration} has {kept} of {wanted} questions after {rounds} ({ended}){update}: "
    return text + "; ".join([*_stations(metrics), _advice(metrics, ended)])


def _stations(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the filter and the vote did with the questions."""
    if "filter/candidates" in metrics:
        rejected = _losses(metrics, "filter/rejected/")
        accepted = metrics["filter/accepted"]
        yield f"of {metrics['filter/candidates']} candidates {accepted} accepted{_listed('rejected as', rejected)}"
    else:
        yield f"{metrics['draw/questions']} drawn"
    if unanswerable := metrics.get("answerable/dropped"):
        yield f"{unanswerable} dropped as {UNANSWERABLE}"
    yield f"{metrics['vote/kept']} kept{_listed('dropped as', _losses(metrics, 'vote/dropped/'))}"


def _listed(verb: str, losses: Mapping[str, int]) -> str:
    names = ", ".join(f"{reason} {count}" for reason, count in losses.items())
    return f" ({verb} {names})" if names else ""


def _advice(metrics: Mapping[str, Any], ended: str) -> str:
    """Return what to change: the settings of the largest loss, or the limit."""
    losses = {**_losses(metrics, "filter/rejected/"), **_losses(metrics, "vote/dropped/")}
    losses.pop(_SURPLUS, None)
    if unanswerable := metrics.get("answerable/dropped"):
        losses[UNANSWERABLE] = int(unanswerable)
    limit = f"raise {_LIMITS[ended]}"
    if metrics.get("filter/candidates") == 0:
        return f"no question could be read from {metrics['generate/prompts']} texts: see the table generations"
    if not losses:
        return limit
    largest = max(losses, key=lambda reason: losses[reason])
    return f"most are lost as {largest}: change {_SETTINGS.get(largest, 'filter.rules.use')}; or {limit}"


def _losses(metrics: Mapping[str, Any], prefix: str) -> dict[str, int]:
    """Return reason -> number of questions, the most frequent reason first."""
    counts = {name.removeprefix(prefix): int(value) for name, value in metrics.items() if name.startswith(prefix)}
    return {reason: count for reason, count in sorted(counts.items(), key=lambda item: -item[1]) if count}
