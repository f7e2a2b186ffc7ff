"""How many published chat templates ask as they should, and whose answers are read as they should.

    python -m tests.benchmarks.templates [FOLDER]

The folder holds a FAMILY.jinja for each family, and MANIFEST.json with the control tokens of each. Its tokenizers are
small ones that have these tokens. The naive way is `tokenizer.apply_chat_template`, the ends that the tokenizer and
generation_config.json name, and decoding without special tokens. The last line is one JSON object: check -> `ours` and
`naive` (templates that pass), `of` (templates with such a check) and `ratio`, ours to naive (null if naive is 0).
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from stages.answers.response.thinking import without_thinking
from stages.chat.template import ChatTemplate, Message, chat_messages, end_of_turn
from stages.chat.thinking import Thinking
from storage.errors import InputError
from tests.chat_templates import FOLDER, manifest, tokenizer_of

SYSTEM, QUESTION = "Be brief.", "What is 2+2?"
DAY = date(2026, 1, 31)
CHAT, ALONE = chat_messages(SYSTEM, QUESTION), chat_messages("", QUESTION)
_THINKING = (
    ("<|channel|>", "<|channel|>analysis<|message|>Need 2.", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("<|channel>", "<|channel>thought\nNeed 2.", "<channel|>"),
    ("<|open|>", "<|open|>think<|sep|>Need 2.", "<|close|>think<|sep|><|open|>response<|sep|>"),
    ("<|inner_prefix|>", "<|inner_prefix|>Need 2.", "<|inner_suffix|>"),
    ("<|START_THINKING|>", "<|START_THINKING|>Need 2.", "<|END_THINKING|><|START_RESPONSE|>"),
    ("<seed:think>", "<seed:think>Need 2.", "</seed:think>"),
    ("[THINK]", "[THINK]Need 2.", "[/THINK]"),
    ("◁think▷", "◁think▷Need 2.", "◁/think▷"),
    ("<think>", "<think>\nNeed 2.", "\n</think>\n\n"),
)
"""A control token of a family that thinks; how its responses begin to think; how they end that."""


@contextmanager
def on_day(day: date) -> Iterator[None]:
    """Set the clock that transformers gives to a template."""
    with patch("transformers.utils.chat_template_utils.datetime") as clock:
        clock.now.return_value = datetime.combine(day, time())
        yield


class Ours:
    """Asks and reads by `stages.chat`."""

    def __init__(self, family: str, folder: Path) -> None:
        self.tokenizer = tokenizer_of(family, folder)
        self.thinking = Thinking(self.tokenizer)
        self.template = ChatTemplate(self.tokenizer, family, day=DAY)

    def encode(self, messages: list[Message]) -> list[int]:
        return self.template.encode(messages)

    def text(self, ids: list[int], prompt: list[int]) -> str:
        return self.thinking.text(ids, prompt)

    def ends(self, tokens: dict[str, Any]) -> set[str]:
        end = end_of_turn(self.template)
        return set() if end is None else {self.tokenizer.convert_ids_to_tokens(end)}


class Naive:
    """Asks and reads by the functions of the tokenizer."""

    def __init__(self, family: str, folder: Path) -> None:
        self.tokenizer = tokenizer_of(family, folder)

    def encode(self, messages: list[Message]) -> list[int]:
        return list(self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False))

    def text(self, ids: list[int], prompt: list[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))

    def ends(self, tokens: dict[str, Any]) -> set[str]:
        return {tokens["eos"], *tokens["gen"]}


Way = Ours | Naive
Check = Callable[[Way, dict[str, Any]], bool | None]
"""Returns whether a way passes, None if a family has nothing to check."""


def asks_question_once(way: Way, tokens: dict[str, Any]) -> bool:
    return str(way.tokenizer.decode(way.encode(ALONE))).count(QUESTION) == 1


def asks_system_once(way: Way, tokens: dict[str, Any]) -> bool:
    text = str(way.tokenizer.decode(way.encode(CHAT)))
    return text.count(SYSTEM) == text.count(QUESTION) == 1


def begins_once(way: Way, tokens: dict[str, Any]) -> bool | None:
    if not tokens["bos"]:
        return None
    ids, beginning = way.encode(ALONE), way.tokenizer.convert_tokens_to_ids(tokens["bos"])
    return ids[0] == beginning != ids[1]


def keeps_text(way: Way, tokens: dict[str, Any]) -> bool:
    added = way.tokenizer.added_tokens_decoder
    control = {index: str(token) for index, token in added.items() if len(str(token)) > 1}
    hostile = QUESTION + "".join(control.values())
    ids, harmless = way.encode(chat_messages("", hostile)), way.encode(ALONE)
    return Counter(filter(control.__contains__, ids)) == Counter(filter(control.__contains__, harmless))


def knows_end(way: Way, tokens: dict[str, Any]) -> bool:
    return tokens["end"] in way.ends(tokens)


def is_same_tomorrow(way: Way, tokens: dict[str, Any]) -> bool:
    prompts = []
    for days in (0, 1):
        with on_day(DAY + timedelta(days)):
            prompts.append(way.encode(ALONE))
    return prompts[0] == prompts[1]


def knows_thinking(way: Way, tokens: dict[str, Any]) -> bool | None:
    """Whether thinking that is cut off leaves no answer, and finished thinking leaves the answer alone."""
    names = {*tokens["special"], *tokens["plain"]}
    marks = next((marks for marks in _THINKING if marks[0] in names), None)
    if marks is None:
        return None
    _, thinking, closing = marks
    prompt = way.encode(ALONE)
    opening = thinking.removesuffix("Need 2.")
    opened = str(way.tokenizer.decode(prompt)).rstrip().endswith(opening.rstrip())
    start = thinking.removeprefix(opening) if opened else thinking

    def read(response: str) -> str | None:
        return without_thinking(way.text(way.tokenizer.encode(response, add_special_tokens=False), prompt))

    return read(start) is None and (read(f"{start}{closing}Four.") or "").strip() == "Four."


def has_ids_of_text(way: Way, tokens: dict[str, Any]) -> bool:
    """Whether harmless text has the token ids of the template's text, but that this begins once."""
    lists = {"tools": []} if isinstance(way, Ours) and way.template.traits.lists else {}
    with on_day(DAY):
        ids = way.encode(ALONE)
        rendered = way.tokenizer.apply_chat_template(ALONE, add_generation_prompt=True, return_dict=False, **lists)
    expected, bos = list(rendered), tokens["bos"] and way.tokenizer.convert_tokens_to_ids(tokens["bos"])
    if isinstance(way, Ours) and bos is not None and expected[0] != bos:
        expected = [bos, *expected]
    return ids == expected


CHECKS: dict[str, Check] = {
    "question once": asks_question_once,
    "system text once": asks_system_once,
    "begins once": begins_once,
    "no control token out of text": keeps_text,
    "end of a turn": knows_end,
    "same prompt on another day": is_same_tomorrow,
    "thinking known, cut or not": knows_thinking,
    "token ids of harmless text": has_ids_of_text,
}


def passes(check: Check, way: type[Way], family: str, folder: Path) -> bool | None:
    """Whether a family passes a check. A template that is refused in one line passes that of the system text alone."""
    try:
        return check(way(family, folder), manifest(folder)[family])
    except InputError as error:
        return check is asks_system_once and "\n" not in str(error)
    except Exception:  # a template raises what it likes
        return False


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    families = manifest(folder)
    if not families:
        sys.exit(f"{folder / 'MANIFEST.json'} does not exist: give the folder of the published chat templates")
    print(f"{len(families)} chat templates of {folder}\n\n{'':30}  {'ours':>8}  {'naive':>8}  not ours")
    results = {}
    for name, check in CHECKS.items():
        passed = {way: {family: passes(check, way, family, folder) for family in families} for way in (Ours, Naive)}
        of = sum(outcome is not None for outcome in passed[Ours].values())
        ours, naive = (sum(outcome is True for outcome in passed[way].values()) for way in (Ours, Naive))
        failing = ", ".join(family for family, outcome in passed[Ours].items() if outcome is False)
        print(f"{name:30}  {ours:>3} / {of:<3} {naive:>3} / {of:<3}  {failing}", flush=True)
        results[name] = {"ours": ours, "naive": naive, "of": of, "ratio": round(ours / naive, 2) if naive else None}
    print(json.dumps(results))


if __name__ == "__main__":
    main()
