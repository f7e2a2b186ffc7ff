"""Encodings of text files: what a byte-order mark says, UTF-8, or what the bytes look like.

charset-normalizer takes French for Central European and Japanese for Korean. Here an encoding is likely only if nearly
all of a text's characters beyond ASCII are usual ones of its languages.
"""

import codecs
import re

from storage.errors import InputError

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SIGNS = "«»„“”‘’‚–—…°§€£²³½¼¾µ·×÷±©®™№¿¡\u00a0"
_HAN_SIGNS = "，。？！：；、（）《》“”‘’「」『』【】…—·\u3000"
_LETTERS = (
    ("cp1252", "äöüÄÖÜßéèêëÉÈÊàâáãåæÀÂÁÃÅÆçÇñÑíìîïÍÎóòôõøœÓÔÕØŒúùûýÿÚÙÛ"),
    ("cp1250", "ąćęłńóśźżĄĆĘŁŃÓŚŹŻáčďéěíňřšťúůýžÁČĎÉĚÍŇŘŠŤÚŮÝŽăâîşţĂÂÎŞŢőűŐŰäöüÄÖÜß"),
    ("cp1254", "çğıöşüÇĞİÖŞÜâîû"),
    ("cp1251", "абвгдеёжзийклмнопрстуфхцчшщъыьэюяАБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯіїєґІЇЄҐ"),
    ("koi8_r", "абвгдеёжзийклмнопрстуфхцчшщъыьэюяАБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ"),
    ("cp1253", "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩΆΈΉΊΌΎΏ"),
    ("cp1255", "אבגדהוזחטיךכלםמןנסעףפץצקרשת"),
    ("cp1256", "ابتثجحخدذرزسشصضطظعغفقكلمنهويىةءأإآؤئ؟،؛"),
)
"""Encodings of one byte -> the usual letters of their languages."""
_HAN = (("gb18030", "gb2312", range(0xB0, 0xD8)), ("big5", "big5", range(0xA4, 0xC7)))
"""Encodings of Chinese -> where a standard has the characters of everyday use, by their first byte."""
_KANA = re.compile(r"[\u3040-\u30ff]")
_HANGUL = re.compile(r"[\uac00-\ud7a3]")
_CLEAR = 0.95
"""Share of usual characters that makes an encoding likely."""
_NUL_SAMPLE = 1_000
"""Bytes in which zeros are counted."""
_SAMPLE = 20_000
"""Characters that are looked at."""


def detected_encoding(content: bytes, *, guess: bool = False) -> str | None:
    """Return the encoding of a text's bytes, None if it is neither marked nor UTF-8.

    With `guess`, the likely encoding of other bytes; None if none is likely. `content` may end within a character.
    """
    for mark, name in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return name
    sample = content[:_NUL_SAMPLE]
    for start, name in ((1, "utf-16-le"), (0, "utf-16-be")):  # most texts have every other byte zero
        if len(sample) > 1 and sample[start::2].count(0) > len(sample) * 0.4 and not sample[1 - start :: 2].count(0):
            return name
    try:
        codecs.getincrementaldecoder("utf-8")().decode(content)
    except UnicodeDecodeError:
        return _likely(content) if guess else None
    return "utf-8"


def _likely(content: bytes) -> str | None:
    """Return the encoding in which most characters beyond ASCII are usual ones, None if that is not clear."""
    scores: dict[str, float] = {}
    for name, letters in _LETTERS:
        if text := _beyond_ascii(content, name):
            known = set(letters + _SIGNS)
            scores[name] = sum(character in known for character in text) / len(text)
    if text := _beyond_ascii(content, "cp949"):  # before Chinese, as which all Korean can be read
        usual = [bool(_HANGUL.match(c)) and _first_byte(c, "euc_kr") > 0 for c in text]
        scores["cp949"] = sum(usual) / len(text)
    for name, standard, first_bytes in _HAN:
        if text := _beyond_ascii(content, name):
            scores[name] = sum(c in _HAN_SIGNS or _first_byte(c, standard) in first_bytes for c in text) / len(text)
    for name in ("cp932", "euc_jp"):
        if (text := _beyond_ascii(content, name)) and len(_KANA.findall(text)) > len(text) / 10:
            usual_han = range(0x88, 0x98)
            usual = [c in _HAN_SIGNS or bool(_KANA.match(c)) or _first_byte(c, "cp932") in usual_han for c in text]
            scores[name] = sum(usual) / len(text)
    best = max(scores, key=lambda name: scores[name], default=None)
    return best if best is not None and scores[best] >= _CLEAR else None


def _beyond_ascii(content: bytes, encoding: str) -> str:
    """Return the characters of a text beyond ASCII, "" if the bytes are no text in this encoding."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(content)
    except UnicodeDecodeError:
        return ""
    return "".join(character for character in text if not character.isascii())[:_SAMPLE]


def _first_byte(character: str, encoding: str) -> int:
    """Return the first of a character's two bytes, 0 if the encoding does not have it in two bytes."""
    try:
        encoded = character.encode(encoding)
    except UnicodeEncodeError:
        return 0
    return encoded[0] if len(encoded) == 2 else 0


def check_utf8(content: bytes, label: str, encoding: str) -> None:
    """Raise InputError, which names the likely encoding, if a file is read as UTF-8 and is not."""
    if encoding not in ("utf-8", "utf-8-sig"):
        return
    try:
        _ = content.isascii() or content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        likely = detected_encoding(content, guess=True)
        raise InputError(f"{label}, line {line}: {not_utf8(likely)}") from None


def not_utf8(likely: str | None) -> str:
    """Return what is wrong with bytes that are not UTF-8, and what to do."""
    if likely is None:
        return "not UTF-8; state the encoding, such as `format: {encoding: cp1252}`"
    return f"not UTF-8; perhaps {likely}: set `format: {{encoding: {likely}}}`"
