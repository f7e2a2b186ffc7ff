"""Encodings of text files: what a byte-order mark says, UTF-8, or what the bytes look like."""

import codecs

from charset_normalizer import from_bytes

from storage.errors import InputError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 1 << 18
"""Bytes that a guess looks at."""


def detected_encoding(content: bytes, *, guess: bool = False) -> str | None:
    """Return the encoding of a text's bytes, None if it is neither marked nor UTF-8.

    With `guess`, the likely encoding of other bytes; None if none is likely. `content` may end within a character.
    """
    for mark, name in _MARKS:
        if content.startswith(mark):
            return name
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(content)
    except UnicodeDecodeError:
        return _likely(content) if guess else None
    return "utf-8"


def _likely(content: bytes) -> str | None:
    best = from_bytes(_telling(content)).best()
    if best is None:
        return None
    # Latin-1 files are nearly always cp1252, which has quotes, dashes and the euro where Latin-1 has control codes.
    return "cp1252" if best.encoding in ("latin_1", "cp1252", "iso8859_1", "iso8859_15") else best.encoding


def _telling(content: bytes) -> bytes:
    """Return the lines of a text that are not ASCII, which alone tell the encoding."""
    lines = [line for line in content.splitlines() if not line.isascii()]
    return b"\n".join(lines)[:_SAMPLE] or content[:_SAMPLE]


def check_utf8(content: bytes, label: str, encoding: str) -> None:
    """Raise InputError, which names the likely encoding, if a file is read as UTF-8 and is not."""
    if encoding not in ("utf-8", "utf-8-sig"):
        return
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        likely = detected_encoding(content, guess=True)
        advice = f"perhaps it is {likely}: set `format: {{encoding: {likely}}}`" if likely else "state its encoding"
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{label}, line {line}: not UTF-8; {advice}") from None
