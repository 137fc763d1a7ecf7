"""A network without its tags: a small deterministic automaton over words.

``<GARBAGE>`` is a label of its own here (:data:`wavelane.grammar.network.ANY`), so that what it takes may overlap with
a word that leaves the same state.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from wavelane.errors import WavelaneError
from wavelane.grammar.jsgf import grammar_error
from wavelane.grammar.network import Network

_ARCS = 20
"""Words that may lead on from a state, in the mean: what a row of n optional words makes n² / 2 of."""


_STEPS = 4
"""Steps of the network for each of them."""

_READ = 16
"""And steps of the whole construction, which reads what leaves a state again wherever it is one of several."""


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
    """Subset construction, then the merging of states behind which the same may be said.

    States within a repetition are not merged with each other: that would take time that grows faster than the grammar.

    Raises:
        WavelaneError: INVALID_CONFIG where that takes more than ``most_states``, or only the empty sentence is left.
    """
    most_arcs = _ARCS * most_states
    reach = _Reach(network, _STEPS * most_arcs)
    total = read = 0
    start = frozenset((0,))
    numbers = {start: 0}
    subsets = [start]
    arcs: list[dict[str, int]] = []
    accepts: list[bool] = []
    for subset in subsets:
        moves: dict[str, set[int]] = {}
        for state in subset:
            read += len(reach.words(state))
            if read > _READ * most_arcs:
                raise _too_optional(_READ * most_arcs)
            for word, target in reach.words(state):
                moves.setdefault(word, set()).add(target)
        leaving = {}
        for word, targets in moves.items():
            together = frozenset(targets)
            if together not in numbers:
                if len(subsets) >= most_states:
                    raise grammar_error(
                        f"telling its sentences apart takes more than {most_states} states (setting "
                        "grammar.max_states); use fewer alternatives that begin alike"
                    )
                numbers[together] = len(subsets)
                subsets.append(together)
            leaving[word] = numbers[together]
        arcs.append(leaving)
        total += len(leaving)
        if total > most_arcs:
            raise _too_optional(most_arcs)
        accepts.append(any(reach.ends(state) for state in subset))
    if not any(arcs):
        raise grammar_error("there is nothing to say in any public rule")
    return _merged(arcs, accepts)


class _Reach:
    """What may be said next from a state of a network, and whether the end is reached without a word."""

    def __init__(self, network: Network, most: int) -> None:
        self._network = network
        self._most = most
        self._left = most
        self._known: dict[int, tuple[tuple[tuple[str, int], ...], bool]] = {}

    def words(self, state: int) -> tuple[tuple[str, int], ...]:
        return self._of(state)[0]

    def ends(self, state: int) -> bool:
        return self._of(state)[1]

    def _of(self, state: int) -> tuple[tuple[tuple[str, int], ...], bool]:
        known = self._known.get(state)
        if known is not None:
            return known
        reached, waiting = {state}, [state]
        words: dict[tuple[str, int], None] = {}
        while waiting:
            for arc in self._network.arcs[waiting.pop()]:
                if isinstance(arc.label, str):
                    words[arc.label, arc.target] = None
                elif arc.target not in reached:
                    reached.add(arc.target)
                    waiting.append(arc.target)
        self._left -= len(reached) + len(words)
        if self._left < 0:
            raise _too_optional(self._most)
        known = self._known[state] = tuple(words), self._network.final in reached
        return known


def _too_optional(most: int) -> WavelaneError:
    return grammar_error(
        f"it has too many optional parts in a row: more than {most} ways lead past them (a multiple of the setting "
        "grammar.max_states)"
    )


def _merged(arcs: list[dict[str, int]], accepts: list[bool]) -> Automaton:
    block = [-1] * len(arcs)
    blocks: dict[object, int] = {}
    endless = False
    for component in _components(arcs):
        inside = set(component)
        loops = len(component) > 1 or any(target in inside for target in arcs[component[0]].values())
        endless |= loops
        for state in component:
            leaving = sorted((word, block[target]) for word, target in arcs[state].items()) if not loops else []
            signature: object = ("within", state) if loops else (accepts[state], *leaving)
            block[state] = blocks.setdefault(signature, len(blocks))
    # Numbered anew, the first state first.
    order = {block[0]: 0}
    for state in range(len(arcs)):
        order.setdefault(block[state], len(order))
    merged: list[tuple[tuple[str, int], ...]] = [()] * len(order)
    ends = [False] * len(order)
    for state, leaving_state in enumerate(arcs):
        place = order[block[state]]
        merged[place] = tuple(sorted((word, order[block[target]]) for word, target in leaving_state.items()))
        ends[place] = accepts[state]
    return Automaton(tuple(merged), tuple(ends), endless)


def _components(arcs: list[dict[str, int]]) -> Iterator[list[int]]:
    """Strongly connected components, those that are led to first (Tarjan, without recursion)."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    work: list[tuple[int, Iterator[int]]] = []

    def enter(state: int) -> None:
        index[state] = low[state] = len(index)
        stack.append(state)
        on_stack.add(state)
        work.append((state, iter(arcs[state].values())))

    enter(0)  # every state is reached from the first one
    while work:
        state, following = work[-1]
        for target in following:
            if target not in index:
                enter(target)
                break
            if target in on_stack:
                low[state] = min(low[state], index[target])
        else:
            work.pop()
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[state])
            if low[state] == index[state]:
                component: list[int] = []
                while not component or component[-1] != state:
                    component.append(stack.pop())
                    on_stack.discard(component[-1])
                yield component
