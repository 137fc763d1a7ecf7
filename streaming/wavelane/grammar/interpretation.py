"""From a way through a network to the intent and slots."""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from wavelane.grammar.network import ANY, Arc, Close, Label, Network, Open

INTENT = "intent"
"""The tag that names the intent instead of a slot."""

_SKIP = 1e-3
"""Added for a word that ``<GARBAGE>`` takes, so that a word of the grammar is preferred to it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a sentence of the grammar means."""

    intent: str
    slots: dict[str, str]
    """In the order in which they were said. A slot that is said twice has its last value."""


def read(labels: Iterable[Label]) -> Reading:
    """The meaning of the words and tags along a way through a network."""
    words: list[str] = []
    begun: list[int] = []
    values: dict[str, str] = {}
    for label in labels:
        if isinstance(label, str):
            words.append(label)
        elif isinstance(label, Open):
            begun.append(len(words))
        elif isinstance(label, Close):
            tag, start = label.tag, begun.pop()
            value = " ".join(words[start:]) if tag.value is None else tag.value
            if begun:
                values.pop(tag.name, None)
                values[tag.name] = value
            else:
                # The outermost tag is the public rule's name.
                values.setdefault(INTENT, value)
    intent = values.pop(INTENT)
    return Reading(intent, values)


def interpret(network: Network, words: Sequence[str]) -> Reading | None:
    """The meaning of a sentence by its most probable way through the network; None if it is not of the grammar.

    Args:
        network: of the grammar.
        words: the whole sentence.
    """
    came: list[dict[int, tuple[int, Arc, str | None]]] = [{} for _ in range(len(words) + 1)]
    front: dict[int, tuple[float, tuple[int, Arc, str | None] | None]] = {0: (0.0, None)}
    for position in range(len(words) + 1):
        costs = _closure(network, front, came[position])
        if position == len(words):
            return _read_back(came, words, network.final) if network.final in costs else None
        front = {}
        for state, cost in costs.items():
            for arc in network.arcs[state]:
                if arc.label == words[position] or arc.label == ANY:
                    reached = cost - arc.weight + (_SKIP if arc.label == ANY else 0.0)
                    if arc.target not in front or reached < front[arc.target][0]:
                        front[arc.target] = (reached, (state, arc, words[position]))
        if not front:
            return None
    return None


def _closure(
    network: Network,
    front: dict[int, tuple[float, tuple[int, Arc, str | None] | None]],
    came: dict[int, tuple[int, Arc, str | None]],
) -> dict[int, float]:
    """Cheapest cost of every state that the front reaches without a word (Dijkstra); ``came`` says from where."""
    costs: dict[int, float] = {}
    order = 0
    heap: list[tuple[float, int, int, tuple[int, Arc, str | None] | None]] = []
    for state, (cost, before) in front.items():
        heap.append((cost, order, state, before))
        order += 1
    heapq.heapify(heap)
    while heap:
        cost, _, state, before = heapq.heappop(heap)
        if state in costs:
            continue
        costs[state] = cost
        if before is not None:
            came[state] = before
        for arc in network.arcs[state]:
            if not isinstance(arc.label, str) and arc.target not in costs:
                heapq.heappush(heap, (cost - arc.weight, order, arc.target, (state, arc, None)))
                order += 1
    return costs


def _read_back(came: list[dict[int, tuple[int, Arc, str | None]]], words: Sequence[str], final: int) -> Reading:
    labels: list[Label] = []
    position, state = len(words), final
    while (step := came[position].get(state)) is not None:
        state, arc, word = step
        labels.append(arc.label if word is None else word)
        if word is not None:
            position -= 1
    return read(reversed(labels))
