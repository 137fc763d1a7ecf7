"""Replacement of phrases by what a session wants to read instead: product names, spellings, corrections.

A phrase is matched word by word, whatever its capitals and the punctuation around its words, and never inside a word.
Where several phrases begin at a word the longest wins; what was put in is not searched again, so that order never
matters and no replacement feeds another.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

MAX_PHRASES = 1_000
"""Replacements of one session."""
MAX_WORDS = 10
"""Words of a phrase. A partial's words wait so long, at most, for a phrase to come to its end."""
MAX_CHARACTERS = 200
"""Characters of a phrase, and of what stands for it."""

_EDGES = '.,?!;:"“”‘’()[]…'

_Node = dict[str, "_Node"]


class Match(NamedTuple):
    """What was found at a word."""

    words: int
    """Words that the phrase covers; 0: none was found."""
    text: str
    """What stands for them; may be empty."""
    looked: int
    """Words that were looked at, from the place asked for; more than are there when the phrase may go on."""


def key_of(word: str) -> str:
    """A word as it is compared: without capitals, and without punctuation at its edges."""
    return word.strip(_EDGES).casefold()


def check(phrases: Mapping[str, str]) -> None:
    """Whether the phrases can be replaced.

    Raises:
        ValueError: with a sentence that says which cannot, and the limit.
    """
    if len(phrases) > MAX_PHRASES:
        raise ValueError(f"{len(phrases)} phrases are more than the {MAX_PHRASES} that a session may have")
    seen: dict[tuple[str, ...], str] = {}
    for phrase, text in phrases.items():
        keys = _keys(phrase)
        if not keys:
            raise ValueError(f"the phrase {phrase!r} has no word")
        if len(keys) > MAX_WORDS or max(len(phrase), len(text)) > MAX_CHARACTERS:
            raise ValueError(
                f"{phrase[:40]!r}: a phrase has at most {MAX_WORDS} words, and it and its replacement at most "
                f"{MAX_CHARACTERS} characters"
            )
        if any(character in text for character in "\r\n\t"):
            raise ValueError(f"{phrase!r}: a replacement is one line, without tabs")
        if keys in seen:
            raise ValueError(f"{seen[keys]!r} and {phrase!r} are the same words: leave one of them out")
        seen[keys] = phrase


class Replacements:
    """Phrases and what stands for them, as a tree of words. Immutable; one serves all lanes of a session.

    Args:
        phrases: what is heard → what is written. The replacement's own capitals and spaces are kept; an empty one
            removes the phrase.

    Raises:
        ValueError: as :func:`check`.
    """

    def __init__(self, phrases: Mapping[str, str]) -> None:
        check(phrases)
        self._texts: dict[int, str] = {}
        self._root: _Node = {}
        for phrase, text in phrases.items():
            node = self._root
            for key in _keys(phrase):
                node = node.setdefault(key, {})
            self._texts[id(node)] = " ".join(text.split())

    def __bool__(self) -> bool:
        return bool(self._root)

    def match(self, keys: Sequence[str], at: int) -> Match:
        """The longest phrase that begins at a word.

        Args:
            keys: words as :func:`key_of` gives them.
            at: index of the first word.
        """
        node = self._root
        found, text, index, size = 0, "", at, len(keys)
        while node:
            if index >= size:
                return Match(found, text, index - at + 1)
            following = node.get(keys[index])
            index += 1
            if following is None:
                break
            node = following
            if (written := self._texts.get(id(node))) is not None:
                found, text = index - at, written
        return Match(found, text, index - at)

    def apply(self, text: str) -> str:
        """The text with every phrase replaced, words joined by single spaces; for a text that is complete."""
        words = text.split()
        keys = [key_of(word) for word in words]
        out: list[str] = []
        at = 0
        while at < len(words):
            found = self.match(keys, at)
            if not found.words:
                out.append(words[at])
                at += 1
                continue
            if found.text:
                out.append(found.text)
            at += found.words
        return " ".join(out)


def _keys(phrase: str) -> tuple[str, ...]:
    return tuple(key for word in phrase.split() if (key := key_of(word)))
