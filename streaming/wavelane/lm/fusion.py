"""What a search adds to the acoustic score of a hypothesis: language models and hotwords, each with its scale."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from wavelane.decode.words import OPENER
from wavelane.lm.graph import BackoffGraph, WordLexicon


@dataclass(frozen=True, slots=True, eq=False)
class FusionPart:
    """One graph of a fusion."""

    graph: BackoffGraph
    scale: float
    """Factor of the graph's weights."""
    kind: Literal["piece", "word"]
    """Labels are piece ids, taken with every piece; or word ids, taken when a word is complete: when the next piece
    opens a word, or at the end of the utterance."""
    lexicon: WordLexicon | None = None
    """Of a word-level graph. A word that it does not have takes the graph's unknown label (``WordLexicon.UNKNOWN``)."""


@dataclass(frozen=True, slots=True, eq=False)
class Fusion:
    """All that one session's search adds. Immutable and shared by sessions with the same content."""

    parts: tuple[FusionPart, ...]
    word_bonus: float = 0.0
    """Added for every word (at the piece that opens it), against the shorter texts that a language model prefers."""
    blank_penalty: float = 0.0
    """Taken from the blank in every frame (natural logarithm), against the words that an unsure model leaves out; it is
    no part of :meth:`score`, which knows no frames."""

    def score(self, pieces: Sequence[int], vocabulary: Sequence[str], *, end: bool = True) -> float:
        """Weight of a hypothesis, piece by piece: the plain reference of what a search adds up.

        Args:
            pieces: ids, from the beginning of an utterance.
            vocabulary: of the model.
            end: the utterance ends here: its last word is complete, and every graph's final weight counts.
        """
        total = 0.0
        words = _words(pieces, vocabulary)
        total += self.word_bonus * len(words)
        for part in self.parts:
            if part.kind == "piece":
                total += part.scale * part.graph.score(pieces, end=end)
            else:
                assert part.lexicon is not None, "a word-level graph needs a lexicon"
                complete = words if end else words[:-1]
                total += part.scale * part.graph.score([part.lexicon.find(word) for word in complete], end=end)
        return total


def _words(pieces: Sequence[int], vocabulary: Sequence[str]) -> list[str]:
    words: list[str] = []
    for index in pieces:
        piece = vocabulary[index]
        if piece.startswith(OPENER) or not words:
            words.append(piece.removeprefix(OPENER))
        else:
            words[-1] += piece
    return words
