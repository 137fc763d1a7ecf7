"""Plain text to sentences that a language model is made of, in the letters that a recogniser writes."""

import gzip
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.lm.spelling import Speller

_APOSTROPHES = str.maketrans({"\N{RIGHT SINGLE QUOTATION MARK}": "'", "\N{LEFT SINGLE QUOTATION MARK}": "'"})
_BETWEEN = re.compile(r"[\s\-\N{EN DASH}\N{EM DASH}/_]+")


@dataclass(slots=True)
class Sentences:
    """What a text came to."""

    words: list[list[str]] = field(default_factory=list)
    """Words of each sentence."""
    skipped: int = 0
    """Sentences with a word that the recogniser cannot write, say one with digits."""
    example: str = ""
    """Such a word."""


def read_sentences(paths: Iterable[Path], speller: Speller | None) -> Sentences:
    """Sentences of text files, one a line, gzipped or not.

    Args:
        paths: of the files.
        speller: of the recogniser: letters that it has no pieces for are punctuation and go, or, within a word, take
            the sentence with them. None: words are what stands between spaces.

    Raises:
        WavelaneError: INVALID_CONFIG: a file cannot be read.
    """
    found = Sentences()
    for path in paths:
        for line in _lines(path):
            take(line, speller, found)
    return found


def take(line: str, speller: Speller | None, into: Sentences) -> None:
    """Add one sentence; nothing is added for an empty one."""
    if speller is None:
        words = line.split()
    else:
        words = [_trim(word, speller) for word in _BETWEEN.split(line.translate(_APOSTROPHES))]
        words = [word for word in (" ".join(speller.written(word)) for word in words) if word]
        stuck = next((word for word in words if speller.spell_word(word) is None), None)
        if stuck is not None:
            into.skipped += 1
            into.example = into.example or stuck
            return
    if words:
        into.words.append(words)


def _trim(word: str, speller: Speller) -> str:
    """Without the punctuation at its ends that the recogniser does not write. Quotes that open or close go too."""
    first, last = 0, len(word)
    while first < last and not _kept(word[first], speller):
        first += 1
    while last > first and not _kept(word[last - 1], speller):
        last -= 1
    return word[first:last]


def _kept(letter: str, speller: Speller) -> bool:
    return letter.isalnum() or (letter != "'" and speller.spell_word(letter) is not None)


def _lines(path: Path) -> Iterator[str]:
    try:
        zipped = path.suffix == ".gz"
        with gzip.open(path, "rt", encoding="utf-8") if zipped else path.open(encoding="utf-8") as file:
            yield from file
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, f"the text {path} cannot be read: {error}") from None
