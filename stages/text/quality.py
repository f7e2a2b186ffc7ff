"""Rules that a generated question must pass before it is compared with others (docs/explanation/method.md, 2).

Departs from the authors' release in five points. The rules have names, and every rejection records the name of its
rule. The number of characters is limited too, because text without white space is a single word of any length.
A character of a script without spaces counts as a word. Text that a tokenizer reads as a control token is refused:
text that looks like the control token of any known family, and the control tokens of the models that are asked.
What chat models write in place of a question has rules of its own.
"""

import re
import string
from collections.abc import Callable, Mapping
from functools import lru_cache

from stages.chat.control_tokens import TokenFinder
from stages.settings.filter import QualityRules
from stages.text.asking import asks_nothing
from stages.text.flaws import has_several_questions, is_refusal
from stages.text.similarity import SPACELESS
from stages.text.solutions import has_solution
from stages.text.unfinished import is_unfinished

CONTROL_TEXT = "control_text"
_WORD = re.compile(rf"[{SPACELESS}]|[^\s{SPACELESS}]+")
_PUNCTUATION = frozenset(string.punctuation)
# Every repetition is bounded, so that a hostile text takes linear time. Names between bars have at least three
# characters and no operator (a<|b-c|>d is mathematics). In square brackets only known names count: [ABC] is an area.
_CONTROL_PATTERN = re.compile(
    "|".join(
        (
            r"<[|｜][\w▁]{3,64}[|｜]?>|<[\w▁]{3,64}[|｜]>",  # <|im_end|>, <｜end▁of▁sentence｜>, <|turn>, <turn|>
            r"</?s>|<</?SYS>>",
            r"\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]",
            r"<(?:start|end)_of_\w{1,32}>|<unused\d{1,6}>",
            r"</?(?:think|tool_call|tool_response)>",
            r"<(?:bos|eos|eod|eot|pad|unk|mask)>|<(?:BOS|EOS|PAD|UNK)_TOKEN>",
        )
    )
)


def _too_short(question: str, rules: QualityRules) -> bool:
    return len(_WORD.findall(question)) < rules.min_words


def _too_long(question: str, rules: QualityRules) -> bool:
    return len(question) > rules.max_chars or len(_WORD.findall(question)) > rules.max_words


def _banned_opening(question: str, rules: QualityRules) -> bool:
    return question.casefold().startswith(tuple(opening.casefold() for opening in rules.banned_openings))


def _contains(question: str, phrases: tuple[str, ...]) -> bool:
    return bool(phrases) and _whole_words(phrases).search(question) is not None


@lru_cache(maxsize=16)
def _whole_words(phrases: tuple[str, ...]) -> re.Pattern[str]:
    patterns = (r"\s+".join(map(re.escape, phrase.split())) for phrase in phrases)
    return re.compile(rf"(?<!\w)(?:{'|'.join(patterns)})(?!\w)", re.IGNORECASE)


RULES: Mapping[str, Callable[[str, QualityRules], bool]] = {
    "empty": lambda question, rules: not question,
    "too_short": _too_short,
    "too_long": _too_long,
    "banned_word": lambda question, rules: _contains(question, rules.banned_words),
    "banned_phrase": lambda question, rules: _contains(question, rules.banned_phrases),
    "banned_opening": _banned_opening,
    "leading_punctuation": lambda question, rules: question[:1] in _PUNCTUATION,
    "leading_non_ascii": lambda question, rules: not question[:1].isascii(),
    CONTROL_TEXT: lambda question, rules: _CONTROL_PATTERN.search(question) is not None,
    "unfinished": lambda question, rules: is_unfinished(question),
    "refusal": lambda question, rules: is_refusal(question),
    "has_solution": lambda question, rules: has_solution(question),
    "several_questions": lambda question, rules: has_several_questions(question),
    "not_a_question": lambda question, rules: asks_nothing(question),
}
"""Rule name -> function (question, settings) -> whether the rule rejects the question.

Questions have no white space at either end. The names are those of `stages.settings.filter.RULE_NAMES`, without the
rules that compare with other questions (see `stages.filter_instructions`). Published are too_short, too_long and those
whose names begin with banned or leading.
"""


def is_known_control_token(token: str) -> bool:
    """Return whether the rule `control_text` rejects a control token already by its look."""
    return _CONTROL_PATTERN.search(token) is not None


def reject_reason(question: str, rules: QualityRules, control_tokens: TokenFinder | None = None) -> str | None:
    """Return the name of the first rule in `rules.use` that rejects the question, None if all rules accept it.

    Rules that compare with other questions are left out. `control_tokens`: tokens that `control_text` rejects in
    addition to its pattern.
    """
    stripped = question.strip()
    for name in rules.use:
        if name not in RULES:
            continue
        if RULES[name](stripped, rules):
            return name
        if name == CONTROL_TEXT and control_tokens and control_tokens.first_in(stripped) is not None:
            return name
    return None
