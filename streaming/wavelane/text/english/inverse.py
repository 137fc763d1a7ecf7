"""Which rule reads what: the written form of the words at a cursor."""

from collections.abc import Callable

from wavelane.text.cursor import Cursor, Piece, Span
from wavelane.text.english import codes, dates
from wavelane.text.english.electronic import electronic
from wavelane.text.english.numbers import DIGITS, ORDINALS, REPEATS, SMALL, number
from wavelane.text.english.quantities import quantity

Rule = Callable[[Cursor], Span | None]


def _cardinal(words: Cursor) -> Span | None:
    """A number that nothing else claimed: from ten on, or with a sign, decimals or a scale."""
    read = number(words, words.start)
    if read is None:
        return None
    count = read.end - words.start
    first = words.at(words.start)
    if first == "a" and (count < 3 or read.scale):
        return None
    if first in ("minus", "negative") and _is_number(words.before()):
        return None
    if first == "point" and (words.before() in ("at", "this", "that", "the", "one", "a") or count < 3):
        return None
    if count == 1 and read.value < 10:
        return None
    if words.before() in ("or", "to") and words.before(2) in DIGITS and read.value >= 100:
        return None  # "two or three hundred"
    return Span(count, (Piece(read.text, count),))


def _range(words: Cursor) -> Span | None:
    """A small number as figure where a larger one follows: "five to ten" is 5 to 10."""
    at = words.start
    low, joint = DIGITS.get(words.at(at)), words.at(at + 1)
    if low is None or joint not in ("to", "or"):
        return None
    high = number(words, at + 2)
    if high is None or high.value < 10 or high.scale or high.end - at > 4 or (high.value >= 100 and high.end > at + 3):
        return None
    return Span(1, (Piece(str(low), 1),))


def _is_number(word: str) -> bool:
    return word in SMALL or word in ("hundred", "thousand", "million")


_IDIOMS = {
    ("twenty", "four", "seven"): "24/7",
    ("fifty", "fifty"): "50/50",
    ("a", "t", "and", "t"): "AT&T",
    ("four", "g"): "4G",
    ("five", "g"): "5G",
    ("four", "k"): "4K",
}


def _idiom(words: Cursor) -> Span | None:
    for idiom, text in _IDIOMS.items():
        if all(words.at(words.start + index) == word for index, word in enumerate(idiom)):
            return Span(len(idiom), (Piece(text, len(idiom)),))
    return None


_TITLES = {"mister": "Mr.", "missus": "Mrs.", "mrs": "Mrs.", "mr": "Mr."}


def _title(words: Cursor) -> Span | None:
    """Mister and missus before a name."""
    return Span(1, (Piece(_TITLES[words.at(words.start)], 1),)) if words.at(words.start + 1) else None


_FIGURES: tuple[Rule, ...] = (
    electronic,
    dates.date,
    codes.telephone,
    quantity,
    codes.numbered,
    codes.address,
    _idiom,
    dates.time,
    codes.pair,
    codes.row,
    codes.bare_ordinal,
    _range,
    _cardinal,
)
"""For words that may begin a figure, in the order of their claims."""


def _rules() -> dict[str, tuple[Rule, ...]]:
    table: dict[str, tuple[Rule, ...]] = dict.fromkeys(
        (*SMALL, *REPEATS, "plus", "minus", "negative", "point"), _FIGURES
    )
    table |= dict.fromkeys(ORDINALS, (electronic, dates.date, codes.address, codes.bare_ordinal))
    table |= dict.fromkeys(dates.MONTHS, (electronic, dates.date))
    table |= dict.fromkeys("bcdefghjklmnpqrstuvwxyz", (electronic, codes.lettered, codes.letters))
    table |= {
        "a": (electronic, _idiom, dates.time, quantity, codes.letters, _cardinal),
        "i": (electronic, codes.letters),
        "o": (electronic, codes.telephone, codes.row, codes.letters),
        "oh": (codes.telephone, codes.row),
        "quarter": (dates.time,),
        "half": (dates.time,),
    }
    table |= dict.fromkeys(_TITLES, (_title,))
    return table


_TABLE = _rules()
_ANY: tuple[Rule, ...] = (electronic,)
_JOINTS = {"at", "dot", "underscore", "dash", "hyphen", "colon", "period"}
"""Words behind the first word of an address."""

assert set(DIGITS) <= set(_TABLE)


def inverse(words: Cursor) -> Span | None:
    """The written form of the words at the cursor's start, or None where they stay as they are spoken."""
    rules = _TABLE.get(words.at(words.start))
    if rules is None:
        if words.at(words.start + 1) not in _JOINTS:
            return None
        rules = _ANY
    for rule in rules:
        if (span := rule(words)) is not None:
            return span
    return None


def written(text: str) -> str:
    """The written form of a whole text of lower-case words; for tests and tools."""
    keys = text.split()
    cursor = Cursor(keys, [0] * len(keys))
    out: list[str] = []
    at = 0
    while at < len(keys):
        cursor.begin(at)
        span = inverse(cursor)
        if span is None:
            out.append(keys[at])
            at += 1
        else:
            out += [piece.text for piece in span.pieces]
            at += span.words
    return " ".join(out)
