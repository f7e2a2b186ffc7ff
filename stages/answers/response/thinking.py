"""Thinking that a response shows before its answer. No answer is read from it."""

import re
from collections.abc import Iterable
from typing import NamedTuple


class _Marks(NamedTuple):
    clue: str
    """Lower-case text that every response with these marks contains; the search for it costs least."""
    opening: re.Pattern[str]
    ending: re.Pattern[str]
    example: str
    """A response with these marks whose answer is 6."""


def _marks(clue: str, opening: str, ending: str, example: str, flags: re.RegexFlag = re.IGNORECASE) -> _Marks:
    return _Marks(clue, re.compile(opening, flags), re.compile(ending, flags), example)


_PREFIX = r"(?:[a-z0-9]{1,12}[:_]|ant)?"
"""What models put before the name of a tag: "seed:think", "ant_thinking", "internal_monologue"."""


def _tag(clue: str, name: str) -> _Marks:
    """Return the marks of a tag, such as <think>...</think>; the pattern of its name matches the clue."""
    opening, ending = rf"<\s?{_PREFIX}{name}(?:\s[^<>/]{{0,80}})?>", rf"<\s?(?:\\?/\s?{_PREFIX}{name}|{name}\s?/)\s?>"
    return _marks(clue, opening, ending, f"<{clue}>5?</{clue}>6")


MARKS = (
    # Models mix "think" and "thinking". Qwen switches thinking off with an empty tag.
    _tag("think", "think(?:ing)?(?:_process)?"),
    _tag("thought", "(?:chain_of_)?thoughts?(?:_process)?"),
    _tag("reason", "reason(?:ing)?(?:_process)?"),
    *(_tag(name, name) for name in ("reflection", "scratchpad", "monologue", "analysis", "cot", "deliberation")),
    _marks("think", r"\[THINK\]|\[THINKING\]", r"\[/THINK(?:ING)?\]", "[THINK]5?[/THINK]6"),  # Magistral
    _marks("think▷", r"◁think▷", r"◁/think▷", "◁think▷5?◁/think▷6"),  # Kimi
    _marks(
        "think<|sep|>", r"<\|open\|>think<\|sep\|>", r"<\|close\|>think<\|sep\|>",
        "<|open|>think<|sep|>5?<|close|>think<|sep|>6",
    ),
    *(
        _marks(
            clue, rf"<\|(?:(?:begin|start)_?(?:of_?)?)?{name}(?:_(?:start|begin))?\|>",
            rf"<\|(?:/|end_?(?:of_?)?){name}\|>|<\|{name}_end\|>", f"<|{clue}|>5?<|/{clue}|>6",
        )
        for clue, name in (("think", "think(?:ing)?"), ("thought", "thought"), ("reasoning", "reasoning"))
    ),  # Command A, Sky-T1
    _marks("inner_", r"<\|inner_prefix\|>", r"<\|inner_suffix\|>", "<|inner_prefix|>5?<|inner_suffix|>6"),  # Apertus
    _marks("<unused9", r"<unused94>", r"<unused95>", "<unused94>thought\n5?<unused95>6"),  # MedGemma
    _marks("channel", r"<\|channel>\s?thought", r"<channel\|>", "<|channel>thought\n5?<channel|>6"),  # Gemma 4
    _marks(
        "channel", r"<\|channel\|>\s?(?:analysis|commentary)", r"<\|channel\|>\s?final[^<]{0,20}"
        r"(?:<\|constrain\|>[^<]{0,20})?<\|message\|>",
        "<|channel|>analysis<|message|>5?<|end|><|start|>assistant<|channel|>final<|message|>6",
    ),  # gpt-oss
    # gpt-oss, decoded without its special tokens
    _marks("analysis", r"\Aanalysis(?=[A-Z])|assistant(?:analysis|commentary)(?=[A-Z])", r"assistantfinal",
           "analysisIs it 5? No.assistantfinal6", re.NOFLAG),
    # Apriel; its template writes the opening into the prompt.
    *(
        _marks(
            clue, r"\A\s{0,9}Here are my reasoning steps:", r"\[BEGIN FINAL RESPONSE\]|</think>",
            "Here are my reasoning steps:\n5?\n[BEGIN FINAL RESPONSE]6\n[END FINAL RESPONSE]", re.NOFLAG,
        )
        for clue in ("reasoning steps", "final response]")
    ),
    # Granite
    _marks("my thought process", r"\A\s{0,9}Here(?:'s| is) my thought process\s?:", r"Here(?:'s| is) my response\s?:",
           "Here is my thought process: 5? Here is my response: 6"),
)  # fmt: skip
"""The marks that models put around their thinking, by family of models."""
_END_OF_RESPONSE = "[END FINAL RESPONSE]"
"""What Apriel writes behind its answer."""


def without_thinking(text: str) -> str | None:
    """Return a response without its thinking: the text after the last mark that ends thinking.

    A response whose prompt opened the thinking has the end alone. Thinking that never ends leaves nothing, so the
    result is None; so does thinking that starts again behind the text. A response without such marks is returned whole.
    """
    lowered = text.lower()
    start = 0
    for marks in MARKS:
        if marks.clue not in lowered:
            continue
        end = _last_end(marks.ending, text)
        if marks.opening.search(text, end):
            return None
        start = max(start, end)
    return text[start:].rstrip().removesuffix(_END_OF_RESPONSE) if _END_OF_RESPONSE in text else text[start:]


def count_unfinished(responses: Iterable[str]) -> int:
    """Return the number of responses whose thinking never ends."""
    return sum(without_thinking(response) is None for response in responses)


def _last_end(pattern: re.Pattern[str], text: str) -> int:
    """Return the index after the last match, 0 without one."""
    end = 0
    for match in pattern.finditer(text):
        end = match.end()
    return end
