"""A network without its tags: the smallest deterministic automaton over words.

``<GARBAGE>`` is a label of its own here (:data:`wavelane.grammar.network.ANY`), so that what it takes may overlap with
a word that leaves the same state.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from wavelane.grammar.jsgf import grammar_error
from wavelane.grammar.network import Network


@dataclass(frozen=True, slots=True)
class Automaton:
    """States with the words that leave them; state 0 is the first one."""

    arcs: tuple[tuple[tuple[str, int], ...], ...]
    """Of each state: word and next state, sorted by word."""
    accepts: tuple[bool, ...]
    """A sentence may end here."""
    endless: bool
    """Something repeats, so that there is no longest sentence."""

    def following(self, state: int) -> tuple[tuple[str, int], ...]:
        """What may be said next."""
        return self.arcs[state]

    @property
    def size(self) -> int:
        """Number of states."""
        return len(self.arcs)

    @property
    def vocabulary(self) -> list[str]:
        """Every word, sorted."""
        return sorted({word for arcs in self.arcs for word, _ in arcs})


def determinise(network: Network, most_states: int) -> Automaton:
    """Subset construction, then the merging of states that no continuation tells apart (Moore).

    Raises:
        WavelaneError: INVALID_CONFIG where that takes more than ``most_states``, or only the empty sentence is left.
    """
    start = _closure(network, [0])
    numbers = {start: 0}
    subsets = [start]
    arcs: list[dict[str, int]] = []
    for subset in subsets:
        moves: dict[str, set[int]] = {}
        for state in subset:
            for arc in network.arcs[state]:
                if isinstance(arc.label, str):
                    moves.setdefault(arc.label, set()).add(arc.target)
        leaving = {}
        for word, targets in moves.items():
            target = _closure(network, targets)
            if target not in numbers:
                if len(subsets) >= most_states:
                    raise grammar_error(
                        f"telling its sentences apart takes more than {most_states} states (setting "
                        "grammar.max_states); use fewer alternatives that begin alike"
                    )
                numbers[target] = len(subsets)
                subsets.append(target)
            leaving[word] = numbers[target]
        arcs.append(leaving)
    if not any(arcs):
        raise grammar_error("there is nothing to say in any public rule")
    return _merged(arcs, [network.final in subset for subset in subsets])


def _closure(network: Network, states: Iterable[int]) -> frozenset[int]:
    reached = set(states)
    waiting = list(reached)
    while waiting:
        for arc in network.arcs[waiting.pop()]:
            if not isinstance(arc.label, str) and arc.target not in reached:
                reached.add(arc.target)
                waiting.append(arc.target)
    return frozenset(reached)


def _merged(arcs: list[dict[str, int]], accepts: list[bool]) -> Automaton:
    block = [int(accept) for accept in accepts]
    blocks = len(set(block))
    while True:
        signatures: dict[tuple[object, ...], int] = {}
        refined = []
        for state, leaving in enumerate(arcs):
            signature = (block[state], *sorted((word, block[target]) for word, target in leaving.items()))
            refined.append(signatures.setdefault(signature, len(signatures)))
        block = refined
        if len(signatures) == blocks:
            break
        blocks = len(signatures)
    # Numbered as they are met, the first state first.
    merged: list[tuple[tuple[str, int], ...]] = [()] * blocks
    ends = [False] * blocks
    for state, leaving in enumerate(arcs):
        merged[block[state]] = tuple(sorted((word, block[target]) for word, target in leaving.items()))
        ends[block[state]] = accepts[state]
    return Automaton(tuple(merged), tuple(ends), _endless(merged))


def _endless(arcs: list[tuple[tuple[str, int], ...]]) -> bool:
    """Whether there is a circle (Kahn)."""
    arriving = [0] * len(arcs)
    for leaving in arcs:
        for _, target in leaving:
            arriving[target] += 1
    free = [state for state, count in enumerate(arriving) if count == 0]
    seen = 0
    while free:
        seen += 1
        for _, target in arcs[free.pop()]:
            arriving[target] -= 1
            if arriving[target] == 0:
                free.append(target)
    return seen < len(arcs)
