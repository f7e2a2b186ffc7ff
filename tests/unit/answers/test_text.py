"""Words as answers: what is the same answer, what is not, and what is none."""

import pytest

from stages.answers.choice import ChoiceAnswer
from stages.answers.refusals import _STARTS, _WHOLES
from stages.answers.text import TextAnswer
from stages.answers.voting import AnswerToGrade, Ballot, grade, vote
from stages.answers.wording.form import normalised_text
from stages.answers.wording.sentence import announced_words
from stages.answers.wording.signs import AFTER_UNICODE, BEFORE_UNICODE
from stages.answers.wording.spellings import RULES
from tests.unit.answers.test_voting import Table


def form_of(response: str, question: str = "?", **settings: bool) -> str | None:
    """Return the form that a response votes for, None if it has none."""
    kind = TextAnswer(**settings)
    answer = kind.extract(response, question)
    return None if answer is None else kind.canonical(answer, question)


SAME = [
    ("Habeas corpus", "habeas  CORPUS."),
    ("Habeas corpus", r"\text{Habeas corpus}"),
    ("Habeas corpus", '"habeas corpus"'),
    ("Habeas corpus", r"\textbf{habeas corpus}"),
    ("Habeas corpus", "**Habeas corpus**"),
    ("Habeas corpus", "*habeas corpus*"),
    ("Habeas corpus", "_habeas corpus_"),
    ("Habeas corpus", "`habeas corpus`"),
    ("Habeas corpus", "(habeas corpus)"),
    ("Habeas corpus", "“Habeas corpus”."),
    ("Habeas corpus", "«Habeas corpus»"),
    ("Habeas corpus", "- Habeas corpus"),
    ("Habeas corpus", "Habeas corpus!"),
    ("Habeas corpus", "$\\text{Habeas corpus}$"),
    ("O'Brien", "O’Brien"),
    ("O'Brien", "O‘Brien"),
    ("O'Brien", "O`Brien"),
    ("L'Hôpital", "L’Hôpital"),
    ("rock 'n' roll", "rock ’n’ roll"),
    ("U.S.A.", "USA"),
    ("U.S.A.", "U.S.A"),
    ("U.S. Congress", "US Congress"),
    ("U.K.", "UK"),
    ("Washington, D.C.", "Washington, DC"),
    ("Ph.D.", "PhD"),
    ("10 a.m.", "10 am"),
    ("J. S. Bach", "J.S. Bach"),
    ("J. S. Bach", "JS Bach"),
    ("Mr. Smith", "Mr Smith"),
    ("St. Paul", "St Paul"),
    ("E. coli", "E coli"),
    ("X-ray", "X‑ray"),
    ("1939–1945", "1939-1945"),
    ("-5", "−5"),
    ("-5", "–5"),
    ("5%", "5 %"),
    ("5%", r"5\%"),
    ("5%", "5 percent"),
    ("5 mg", "5mg"),
    ("5 mg", r"5\text{ mg}"),
    ("5 mg", r"5\,\mathrm{mg}"),
    ("$5", r"\$5"),
    ("$5", r"$\$5$"),
    ("<5", "< 5"),
    ("<5", r"\lt 5"),
    ("<=5", "≤5"),
    (r"\le 5", "≤ 5"),
    ("±5", r"\pm 5"),
    ("37 °C", "37℃"),
    ("37 °C", r"37^\circ C"),
    ("H2O", "H₂O"),
    ("H2O", r"\mathrm{H_2O}"),
    ("Na+", "Na⁺"),
    ("Na+", r"\text{Na}^+"),
    ("Na+", r"\mathrm{Na^{+}}"),
    ("Ca2+", "Ca²⁺"),
    ("Ca2+", r"\mathrm{Ca}^{2+}"),
    ("10^2", "10²"),
    ("10^-3", "10⁻³"),
    ("3 1/2", "3½"),
    (r"\frac{1}{2}", "1/2"),
    ("Straße", "STRASSE"),
    ("ﬁling", "filing"),
    ("ὈΔΎΣΣΕΥΣ", "ὀδύσσευς"),
    ("北京。", "北京"),
    ("「北京」", "北京"),
    ("Ｐａｒｉｓ", "Paris"),
    ("बेटी।", "बेटी"),
    ("¿Madrid?", "Madrid"),
    ("باريس؟", "باريس"),
    ("Pa\u200bris", "Paris"),
    ("co\u00adoperate", "cooperate"),
    ("café", "cafe\u0301"),
    ("p < 0.05", "p<0.05"),
    ("x = 5", "x=5"),
    ("§ 242", "§242"),
    ("40° N", "40°N"),
    ("O´Brien", "O'Brien"),
]


@pytest.mark.parametrize(("left", "right"), SAME)
def test_spellings_of_one_answer(left: str, right: str) -> None:
    assert normalised_text(left) == normalised_text(right) != ""


DIFFERENT = [
    ("Rh+", "Rh-"),
    ("Rh+", "Rh"),
    ("Rh−", "Rh"),
    ("Rh⁺", "Rh⁻"),
    ("A+", "A"),
    ("A+", "A-"),
    ("A–", "A"),
    ("A*", "A"),
    ("C++", "C"),
    ("C++", "C#"),
    ("C#", "C"),
    ("F#", "F"),
    ("<5", ">5"),
    ("<5", "5"),
    ("<5", "≤5"),
    (r"\le 5", r"\ge 5"),
    ("5%", "5"),
    ("5%", "5‰"),
    (r"5\%", "5"),
    ("€5", "$5"),
    ("€5", "5"),
    ("£5", "¥5"),
    ("5€", "5$"),
    ("5°", "5"),
    ("-5", "5"),
    ("±5", "5"),
    ("~5", "5"),
    (".5", "5"),
    ("5!", "5"),
    ("n!", "n"),
    ("5'", "5"),
    ('5"', "5'"),
    ("A'", "A"),
    ("f(x)", "f"),
    ("|x|", "x"),
    ("(0, 1)", "[0, 1]"),
    (r"\{1, 2\}", "(1, 2)"),
    ("x²", "x2"),
    ("10²", "102"),
    ("3½", "31/2"),
    (r"3\frac12", "31/2"),
    (r"\frac{ab}{c}", r"\frac{a}{bc}"),
    ("x^{2}y", "x^{2y}"),
    ("Na+", "Na"),
    ("Na+", "Na-"),
    ("Ca2+", "Ca+"),
    ("Fe2+", "Fe3+"),
    ("बेटा", "बेटी"),
    ("बेटा", "बेट"),
    ("किताब", "किताबें"),
    ("நண்பன்", "நண்ப"),
    ("กา", "กำ"),
    ("ป่า", "ป้า"),
    ("שָׁם", "שֵׁם"),
    ("5 MW", "5 mW"),
    ("5 Mg", "5 mg"),
    ("+", "-"),
    ("=", "<"),
    ("=", "=="),
    ("#1", "1"),
    ("-ase", "ase"),
    ("habeas corpus", "corpus"),
    ("é", "e"),
    ("USA", "US"),
    ("~A", "A"),
    ("p<0.05", "p>0.05"),
    ("p<0.05", "p=0.05"),
    ("40°N", "40°S"),
    ("5q-", "5q"),
    ("ER+/HER2-", "ER+/HER2+"),
    ("(+)", "(-)"),
]


@pytest.mark.parametrize(("left", "right"), DIFFERENT)
def test_marks_that_carry_the_meaning(left: str, right: str) -> None:
    assert normalised_text(left) != normalised_text(right)
    assert normalised_text(left) and normalised_text(right)


@pytest.mark.parametrize(("_pattern", "_replacement", "text", "form"), [*BEFORE_UNICODE, *AFTER_UNICODE, *RULES])
def test_each_rule_does_what_its_example_says(_pattern: str, _replacement: str, text: str, form: str) -> None:
    assert normalised_text(text) == form


@pytest.mark.parametrize("text", [" .,", "?!", "", "**", '""', "()", "...", "—", "\u200b"])
def test_punctuation_alone_is_no_answer(text: str) -> None:
    assert normalised_text(text) == ""
    assert TextAnswer().canonical(text, "?") is None


@pytest.mark.parametrize("text", [left for pair in [*SAME, *DIFFERENT] for left in pair])
def test_a_form_is_its_own_form(text: str) -> None:
    form = normalised_text(text)
    assert normalised_text(form) == form


ANNOUNCED = [
    ("The answer is Rome. I hope this answer is helpful.", "rome"),
    ("The answer is Rome. I hope that this answer is helpful!", "rome"),
    ("The answer is Rome. It is the capital of Italy.", "rome"),
    ("The answer is Rome! It is the capital.", "rome"),
    ("The final answer is **Rome**.", "rome"),
    ("The answer is **Rome**, the capital of Italy.", "rome"),
    ("The answer is **Rome** (Italy).", "rome"),
    ("The answer is **Rome** because it is the capital.", "rome"),
    ("**Answer:** **Rome** is the capital.", "rome"),
    ("**Answer: Rome** is the capital.", "rome"),
    ("The answer is **New** York.", "new york"),
    ("**Answer:** Paris", "paris"),
    ("**Answer**: Paris", "paris"),
    ("**Answer: Paris**", "paris"),
    ("*Answer*: Paris", "paris"),
    ("Answer: Paris", "paris"),
    ("The answer is habeas corpus.\nThat is all.", "habeas corpus"),
    ("The answer is St. Paul.", "st paul"),
    ("The answer is St. Paul. It is in Minnesota.", "st paul"),
    ("The answer is Dr. Strange.", "dr strange"),
    ("The answer is E. coli.", "e coli"),
    ("The answer is E. coli. This bacterium is common.", "e coli"),
    ("The answer is J. S. Bach. He wrote it.", "js bach"),
    ("The answer is Washington, D.C. It is the capital.", "washington, dc"),
    ("The answer is the U.S. Congress.", "us congress"),
    ("The answer is 3.5 mg.", "3.5mg"),
    ("The answer is No. 5.", "no 5"),
    ("The answer is No. The law forbids it.", "no"),
    ("The answer is Rh+.", "rh+"),
    ("The answer is C++.", "c++"),
    ("答案是北京。因为它是首都。", "北京"),
    ("答案：北京", "北京"),
    ("Antwort: Berlin. Das ist die Hauptstadt.", "berlin"),
    (r"So \boxed{res judicata}", "res judicata"),
    (r"So \boxed{\text{res judicata}}.", "res judicata"),
    ("<answer>Rome</answer>", "rome"),
    ("#### Rome", "rome"),
    ("It is Rome.", None),  # no mark
    ("I am sorry, I cannot answer this question.", None),
    ("", None),
    ("The answer is Dr. Who. He is a doctor.", "dr who"),
    ("Answer: Insufficient funds", "insufficient funds"),
]


@pytest.mark.parametrize(("response", "form"), ANNOUNCED)
def test_an_announced_answer_is_its_words(response: str, form: str | None) -> None:
    assert form_of(response) == form


def test_only_a_box_counts_if_asked() -> None:
    assert form_of("The answer is habeas corpus.", boxed_only=True) is None
    assert form_of(r"The answer is \boxed{habeas corpus}.", boxed_only=True) == "habeas corpus"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Who Framed Roger Rabbit? I hope so.", "Who Framed Roger Rabbit?"),
        ("Rome** is the capital", "Rome"),
        ("vs. the state", "vs. the state"),
        ("3.14159", "3.14159"),
        ("", ""),
    ],
)
def test_ends_of_sentences(line: str, words: str) -> None:
    assert announced_words(line) == words


REFUSALS = [
    "I cannot answer: the question is unclear.",
    "I can't answer: the question is unclear.",
    "I am unable to answer: the text is missing.",
    r"\boxed{I cannot answer}",
    r"\boxed{\text{I don't know}}",
    r"\boxed{unknown}",
    r"\boxed{N/A}",
    "The answer is unknown.",
    "The answer is not known.",
    "The answer is: it cannot be determined.",
    "Answer: cannot be determined from the given information",
    "Answer: I'm sorry, but I can't help with that.",
    "Answer: Sorry, I can not assist with this.",
    "Answer: I do not know.",
    "Answer: I don't have enough information.",
    "Answer: Not enough information",
    "Answer: As an AI language model, I have no opinion.",
    "Answer: I'm not sure.",
    "Answer: I have no idea",
    "Answer: Unable to determine",
    "Answer: More information is needed.",
    "I don't think the answer is Paris",
    "答案：我不知道",
    "答案是未知",
    "Antwort: Ich weiß es nicht.",
    "Respuesta: No lo sé.",
    "Réponse : Je ne sais pas.",
    "Answer: It is impossible to say",
    "Answer: It's not possible to determine",
    "Answer: not sure",
    "Answer: None given",
    "Answer: I would need more information",
    "Answer: The information is insufficient",
    "Answer: I'm afraid I don't know",
    "Answer: There's no way to tell",
    "Answer: You cannot determine this",
    "Answer: the text does not say",
    "Answer: the question does not provide enough information",
    "Answer: Not enough info",
    "Answer: I do not have personal opinions",
    "Answer: I refuse",
    "Answer: [your answer here]",
    "Answer: 信息不足",
    "Antwort: Das kann ich nicht beantworten",
    "Respuesta: No tengo suficiente información",
    "Réponse : impossible de répondre",
]


@pytest.mark.parametrize("response", REFUSALS)
def test_a_refusal_votes_for_nothing(response: str) -> None:
    assert form_of(response, "What is the capital of Italy?") is None


@pytest.mark.parametrize(("_pattern", "example"), [*_STARTS, *_WHOLES])
def test_each_refusal_is_recognised(_pattern: str, example: str) -> None:
    assert TextAnswer().canonical(example, "?") is None


@pytest.mark.parametrize(
    ("response", "question", "form"),
    [
        ("The answer is unknown.", "Is it known, unknown or disputed?", "unknown"),
        ("Answer: cannot be determined", "Which? larger, smaller, cannot be determined", "cannot be determined"),
        ("Answer: can't be determined", "Which? larger, smaller, cannot be determined", "can't be determined"),
        ("Answer: Not enough information", "(A) yes (B) no (C) not enough information", "not enough information"),
        ("Answer: I do not know", 'Say "I do not know" if the text does not tell.', "i do not know"),
        ("答案：未知", "已知还是未知？", "未知"),
        # these only look like refusals
        ("The answer is Unknown Pleasures.", "Which album?", "unknown pleasures"),
        ("The answer is the unknown soldier.", "Whose tomb?", "unknown soldier"),
        ("The answer is none.", "Which planets?", "none"),
        ("The answer is no.", "Is it?", "no"),
        ("The answer is Nobody knows my name.", "Which book?", "nobody knows my name"),
        ("The answer is sodium (Na).", "Which metal?", "sodium (na)"),
    ],
)
def test_words_of_the_question_are_an_answer(response: str, question: str, form: str) -> None:
    assert form_of(response, question) == form


def test_a_refusal_is_right_if_the_label_says_so() -> None:
    rows = [
        AnswerToGrade(question="Who wrote it?", answer=answer, gold=gold)
        for answer, gold in [
            ("unknown", "Unknown."),
            ("unknown", "Homer"),
            ("Homer", "unknown"),
            ("I don't know", "Homer"),
        ]
    ]
    assert grade(rows, TextAnswer(), Table()) == ["correct", "unparsable", "wrong", "unparsable"]


def test_refusals_do_not_win_a_vote() -> None:
    answers = [TextAnswer().extract(text, "?") for text in ["Answer: I don't know"] * 5 + ["Answer: Rome"] * 2]
    result = vote([Ballot(question="?", answers=answers)], TextAnswer(), Table())[0]
    assert (result.majority, result.statuses.count("ok")) == ("Rome", 2)


def test_a_refusal_among_the_options_is_a_choice() -> None:
    kind, question = ChoiceAnswer(), "Which is larger?\nA. the first\nB. the second\nC. It cannot be determined"
    assert kind.canonical("It cannot be determined.", question) == "C"
