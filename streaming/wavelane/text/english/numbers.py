"""Numbers in words: cardinals, ordinals, decimals, years and rows of digits.

Every reader takes a cursor and an index, and returns None or what it read with the index behind it.
"""

from decimal import Decimal
from typing import NamedTuple

from wavelane.text.cursor import Cursor

_ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_ORDINAL_ONES = ["zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"]
_ORDINAL_TEENS = [
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
]
_ORDINAL_TENS = ["twentieth", "thirtieth", "fortieth", "fiftieth", "sixtieth", "seventieth", "eightieth", "ninetieth"]

DIGITS = {word: value for value, word in enumerate(_ONES)}
TENS = {word: 10 * value for value, word in enumerate(_TENS, 2)}
SMALL = {word: value for value, word in enumerate(_ONES + _TEENS)} | TENS
"""Words for numbers below 100, "twenty-five" included."""
ORDINALS = (
    {word: value for value, word in enumerate(_ORDINAL_ONES + _ORDINAL_TEENS)}
    | {word: 10 * value for value, word in enumerate(_ORDINAL_TENS, 2)}
    | {"hundredth": 100, "thousandth": 1_000, "millionth": 10**6, "billionth": 10**9}
)
for _tens, _value in list(TENS.items()):
    SMALL |= {f"{_tens}-{one}": _value + DIGITS[one] for one in _ONES[1:]}
    ORDINALS |= {f"{_tens}-{one}": _value + value for value, one in enumerate(_ORDINAL_ONES) if value}
SCALES = {"thousand": 10**3, "lakh": 10**5, "million": 10**6, "crore": 10**7} | {
    name: 10 ** (9 + 3 * index)
    for index, name in enumerate(["billion", "trillion", "quadrillion", "quintillion", "sextillion", "septillion"])
}
ROUND_SCALES = ("million", "billion", "trillion", "quadrillion", "quintillion")
"""Scales that stay words: 5 million, 2.5 billion."""
REPEATS = {"double": 2, "triple": 3}
OH = ("oh", "o")

GROUP_FROM = 10_000
"""Numbers from here on have commas; below, they are too often years."""


class Number(NamedTuple):
    """A number that was read."""

    value: Decimal
    text: str
    """Digits, with commas, sign and decimals, and a scale that stays a word."""
    end: int
    """Index behind it."""
    scale: str = ""
    """The scale that stays a word."""


def grouped(value: int) -> str:
    """Digits, with commas from 10,000 on."""
    return f"{value:,}" if abs(value) >= GROUP_FROM else str(value)


def suffixed(value: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th, 21st."""
    ending = "th" if value % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return f"{grouped(value)}{ending}"


def below_hundred(words: Cursor, at: int) -> tuple[int, int] | None:
    """One to ninety nine (and zero), as (value, index behind)."""
    word = words.at(at)
    value = SMALL.get(word)
    if value is None:
        return None
    if word in TENS and (one := DIGITS.get(words.at(at + 1))):
        return value + one, at + 2
    return value, at + 1


def _hundreds(words: Cursor, at: int) -> tuple[int, int] | None:
    """Below 10,000 by hundreds: "two hundred and five", "eleven hundred twenty", "a hundred"."""
    if words.at(at) == "a":
        if words.at(at + 1) != "hundred":
            return (1, at + 1) if words.at(at + 1) == "thousand" else None
        value, end = 1, at + 1
    else:
        small = below_hundred(words, at)
        if small is None:
            return None
        value, end = small
    if words.at(end) != "hundred" or value == 0:
        return value, end
    value, end = value * 100, end + 1
    joined = _joined(words, end)
    rest = below_hundred(words, end + joined)
    if rest is not None and rest[0] and words.at(rest[1]) != "hundred":
        value, end = value + rest[0], rest[1]
    return value, end


def _joined(words: Cursor, at: int) -> bool:
    """Whether "and" goes on with a number; in "between two hundred and three hundred" it does not."""
    return words.at(at) == "and" and words.before() != "between"


def cardinal(words: Cursor, at: int) -> tuple[int, int] | None:
    """A whole number in words, as (value, index behind)."""
    total, end, last = 0, at, None
    while last is None or last > 1:
        joined = last is not None and _joined(words, end)
        group = _hundreds(words, end + joined)
        if group is None or (last is not None and group[0] == 0):
            break
        value, behind = group
        scale = SCALES.get(words.at(behind), 1) if value else 1
        if last is not None and (scale >= last or value * scale >= last):
            break
        if scale > 1:
            behind += 1
            while (more := SCALES.get(words.at(behind), 1)) > scale and last is None:
                scale, behind = scale * more, behind + 1
        total, end, last = total + value * scale, behind, scale
    return None if last is None else (total, end)


def ordinal(words: Cursor, at: int) -> tuple[int, int] | None:
    """An ordinal in words, as (value, index behind): "third", "twenty first", "one hundred and eleventh"."""
    value = ORDINALS.get(words.at(at))
    if value is not None:
        return value, at + 1
    if words.at(at) in TENS and (one := ORDINALS.get(words.at(at + 1))) is not None and 0 < one < 10:
        return TENS[words.at(at)] + one, at + 2
    before = cardinal(words, at)
    if before is None:
        return None
    whole, end = before
    if (tens := TENS.get(words.at(end - 1))) is not None and whole > tens:
        one = ORDINALS.get(words.at(end))
        if one is not None and 0 < one < 10:
            return whole + one, end + 1
    joined = words.at(end) == "and"
    rest = ORDINALS.get(words.at(end + joined))
    if rest is None and (tens := TENS.get(words.at(end + joined))) is not None:
        one = ORDINALS.get(words.at(end + joined + 1))
        if one is not None and 0 < one < 10 and whole % 100 == 0 and whole:
            return whole + tens + one, end + joined + 2
    if rest is None or whole == 0:
        return None
    if rest >= 100 and not joined:
        return whole * rest, end + 1
    if rest < 100 and whole % 100 == 0:
        return whole + rest, end + joined + 1
    return None


def digit(words: Cursor, at: int) -> str:
    """The digit that a word stands for, "oh" included; empty: none."""
    word = words.at(at)
    if word in OH:
        return "0"
    value = DIGITS.get(word)
    return "" if value is None else str(value)


def decimals(words: Cursor, at: int) -> tuple[str, int]:
    """Digits behind a point, as (digits, index behind); empty where there are none."""
    text, end = "", at
    while one := digit(words, end):
        text, end = text + one, end + 1
    if not text and (pair := below_hundred(words, at)) is not None:
        text, end = str(pair[0]), pair[1]
    if len(text) > 1 and words.at(end) in ("hundred", *SCALES) and words.at(end) not in (*ROUND_SCALES, "thousand"):
        return text[:-1], end - 1
    return text, end


def number(words: Cursor, at: int) -> Number | None:
    """A number with sign, decimals and scale: "minus five", "two point five billion", "three and a half million"."""
    sign = ""
    begin = at
    if words.at(at) in ("minus", "negative"):
        sign, begin = "-", at + 1
    if words.at(begin) == "point":
        whole, end = 0, begin
    else:
        read = cardinal(words, begin)
        if read is None:
            return None
        whole, end = read
    text, value, scale = grouped(whole), Decimal(whole), ""
    if words.at(end) == "point":
        digits, behind = decimals(words, end + 1)
        if not digits and end == begin:
            return None
        if digits:
            text, value, end = f"{text}.{digits}", Decimal(f"{whole}.{digits}"), behind
    elif words.at(end) == "and" and words.at(end + 1) == "a" and words.at(end + 2) == "half":
        if words.at(end + 3) in ROUND_SCALES:
            text, value, end = f"{text}.5", whole + Decimal("0.5"), end + 3
    elif whole and words.at(end - 1) in ROUND_SCALES:
        factor = SCALES[words.at(end - 1)]
        if whole % factor == 0 and whole // factor < 1_000:
            return Number(
                -value if sign else value, f"{sign}{whole // factor} {words.at(end - 1)}", end, words.at(end - 1)
            )
    if words.at(end) in ROUND_SCALES or (words.at(end) == "thousand" and "." in text):
        scale = words.at(end)
        return Number(value * SCALES[scale] * (-1 if sign else 1), f"{sign}{text} {scale}", end + 1, scale)
    return Number(-value if sign else value, sign + text, end)


def year(words: Cursor, at: int) -> tuple[int, int] | None:
    """A year from 1000 to 2199, as (year, index behind): "nineteen ninety four", "two thousand and nine"."""
    century = SMALL.get(words.at(at))
    if century is not None and 10 <= century <= 20:
        if words.at(at + 1) in OH and (one := DIGITS.get(words.at(at + 2))):
            return century * 100 + one, at + 3
        rest = below_hundred(words, at + 1)
        if rest is not None and rest[0] >= 10:
            return century * 100 + rest[0], rest[1]
        if words.at(at + 1) == "hundred" and below_hundred(words, at + 2) is None:
            return century * 100, at + 2
    if century == 20 and words.at(at + 1) == "one":
        rest = below_hundred(words, at + 2)
        if rest is not None and rest[0] >= 10:
            return 2100 + rest[0], rest[1]
    whole = cardinal(words, at)
    if whole is not None and 1000 <= whole[0] < 2200 and words.at(at + 1) in ("thousand", "hundred"):
        return whole
    return None
