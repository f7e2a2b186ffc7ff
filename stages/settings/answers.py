"""Settings of what counts as an answer. `stages.answers.kinds` turns them into an `AnswerKind`."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from stages.settings.base import Settings

BUILT_IN = ("math", "choice", "text")
"""Kinds of answers that need no file."""

ANNOUNCING_WORDS: dict[str, tuple[str, ...]] = {
    "en": (
        "answer",
        "answers",
        "ans",
        "correct option",
        "correct choice",
        "right option",
        "best option",
        "right choice",
        "best choice",
        "final result",
    ),
    "zh": (
        "答案",
        "答",
        "回答",
        "正确选项",
        "正確選項",
        "故选…",
        "故選…",
        "应选…",
        "應選…",
        "本题选…",
        "所以选…",
        "因此选…",
        "最终结果",
    ),
    "ja": ("答え", "答", "回答", "正解"),
    "es": ("respuesta", "respuestas", "rpta", "opción correcta", "resultado final"),
    "fr": ("réponse", "réponses", "reponse", "option correcte", "résultat final"),
    "de": ("antwort", "antworten", "endergebnis"),
    "pt": ("resposta", "respostas", "gabarito", "alternativa correta", "opção correta", "resultado final"),
    "it": ("risposta", "risposte", "opzione corretta", "risultato finale"),
    "ru": ("ответ", "ответы"),
    "ko": ("정답", "답변", "답안", "해답", "답"),
    "hi": ("उत्तर", "जवाब", "सही विकल्प"),
    "ar": ("الإجابة", "الاجابة", "إجابة", "الجواب", "جواب"),
    "nl": ("antwoord", "antwoorden"),
    "pl": ("odpowiedź", "odpowiedzi"),
    "sv": ("svar", "svaret"),
    "tr": ("cevap", "yanıt", "yanit"),
    "id": ("jawaban", "jawabannya"),
    "vi": ("đáp án", "đáp số", "câu trả lời"),
    "uk": ("відповідь",),
    "fa": ("پاسخ",),
    "he": ("תשובה", "התשובה"),
    "th": ("คำตอบ",),
    "bn": ("উত্তর",),
    "te": ("సమాధానం",),
    "sw": ("jibu",),
}
"""Words that announce an answer, by the language that they belong to."""

ANNOUNCEMENTS: tuple[str, ...] = tuple(dict.fromkeys(word for words in ANNOUNCING_WORDS.values() for word in words))
"""The default of `AnswerSettings.announcements`."""

Announcements = Annotated[
    tuple[Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"\w", max_length=60)], ...],
    # Left out of dumps while it is the default: the keys of runs from before this setting stay the same.
    Field(max_length=500, exclude_if=lambda words: words == ANNOUNCEMENTS),
]
"""Words that announce an answer."""

OffByDefault = Annotated[bool, Field(exclude_if=lambda value: not value)]
"""A flag that is left out of dumps while it is off, for the same reason."""


class AnswerSettings(Settings):
    """What counts as an answer to this run's questions."""

    kind: str = "math"
    """math, choice (a letter among the options of the question), text (normalised exact match), or file.py:NAME, an
    AnswerKind that you wrote."""
    boxed_only: bool = False
    """Only \\boxed{} counts as an answer; otherwise the text after "answer is", or the last line, may count too."""
    announcements: Announcements = ANNOUNCEMENTS
    """Words that announce an answer if "is" (in the word's language), a colon or an equals sign follows them. A word
    that ends in "…" needs nothing behind it. A new list replaces the default."""
    count_truncated: OffByDefault = False
    """Read a response that was cut off at max_tokens like any other. Otherwise it has an answer only if a box or an
    announced answer was closed before the cut."""
    several: OffByDefault = False
    """Kind choice only: an answer may be a set of letters, such as A and C, equal in any order."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        path, _, name = self.kind.rpartition(":")
        if self.kind not in BUILT_IN and not (path.endswith(".py") and name.isidentifier()):
            raise ValueError(
                f"unknown kind of answers {self.kind!r}; expected {', '.join(BUILT_IN)}, or file.py:NAME of your own"
            )
        if self.boxed_only and self.kind not in BUILT_IN:
            raise ValueError(f"boxed_only goes with {', '.join(BUILT_IN)}; a kind of your own finds its answers itself")
        if self.several and self.kind != "choice":
            raise ValueError(f"several goes with kind choice, whose answers are letters; found {self.kind}")
        return self


class AnswerConfig(Settings):
    """`AnswerSettings` as they enter a key: a kind in a file is identified by the file's content, not by its path."""

    kind: str = "math"
    """A built-in kind, or the instance's name in the file."""
    boxed_only: bool = False
    """As in `AnswerSettings`."""
    announcements: Announcements = ANNOUNCEMENTS
    """As in `AnswerSettings`."""
    count_truncated: OffByDefault = False
    """As in `AnswerSettings`."""
    several: OffByDefault = False
    """As in `AnswerSettings`."""
    path: str | None = Field(None, exclude=True)
    """The file; null for a built-in kind."""
    sha256: str | None = None
    """Digest of the file."""
