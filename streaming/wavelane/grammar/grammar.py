"""A small closed grammar: what may be said, and what it means."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from wavelane.grammar.automaton import Automaton, determinise
from wavelane.grammar.interpretation import Reading, interpret
from wavelane.grammar.jsgf import grammar_error, parse_jsgf
from wavelane.grammar.matching import Matcher, count_sounds
from wavelane.grammar.network import Network, build_network
from wavelane.grammar.sentences import sample, walk
from wavelane.grammar.words import split_words


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a grammar may be."""

    characters: int = 65_536
    """Of its text."""
    states: int = 4_000
    """Of its network, in which every rule is written out wherever it is used, and of its automaton."""


LEAST_SCORE = 0.6
"""Score below which the nearest sentence is not taken for what was said."""


_SOUNDS_SAME = 0.99
"""Score of other words that sound the same."""


@dataclass(frozen=True, slots=True)
class Understanding:
    """The sentence of a grammar that was understood."""

    reading: Reading
    sentence: str
    """As the grammar has it, without what ``<GARBAGE>`` took."""
    score: float
    """1: heard word for word; 0: as far from it as silence."""


@dataclass(frozen=True, eq=False)
class Grammar:
    """A grammar that was read; see ``streaming/wavelane/grammar/README.md``. Never changes; may be shared."""

    text: str
    """JSGF."""
    name: str
    intents: tuple[str, ...]
    """Names of the public rules, in order."""
    network: Network
    automaton: Automaton

    @staticmethod
    def parse(text: str, limits: Limits | None = None) -> "Grammar":
        """Read a JSGF grammar. The same text gives the same object while it is remembered.

        Raises:
            WavelaneError: INVALID_CONFIG, with line and column where there is one.
        """
        return _parse(text, limits or Limits())

    @cached_property
    def _matcher(self) -> Matcher:
        return Matcher(self.automaton)

    @cached_property
    def sounds(self) -> int:
        """What :meth:`understand` has to search for words that are no sentence; 10,000 take about 50 ms."""
        return count_sounds(self.automaton)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Every word that may be said, sorted."""
        return tuple(self.automaton.vocabulary)

    def sentences(self, limit: int, seed: int = 0) -> list[str]:
        """Sentences of the grammar, each once: all if they are no more than ``limit``, else samples by weight.

        Args:
            limit: of the number of sentences. Samples may be fewer where some are very improbable.
            seed: of the samples.
        """
        return sample(self.network, self.automaton, limit, seed)

    def random_sentence(self, rng: random.Random) -> str:
        """One sentence drawn by weight; not empty. ``<GARBAGE>`` says nothing."""
        while True:
            sentence = " ".join(label for label in walk(self.network, rng) if isinstance(label, str))
            if sentence:
                return sentence

    def read(self, text: str) -> Reading | None:
        """The meaning of a sentence; None if it is not of the grammar, word for word."""
        return interpret(self.network, split_words(text))

    def understand(self, heard: Sequence[tuple[str, float]], least: float = LEAST_SCORE) -> Understanding | None:
        """What was meant by words that need not be a sentence of the grammar: the nearest one, by sound.

        Args:
            heard: words with their confidences (0 to 1), in order.
            least: score below which nothing was understood.

        Returns:
            None if nothing of the grammar is near enough.
        """
        words = [(part, confidence) for word, confidence in heard for part in split_words(word)]
        if not words:
            return None
        exact = interpret(self.network, [word for word, _ in words])
        if exact is not None:
            return Understanding(exact, " ".join(word for word, _ in words), 1.0)
        nearest = self._matcher.nearest(words)
        if nearest is None or nearest.score < least:
            return None
        reading = interpret(self.network, nearest.words)
        return (
            None
            if reading is None
            else Understanding(reading, " ".join(nearest.words), min(nearest.score, _SOUNDS_SAME))
        )


@lru_cache(maxsize=64)
def _parse(text: str, limits: Limits) -> Grammar:
    if len(text) > limits.characters:
        raise grammar_error(
            f"{len(text)} characters are more than {limits.characters} (setting grammar.max_characters)"
        )
    name, rules = parse_jsgf(text)
    network = build_network({rule.name: rule for rule in rules}, limits.states)
    automaton = determinise(network, limits.states)
    return Grammar(text, name, tuple(rule.name for rule in rules if rule.public), network, automaton)
