"""How alike words sound, from their letters: English spelling to a coarse alphabet of sounds, and costs."""

import re
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# Longest first; digits stand for sounds that have no letter of their own: 1 sh, 2 ch, 3 th, 4 ng.
_SPELLINGS = (
    (r"^kn|^gn", "n"),
    (r"^wr", "r"),
    (r"^x", "z"),
    (r"^psy", "say"),
    (r"tion|cian|ssion", "1n"),
    (r"sion", "1n"),
    (r"tch|ch", "2"),
    (r"sh", "1"),
    (r"th", "3"),
    (r"ph", "f"),
    (r"ough", "o"),
    (r"igh", "ay"),
    (r"gh", ""),
    (r"ng", "4"),
    (r"nk", "4k"),
    (r"ck|q(?!u)", "k"),
    (r"qu", "kw"),
    (r"wh", "w"),
    (r"dg(?=[eiy])", "j"),
    (r"sc(?=[eiy])", "s"),
    (r"c(?=[eiy])", "s"),
    (r"c", "k"),
    (r"x", "ks"),
    (r"mb\b", "m"),
    (r"(?<=[a-z])e\b", ""),
    (r"(?<=[a-z])es\b", "s"),
    (r"[yi]e|ee|ea|ey\b|y\b", "i"),
    (r"oo|ou|ew", "u"),
    (r"ai|ay|ei|ey", "e"),
    (r"au|aw|oa|ow", "o"),
    (r"([a-z1-4])\1+", r"\1"),
    (r"[^a-z1-4]", ""),
)
_RULES = tuple((re.compile(pattern), sounds) for pattern, sounds in _SPELLINGS)
_DIGITS = str.maketrans(
    {
        digit: f" {word} "
        for digit, word in zip(
            "0123456789", ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"], strict=True
        )
    }
)

SOUNDS = "abdefghijklmnoprstuvwyz1234"
"""The alphabet; a sound is its place here."""
_ALIKE = [
    "aeiou",
    "iy",
    "uw",
    "bp",
    "dt",
    "gk",
    "fv",
    "sz",
    "12",
    "j2",
    "j1",
    "s1",
    "z1",
    "3f",
    "3t",
    "3d",
    "3s",
    "mn",
    "n4",
    "g4",
    "lr",
    "rw",
    "bv",
]
"""Sounds within a group are taken for each other easily."""
_NEAR = 0.5


def _costs() -> NDArray[np.float32]:
    table = np.ones((len(SOUNDS), len(SOUNDS)), dtype=np.float32)
    for group in _ALIKE:
        places = [SOUNDS.index(sound) for sound in group]
        for place in places:
            table[place, places] = _NEAR
    np.fill_diagonal(table, 0.0)
    return table


COSTS = _costs()
"""[sounds, sounds] of taking one for the other, 0 to 1."""


@lru_cache(maxsize=65_536)
def sounds_of(word: str) -> tuple[int, ...]:
    """The sounds of a word (places in :data:`SOUNDS`); never none: a word without Latin letters is one odd sound."""
    text = word.translate(_DIGITS).replace("'", "")
    parts = []
    for part in text.split():
        for pattern, sounds in _RULES:
            part = pattern.sub(sounds, part)
        parts.append(part)
    return tuple(SOUNDS.index(sound) for sound in "".join(parts) if sound in SOUNDS) or (SOUNDS.index("h"),)
