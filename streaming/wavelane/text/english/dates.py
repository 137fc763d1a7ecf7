"""Dates and times of day: July 25, 2012; the 25th of July 2012; the 1980s; 5:30 PM; 3:00."""

from wavelane.text.cursor import Cursor, Piece, Span
from wavelane.text.english.numbers import (
    DIGITS,
    OH,
    SMALL,
    TENS,
    below_hundred,
    cardinal,
    ordinal,
    suffixed,
    year,
)

MONTHS = {
    "january": "January", "february": "February", "march": "March", "april": "April", "may": "May", "june": "June",
    "july": "July", "august": "August", "september": "September", "october": "October", "november": "November",
    "december": "December",
}  # fmt: skip
_VERBS = ("may", "march")
"""Months that are other words too: a bare number behind them is not their day."""
_DECADES = {f"{word[:-1]}ies": value for word, value in TENS.items()}
_BEFORE_TIME = {"at", "by", "until", "till", "around", "before", "after", "from", "since", "past", "for", "between"}
_ZONES = {"est", "edt", "cst", "cdt", "mst", "mdt", "pst", "pdt", "gmt", "utc", "cet", "bst", "et", "pt"}
_DAYTIMES = {"morning", "afternoon", "evening"}


def date(words: Cursor) -> Span | None:
    """A date that begins at the cursor's start with its month, its day or its decade, or None."""
    if words.at(words.start) in MONTHS:
        return _month_first(words)
    return _day_first(words) or _decade(words) or _era(words)


def _month_first(words: Cursor) -> Span | None:
    at = words.start
    name = words.at(at)
    readings: list[Span] = []
    named = year(words, at + 1)
    if named is not None:
        readings.append(Span(named[1] - at, (Piece(MONTHS[name], 1), Piece(str(named[0]), named[1] - at - 1))))
    the = words.at(at + 1) == "the"
    day = ordinal(words, at + 1 + the)
    if day is None and not the:
        day = below_hundred(words, at + 1)
        if day is not None and words.at(day[1]) in ("hundred", "thousand", "percent", "million"):
            day = None
        if day is not None and name in _VERBS and year(words, day[1]) is None:
            day = None
    if day is not None and the and name in _VERBS and year(words, day[1]) is None:
        day = None  # "may the first of you"
    if day is not None and 1 <= day[0] <= 31:
        number, end = day
        follows = year(words, end)
        if follows is None:
            readings.append(Span(end - at, (Piece(MONTHS[name], 1), Piece(str(number), end - at - 1))))
        else:
            pieces = (
                Piece(MONTHS[name], 1),
                Piece(f"{number},", end - at - 1),
                Piece(str(follows[0]), follows[1] - end),
            )
            readings.append(Span(follows[1] - at, pieces))
    return max(readings, key=lambda reading: reading.words, default=None)


def _day_first(words: Cursor) -> Span | None:
    at = words.start
    day = ordinal(words, at)
    if day is None or not 1 <= day[0] <= 31 or words.at(day[1]) != "of" or words.at(day[1] + 1) not in MONTHS:
        return None
    end = day[1] + 2
    pieces = [Piece(suffixed(day[0]), day[1] - at), Piece("of", 1), Piece(MONTHS[words.at(end - 1)], 1)]
    if (named := year(words, end)) is not None:
        pieces.append(Piece(str(named[0]), named[1] - end))
        end = named[1]
    return Span(end - at, tuple(pieces))


def _decade(words: Cursor) -> Span | None:
    at = words.start
    century = SMALL.get(words.at(at), 0)
    if not 13 <= century <= 20:
        return None
    following = words.at(at + 1)
    if following in _DECADES:
        return Span(2, (Piece(f"{century * 100 + _DECADES[following]}s", 2),))
    return Span(2, (Piece(f"{century}00s", 2),)) if following == "hundreds" else None


def _era(words: Cursor) -> Span | None:
    """Years before and after Christ: "seven fifty b c" is 750 BC."""
    at = words.start
    named = year(words, at)
    if named is None and (first := DIGITS.get(words.at(at))):
        rest = below_hundred(words, at + 1)
        named = (first * 100 + rest[0], rest[1]) if rest and rest[0] >= 10 else None
    named = named or cardinal(words, at)
    if named is None:
        return None
    value, end = named
    for letters, length in (("bc", 1), ("b c", 2), ("ad", 1), ("a d", 2)):
        if all(words.at(end + index) == letter for index, letter in enumerate(letters.split())):
            era = letters.replace(" ", "").upper()
            return Span(end + length - at, (Piece(str(value), end - at), Piece(era, length)))
    return None


def time(words: Cursor) -> Span | None:
    """A time of day that begins at the cursor's start, or None."""
    return _spoken_part(words) or _clock(words)


def _half(words: Cursor, at: int) -> tuple[str, int] | None:
    """AM or PM, as (text, index behind)."""
    word = words.at(at)
    if word in ("am", "pm", "a.m", "p.m"):
        return word.replace(".", "").upper(), at + 1
    if word in ("a", "p") and words.at(at + 1) == "m":
        return f"{word.upper()}M", at + 2
    return None


def _oclock(words: Cursor, at: int) -> int:
    """Words of "o'clock" at an index."""
    if words.at(at) in ("o'clock", "oclock"):
        return 1
    return 2 if words.at(at) == "o" and words.at(at + 1) == "clock" else 0


def _zone(words: Cursor, at: int) -> tuple[str, int] | None:
    word = words.at(at)
    if word in _ZONES and word not in ("et", "pt"):
        return word.upper(), at + 1
    letters = word + words.at(at + 1) + words.at(at + 2) if len(word) == 1 else ""
    return (letters.upper(), at + 3) if letters in _ZONES and len(letters) == 3 else None


def _closed(words: Cursor, text: str, end: int) -> Span:
    """The time with its half of the day and its zone."""
    at = words.start
    pieces = [Piece(text, end - at)]
    for suffix in (_half, _zone):
        if (found := suffix(words, end)) is not None:
            pieces.append(Piece(found[0], found[1] - end))
            end = found[1]
    return Span(end - at, tuple(pieces))


def _clock(words: Cursor) -> Span | None:
    """Five p m; three o'clock; two thirty; eight oh six a m."""
    at = words.start
    hour = SMALL.get(words.at(at), 0)
    if not 1 <= hour <= 12:
        return None
    end = at + 1
    if length := _oclock(words, end):
        return _closed(words, f"{hour}:00", end + length)
    if _half(words, end) is not None:
        return _closed(words, str(hour), end)
    minutes, behind = _minutes(words, end)
    if behind == end:
        return None
    text = f"{hour}:{minutes:02}"
    if _half(words, behind) or _zone(words, behind) or _oclock(words, behind) or _in_the(words, behind):
        return _closed(words, text, behind + _oclock(words, behind))
    if words.at(behind) in _AFTER_NUMBER or SMALL.get(words.at(behind)) is not None or words.at(behind) in OH:
        return None
    told = words.before() in _BEFORE_TIME
    if told or (words.at(end) not in OH and minutes >= 10 and (minutes % 5 == 0 or hour >= 10)):
        return _closed(words, text, behind)
    return None


_AFTER_NUMBER = {
    "hundred", "thousand", "million", "billion", "trillion", "percent", "dollars", "dollar", "euros", "point",
    "degrees", "pounds", "miles", "feet", "people", "cents", "bucks", "kilometers", "meters", "dot",
    "hundredth", "street", "avenue", "road", "drive", "lane", "boulevard", "bc", "ad",
}  # fmt: skip


def _in_the(words: Cursor, at: int) -> bool:
    return words.at(at) == "in" and words.at(at + 1) == "the" and words.at(at + 2) in _DAYTIMES


def _minutes(words: Cursor, at: int) -> tuple[int, int]:
    """Ten to fifty nine, or "oh five", as (minutes, index behind); the index itself where there are none."""
    if words.at(at) in OH and (one := DIGITS.get(words.at(at + 1))):
        return one, at + 2
    minutes = below_hundred(words, at)
    return minutes if minutes is not None and 10 <= minutes[0] <= 59 else (0, at)


def _spoken_part(words: Cursor) -> Span | None:
    """Quarter past one; half past three; ten to eleven p m."""
    at = words.start
    begin = at + (words.at(at) == "a" and words.at(at + 1) == "quarter")
    word = words.at(begin)
    if word in ("quarter", "half"):
        part, end, sure = (15 if word == "quarter" else 30), begin + 1, True
    else:
        minutes = below_hundred(words, at)
        if minutes is None or not 1 <= minutes[0] <= 59:
            return None
        part, end = minutes
        sure = words.at(end) in ("minute", "minutes", "min", "mins")
        end += sure
    way = words.at(end)
    if way not in ("past", "to", "till", "before", "after") or (word == "half" and way != "past"):
        return None
    hour = SMALL.get(words.at(end + 1), 0)
    behind = end + 2
    if not 1 <= hour <= 12:
        return None
    clock = _oclock(words, behind)
    if not (sure or clock or _half(words, behind)) or below_hundred(words, end + 1) != (hour, behind):
        return None
    if way in ("to", "till", "before"):
        hour, part = (hour + 10) % 12 + 1, 60 - part
    return _closed(words, f"{hour}:{part:02}", behind + clock)
