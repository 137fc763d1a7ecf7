"""Sentences of a grammar: all of them, or samples by weight."""

import random
from collections.abc import Iterator

from wavelane.grammar.automaton import Automaton
from wavelane.grammar.network import ANY, Label, Network

LONGEST = 400
"""Words of a sampled sentence; a longer one is thrown away and drawn again."""

_PATIENCE = 20
"""Draws for each sentence wanted before a sample is taken to be complete."""


def walk(network: Network, rng: random.Random) -> list[Label]:
    """What lies along a random way through the network, by its weights. ``<GARBAGE>`` says nothing."""
    while True:
        labels: list[Label] = []
        state = said = 0
        while state != network.final and said <= LONGEST:
            arcs = [arc for arc in network.arcs[state] if arc.label != ANY]
            arc = rng.choices(arcs, network.odds(state))[0] if len(arcs) > 1 else arcs[0]
            if arc.label is not None:
                labels.append(arc.label)
            said += isinstance(arc.label, str)
            state = arc.target
        if state == network.final:
            return labels


def all_sentences(automaton: Automaton) -> Iterator[str]:
    """Every sentence once, in no particular order; endless where something repeats. ``<GARBAGE>`` says nothing."""
    waiting: list[tuple[int, tuple[str, ...]]] = [(0, ())]
    while waiting:
        state, words = waiting.pop()
        if automaton.accepts[state] and words:
            yield " ".join(words)
        following = automaton.following(state)
        waiting.extend((target, (*words, word)) for word, target in reversed(following) if word != ANY)


def sample(network: Network, automaton: Automaton, limit: int, seed: int) -> list[str]:
    """All sentences if they are no more than ``limit``, else ``limit`` different ones drawn by weight."""
    if limit < 1:
        return []
    if not automaton.endless:
        everything = all_sentences(automaton)
        found = [sentence for sentence, _ in zip(everything, range(limit + 1), strict=False)]
        if len(found) <= limit:
            return found
    rng = random.Random(seed)
    drawn: dict[str, None] = {}
    for _ in range(_PATIENCE * limit):
        sentence = " ".join(label for label in walk(network, rng) if isinstance(label, str))
        if sentence:
            drawn[sentence] = None
        if len(drawn) == limit:
            break
    return list(drawn)
