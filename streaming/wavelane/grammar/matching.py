"""The nearest sentence of a grammar: weighted edit distance between sounds and an automaton.

The automaton over words becomes one over sounds, and dynamic programming runs over its states times the sounds heard
(Wagner and Fischer's distance from a string to a regular language). Borders of words cost nothing, so that "ex presso"
is as near to "espresso" as one word would be.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wavelane.grammar.automaton import Automaton
from wavelane.grammar.network import ANY
from wavelane.grammar.sounds import COSTS, sounds_of

_INSERTED = 0.6
"""Cost of a sound that was heard and is not in the sentence."""
_MISSING = 0.8
"""Cost of a sound of the sentence that was not heard."""
_GARBAGE = 0.02
"""Cost of a sound that ``<GARBAGE>`` takes."""
_LEAST_WEIGHT = 0.4
"""A word heard with no confidence at all counts so much."""
_FAR = np.float32(1e9)
_REACH = (2.0, 8.0)
"""Cost of what is still looked at, for each sound heard and besides: several times what a score of 0.6 has."""
_ANY_SOUND = len(COSTS)

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Nearest:
    """The sentence that is nearest to what was heard."""

    words: tuple[str, ...]
    """With what ``<GARBAGE>`` took left out."""
    cost: float
    """Weighted number of edits, in sounds."""
    score: float
    """1: word for word; 0: as far as no sentence at all."""


def count_sounds(automaton: Automaton) -> int:
    """The size of an automaton's matcher, without the memory of one."""
    lengths = {word: 1 if word == ANY else len(sounds_of(word)) for word in automaton.vocabulary}
    return sum(lengths[word] for following in automaton.arcs for word, _ in following)


class Matcher:
    """Finds the nearest sentences of one grammar. Holds no state of a session.

    Args:
        automaton: of the grammar.
    """

    def __init__(self, automaton: Automaton) -> None:
        source: list[int] = []
        target: list[int] = []
        sound: list[int] = []
        word: list[int] = []
        self._words = automaton.vocabulary
        number = {text: place for place, text in enumerate(self._words)}
        nodes = automaton.size
        for state, following in enumerate(automaton.arcs):
            for text, after in following:
                spelled = (_ANY_SOUND,) if text == ANY else sounds_of(text)
                at = state
                for place, one in enumerate(spelled):
                    last = place == len(spelled) - 1
                    source.append(at)
                    target.append(after if last else nodes)
                    sound.append(one)
                    word.append(number[text] if last else -1)
                    at = nodes
                    nodes += not last
        order = np.argsort(target, kind="stable")
        self._source = np.array(source, dtype=np.int32)[order]
        self._target = np.array(target, dtype=np.int32)[order]
        self._sound = np.array(sound, dtype=np.int32)[order]
        self._word = np.array(word, dtype=np.int32)[order]
        self._reached, self._first = np.unique(self._target, return_index=True)
        self._nodes = nodes
        self._ends = np.flatnonzero(np.array(automaton.accepts))
        self._missing = np.where(self._sound == _ANY_SOUND, np.float32(0), np.float32(_MISSING)).astype(np.float32)
        self._costs = np.concatenate([COSTS, np.full((1, len(COSTS)), _GARBAGE, np.float32)])

    def nearest(self, words: Sequence[tuple[str, float]]) -> Nearest | None:
        """The nearest sentence; None if nothing was heard, or nothing is anywhere near.

        Args:
            words: those heard, in order, each with its confidence, 0 to 1.
        """
        heard = [
            (sound, _LEAST_WEIGHT + (1 - _LEAST_WEIGHT) * confidence)
            for word, confidence in words
            for sound in sounds_of(word)
        ]
        if not heard:
            return None
        front = np.full(self._nodes, _FAR, dtype=np.float32)
        front[0] = 0
        reach = np.float32(_REACH[0] * len(heard) + _REACH[1])
        self._skip(front, reach)
        fronts = [front]
        for sound, weight in heard:
            stepped = front + np.float32(_INSERTED * weight)
            moved = front[self._source] + weight * self._costs[self._sound, sound]
            stepped[self._reached] = np.minimum(stepped[self._reached], np.minimum.reduceat(moved, self._first))
            self._skip(stepped, reach)
            front = stepped
            fronts.append(front)
        end = int(self._ends[np.argmin(front[self._ends])])
        cost = float(front[end])
        if cost >= _FAR / 2:
            return None
        worst = sum(_INSERTED * weight for _, weight in heard)
        said = self._back(fronts, heard, end)
        length = sum(len(sounds_of(word)) for word in said)
        scale = max(worst, _MISSING * length)
        return Nearest(said, cost, max(0.0, 1.0 - cost / scale))

    def _skip(self, front: Floats, reach: np.float32) -> None:
        """Leave out sounds of the sentence, as many as that is cheaper for, up to a cost."""
        while True:
            skipped = np.minimum.reduceat(front[self._source] + self._missing, self._first)
            better = (skipped < front[self._reached] - np.float32(1e-4)) & (skipped < reach)
            if not better.any():
                return
            front[self._reached[better]] = skipped[better]

    def _back(self, fronts: list[Floats], heard: list[tuple[int, float]], node: int) -> tuple[str, ...]:
        """The words along the cheapest way that ends in a node."""
        said: list[str] = []
        position = len(heard)
        while node != 0 or position > 0:
            here = float(fronts[position][node])
            place = int(np.searchsorted(self._reached, node))
            arcs: NDArray[np.intp] = np.empty(0, dtype=np.intp)
            if place < len(self._reached) and self._reached[place] == node:
                last = self._first[place + 1] if place + 1 < len(self._first) else len(self._target)
                arcs = np.arange(self._first[place], last)
            ways: list[tuple[float, int, int]] = []
            if position > 0:
                sound, weight = heard[position - 1]
                ways.append((float(fronts[position - 1][node]) + _INSERTED * weight, -1, 1))
                if len(arcs):
                    moved = fronts[position - 1][self._source[arcs]] + weight * self._costs[self._sound[arcs], sound]
                    best = int(np.argmin(moved))
                    ways.append((float(moved[best]), int(arcs[best]), 1))
            if len(arcs):
                skipped = fronts[position][self._source[arcs]] + self._missing[arcs]
                best = int(np.argmin(skipped))
                # An arc that costs nothing must not be walked in circles.
                if self._source[arcs[best]] != node:
                    ways.append((float(skipped[best]), int(arcs[best]), 0))
            _, arc, step = min(ways, key=lambda way: (abs(way[0] - here) > 1e-2, way[0], -way[2]))
            position -= step
            if arc >= 0:
                if self._word[arc] >= 0 and self._words[self._word[arc]] != ANY:
                    said.append(self._words[self._word[arc]])
                node = int(self._source[arc])
        return tuple(reversed(said))
