"""Search in a closed grammar (CTC): only sentences of the grammar are heard, or nothing.

The search itself is C++ (``native/src/search/grammar_search.hpp``): Viterbi over the product of the grammar's pieces
and CTC's topology. Its score is the logarithm of how much less probable, for each piece, the best sentence is than what
would be heard without the grammar: 0 where both are the same.
"""

import ctypes
from collections.abc import Sequence
from ctypes import byref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavelane.decode.search import Found
from wavelane.grammar.pieces import PieceAutomaton
from wavelane.lm.graph import Floats
from wavelane.native.library import BYTES, FLOATS, INTS
from wavelane.native.searching import POINTERS, GrammarOptions, Network, View, search_library
from wavelane.work import Hypothesis, Token

BLANK_PENALTY = 4.0
"""Taken from the blank's log-probability. A model that is not sure hears nothing rather than a wrong piece, so that
ways which leave out optional words win; see Experiments in ``streaming/README.md``."""

LEAST_SCORE = -3.7
"""Score below which nothing of the grammar was said; see Experiments in ``streaming/README.md``."""

GARBAGE_PENALTY = 1.0
"""For each frame that ``<GARBAGE>`` takes, so that words of the grammar are preferred."""

PRIOR_WEIGHT = 0.3
"""Scale of the model's own prior of pieces, which is taken off in every frame: it has learned what is said often, and a
grammar says anew what may be said. See Experiments in ``streaming/README.md``."""

MARGIN = 150.0
"""Ways whose score is so much below the best one's are dropped."""


class PieceGrammar:
    """A grammar in the pieces of one model, as searches see it; shared by any number of them.

    Args:
        automaton: the grammar in pieces.
        prior: [vocabulary] of the model, see :func:`wavelane.lm.compile.centred_prior`; None: not known.
    """

    def __init__(self, automaton: PieceAutomaton, prior: Floats | None = None) -> None:
        self._library = search_library()
        weight = np.zeros(len(automaton.label), np.float32)
        if prior is not None:
            pieces = automaton.label >= 0
            weight[pieces] = -PRIOR_WEIGHT * prior[automaton.label[pieces]]
        network = Network(
            nodes=len(automaton.accepts),
            arcs=len(automaton.label),
            source=_pointer(automaton.source, INTS),
            target=_pointer(automaton.target, INTS),
            label=_pointer(automaton.label, INTS),
            accepts=_pointer(automaton.accepts, BYTES),
            weight=_pointer(weight, FLOATS),
        )
        self.handle: int = self._library.wavelane_grammar_create(byref(network))

    def __del__(self) -> None:
        if hasattr(self, "handle"):
            self._library.wavelane_grammar_destroy(self.handle)


class GrammarSearch:
    """The search of one stream in a grammar, from its first frame to its last.

    Args:
        grammar: what may be said.
        symbols: pieces and the blank.
        blank: index of the blank.
        settle: frames of silence after which a sentence is over; None: only the stream's end ends it.
        least: score below which nothing is said.
        blank_penalty: see :data:`BLANK_PENALTY`.
    """

    def __init__(
        self,
        grammar: PieceGrammar,
        symbols: int,
        blank: int,
        *,
        settle: int | None = None,
        least: float = LEAST_SCORE,
        blank_penalty: float = BLANK_PENALTY,
    ) -> None:
        self._library = search_library()
        self._grammar = grammar
        options = GrammarOptions(
            symbols=symbols,
            blank=blank,
            settle=2**31 - 1 if settle is None else settle,
            blank_penalty=blank_penalty,
            garbage_penalty=GARBAGE_PENALTY,
            margin=MARGIN,
            least=least,
        )
        self.handle: int = self._library.wavelane_grammar_search_create(grammar.handle, byref(options))

    def __del__(self) -> None:
        if hasattr(self, "handle"):
            self._library.wavelane_grammar_search_destroy(self.handle)

    def read(self) -> Found:
        """What the newest step gave. Nothing is certain before the sentence is over: until then all is tentative."""
        view = View()
        self._library.wavelane_grammar_search_view_of(self.handle, byref(view))
        count = view.committed or view.tentative
        tokens = tuple(
            Token(id=piece, frame=frame, confidence=confidence)
            for piece, frame, confidence in zip(
                view.ids[:count], view.frames[:count], view.confidences[:count], strict=True
            )
        )
        if view.alternatives:
            return Found(tokens, (), (Hypothesis(tokens=tokens, score=view.scores[0]),))
        return Found((), tokens, ())


def advance_grammars(
    searches: Sequence[GrammarSearch],
    scores: Sequence[int],
    stride: int,
    lengths: Sequence[int],
    last: Sequence[bool],
) -> list[Found]:
    """Take the frames of a step, of several streams; as :func:`wavelane.decode.search.advance_ctc`."""
    handles = np.array([search.handle for search in searches], np.uint64)
    addresses = np.array(scores, np.uint64)
    counts, over = np.array(lengths, np.int32), np.array(last, np.uint8)
    search_library().wavelane_grammar_search_ctc(
        len(searches),
        _pointer(handles, POINTERS),
        _pointer(addresses, POINTERS),
        stride,
        _pointer(counts, INTS),
        _pointer(over, BYTES),
    )
    return [search.read() for search in searches]


def _pointer(array: NDArray[Any], kind: Any) -> Any:
    return ctypes.cast(array.ctypes.data, kind)
