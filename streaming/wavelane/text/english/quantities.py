"""Amounts: money, percentages, degrees, measures. American signs, abbreviations of the SI and of computing."""

from decimal import Decimal

from wavelane.text.cursor import Cursor, Piece, Span
from wavelane.text.english.numbers import DIGITS, Number, below_hundred, number

CURRENCIES = {
    "dollar": "$", "dollars": "$", "euro": "€", "euros": "€", "yen": "¥", "won": "₩", "rupee": "₹", "rupees": "₹",
    "shekels": "₪", "bitcoin": "₿", "bitcoins": "₿",
}  # fmt: skip
_NAMED = {
    ("u", "s", "dollars"): "US$", ("us", "dollars"): "US$", ("american", "dollars"): "US$",
    ("united", "states", "dollars"): "US$", ("canadian", "dollars"): "C$", ("australian", "dollars"): "A$",
    ("hong", "kong", "dollars"): "HK$", ("pounds", "sterling"): "£", ("british", "pounds"): "£",
}  # fmt: skip
_NAMED_FIRST = {names[0] for names in _NAMED}
_CENTS = {"cent", "cents"}

_PREFIXES = {"kilo": "k", "mega": "M", "giga": "G", "tera": "T", "milli": "m", "micro": "µ", "nano": "n", "centi": "c",
             "deci": "d", "hecto": "h", "peta": "P"}  # fmt: skip
_STEMS = {
    "meter": "m", "metre": "m", "gram": "g", "gramme": "g", "liter": "L", "litre": "L", "hertz": "Hz", "watt": "W",
    "volt": "V", "amp": "A", "ampere": "A", "byte": "B", "bit": "bit", "joule": "J", "calorie": "cal", "pascal": "Pa",
    "newton": "N", "lumen": "lm", "siemens": "S", "ohm": "Ω", "bar": "bar", "mole": "mol", "farad": "F",
}  # fmt: skip
_SPOKEN_ALONE = {"bit", "bits", "bar", "bars", "mole", "moles", "byte", "bytes", "gram", "grams"}
"""Words that mean something else often enough, or read better in full, without a prefix."""
UNITS: dict[str, str] = {}
for _stem, _sign in _STEMS.items():
    for _plural in ("", "s"):
        if _stem + _plural not in _SPOKEN_ALONE:
            UNITS[_stem + _plural] = _sign
        for _prefix, _letter in _PREFIXES.items():
            UNITS[_prefix + _stem + _plural] = _letter + _sign
UNITS |= {"grams": "g", "gram": "g", "kilo": "kg", "kilos": "kg", "hectare": "ha", "hectares": "ha", "decibel": "dB",
          "decibels": "dB", "horsepower": "hp", "kilobits": "kbit", "megabits": "Mbit", "gigabits": "Gbit",
          "milliamps": "mA", "milliamp": "mA", "pixels": "px"}  # fmt: skip
_LONG = {
    ("watt", "hours"): "Wh", ("kilo", "watt", "hours"): "kWh", ("kilowatt", "hours"): "kWh",
    ("kilowatt", "hour"): "kWh",
    ("megawatt", "hours"): "MWh", ("gigawatt", "hours"): "GWh", ("giga", "watt", "hours"): "GWh",
    ("miles", "per", "hour"): "mph", ("mile", "per", "hour"): "mph", ("miles", "an", "hour"): "mph",
    ("square", "feet"): "sq ft", ("square", "foot"): "sq ft", ("square", "miles"): "sq mi",
    ("square", "inches"): "sq in",
    ("cubic", "feet"): "cu ft", ("c", "c"): "cc", ("frames", "per", "second"): "fps",
    ("beats", "per", "minute"): "bpm", ("fluid", "ounces"): "fl oz", ("astronomical", "units"): "au",
    ("parts", "per", "million"): "ppm", ("revolutions", "per", "minute"): "rpm", ("kilos", "per", "hour"): "km/h",
}  # fmt: skip
_LONG_FIRST = {names[0] for names in _LONG}
_PER = {"hour": "h", "second": "s", "minute": "min", "day": "d", "liter": "L", "meter": "m", "kilogram": "kg"}
_POWERS = {"square": "²", "cubic": "³"}


def quantity(words: Cursor) -> Span | None:
    """An amount that begins at the cursor's start, or None."""
    at = words.start
    article = words.at(at) in ("a", "an")
    amount = number(words, at)
    if amount is None:
        return None
    if amount.end == at + 1 and amount.value < 10 and words.at(at) in DIGITS:
        # "One fifty five dollars".
        rest = below_hundred(words, amount.end)
        if rest is not None and rest[0] >= 10 and _currency(words, rest[1]):
            value = int(amount.value) * 100 + rest[0]
            amount = Number(Decimal(value), str(value), rest[1])
    if (money := _money(words, amount)) is not None or (article and amount.scale):
        return money
    return _feet(words) or _percent(words, amount) or _measure(words, amount)


def _span(words: Cursor, end: int, text: str) -> Span:
    return Span(end - words.start, (Piece(text, end - words.start),))


def _currency(words: Cursor, at: int) -> tuple[str, int] | None:
    for names, sign in _NAMED.items() if words.at(at) in _NAMED_FIRST else ():
        if all(words.at(at + index) == name for index, name in enumerate(names)):
            return sign, at + len(names)
    sign = CURRENCIES.get(words.at(at), "")
    return (sign, at + 1) if sign else None


def _money(words: Cursor, amount: Number) -> Span | None:
    if words.at(amount.end) in _CENTS and amount.value > 1:
        return _span(words, amount.end + 1, f"{amount.text} cents")
    currency = _currency(words, amount.end)
    if currency is None:
        if words.at(amount.end) in ("pound", "pounds") and (pence := _small_change(words, amount.end + 1, ("pence",))):
            return _span(words, pence[1], f"£{amount.text}.{pence[0]:02}")
        return None
    sign, end = currency
    text = amount.text
    if not amount.scale and "." not in text and (change := _small_change(words, end, tuple(_CENTS))):
        text, end = f"{text}.{change[0]:02}", change[1]
    negative = text.startswith("-")
    if amount.value == int(amount.value) and not amount.scale and "." not in text:
        text = f"{int(amount.value):,}"
    return _span(words, end, f"{'-' * negative}{sign}{text.removeprefix('-')}")


def _small_change(words: Cursor, at: int, names: tuple[str, ...]) -> tuple[int, int] | None:
    """What follows the dollars: "and fifty cents", "fifty cents", or "fifty" alone, as (cents, index behind)."""
    joined = words.at(at) == "and"
    change = below_hundred(words, at + joined)
    if change is None:
        return None
    value, end = change
    if words.at(end) in names:
        return value, end + 1
    behind = words.at(end)
    alone = not joined and value >= 10 and behind not in _AFTER_NUMBER and behind not in UNITS and "cents" in names
    return (value, end) if alone else None


_AFTER_NUMBER = {
    "hundred", "thousand", "million", "billion", "percent", "per", "dollars", "dollar", "point", "people", "times",
    "second", "seconds", "minute", "minutes", "hour", "hours", "day", "days", "week", "weeks", "month", "months",
    "year", "years", "inch", "inches", "foot", "feet", "yards", "mile", "miles", "ounces", "degrees", "square", "cubic",
}  # fmt: skip
"""What a number before it counts: "five dollars twenty years ago" is no $5.20."""


def _percent(words: Cursor, amount: Number) -> Span | None:
    if words.at(amount.end) == "percent":
        return _span(words, amount.end + 1, f"{amount.text}%")
    if words.at(amount.end) == "per" and words.at(amount.end + 1) == "cent":
        return _span(words, amount.end + 2, f"{amount.text}%")
    return None


def _feet(words: Cursor) -> Span | None:
    """How tall somebody is: "five foot ten", "six feet two inches"."""
    at = words.start
    feet, foot = DIGITS.get(words.at(at)), words.at(at + 1)
    if not feet or foot not in ("foot", "feet"):
        return None
    inches = below_hundred(words, at + 2)
    if inches is None or inches[0] > 11:
        return None
    value, end = inches
    told = words.at(end) in ("inch", "inches")
    if not told and (foot == "feet" or words.at(end) in _AFTER_NUMBER):
        return None
    return _span(words, end + told, f"{feet}'{value}\"")


def _measure(words: Cursor, amount: Number) -> Span | None:
    end = amount.end
    if words.at(end) in ("degree", "degrees"):
        scale = words.at(end + 1)
        if scale in ("celsius", "centigrade", "fahrenheit"):
            return _span(words, end + 2, f"{amount.text} °{'F' if scale == 'fahrenheit' else 'C'}")
        return _span(words, end + 1, f"{amount.text}°")
    for names, sign in _LONG.items() if words.at(end) in _LONG_FIRST else ():
        if all(words.at(end + index) == name for index, name in enumerate(names)):
            return _span(words, end + len(names), f"{amount.text} {sign}")
    unit = _unit(words, end)
    if unit is None:
        return None
    sign, end = unit
    if words.at(end) in ("a", "an") and words.at(end + 1) in ("hour", "second", "minute"):
        return _span(words, end + 2, f"{amount.text} {sign}/{_PER[words.at(end + 1)]}")
    if words.at(end) == "per":
        power = _POWERS.get(words.at(end + 1), "")
        below = _PER.get(words.at(end + 1), "") if not power else UNITS.get(words.at(end + 2), "")
        if below:
            return _span(words, end + 2 + bool(power), f"{amount.text} {sign}/{below}{power}")
    return _span(words, end, f"{amount.text} {sign}")


def _unit(words: Cursor, at: int) -> tuple[str, int] | None:
    power = _POWERS.get(words.at(at), "")
    begin = at + bool(power)
    prefix = _PREFIXES.get(words.at(begin), "")
    if prefix and (sign := _STEMS.get(words.at(begin + 1).rstrip("s"), "")):
        return f"{prefix}{sign}{power}", begin + 2
    sign = UNITS.get(words.at(begin), "")
    return (sign + power, begin + 1) if sign else None
