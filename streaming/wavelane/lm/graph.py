"""One structure for n-gram language models and hotwords: a deterministic automaton with back-off arcs.

A state is a context (an n-gram history, or how much of a phrase has been said). Taking a label from a state is a binary
search among its arcs; where there is none, the state's back-off arc is taken without consuming the label, as in Katz's
back-off and in the failure arcs of Aho and Corasick. The same arrays are walked here (plain, the reference), by the C++
search, and by a batched gather on a device.

The layout follows the arc-sorted, back-off-as-failure automata of OpenGrm NGram (Roark et al., ACL 2012) and of NGPU-LM
(Bataev et al., arXiv:2505.22857).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

ROOT = 0
"""The state without context: the unigrams of a language model, the root of a phrase tree."""

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class BackoffGraph:
    """``S`` states and ``A`` arcs in contiguous arrays; weights are natural logarithms and are added."""

    first: Ints
    """[S + 1]; arcs of state ``s`` are ``first[s]:first[s + 1]``."""
    labels: Ints
    """[A], strictly increasing within a state: piece ids or word ids."""
    targets: Ints
    """[A], the state after an arc."""
    weights: Floats
    """[A], added when the arc is taken."""
    backoff: Ints
    """[S], the state to try where no arc has the label; -1 at the root."""
    backoff_weight: Floats
    """[S], added when backing off."""
    final: Floats
    """[S], added where an utterance ends."""
    start: int
    """The state in which an utterance begins."""
    unknown: float
    """Weight of a label that not even the root has an arc for; such a label leads to the root."""

    @property
    def states(self) -> int:
        """Number of states."""
        return len(self.backoff)

    @property
    def arcs(self) -> int:
        """Number of arcs, back-off arcs not counted."""
        return len(self.labels)

    @property
    def nbytes(self) -> int:
        """Memory of the arrays (bytes)."""
        arrays = (self.first, self.labels, self.targets, self.weights, self.backoff, self.backoff_weight, self.final)
        return sum(array.nbytes for array in arrays)

    def less(self, weights: Floats, scale: float) -> "BackoffGraph":
        """The same with ``scale`` times a weight of its own taken off every label.

        Args:
            weights: [labels]
            scale: of them.
        """
        return replace(self, weights=np.asarray(self.weights - np.float32(scale) * weights[self.labels], np.float32))

    def step(self, state: int, label: int) -> tuple[int, float]:
        """Take a label: the next state, and the weight with that of every back-off on the way."""
        weight = 0.0
        while True:
            first, last = int(self.first[state]), int(self.first[state + 1])
            at = first + int(np.searchsorted(self.labels[first:last], label))
            if at < last and self.labels[at] == label:
                return int(self.targets[at]), weight + float(self.weights[at])
            if self.backoff[state] < 0:
                return ROOT, weight + self.unknown
            weight += float(self.backoff_weight[state])
            state = int(self.backoff[state])

    def score(self, labels: Iterable[int], *, end: bool = True) -> float:
        """Weight of a whole sequence from the start state, with that of ending there if ``end``."""
        state, total = self.start, 0.0
        for label in labels:
            state, weight = self.step(state, label)
            total += weight
        return total + (float(self.final[state]) if end else 0.0)

    def check(self) -> None:
        """Make sure that a walk can neither leave the arrays nor go round for ever; for graphs read from a file.

        Raises:
            ValueError: the arrays contradict each other.
        """
        states, arcs = self.states, self.arcs
        shapes = {
            "first": (self.first, states + 1, np.int32),
            "labels": (self.labels, arcs, np.int32),
            "targets": (self.targets, arcs, np.int32),
            "weights": (self.weights, arcs, np.float32),
            "backoff": (self.backoff, states, np.int32),
            "backoff_weight": (self.backoff_weight, states, np.float32),
            "final": (self.final, states, np.float32),
        }
        for name, (array, length, dtype) in shapes.items():
            if array.shape != (length,) or array.dtype != dtype or not array.flags.c_contiguous:
                raise ValueError(
                    f"{name} is {array.dtype}{list(array.shape)}, not contiguous {dtype.__name__}[{length}]"
                )
        if states == 0 or self.first[0] != 0 or self.first[-1] != arcs or (np.diff(self.first) < 0).any():
            raise ValueError("first does not cut the arcs into the states")
        if not 0 <= self.start < states or (arcs and not 0 <= self.targets.min() <= self.targets.max() < states):
            raise ValueError("an arc leads to a state that does not exist")
        if self.backoff[ROOT] != -1 or (self.backoff[1:] < 0).any() or (self.backoff >= states).any():
            raise ValueError("every state but the root needs a state to back off to")
        if arcs:
            inner = np.ones(arcs, bool)
            inner[self.first[:-1][self.first[:-1] < arcs]] = False
            if self.labels.min() < 0 or (np.diff(self.labels)[inner[1:]] <= 0).any():
                raise ValueError("labels are not sorted within a state")
        if not all(np.isfinite(array).all() for array in (self.weights, self.backoff_weight, self.final)):
            raise ValueError("a weight is not finite")
        above = self.backoff
        # Pointer doubling: after k rounds `above` is the state 2**k back-offs away, -1 past the root.
        for _ in range(max(states, 2).bit_length()):
            above = np.where(above < 0, -1, above[np.maximum(above, 0)]).astype(np.int32)
        if (above >= 0).any():
            raise ValueError("back-off arcs form a circle")


def fnv1a(text: str) -> int:
    """64-bit FNV-1a of the UTF-8 bytes of a word (Fowler, Noll, Vo)."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


@dataclass(frozen=True, slots=True, eq=False)
class WordLexicon:
    """Word text to word id, by hash, so that a search without strings can look a word up as it grows."""

    hashes: NDArray[np.uint64]
    """[V], FNV-1a of the words' UTF-8 text (without the piece that opens a word), strictly increasing."""
    ids: Ints
    """[V], labels in the word-level graph."""

    UNKNOWN = -1
    """What :meth:`find` says of other words; no graph has an arc for it."""

    @classmethod
    def of(cls, words: Iterable[str]) -> "WordLexicon":
        """A lexicon in which a word's id is its place.

        Raises:
            ValueError: two words have the same hash (or are the same).
        """
        hashes = np.fromiter((fnv1a(word) for word in words), np.uint64)
        order = np.argsort(hashes, kind="stable")
        if (np.diff(hashes[order]) == 0).any():
            raise ValueError("two words of the list are the same, or share a hash")
        return cls(hashes[order], order.astype(np.int32))

    def find(self, word: str) -> int:
        """Id of a word, or :attr:`UNKNOWN`."""
        value = np.uint64(fnv1a(word))
        at = int(np.searchsorted(self.hashes, value))
        return int(self.ids[at]) if at < len(self.hashes) and self.hashes[at] == value else self.UNKNOWN
