"""Beam search and fusion on the host, streaming: prefix beam search of CTC, and greedy search with fusion.

The search itself is C++ (``native/src/search``), one call for all rows of a step, without the interpreter lock; this is
its face. It takes scores of every symbol from whatever computes the step. A row's result never depends on other rows.
"""

import ctypes
from collections.abc import Sequence
from ctypes import byref
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavelane.decode.words import OPENER, byte_of
from wavelane.lm.fusion import Fusion
from wavelane.native.library import BYTES, FLOATS, INTS, LONGS
from wavelane.native.searching import HASHES, POINTERS, Graph, Options, View, search_library
from wavelane.work import Decoding, Hypothesis, Token

PATIENCE = 30
"""Encoder frames (2.4 s) that hypotheses may disagree about a piece, before the best one's is believed."""

TOKENS = 24
"""Symbols of a frame that are tried at most."""

FLOOR = -11.0
"""Least log-probability of a symbol that is tried."""

MARGIN = 11.0
"""Hypotheses whose score is so much below the best one's are dropped."""

EXPANSIONS = 3
"""Symbols that a frame of RNN-T may emit; speech in English has less than one in most frames of 80 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """What a search leaves out to be fast; see the constants."""

    patience: int = PATIENCE
    tokens: int = TOKENS
    floor: float = FLOOR
    margin: float = MARGIN
    expansions: int = EXPANSIONS


class Pieces:
    """The texts of a model's pieces, as fusion with words needs them.

    Args:
        vocabulary: pieces by id, without the blank.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        texts = [_text(piece) for piece in vocabulary]
        data = np.frombuffer(b"".join(texts) or b"\0", np.uint8).copy()
        offsets = np.cumsum([0, *map(len, texts)], dtype=np.int64)
        opens = np.array([piece.startswith(OPENER) for piece in vocabulary], dtype=np.uint8)
        self._library = search_library()
        self.handle: int = self._library.wavelane_pieces_create(
            len(texts), pointer(data, BYTES), pointer(offsets, LONGS), pointer(opens, BYTES)
        )

    def __del__(self) -> None:
        if hasattr(self, "handle"):
            self._library.wavelane_pieces_destroy(self.handle)


class FusionHandle:
    """A fusion as the search sees it; keeps its arrays alive.

    Args:
        fusion: what to add.
        pieces: of the model.

    Raises:
        ValueError: it has more graphs than a search takes.
    """

    def __init__(self, fusion: Fusion, pieces: Pieces) -> None:
        self._library = search_library()
        self._keep = fusion, pieces
        graphs = (Graph * max(1, len(fusion.parts)))()
        for i, part in enumerate(fusion.parts):
            graph, lexicon = part.graph, part.lexicon
            if part.kind == "word" and lexicon is None:
                raise ValueError("a word-level graph needs a lexicon")
            graphs[i] = Graph(
                first=pointer(graph.first, INTS),
                labels=pointer(graph.labels, INTS),
                targets=pointer(graph.targets, INTS),
                weights=pointer(graph.weights, FLOATS),
                backoff=pointer(graph.backoff, INTS),
                backoff_weight=pointer(graph.backoff_weight, FLOATS),
                final=pointer(graph.final, FLOATS),
                states=graph.states,
                start=graph.start,
                unknown=graph.unknown,
                scale=part.scale,
                words=part.kind == "word",
                lexicon_size=0 if lexicon is None else len(lexicon.hashes),
                hashes=None if lexicon is None else pointer(lexicon.hashes, HASHES),
                ids=None if lexicon is None else pointer(lexicon.ids, INTS),
            )
        self.handle: int | None = self._library.wavelane_fusion_create(
            pieces.handle, len(fusion.parts), graphs, fusion.word_bonus, fusion.blank_penalty
        )
        if self.handle is None:
            most = self._library.wavelane_fusion_most()
            raise ValueError(f"a search takes {most} graphs, not {len(fusion.parts)}")

    def __del__(self) -> None:
        if getattr(self, "handle", None) is not None:
            self._library.wavelane_fusion_destroy(self.handle)


class Search:
    """The search of one stream, from its first frame to its last.

    Args:
        decoding: what is wanted.
        symbols: pieces and the blank.
        blank: index of the blank.
        fusion: what to add to the acoustic score.
        transducer: of RNN-T; otherwise of CTC.
        pruning: what to leave out.
    """

    def __init__(
        self,
        decoding: Decoding,
        symbols: int,
        blank: int,
        *,
        fusion: FusionHandle | None = None,
        transducer: bool = False,
        pruning: Pruning = Pruning(),
    ) -> None:
        self._library = search_library()
        self._fusion = fusion
        options = Options(
            symbols=symbols,
            blank=blank,
            beam=decoding.beam,
            alternatives=decoding.alternatives,
            settle=decoding.settle,
            patience=pruning.patience,
            tokens=pruning.tokens,
            expansions=pruning.expansions,
            floor=pruning.floor,
            margin=pruning.margin,
        )
        self.handle: int = self._library.wavelane_search_create(
            byref(options), None if fusion is None else fusion.handle, transducer
        )

    def __del__(self) -> None:
        if hasattr(self, "handle"):
            self._library.wavelane_search_destroy(self.handle)

    def read(self) -> "Found":
        """What the newest step gave."""
        view = View()
        self._library.wavelane_search_view_of(self.handle, byref(view))
        counts = view.counts[: view.alternatives]
        total = view.committed + view.tentative + sum(counts)
        tokens = tuple(
            Token(id=piece, frame=frame, confidence=confidence)
            for piece, frame, confidence in zip(
                view.ids[:total], view.frames[:total], view.confidences[:total], strict=True
            )
        )
        at = view.committed + view.tentative
        alternatives = []
        for count, score in zip(counts, view.scores[: view.alternatives], strict=True):
            alternatives.append(Hypothesis(tokens=tokens[at : at + count], score=score))
            at += count
        return Found(
            tokens[: view.committed],
            tokens[view.committed : view.committed + view.tentative],
            tuple(alternatives),
            bool(view.unsettled),
        )


@dataclass(frozen=True, slots=True)
class Found:
    """What a search gave in a step; see :class:`wavelane.work.StepResult`."""

    tokens: tuple[Token, ...]
    tentative: tuple[Token, ...]
    alternatives: tuple[Hypothesis, ...]
    unsettled: bool = False


def advance_ctc(
    searches: Sequence[Search],
    scores: Sequence[int],
    stride: int,
    lengths: Sequence[int],
    last: Sequence[bool],
) -> list[Found]:
    """Take the frames of a step, of several streams; releases the interpreter lock.

    Args:
        searches: of CTC, one a row, none twice.
        scores: address of each row's frames [length, stride] float32: log-probabilities of the symbols, but for a
            constant in each frame.
        stride: numbers from one frame to the next.
        lengths: frames of each row.
        last: whether the row's stream is over.
    """
    library, rows = search_library(), len(searches)
    handles = np.array([search.handle for search in searches], np.uint64)
    addresses = np.array(scores, np.uint64)
    counts, over = np.array(lengths, np.int32), np.array(last, np.uint8)
    library.wavelane_search_ctc(
        rows,
        pointer(handles, POINTERS),
        pointer(addresses, POINTERS),
        stride,
        pointer(counts, INTS),
        pointer(over, BYTES),
    )
    return [search.read() for search in searches]


def pointer(array: NDArray[Any], kind: Any) -> Any:
    """The data of an array as the library takes it."""
    return ctypes.cast(array.ctypes.data, kind)


def _text(piece: str) -> bytes:
    """What a piece adds to a word."""
    byte = byte_of(piece)
    return piece.removeprefix(OPENER).encode() if byte is None else byte
