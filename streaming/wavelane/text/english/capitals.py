"""Capitals: at the beginning of a sentence, of "I", of names, and of acronyms.

Names come from two lists beside this file: ``names.txt`` holds words that texts write with a capital nearly everywhere
(made by ``wavelane_training.marks``), ``places.txt`` names of countries, peoples, languages, cities, persons, days,
months and products that were put together by hand. Names that are words too (may, will, rose, bill) stay small.
"""

from functools import cache
from importlib.resources import files


@cache
def _names() -> dict[str, str]:
    folder = files("wavelane.text.english")
    lists = [(folder / name).read_text(encoding="utf-8").split() for name in ("names.txt", "places.txt")]
    return {name.lower(): name for names in lists for name in names}


def cased(text: str, key: str, *, opens: bool) -> str:
    """A lower-case word with its capitals.

    Args:
        text: the word, with the punctuation around it.
        key: the word alone.
        opens: it begins a sentence.
    """
    if key == "i" or key.startswith("i'"):
        return text.replace("i", "I", 1)
    bare = key.removesuffix("'s")
    name = _names().get(bare)
    if name is not None:
        return text.replace(bare, name, 1)
    return text[:1].upper() + text[1:] if opens else text
