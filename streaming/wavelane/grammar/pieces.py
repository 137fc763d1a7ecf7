"""An automaton over words as one over a model's pieces, for the search."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wavelane.grammar.automaton import Automaton
from wavelane.grammar.jsgf import grammar_error
from wavelane.grammar.network import ANY
from wavelane.lm.spelling import Speller, Spelling

ANYTHING = -1
"""Label of an arc that takes any sound."""


@dataclass(frozen=True, slots=True, eq=False)
class PieceAutomaton:
    """``A`` arcs between ``N`` nodes; node 0 is the first."""

    source: NDArray[np.int32]
    """[A]"""
    target: NDArray[np.int32]
    """[A]"""
    label: NDArray[np.int32]
    """[A], piece ids, or :data:`ANYTHING`."""
    accepts: NDArray[np.uint8]
    """[N], a sentence may end here."""


def spell_automaton(automaton: Automaton, speller: Speller) -> PieceAutomaton:
    """Every word written in pieces, as the model's tokenizer cuts it. Words that begin alike share what they can.

    Raises:
        WavelaneError: INVALID_CONFIG, naming the words that the model has no pieces for.
    """
    spellings = {word: _spell(word, speller) for word in automaton.vocabulary if word != ANY}
    if missing := [word for word, spelling in spellings.items() if spelling is None]:
        shown = ", ".join(map(repr, missing[:5])) + (" …" if len(missing) > 5 else "")
        raise grammar_error(f"the model's pieces cannot spell {shown}; write numbers and symbols as they are spoken")
    arcs: list[tuple[int, int, int]] = []
    nodes = automaton.size
    for state, following in enumerate(automaton.arcs):
        begun: dict[tuple[int, ...], int] = {(): state}
        for word, target in following:
            if word == ANY:
                arcs.append((state, target, ANYTHING))
                continue
            spelling = spellings[word]
            assert spelling is not None
            for length in range(1, len(spelling)):
                if spelling[:length] not in begun:
                    arcs.append((begun[spelling[: length - 1]], nodes, spelling[length - 1]))
                    begun[spelling[:length]] = nodes
                    nodes += 1
            arcs.append((begun[spelling[:-1]], target, spelling[-1]))
    table = np.array(arcs, dtype=np.int32).reshape(-1, 3)
    accepts = np.zeros(nodes, dtype=np.uint8)
    accepts[: automaton.size] = automaton.accepts
    columns = [np.ascontiguousarray(table[:, column]) for column in range(3)]
    return PieceAutomaton(columns[0], columns[1], columns[2], accepts)


def _spell(word: str, speller: Speller) -> Spelling | None:
    """In small letters, else as the pieces of a model with other letters have it."""
    for written in (word, word.upper(), word.capitalize()):
        if spelling := speller.spell_word(written):
            return spelling
    return None
