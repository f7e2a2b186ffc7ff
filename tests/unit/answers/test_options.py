"""Options are read off a question: each form that exams write them in, with what a reader would list."""

import random

import pytest

from stages.answers.options.listed import options_of

LISTS: list[tuple[str, dict[str, str]]] = [
    # forms of the letters
    ("Which?\nA. argon\nB. neon\nC. xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which? (A) argon (B) neon (C) xenon", {"A": "argon", "B": "neon", "C": "xenon"}),
    ("Which?\n(a) argon\n(b) neon", {"A": "argon", "B": "neon"}),
    ("Which? (a) argon (b) neon", {"A": "argon", "B": "neon"}),
    ("Which?\na) argon\nb) neon", {"A": "argon", "B": "neon"}),
    ("Which?\na. argon\nb. neon", {"A": "argon", "B": "neon"}),
    ("Which? a) argon b) neon", {"A": "argon", "B": "neon"}),
    ("Which?\n**A.** argon\n**B.** neon", {"A": "argon", "B": "neon"}),
    ("Which?\n**A**. argon\n**B**. neon", {"A": "argon", "B": "neon"}),
    ("Which?\n**A)** argon\n**B)** neon", {"A": "argon", "B": "neon"}),
    ("Which?\n**(A)** argon\n**(B)** neon", {"A": "argon", "B": "neon"}),
    ("Which?\n**A** argon\n**B** neon", {"A": "argon", "B": "neon"}),
    ("Which?\n- A. argon\n- B. neon", {"A": "argon", "B": "neon"}),
    ("Which?\n* **A:** argon\n* **B:** neon", {"A": "argon", "B": "neon"}),
    ("哪个？\nA、氩\nB、氖", {"A": "氩", "B": "氖"}),
    ("哪个？A、氩 B、氖 C、氙", {"A": "氩", "B": "氖", "C": "氙"}),
    ("哪个？A.氩B.氖C.氙", {"A": "氩", "B": "氖", "C": "氙"}),
    ("哪个？（A）1（B）2（C）3", {"A": "1", "B": "2", "C": "3"}),
    ("选项：A、1 B、2 C、3", {"A": "1", "B": "2", "C": "3"}),
    ("A、B、C三点共线吗？", {}),
    ("哪个？\nＡ．氩\nＢ．氖", {"A": "氩", "B": "氖"}),
    ("哪个？（A）氩（B）氖", {"A": "氩", "B": "氖"}),
    ("哪个？（Ａ）氩（Ｂ）氖", {"A": "氩", "B": "氖"}),
    ("哪个？\nA：氩\nB：氖", {"A": "氩", "B": "氖"}),
    ("どれ？\n【A】アルゴン\n【B】ネオン", {"A": "アルゴン", "B": "ネオン"}),
    ("Which?\n[A] argon\n[B] neon", {"A": "argon", "B": "neon"}),
    ("Which? [A] argon [B] neon", {"A": "argon", "B": "neon"}),
    ("Which?\nA: argon\nB: neon", {"A": "argon", "B": "neon"}),
    ("Lequel ?\nA : argon\nB : néon", {"A": "argon", "B": "néon"}),
    ("Which?\nA - argon\nB - neon", {"A": "argon", "B": "neon"}),
    ("Which?\nA\targon\nB\tneon", {"A": "argon", "B": "neon"}),
    ("Which?\nOption A: argon\nOption B: neon", {"A": "argon", "B": "neon"}),
    ("Which? Option A: argon Option B: neon", {"A": "argon", "B": "neon"}),
    ("Find $x$. $\\textbf{(A)}\\ 12 \\qquad \\textbf{(B)}\\ 14\\qquad\\textbf{(C)}\\ 16$",
     {"A": "12", "B": "14", "C": "16"}),
    ("Find it.\n\\text{(A)} 12\n\\text{(B)} 14", {"A": "12", "B": "14"}),
    ("Which? A)21 B)21.5 C)22", {"A": "21", "B": "21.5", "C": "22"}),
    ("Answer Choices: (A) argon (B) neon", {"A": "argon", "B": "neon"}),
    ("Which?\nA. argon    B. neon\nC. xenon    D. radon", {"A": "argon", "B": "neon", "C": "xenon", "D": "radon"}),
    ("Which? (A) 10, (B) 20, or (C) 30", {"A": "10", "B": "20", "C": "30"}),
    ("A. K / B. C / C. A / D. D", {"A": "k", "B": "c", "C": "a", "D": "d"}),
    # texts that look like letters
    ("Which?\nA. S. aureus\nB. S. epidermidis\nC. E. coli\nD. C. difficile",
     {"A": "s aureus", "B": "s epidermidis", "C": "e coli", "D": "c difficile"}),
    ("Which? A. S. aureus B. S. epidermidis C. K. pneumoniae D. E. coli",
     {"A": "s aureus", "B": "s epidermidis", "C": "k pneumoniae", "D": "e coli"}),
    ("Which? A. S. aureus B. S. epidermidis C. K. pneumoniae D. E. coli E. none",
     {"A": "s aureus", "B": "s epidermidis", "C": "k pneumoniae", "D": "e coli", "E": "none"}),
    ("Which?\nA. B. cereus\nB. C. difficile\nC. D. radiodurans\nD. E. coli",
     {"A": "b cereus", "B": "c difficile", "C": "d radiodurans", "D": "e coli"}),
    ("Which are right? (A) I. only (B) II. only (C) I. and II. (D) neither",
     {"A": "i only", "B": "ii only", "C": "i and ii", "D": "neither"}),
    ("Solve. (A) x: 3 (B) y: 4 (C) A: 5", {"A": "x: 3", "B": "y: 4", "C": "a: 5"}),
    ("Which? (A) (R)-2-butanol (B) (S)-2-butanol (C) (E)-2-butene",
     {"A": "(r)-2butanol", "B": "(s)-2butanol", "C": "(e)-2butene"}),
    ("Which? (A) vitamin A. (B) vitamin B. (C) vitamin C. (D) vitamin D.",
     {"A": "vitamin a", "B": "vitamin b", "C": "vitamin c", "D": "vitamin d"}),
    ("Which?\nA. The U.S. Congress\nB. The U.K. Parliament", {"A": "us congress", "B": "uk parliament"}),
    ("Which base pairs with T?\nA. A\nB. C\nC. G\nD. U", {"A": "a", "B": "c", "C": "g", "D": "u"}),
    ("Blood group? (A) A (B) B (C) AB (D) O", {"A": "a", "B": "b", "C": "ab", "D": "o"}),
    # options that name options
    ("Which? (A) p (B) q (C) r (D) both (A) and (B) (E) none",
     {"A": "p", "B": "q", "C": "r", "D": "both (a) and (b)", "E": "none"}),
    ("Which? (A) p (B) q (C) r (D) both (A) and (B)", {"A": "p", "B": "q", "C": "r", "D": "both (a) and (b)"}),
    ("Which? (A) p (B) both (A) and (C) (C) q (D) none",
     {"A": "p", "B": "both (a) and (c)", "C": "q", "D": "none"}),
    ("Which? (A) p (B) q (C) (A) and (B) (D) none", {"A": "p", "B": "q", "C": "(a) and (b)", "D": "none"}),
    ("Which? (A) p (B) q (C) r (D) all of (A) to (C)", {"A": "p", "B": "q", "C": "r", "D": "all of (a) to (c)"}),
    ("Which? (A) p (B) q (C) r (D) neither (A), (B) nor (C) (E) x",
     {"A": "p", "B": "q", "C": "r", "D": "neither (a), (b) nor (c)", "E": "x"}),
    ("Which?\nA. p\nB. q\nC. Both A. and B.\nD. none", {"A": "p", "B": "q", "C": "both a and b", "D": "none"}),
    ("Which of (A) and (B) is right?", {}),
    ("Do both (A) and (B) hold? (A) yes (B) no (C) unclear", {"A": "yes", "B": "no", "C": "unclear"}),
    # which list counts
    ("(a) p (b) q (c) r. Which are right?\nA. (a) and (b)\nB. (b) and (c)\nC. none",
     {"A": "(a) and (b)", "B": "(b) and (c)", "C": "none"}),
    ("A man needs vitamin A. Which has it?\nA. liver\nB. bread", {"A": "liver", "B": "bread"}),
    ("J. A. Smith and B. C. Jones met.\nWho won?\n(A) Smith\n(B) Jones", {"A": "smith", "B": "jones"}),
    # ends
    ("Which?\nA. argon\nB. neon\n\nThink step by step.", {"A": "argon", "B": "neon"}),
    ("Which?\nA. argon\nB. neon\nAnswer with a letter.", {"A": "argon", "B": "neon"}),
    ("Which?\nA. a gas\nthat glows\nB. a gas\nthat burns", {"A": "gas that glows", "B": "gas that burns"}),
    # as they are
    ("Which?\nA. 1\nB. N/A\nC. 3\nD. N/A", {"A": "1", "B": "n/a", "C": "3", "D": "n/a"}),
    ("P(A) = 0.3 and P(B) = 0.4. Find P(A and B).", {}),
    ("Vitamin A. is it good?", {}),
    ("where a: mass, b: length", {}),
    ("Set A: 1, 2. What is it?", {}),
    ("", {}),
]  # fmt: skip


@pytest.mark.parametrize(("question", "options"), LISTS)
def test_options_are_read_off_the_question(question: str, options: dict[str, str]) -> None:
    assert options_of(question).texts == options


def test_more_than_ten_options_are_as_they_are() -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for template in ("\n{}. text {}", " ({}) text {}", "\n{}) text {}"):
        question = "Which?" + "".join(template.format(letter, number) for number, letter in enumerate(letters))
        assert options_of(question).texts == {letter: f"text {number}" for number, letter in enumerate(letters)}


def test_the_case_of_letters_is_known() -> None:
    assert options_of("Which? (a) p (b) q").lower_case
    assert not options_of("Which? (A) p (B) q").lower_case


def test_questions_of_many_letters_are_read_quickly() -> None:
    rng = random.Random(0)
    pieces = ["(A) ", "(B) ", "A. ", "B. ", "\n", " " * 50, "and ", "**", "$", "（A）", "a) ", "text"]
    for text in [
        "(A) " * 50_000,
        "A. B. " * 30_000,
        " " * 200_000,
        "\n" * 200_000,
        "".join(rng.choices(pieces, k=50_000)),
    ]:
        options_of(text)
