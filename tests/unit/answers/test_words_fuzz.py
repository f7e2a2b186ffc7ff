"""Generated answers in words and letters: none may equal another answer, and few may be lost."""

import random
import string

import pytest

from stages.answers.choice import ChoiceAnswer
from stages.answers.kinds import Ambiguous
from stages.answers.wording.form import normalised_text

PAIRS = [500, pytest.param(5_000, marks=pytest.mark.slow)]
WORDS = (
    "habeas corpus", "Rome", "O'Brien", "E. coli", "U.S. Congress", "J. S. Bach", "St. Paul", "बेटा", "बेटी", "北京",
    "東京", "Ελλάδα", "Москва", "vitamin C", "factor VIII", "Henry V", "C", "C++", "F#", "A*", "Yes", "No", "naïve",
    "Ångström", "x-ray", "rock 'n' roll",
)  # fmt: skip
SIGNS = ("", "-", "<", ">", "≤", "≥", "±", "$", "€", "£", "¥")
UNITS = ("", "%", "‰", "°", " mg", " kg", " g", " mL", " m", " km", " V", " mV", " MV", "€", "!")
IONS = ("Na", "K", "Ca2", "Fe2", "Fe3", "Cl", "Rh", "A", "B", "AB", "O")
TEMPLATES = (
    "{}", " {} ", "{}.", "**{}**", "*{}*", '"{}"', "“{}”", "\\text{{{}}}", "$\\text{{{}}}$", "`{}`", "({})", "- {}",
    "{},", "__{}__",
)  # fmt: skip


def _answer(rng: random.Random) -> str:
    kind = rng.randrange(3)
    if kind == 0:
        return rng.choice(WORDS)
    if kind == 1:
        return rng.choice(IONS) + rng.choice("+-")
    number = f"{rng.randint(0, 120)}{rng.choice(['', '.5', '.25'])}"
    return rng.choice(SIGNS) + number + rng.choice(UNITS)


def _spelling(answer: str, rng: random.Random) -> str:
    """Return another spelling of the same answer."""
    text = answer.replace("'", rng.choice("'’‘")).replace("-", rng.choice("-−–"))
    if rng.random() < 0.3 and not any(unit in text for unit in ("m", "M")):
        text = rng.choice([str.upper, str.lower, str.title])(text)
    if rng.random() < 0.3:
        text = text.replace(" ", "  ")
    if rng.random() < 0.3:
        text = text.replace("%", "\\%").replace("$", "\\$")
    return rng.choice(TEMPLATES).format(text)


@pytest.mark.parametrize("pairs", PAIRS)
def test_spellings_equal_their_own_answer_and_no_other(pairs: int) -> None:
    rng = random.Random(0)
    lost: list[tuple[str, str]] = []
    false: list[tuple[str, str]] = []
    for _ in range(pairs):
        left, right = _answer(rng), _answer(rng)
        spelling = _spelling(left, rng)
        if normalised_text(spelling) != normalised_text(left):
            lost.append((left, spelling))
        if left != right and normalised_text(spelling) == normalised_text(right):
            false.append((spelling, right))
    print(f"{len(lost)} of {pairs} spellings lost", lost[:20])
    assert not false
    assert len(lost) <= pairs // 50


STATED = (
    "\\boxed{{{letter}}}", "\\boxed{{({letter})}}", "\\boxed{{\\text{{{letter}}}}}", "The answer is {letter}.",
    "The answer is ({letter}).", "The answer is **{letter}**.", "Answer: {letter}", "**Answer:** {letter}",
    "Answer: {letter}. {text}", "The answer is ({letter}) {text}.", "The answer is {letter}: {text}",
    "\\boxed{{{letter}. {text}}}", "\\boxed{{\\textbf{{({letter})}} {text}}}", "Let us see.\n{letter}",
    "Let us see.\n({letter}) {text}", "I choose {letter}.", "Therefore, ({letter}) is correct.",
    "The correct option is {letter}.", "So option {letter} is the correct one.", "Therefore, {letter}.",
    "<answer>{letter}</answer>", "#### {letter}", "The answer is {text}.", "\\boxed{{{text}}}", "Answer: {text}",
    "答案：{letter}", "Answer: I think it is {letter}",
)  # fmt: skip
LISTS = (
    "\n{}. {}",
    "\n({}) {}",
    "\n{}) {}",
    " ({}) {}",
    "\n**{}.** {}",
    "\n{}、{}",
    "\n[{}] {}",
    " {}) {}",
    "\n{}: {}",
)
TEXTS = (
    *string.ascii_uppercase[:12], "A+", "A-", "B+", "O-", "AB", "vitamin A", "vitamin B", "vitamin C", "E. coli",
    "B. cereus", "S. aureus", "5", "5%", "$5", "€5", "-5", "<5", ">5", "5 mg", "none", "all of the above",
    "both (A) and (B)", "N/A", "true", "yes", "no", "I. only", "x: 3", "a beta blocker", "Lisinopril", "the heart",
    "11 and 121", "(0, 1)",
)  # fmt: skip


@pytest.mark.parametrize("pairs", PAIRS)
def test_stated_options_are_never_read_as_others(pairs: int) -> None:
    rng = random.Random(1)
    lost: list[tuple[str, str]] = []
    wrong: list[tuple[str, str, str]] = []
    kind = ChoiceAnswer()
    for _ in range(pairs):
        texts = rng.sample(TEXTS, rng.randint(3, 7))
        form = rng.choice(LISTS)
        question = "Which one?" + "".join(form.format(chr(65 + i), text) for i, text in enumerate(texts))
        chosen = rng.randrange(len(texts))
        template = rng.choice(STATED)
        if "{letter}" not in template and len(texts[chosen]) < 3:
            continue  # a letter alone is the letter of an option, and "5" is also the text of "5%"
        response = template.format(letter=chr(65 + chosen), text=texts[chosen])
        answer = kind.extract(response, question)
        letter = None if answer is None else kind.canonical(answer, question)
        if letter is None or isinstance(letter, Ambiguous):
            lost.append((question, response))
        elif letter != chr(65 + chosen):
            wrong.append((question, response, letter))
    print(f"{len(lost)} of {pairs} choices lost", *lost[:12], sep="\n")
    assert not wrong
    assert len(lost) <= pairs // 20
