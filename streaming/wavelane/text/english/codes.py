"""What is read out piece by piece: telephone numbers, codes, spelled letters; and house numbers with their street."""

from typing import NamedTuple

from wavelane.text.cursor import Cursor, Piece, Span
from wavelane.text.english.numbers import (
    DIGITS,
    OH,
    ORDINALS,
    REPEATS,
    SCALES,
    SMALL,
    TENS,
    below_hundred,
    cardinal,
    decimals,
    digit,
    ordinal,
    suffixed,
)

_STREETS = {
    "street", "avenue", "road", "drive", "lane", "boulevard", "court", "place", "way", "parkway", "highway",
    "terrace", "circle", "square", "alley", "plaza",
}  # fmt: skip
_OTHER_USE = {"drive", "lane", "court", "place", "way", "circle", "square", "alley", "terrace"}
"""Those that are behind a small number for other reasons: "one way", "two taxis drive"."""
_STREET_WORDS = 3
"""Words of a street's name at most."""
_NUMBERED = {
    "room", "gate", "flight", "route", "highway", "interstate", "suite", "apartment", "apt", "floor",
    "platform", "page", "chapter", "verse", "channel", "extension", "terminal", "version", "exit", "track",
    "episode", "season", "level", "building", "unit", "box", "bus", "row", "seat", "zone", "table", "aisle",
    "formula", "windows", "area",
}  # fmt: skip
"""Words whose number is a name: written in digits however small."""
_LETTERS = set("abcdefghijklmnopqrstuvwxyz")
_DOUBLE_USE = {"a", "i", "o"}
"""Letters that are words too: a row of two does not begin with one."""


class _Part(NamedTuple):
    digits: str
    pair: bool = False
    """A number from 10 to 99, not digits one by one."""


def _digits(words: Cursor, at: int, *, pairs: bool = True) -> tuple[list[_Part], int]:
    """A row of digits, with pairs ("twenty three"), "oh", "double" and "triple", as (parts, index behind)."""
    parts: list[_Part] = []
    while True:
        word = words.at(at)
        if (times := REPEATS.get(word)) and (one := digit(words, at + 1)):
            parts.append(_Part(one * times))
            at += 2
        elif word in OH or word in DIGITS:
            parts.append(_Part(digit(words, at)))
            at += 1
        elif pairs and word in SMALL and (two := below_hundred(words, at)) is not None:
            parts.append(_Part(str(two[0]), pair=True))
            at = two[1]
        else:
            break
    if parts and not parts[-1].pair and (words.at(at) == "hundred" or words.at(at) in SCALES):
        # The last digit begins a number of its own; a doubled one is the last of two words.
        at -= 1 + (len(parts.pop().digits) > 1)
    return parts, at


def _text(parts: list[_Part]) -> str:
    return "".join(part.digits for part in parts)


def _leading(words: Cursor) -> tuple[str, int]:
    """ "Eight hundred" before a telephone number, "plus forty four" or "one", as (text, index behind)."""
    at = words.start
    if words.at(at) == "plus":
        parts, end = [], at + 1
        pair = below_hundred(words, end)
        if pair is not None and pair[0] >= 10:
            parts, end = [str(pair[0])], pair[1]
        elif words.at(end) == "one":
            parts, end = ["1"], end + 1
        elif digit(words, end) and digit(words, end + 1):
            parts, end = [digit(words, end), digit(words, end + 1)], end + 2
        return (f"+{''.join(parts)}", end) if parts else ("", at)
    country = words.at(at) == "one" and words.at(at + 2) == "hundred"
    first = DIGITS.get(words.at(at + country), 0)
    if country and first >= 8 and digit(words, at + 3):
        return f"1{first}00", at + 3
    if first >= 8 and words.at(at + 1) == "hundred" and digit(words, at + 2):
        return f"{first}00", at + 2
    return "", at


def telephone(words: Cursor) -> Span | None:
    """Seven, ten or eleven digits, with or without a country's code."""
    lead, at = _leading(words)
    parts, end = _digits(words, at)
    row = _text(parts)
    if not lead.startswith("+"):
        row, lead = lead + row, ""
    if not row or sum(part.pair for part in parts) * 2 > len(parts):
        return None
    if len(row) == 11 and row[0] == "1" and not lead:
        lead, row = row[0], row[1:]
    if len(row) == 10:
        text = f"{row[:3]}-{row[3:6]}-{row[6:]}"
    elif len(row) == 7 and row[0] != "0" and not lead:
        text = f"{row[:3]}-{row[3:]}"
    elif lead.startswith("+") and 7 <= len(row) <= 12:
        text = row
    else:
        return None
    if lead:
        text = f"{lead} {text}" if lead.startswith("+") else f"{lead}-{text}"
    return Span(end - words.start, (Piece(text, end - words.start),))


def row(words: Cursor) -> Span | None:
    """A code in digits: at least three single ones, or doubled ones; points between groups are kept (1.2.3.4)."""
    at = words.start
    parts, end = _digits(words, at)
    if parts and words.at(end) == "dot":
        groups, behind = [_text(parts)], end
        while words.at(behind) == "dot" and (more := _digits(words, behind + 1))[0]:
            groups, behind = [*groups, _text(more[0])], more[1]
        if len(groups) >= 3:
            return Span(behind - at, (Piece(".".join(groups), behind - at),))
    pairs = sum(part.pair for part in parts)
    if pairs:
        singles, behind = _digits(words, at, pairs=False)
        if len(parts) <= 3 and len(singles) in (1, 2) and parts[0].digits != "0":
            # "One twenty three", "four oh fifteen".
            return Span(end - at, (Piece(_text(parts), end - at),)) if 3 <= len(_text(parts)) <= 5 else None
        parts, end = singles, behind
    if len(parts) < 3 and not any(len(part.digits) > 1 for part in parts):
        return None
    return Span(end - at, (Piece(_text(parts), end - at),))


def pair(words: Cursor) -> Span | None:
    """Two pairs of digits that are one number: "twenty twelve", "nineteen oh five"; any two behind spelled letters."""
    at = words.start
    first = SMALL.get(words.at(at), 0)
    if not (13 <= first <= 20 or (first >= 10 and words.before() in _LETTERS - _DOUBLE_USE)):
        return None
    if words.at(at + 1) in OH and (one := DIGITS.get(words.at(at + 2))):
        return Span(3, (Piece(f"{first}0{one}", 3),))
    rest = below_hundred(words, at + 1)
    if rest is None or rest[0] < 10 or words.at(rest[1]) in ("hundred", *SCALES):
        return None
    return Span(rest[1] - at, (Piece(f"{first}{rest[0]}", rest[1] - at),))


def _number(words: Cursor, at: int) -> tuple[str, int]:
    """Digits read one by one or in pairs, or a whole number where that takes as many words; and the place behind."""
    parts, end = _digits(words, at)
    whole = cardinal(words, at)
    return (str(whole[0]), whole[1]) if whole is not None and whole[1] >= end else (_text(parts), end)


def address(words: Cursor) -> Span | None:
    """The number of a house, if a street follows: "one twenty three main street" is 123 main street."""
    at = words.start
    text, end = _number(words, at)
    if not text or text.startswith("0") or len(text) > 5:
        return None
    if words.at(end) in _LETTERS - _DOUBLE_USE - set("nsew") and words.at(end + 1) not in _LETTERS:
        text, end = text + words.at(end).upper(), end + 1
    numbered = ordinal(words, end)
    if numbered is not None:
        whole = ordinal(words, at)
        if words.at(numbered[1]) not in _STREETS or (whole is not None and whole[1] == numbered[1]):
            return None  # no street, or "forty second street"
        pieces = (Piece(text, end - at), Piece(suffixed(numbered[0]), numbered[1] - end))
        return Span(numbered[1] - at, pieces)
    for index in range(1, _STREET_WORDS + 1):
        word = words.at(end + index - 1)
        if not word or word in _NOT_STREET or word in SMALL:
            return None
        street = words.at(end + index)
        if street in _STREETS and not (len(text) == 1 and street in _OTHER_USE):
            return Span(end - at, (Piece(text, end - at),))
    return None


_NOT_STREET = {
    "the", "a", "an", "of", "and", "in", "on", "at", "to", "for", "is", "are", "was", "were", "this", "that",
    "or", "per", "people", "percent", "dollars", "miles", "feet", "years", "hours", "minutes", "days", "one",
    "way", "more", "different", "by", "from", "with", "my", "your", "our", "his", "her", "their",
}  # fmt: skip


def numbered(words: Cursor) -> Span | None:
    """The number behind "room", "gate", "chapter" and the like; letters that follow it belong to it: 5B."""
    if words.before() not in _NUMBERED:
        return None
    at = words.start
    text, end = _number(words, at)
    if not text or words.at(end) == "of":
        return None  # "room one of the house"
    if words.at(end) == "point" and (more := decimals(words, end + 1))[0]:
        text, end = f"{text}.{more[0]}", more[1]
    letter = words.at(end)
    if letter in _LETTERS - _DOUBLE_USE and words.at(end + 1) not in _LETTERS:
        text, end = text + letter.upper(), end + 1
    return Span(end - at, (Piece(text, end - at),))


_LETTERED = _NUMBERED | {
    "plan", "vitamin", "grade", "type", "class", "section", "appendix", "option", "hepatitis", "group", "team",
    "concourse",
}  # fmt: skip
"""Words whose letter is a name."""


def lettered(words: Cursor) -> Span | None:
    """The letter behind "plan", "vitamin", "gate" and the like, and a number that follows it: B12."""
    at = words.start
    if words.before() not in _LETTERED or words.at(at + 1) in _LETTERS:
        return None
    text, end = words.at(at).upper(), at + 1
    parts, behind = _digits(words, end)
    if parts and words.before() in _NUMBERED:
        text, end = text + _text(parts), behind
    return Span(end - at, (Piece(text, end - at),))


def letters(words: Cursor) -> Span | None:
    """Spelled letters, and digits among them: "u s a" is USA, "m p three" MP3, "a b nine" AB9."""
    at = words.start
    text, end, spelled = "", at, 0
    while True:
        word = words.at(end)
        if word in _LETTERS:
            text += word.upper()
            spelled += 1
        elif spelled and word in DIGITS and words.at(end + 1) not in _GOES_ON:
            text += str(DIGITS[word])
        elif word in ("and", "&") and spelled == 1 and words.at(end + 1) in _LETTERS - _DOUBLE_USE and len(text) == 1:
            if words.at(at) in _DOUBLE_USE or words.at(end + 2) in _LETTERS:
                break
            text += "&"
        else:
            break
        end += 1
    # Words that are letters too do not end a row: "plan b a friend made", "vitamin c i think".
    while text and text[-1] in "AI" and spelled >= 2 and len(words.at(end)) > 1 and text not in _KEPT:
        text, end, spelled = text[:-1], end - 1, spelled - 1
    if end - at < 2 or text[-1] == "&":
        return None
    if spelled < 2 or (words.at(at) in _DOUBLE_USE and end - at < 3 and text not in _KNOWN):
        return None
    if text[0] == "A" and text[1:] in _ACRONYMS:
        return None  # an article: "a u s b stick"
    if words.at(end) == "'s":
        text, end = f"{text}'s", end + 1
    return Span(end - at, (Piece(text, end - at),))


_ACRONYMS = {
    "USB", "PDF", "TV", "PC", "CD", "DVD", "FBI", "CIA", "CEO", "CFO", "CTO", "MRI", "BMW", "GPS", "VPN",
    "URL", "UFO", "PHD", "HDMI", "SIM", "GP", "NGO", "VIP", "DJ", "QR", "PCR", "CT", "UK", "US", "USA", "UN",
    "VW", "LCD", "LED", "SUV", "RV", "ID",
}  # fmt: skip
_GOES_ON = {"hundred", "point", "percent", *SCALES}
_KNOWN = {"AC", "AI", "AM", "AP", "ID", "IP", "IQ", "IT", "IV", "IO", "OK", "OS"}
_KEPT = {
    "USA", "CIA", "FBI", "NSA", "NBA", "MBA", "DNA", "RNA", "API", "GUI", "EPA", "FDA", "UCLA", "NATO", "DUI",
    "MRI", "CPA", "AI", "LA", "VA", "CA", "PA", "MA", "FIFA", "NASA", "SPA", "UI",
}  # fmt: skip
"""Rows that do end with a letter that is a word."""


def bare_ordinal(words: Cursor) -> Span | None:
    """Ordinals from the tenth on, and smaller ones of streets: 21st, 5th Avenue."""
    found = ordinal(words, words.start)
    if found is None:
        return None
    value, end = found
    if value < 10 and words.at(end) not in ("avenue", "street"):
        return None
    if words.at(words.start) in ORDINALS and value >= 100:
        return None
    if words.at(words.start) in TENS and words.at(end - 1) == "second" and words.at(end) in ("delay", "timer", "break"):
        return None
    return Span(end - words.start, (Piece(suffixed(value), end - words.start),))
