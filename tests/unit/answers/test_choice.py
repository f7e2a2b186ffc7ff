"""Multiple choice: what responses say, and the letter that an examiner would mark."""

import pytest

from stages.answers.choice import ChoiceAnswer
from stages.answers.kinds import Ambiguous
from stages.answers.options.phrases import _CHOOSING, _CORRECT

MEDICAL = (
    "A 54-year-old man with hypertension needs vitamin A. Which drug causes a dry cough?\n"
    "A. Amlodipine\nB. Lisinopril\nC. Metoprolol\nD. Hydrochlorothiazide"
)
ELEMENTS = "Which symbol stands for potassium?\nA. K\nB. C\nC. A\nD. D"
BLOOD = "Which blood group has neither antigen?\nA. A\nB. B\nC. AB\nD. O"
RHESUS = "Which group can give to all?\nA. A+\nB. A-\nC. B+\nD. O-"
BASES = "Which base pairs with adenine?\nA. G\nB. T\nC. A\nD. C"
VITAMINS = "Scurvy is a lack of which vitamin? (A) vitamin A (B) vitamin C (C) vitamin B (D) vitamin D"
BACTERIA = "Which grows on rice?\nA. S. epidermidis\nB. E. coli\nC. B. cereus\nD. C. difficile\nE. S. aureus"
NAMED = "Which are noble gases? (A) argon (B) neon (C) oxygen (D) both (A) and (B) (E) none"
AMOUNTS = "How much?\nA. $5\nB. 10%\nC. 1,200 mg\nD. -5"
SMALL = "Which variable is free? (a) c (b) a (c) b"
NONE_LISTED = "Which one?"
AMBIGUOUS = "ambiguous"


def choice(response: str, question: str = MEDICAL, **settings: bool) -> str | None:
    """Return the form that a response votes for, "ambiguous", or None if it has none."""
    kind = ChoiceAnswer(**settings)
    answer = kind.extract(response, question)
    form = answer if answer is None or isinstance(answer, Ambiguous) else kind.canonical(answer, question)
    return AMBIGUOUS if isinstance(form, Ambiguous) else form


MARKED = [
    (r"ACE inhibitors do. \boxed{B}", "B"),
    (r"So \boxed{\text{(B)}}.", "B"),
    (r"\boxed{b}", "B"),
    (r"\boxed{\textbf{B. Lisinopril}}", "B"),
    (r"\boxed{Lisinopril}", "B"),
    (r"\boxed{\textbf{(B)}\ \text{Lisinopril}}", "B"),
    (r"\boxed{\mathrm{B}}", "B"),
    (r"\boxed{{B}}", "B"),
    (r"\boxed{\{B\}}", "B"),
    (r"\boxed{(B)~Lisinopril}", "B"),
    (r"\boxed{Ｂ}", "B"),
    (r"\boxed{（B）}", "B"),
    (r"\boxed{option B}", "B"),
    (r"\boxed{\text{Option B}}", "B"),
    (r"First \boxed{A}, no: \boxed{D}", "D"),
    (r"\boxed{E}", None),  # not among the options
    (r"\boxed{7}", None),
    (r"\boxed{AB}", None),
    (r"\boxed{A, B}", None),
    (r"x = \boxed{42}. The answer is (B).", "B"),
    (r"The answer is (A)? No: \boxed{none of them}", None),
    ("The answer is (C) because it blocks beta receptors.", "C"),
    ("The answer is C because it blocks beta receptors.", "C"),
    ("The answer is A because it blocks calcium channels.", "A"),
    ("The answer is A, which blocks calcium channels.", "A"),
    ("The answer is A.", "A"),
    ("The answer is a.", "A"),
    ("The answer is a) Amlodipine", "A"),
    ("The answer is B Lisinopril", "B"),
    ("The answer is B - Lisinopril", "B"),
    ("The answer is B – Lisinopril", "B"),
    ("The answer is B (Lisinopril).", "B"),
    ("The answer is B: Lisinopril", "B"),
    ("The answer is B. The others do not cough.", "B"),
    ("The answer is B and not C.", "B"),
    ("The answer is B, not C.", "B"),
    ("The answer is B; A and C are wrong.", "B"),
    ("The answer is B (A is wrong).", "B"),
    ("The answer is **B**.", "B"),
    ("The answer is **(B) Lisinopril**.", "B"),
    ("The answer is $B$.", "B"),
    ("The answer is \\(B\\).", "B"),
    ('The answer is "B".', "B"),
    ("The answer is “B”.", "B"),
    ("The answer is 'B'.", "B"),
    ("The answer is [B].", "B"),
    ("The answer is {B}.", "B"),
    ("The answer is Ｂ.", "B"),
    ("The answer is clearly B.", "B"),
    ("The answer is therefore option (B).", "B"),
    ("The answer is the letter B.", "B"),
    ("The answer is: B", "B"),
    ("The answer is lisinopril.", "B"),
    ("The answer is the lisinopril.", "B"),
    ("**Answer:** B", "B"),
    ("**Answer**: B", "B"),
    ("**Answer: B**", "B"),
    ("answer: lisinopril.", "B"),
    ("Answer: option B", "B"),
    ("Answer: I think it is C", "C"),
    ("Answer: I believe it's C.", "C"),
    ("Answer: it must be (C)", "C"),
    ("Answer: I would choose C", "C"),
    ("Answer: the drug in option C", "C"),
    ("Answer: the one in (C), not (B)", "C"),
    ("#### D", "D"),
    ("<answer>B</answer>", "B"),
    ("<answer>(B) Lisinopril</answer>", "B"),
    ("The answer is a drug of the first line.", None),  # "a" is a word here
    ("The answer is not B.", None),
    ("The answer is A, B", None),
    ("The answer is B or C", None),
    ("The answer is B or C.", None),
    ("The answer is either (B) or (C).", None),
    ("The answer is A and B.", None),
    ("The answer is (A) and (B).", None),
    ("The answer is A/B.", None),
    ("The answer is A & B.", None),
    ("The answer is neither A nor B.", None),
    ("The answer is between B and C", None),
    ("The answer is B lymphocytes.", None),
    ("The answer is vitamin B.", None),
    ("The answer is hepatitis C.", None),
    ("The answer is D-dimer.", None),
    ("The answer is B12.", None),
    ("The answer is C-reactive protein", None),
    ("The answer is A+.", None),
    ("The answer is A patient with a cough.", None),
    ("The answer is I cannot say.", None),
    ("The answer is e.g. a beta blocker", None),
    ("The answer is B. Metoprolol", AMBIGUOUS),
    ("The answer is (B) Metoprolol", AMBIGUOUS),
    ("The answer is (B) Metoprolol, a beta blocker", AMBIGUOUS),
    ("The answer is B. Lisinopril and C. Metoprolol", None),
    ("Answer: (A) Amlodipine (B) Lisinopril (C) Metoprolol (D) Hydrochlorothiazide", None),
    ("The answer is B (or C).", None),
    ("The answer is B, possibly C.", None),
    ("The answer is B or possibly C", None),
    ("The answer is B to D", None),
    ("The answer is B rather than A.", "B"),
    ("The answer is B instead of D", "B"),
    ("Answer: (B)Lisinopril", "B"),
    ("Answer: B | Lisinopril", "B"),
    ("Answer: B = Lisinopril", "B"),
    ("The answer is AB.", None),
    ("Answer: A C", None),
    ("The answer is A = 5", None),
    ("The answer is A > B", None),
    ("The answer is A ∩ B", None),
    ("The answer is A ≥ 5", None),
    ("The answer is A → B → C", None),
    ("The answer is A×B", None),
    ("The answer is A|B", None),
    ("The answer is A·B", None),
    ("The answer would be B if x > 0, else C.", None),
    ("The answers are:\nB. Lisinopril\nC. Metoprolol", None),
    ("A resposta correta é a B.", "B"),
    ("答えはBではない。", None),
    ("정답은 B가 아닙니다.", None),
    ("सही उत्तर B नहीं है", None),
    ("不应选B。", None),
    ("错误答案：B", None),
    ("Die falsche Antwort ist B.", None),
    ("La mauvaise réponse est B.", None),
    ("Неправильный ответ: B", None),
    ("答案是B而不是C。", "B"),
    ("Answer: B | Confidence: 90%", "B"),
    ("The answer is B | C", None),
    ("Answer: 👉 B", "B"),
]


@pytest.mark.parametrize(("response", "letter"), MARKED)
def test_a_marked_choice(response: str, letter: str | None) -> None:
    assert choice(response) == letter


LAST_LINES = [
    ("It is an ACE inhibitor.\n\n(B)", "B"),
    ("It is an ACE inhibitor.\nB) Lisinopril", "B"),
    ("It is an ACE inhibitor.\nB. Lisinopril", "B"),
    ("It is an ACE inhibitor.\n**B. Lisinopril**", "B"),
    ("It is an ACE inhibitor.\nLisinopril", "B"),
    ("→ B", "B"),
    ("✅ B", "B"),
    ("B ✅", "B"),
    ("[[B]]", "B"),
    ("Selected option: B", "B"),
    ("Choice: B", "B"),
    ("A: B", AMBIGUOUS),  # option A, or an answer after "A:"
    ("It's B or C, but I'd go with B.", "B"),
    ("B", "B"),
    ("b", "B"),
    ('"B"', "B"),
    ("{B}", "B"),
    ("[B]", "B"),
    ("Ｂ", "B"),
    ("（B）", "B"),
    ("B.", "B"),
    ("**B**", "B"),
    ("Option B", "B"),
    ("I choose B.", "B"),
    ("I would pick option B.", "B"),
    ("I'll go with (B).", "B"),
    ("I'm going with B.", "B"),
    ("So I select B because it is an ACE inhibitor.", "B"),
    ("Choose B.", "B"),
    ("The correct option is B.", "B"),
    ("The correct choice is (B) Lisinopril.", "B"),
    ("The best option here is B.", "B"),
    ("Hence the right choice must be B.", "B"),
    ("Therefore, (B) is correct.", "B"),
    ("Therefore, B is correct.", "B"),
    ("Thus option B is the correct one.", "B"),
    ("B is the best choice.", "B"),
    ("So B is the most likely cause.", "B"),
    ("I think that B is right.", "B"),
    ("Therefore, B.", "B"),
    ("Thus, (B).", "B"),
    ("It must be B.", "B"),
    ("So it's B.", "B"),
    ("所以选B。", "B"),
    ("因此选择 B", "B"),
    ("正确选项是B。", "B"),
    ("A patient like this should see a doctor.", None),
    ("B vitamins do not cough.", None),
    ("So vitamin B is best.", None),
    ("I do not know.", None),
    ("I think so.", None),
    ("", None),
    ("Options A, B and C are wrong", None),
    ("Therefore, B is wrong.", None),
    ("(B) is incorrect.", None),
    ("It is not B.", None),
    ("I would not choose B.", None),
    ("A and B are correct.", None),
    ("I choose B or C.", None),
    ("I choose B, and it is C.", AMBIGUOUS),
    ("This is a B cell.", None),
    ("A. Fleming discovered it.", None),
    ("C. Bernard described the cough.", None),
    ("B. It inhibits the enzyme.", "B"),
    ("D) because of its side effects", "D"),
    ("The best treatment is C-section.", None),
    ("A. Amlodipine\nB. Lisinopril\nC. Metoprolol\nD. Hydrochlorothiazide", None),  # listed again
    ("(A) Amlodipine (B) Lisinopril (C) Metoprolol (D) Hydrochlorothiazide", None),
    ("It could be A or B, but I lean towards B.", "B"),
    ("Let's go with (B)!", "B"),
    ("The only correct statement is B.", "B"),
    ("The wrong option is B.", None),
    ("I don't think it is B.", None),
    ("Suppose it is B.", None),
    ("I doubt that it is B.", None),
    ("B\n\nExplanation: A is wrong.", "B"),
    ("B. Lisinopril\n\nReason: it raises bradykinin.", "B"),
    ("B\n\nWait, let me think again.", None),
    ("B?", None),
    ("B would be correct if x > 0.", None),
    ("B is correct, but C is better.", None),
    ("The previous answer was B.", None),
    ("The student's answer is B.", None),
    ("That leaves option B.", "B"),
]


@pytest.mark.parametrize(("response", "letter"), LAST_LINES)
def test_a_choice_in_the_last_line(response: str, letter: str | None) -> None:
    assert choice(response) == letter


@pytest.mark.parametrize(("_pattern", "example"), [*_CHOOSING, *_CORRECT])
def test_each_phrase_reads_its_example(_pattern: str, example: str) -> None:
    assert choice(f"We look at them.\n{example}") == "B"


LETTER_OR_TEXT = [
    # a letter is the letter of an option, whatever texts the others have
    (ELEMENTS, r"\boxed{C}", "C"),
    (ELEMENTS, r"\boxed{(A)}", "A"),
    (ELEMENTS, "(A)", "A"),
    (ELEMENTS, "The answer is A.", "A"),
    (ELEMENTS, r"\boxed{K}", "A"),
    (ELEMENTS, "The answer is A. K", "A"),
    (ELEMENTS, "The answer is C. A", "C"),
    (ELEMENTS, "The answer is (B) C", "B"),
    (ELEMENTS, "The answer is A. C", AMBIGUOUS),
    (ELEMENTS, "The answer is B. K", AMBIGUOUS),
    (ELEMENTS, r"\boxed{c}", AMBIGUOUS),  # option C, or the text of option B in lower case
    (ELEMENTS, r"\boxed{d}", "D"),
    (ELEMENTS.replace("\n", " / "), r"\boxed{C}", "C"),
    (BLOOD, r"\boxed{O}", "D"),
    (BLOOD, r"\boxed{AB}", "C"),
    (BLOOD, r"\boxed{B}", "B"),
    (BLOOD, r"\boxed{C}", "C"),
    (BLOOD, "The answer is D. O", "D"),
    (BLOOD, "The answer is C. O", AMBIGUOUS),
    (RHESUS, r"\boxed{A+}", "A"),
    (RHESUS, r"\boxed{A-}", "B"),
    (RHESUS, r"\boxed{A−}", "B"),
    (RHESUS, r"\boxed{B+}", "C"),
    (RHESUS, r"\boxed{A}", "A"),
    (RHESUS, "The answer is B+.", "C"),
    (RHESUS, "The answer is O-.", "D"),
    (RHESUS, "The answer is D. O-", "D"),
    (RHESUS, "The answer is A. A-", AMBIGUOUS),
    (RHESUS, r"\boxed{B-}", None),
    (BASES, r"\boxed{T}", "B"),
    (BASES, r"\boxed{A}", "A"),
    (BASES, r"\boxed{C}", "C"),
    (BASES, r"\boxed{G}", "A"),
    (BASES, "Answer: B. T", "B"),
    (BASES, "Answer: C. G", AMBIGUOUS),
    (VITAMINS, r"\boxed{vitamin C}", "B"),
    (VITAMINS, "The answer is vitamin C.", "B"),
    (VITAMINS, "The answer is (C).", "C"),
    (VITAMINS, "The answer is (B) vitamin C.", "B"),
    (VITAMINS, "The answer is (C) vitamin C.", AMBIGUOUS),
    (VITAMINS, "The answer is vitamin E.", None),
    (BACTERIA, "The answer is B. cereus", "C"),
    (BACTERIA, "The answer is E. coli.", "B"),
    (BACTERIA, "The answer is C. difficile", "D"),
    (BACTERIA, "The answer is S. epidermidis", "A"),
    (BACTERIA, "The answer is C. B. cereus", "C"),
    (BACTERIA, "The answer is E. S. aureus", "E"),
    (BACTERIA, "The answer is E.", "E"),
    (BACTERIA, "The answer is E. faecalis", None),
    (BACTERIA, "It is rice.\nE. coli is common.", None),
    (NAMED, "The answer is (D).", "D"),
    (NAMED, "The answer is both (A) and (B).", "D"),
    (NAMED, r"\boxed{\text{both (A) and (B)}}", "D"),
    (NAMED, "The answer is (D) both (A) and (B).", "D"),
    (NAMED, "The answer is (E) none.", "E"),
    (NAMED, "The answer is none.", "E"),
    (NAMED, "The answer is (A) and (B).", "D"),
    (AMOUNTS, r"\boxed{\$5}", "A"),
    (AMOUNTS, r"\boxed{10}", "B"),
    (AMOUNTS, r"\boxed{10\%}", "B"),
    (AMOUNTS, r"\boxed{1200 mg}", "C"),
    (AMOUNTS, r"\boxed{1200\text{ mg}}", "C"),
    (AMOUNTS, r"\boxed{-5}", "D"),
    (AMOUNTS, r"\boxed{5}", "A"),
    (AMOUNTS, r"\boxed{€5}", None),
    (SMALL, r"\boxed{(a)}", "A"),
    (SMALL, r"\boxed{a}", "A"),
    (SMALL, r"\boxed{C}", AMBIGUOUS),  # option (c), or the text c in upper case
    (NONE_LISTED, r"\boxed{J}", "J"),
    (NONE_LISTED, r"\boxed{K}", None),
    (NONE_LISTED, "The answer is I.", "I"),
    (NONE_LISTED, "The answer is I think so", None),
    ("Which?\nA. the same\nB. the same\nC. other", r"\boxed{the same}", None),
    ("Which?\nA. the same\nB. the same\nC. other", r"\boxed{Other}", "C"),
    ("Which?\nA. N/A\nB. 3", r"\boxed{N/A}", "A"),
    ("Which? (A) A and B (B) B and C (C) none", r"\boxed{A and B}", "A"),
    ("Which?\nA. yes\nB. no", "Answer: B. Yes, because it is.", AMBIGUOUS),
    (BLOOD, "The answer is AB.", "C"),
    (BLOOD, "The answer is C. AB", "C"),
]


@pytest.mark.parametrize(("question", "response", "letter"), LETTER_OR_TEXT)
def test_letters_and_texts_of_options(question: str, response: str, letter: str | None) -> None:
    assert choice(response, question) == letter


LANGUAGES = [
    ("答案：B", "B"),
    ("答案是B", "B"),
    ("答案是 B。", "B"),
    ("Antwort: B", "B"),
    ("Die Antwort ist B.", "B"),
    ("Réponse : B", "B"),
    ("La réponse est la B.", "B"),
    ("La respuesta es la opción B.", "B"),
    ("答えはBです。", "B"),
]


@pytest.mark.parametrize(("response", "letter"), LANGUAGES)
def test_a_choice_in_other_languages(response: str, letter: str) -> None:
    assert choice(response) == letter


SEVERAL = [
    (MEDICAL, r"\boxed{AC}", "A,C"),
    (MEDICAL, r"\boxed{CA}", "A,C"),
    (MEDICAL, r"\boxed{A, C}", "A,C"),
    (MEDICAL, r"\boxed{A,C}", "A,C"),
    (MEDICAL, r"\boxed{C and A}", "A,C"),
    (MEDICAL, r"\boxed{\{A, C\}}", "A,C"),
    (MEDICAL, r"\boxed{\text{A, C, and D}}", "A,C,D"),
    (MEDICAL, r"\boxed{ABCD}", "A,B,C,D"),
    (MEDICAL, r"\boxed{A C}", "A,C"),
    (MEDICAL, r"\boxed{A/C}", "A,C"),
    (MEDICAL, r"\boxed{A; C}", "A,C"),
    (MEDICAL, r"\boxed{A & C}", "A,C"),
    (MEDICAL, r"\boxed{(A), (C)}", "A,C"),
    (MEDICAL, r"\boxed{(A)(C)}", "A,C"),
    (MEDICAL, r"\boxed{A、C}", "A,C"),
    (MEDICAL, r"\boxed{A和C}", "A,C"),
    (MEDICAL, "The answer is A, B", "A,B"),
    (MEDICAL, "The answer is A and C.", "A,C"),
    (MEDICAL, "The answer is both (A) and (C).", "A,C"),
    (MEDICAL, "The answer is options A and C.", "A,C"),
    (MEDICAL, "The answer is A and C because both help.", "A,C"),
    (MEDICAL, "The answer is A. Amlodipine and C. Metoprolol.", "A,C"),
    (MEDICAL, "Therefore, A and C are correct.", "A,C"),
    (MEDICAL, "I choose (A) and (C).", "A,C"),
    (MEDICAL, r"\boxed{B}", "B"),
    (MEDICAL, "The answer is B.", "B"),
    (MEDICAL, "The answer is B. Lisinopril", "B"),
    (MEDICAL, r"\boxed{Lisinopril}", "B"),
    (MEDICAL, r"\boxed{B or C}", None),
    (MEDICAL, r"\boxed{AE}", None),
    (MEDICAL, r"\boxed{AA}", None),
    (MEDICAL, r"\boxed{ac}", None),  # in lower case it may be a word
    (MEDICAL, r"\boxed{BAD drug}", None),
    (SMALL, r"\boxed{ac}", "A,C"),
    (BLOOD, r"\boxed{AB}", AMBIGUOUS),  # A and B, or the text of C
    (BLOOD, r"\boxed{A, B}", "A,B"),
    ("Which? (A) ACE inhibitors (B) beta blockers (C) water (D) salt (E) tea", r"\boxed{ACE}", AMBIGUOUS),
    ("Which? (A) A and B (B) B and C (C) none", r"\boxed{A and B}", AMBIGUOUS),
    (MEDICAL, "Answer: A C", "A,C"),
    (MEDICAL, "Answer: A+C", "A,C"),
    (MEDICAL, "Answer: [A, C]", "A,C"),
    (MEDICAL, '{"answer": ["A", "C"]}', "A,C"),
    (MEDICAL, "The answer is all of A, B, C", "A,B,C"),
    (MEDICAL, "Answer: B) and C)", "B,C"),
    (MEDICAL, "Answer: B. and C.", "B,C"),
    (MEDICAL, r"\boxed{A\ \&\ C}", "A,C"),
    (MEDICAL, "Answer: A and possibly D", None),
    (MEDICAL, "Answer: B→C", None),
    (MEDICAL, "Answer: B through D", None),
    (MEDICAL, "The answers are:\nA. Amlodipine\nC. Metoprolol", "A,C"),
]


@pytest.mark.parametrize(("question", "response", "letters"), SEVERAL)
def test_several_letters_are_a_set(question: str, response: str, letters: str | None) -> None:
    assert choice(response, question, several=True) == letters


@pytest.mark.parametrize("reference", ["A, C", "AC", "C, A", r"\boxed{A,C}", "A and C", "(A), (C)"])
def test_reference_answers_of_a_set(reference: str) -> None:
    kind = ChoiceAnswer(several=True)
    assert kind.gold(reference, MEDICAL) == "A,C"
    assert kind.canonical(kind.gold(reference, MEDICAL), MEDICAL) == "A,C"


@pytest.mark.parametrize("reference", ["B", "(B)", r"\boxed{B}", "B. Lisinopril", "Lisinopril", "['B']"])
def test_reference_answers_of_a_choice(reference: str) -> None:
    assert ChoiceAnswer().gold(reference, MEDICAL) == "B"


def test_boxed_only_reads_no_other_letter() -> None:
    assert choice("The answer is (C).", boxed_only=True) is None
    assert choice("<answer>C</answer>", boxed_only=True) is None
    assert choice(r"\boxed{C}", boxed_only=True) == "C"


def test_an_option_longer_than_answers_may_be_is_read() -> None:
    long = "The contract is void because " + "the buyer knew of the defect and " * 12 + "paid"
    question = f"Which is right?\nA. It is valid\nB. {long}"
    for response in (f"The answer is B. {long}", f"The answer is {long}", f"So:\n(B) {long}", rf"\boxed{{{long}}}"):
        answer = ChoiceAnswer().extract(response, question)
        assert answer is not None and len(answer) <= 300
        assert ChoiceAnswer().canonical(answer, question) == "B"
