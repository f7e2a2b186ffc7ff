"""Numbers in Chinese characters, and in Korean: `三十二`, `二〇二四`, `三点五`, `2万5千`, `3천`."""

import re
from fractions import Fraction

HAN_SCALES = {
    "百": 2, "백": 2, "千": 3, "천": 3, "万": 4, "萬": 4, "만": 4, "百万": 6, "백만": 6, "亿": 8, "億": 8,
    "억": 8, "兆": 12,
    "हजार": 3, "लाख": 5, "करोड़": 7,
}  # fmt: skip
"""Word after a number -> power of ten that it stands for; with the words of Hindi."""
HAN_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "兩": 2}
HAN_POWERS = {"十": 1} | {sign: power for sign, power in HAN_SCALES.items() if len(sign) == 1 and sign != "兆"}

_DIGITS, _POWERS = "".join(HAN_DIGITS), "".join(HAN_POWERS)
HAN_NUMERAL = rf"[{_DIGITS}{_POWERS}]+(?:点[{_DIGITS}]+)?"
"""Pattern of a numeral without digits of ASCII."""
_GROUP = re.compile(rf"(\d+(?:\.\d+)?|[{_DIGITS}])?([{_POWERS}])?")
_ZERO = re.compile("[零〇]")


def han_value(numeral: str, *, is_japanese: bool = False) -> Fraction | None:
    """Return the value of a numeral; None for other characters, and for a numeral with two readings.

    千二百 is 1200 in Japanese, and no number in Chinese. 一百五 is 150 in Chinese and 105 in Japanese, so None.
    """
    whole, _, decimals = numeral.partition("点")
    if decimals:
        start, end = han_value(whole), "".join(str(HAN_DIGITS[digit]) for digit in decimals)
        return None if start is None else Fraction(f"{start}.{end}")
    if all(character in HAN_DIGITS for character in whole):
        is_number = len(whole) in (1, 4) or "〇" in whole  # 二三 may be two or three
        return Fraction("".join(str(HAN_DIGITS[digit]) for digit in whole)) if is_number else None
    if whole[0] in HAN_POWERS and whole[0] != "十" and not is_japanese:
        return None
    return _sum_of_powers(whole, is_japanese=is_japanese)


def _sum_of_powers(numeral: str, *, is_japanese: bool) -> Fraction | None:
    total = section = Fraction(0)
    index, last_power, last_myriad = 0, 4, 99
    while index < len(numeral):
        if _ZERO.match(numeral, index):
            index += 1
            continue
        match = _GROUP.match(numeral, index)
        if match is None or match.end() == index:
            return None
        digit = match[1] and Fraction(HAN_DIGITS.get(match[1], match[1]))
        power = HAN_POWERS.get(match[2] or "", 0)
        is_last_of_many = digit and power == 0 and index > 0 and numeral[index - 1] not in "十十零〇"
        if is_last_of_many and match[1] in HAN_DIGITS and not is_japanese:
            return None  # 一百五
        if power < 4:
            if power >= last_power:
                return None
            section += (1 if digit is None else digit) * 10**power
            last_power = power
        else:
            section += digit or 0
            if power >= last_myriad or section == 0:
                return None
            total, section, last_power, last_myriad = total + section * 10**power, Fraction(0), 4, power
        index = match.end()
    return total + section
