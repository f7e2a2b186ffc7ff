"""Evaluation sets by name: where each comes from, and how its rows are read, asked and graded.

Records are data. A config describes other sets in the same terms, under `evaluate.benchmarks`. If public copies of a
set differ in their fields, its record reads the named copy on the Hugging Face hub and also the copies that the authors
of SeRL and of Qwen2.5-Math release.
"""

from stages.question_files.shapes import SHAPES
from stages.settings.answers import AnswerSettings
from stages.settings.benchmarks import Record, Shots
from stages.settings.questions import Fields, QuestionFormat
from stages.settings.sample import AnswerPrompt

CHOICE = AnswerSettings(kind="choice")
_FILES = "https://raw.githubusercontent.com/QwenLM/Qwen2.5-Math/main/evaluation/data"
"""Qwen2.5-Math's copies, for sets that the hub lacks or has only as a script, which the package datasets refuses."""


CATALOGUE: dict[str, Record] = {
    "math_500": Record(title="MATH-500", source="HuggingFaceH4/MATH-500", problems=500),
    "math_hard": Record(
        title="MATH-Hard",
        source="lighteval/MATH-Hard",
        problems=1_324,
        # The hub's copy has the answer only in the solution's box; the authors' copy has the solution under "answer".
        format=QuestionFormat(fields=Fields(answer=("answer", "solution"), subject=("subject", "type"))),
    ),
    "asdiv": Record(
        title="ASDiv",
        source=f"{_FILES}/asdiv/test.jsonl",
        problems=2_215,  # without the 90 that have several answers
        format=QuestionFormat(
            fields=Fields(context=("body",), subject=("solution_type",)),
            answer_pattern=r"^(.+?) \([^()]*\)$",  # "9 (apples)"
        ),
    ),
    "college_math": Record(
        title="College Math",
        source="di-zhang-fdu/College_Math_Test",
        problems=2_818,
        format=QuestionFormat(fields=Fields(subject=("data_topic",))),
    ),
    "tabmwp": Record(
        title="TabMWP",
        source=f"{_FILES}/tabmwp/test.jsonl",
        problems=1_000,
        format=SHAPES["tabmwp"].format,
    ),
    "gsm8k": Record(
        title="GSM8K",
        source="openai/gsm8k:main",
        problems=1_319,
        format=SHAPES["gsm8k"].format,
    ),
    "aime24": Record(
        title="AIME 2024",
        source="HuggingFaceH4/aime_2024",
        split="train",
        problems=30,
        format=QuestionFormat(fields=Fields(question=("problem", "Problem"), answer=("answer", "Answer"))),
    ),
    "amc23": Record(title="AMC 2023", source="math-ai/amc23", problems=40),
    "minerva_math": Record(
        title="Minerva Math",
        source="math-ai/minervamath",
        problems=272,
        format=QuestionFormat(fields=Fields(answer=("answer", "solution"), subject=("type",))),
    ),
    "olympiadbench": Record(
        title="OlympiadBench (mathematics, English, text only)",
        source="Hothan/OlympiadBench:OE_TO_maths_en_COMP",
        split="train",
        problems=674,
        format=QuestionFormat(
            fields=Fields(context=("context",), answer=("answer", "final_answer"), subject=("subfield",))
        ),
    ),
    "aqua": Record(
        title="AQuA",
        source="deepmind/aqua_rat:raw",
        problems=254,
        answers=CHOICE,
        format=QuestionFormat(fields=Fields(options=("options",), answer=("answer", "correct"))),
    ),
    "svamp": Record(
        title="SVAMP",
        source="ChilleD/SVAMP",
        problems=300,
        format=QuestionFormat(
            fields=Fields(
                question=("question_concat", "question", "Question"),
                context=("Body",),
                answer=("answer", "Answer"),
                subject=("Type",),
            )
        ),
    ),
    "mawps": Record(
        title="MAWPS",
        source="MU-NLPC/Calc-mawps",
        problems=520,
        format=QuestionFormat(
            fields=Fields(question=("question", "input"), answer=("answer", "result", "target"), subject=("type",))
        ),
    ),
    "carp_en": Record(
        title="CARP (English)",
        source=f"{_FILES}/carp_en/test.jsonl",
        problems=976,
        format=QuestionFormat(fields=Fields(question=("content", "question", "problem"))),
    ),
    "gaokao2023en": Record(
        title="Gaokao 2023 (English)",
        source="MARIO-Math-Reasoning/Gaokao2023-Math-En",
        split="train",
        problems=385,
    ),
    "sat_math": Record(
        title="SAT Math",
        source="hails/agieval-sat-math",
        problems=220,
        answers=CHOICE,
        format=QuestionFormat(
            # The hub's question is a whole prompt, which ends in "A: Among A through D, the answer is".
            question_pattern=r"(?s)^Q: (.+?) Answer Choices: \(A\)",
            fields=Fields(
                question=("question", "query"), options=("options", "choices"), answer=("answer", "Answer", "gold")
            ),
            answer_base=0,
        ),
    ),
    "mmlu_stem": Record(
        title="MMLU-STEM",
        source="TIGER-Lab/MMLU-STEM",
        problems=3_153,
        answers=CHOICE,
        format=QuestionFormat(fields=Fields(options=("choices",), subject=("subject", "type")), answer_base=0),
    ),
    "mmlu_pro": Record(
        title="MMLU-Pro, 5 worked examples",
        source="TIGER-Lab/MMLU-Pro",
        problems=12_032,
        answers=CHOICE,
        prompt=AnswerPrompt(template="Question:\n{question}\nAnswer: Let's think step by step."),
        shots=Shots(
            count=5,
            header="You are an expert in {subject}. Below is a series of example questions (with answers) about "
            "{subject} for demonstration. You will be given a question at the end, after the examples, for you to "
            "answer. First give step-by-step reasoning about how to solve the question. Then output the answer.",
        ),
        shots_split="validation",
        format=SHAPES["mmlu_pro"].format.model_copy(
            update={
                "groups": {
                    "STEM": ("biology", "chemistry", "computer science", "engineering", "math", "physics"),
                    "humanities": ("history", "law", "philosophy"),
                    "social sciences": ("business", "economics", "health", "psychology"),
                }
            }
        ),
    ),
}
