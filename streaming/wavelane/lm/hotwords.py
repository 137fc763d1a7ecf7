"""Phrases to a graph that favours them: a tree over pieces with the failure arcs of Aho and Corasick.

Every piece of a phrase earns its share of the boost at once, so that a narrow beam, or greedy decoding, is led into the
phrase; what was earned is taken back where the phrase is left before its end, or where its last word goes on ("car" in
"carpet"). Shares follow the shallow-fusion biasing of Pundak et al. (arXiv:1808.02480) and the phrase boosting of
Andrusenko et al. (arXiv:2508.07014); new here is that a phrase is only said when a word ends with it.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wavelane.decode.words import OPENER
from wavelane.lm.graph import ROOT, BackoffGraph
from wavelane.lm.spelling import Speller, Spelling

Mask = NDArray[np.bool_]

_SPELLINGS = 3
"""Ways to spell a word where it is not known for certain how the tokenizer does it."""
_STEP = 0.25
"""What a phrase keeps is rounded down to multiples of this, which bounds how many different amounts a graph has."""
_SMALL_STEP = _STEP / 16
"""The same of what is less than that."""


@dataclass(slots=True)
class _Node:
    """How far one or more phrases have come."""

    share: float = 0.0
    """What the pieces from the root to here earn, of the phrase that pays best."""
    due: float = 0.0
    """Boost of the phrase that ends here."""
    secured: float = 0.0
    """Boosts of the phrases that were complete, anywhere on the way, before the current word: they stay."""
    complete: float = 0.0
    """And of those that are complete if the word ends here."""
    earned: float = 0.0
    """What was given out on the way here, from which all that does not stay is taken back."""
    children: dict[int, int] = field(default_factory=dict)
    failure: int = ROOT


def build_hotwords(phrases: Iterable[tuple[str, float]], speller: Speller, vocabulary: Sequence[str]) -> BackoffGraph:
    """The graph of phrases with their boosts.

    Args:
        phrases: text and boost: what a piece of its usual spelling earns (natural log, above 0). Several words are
            divided by spaces. Of a phrase that is there twice the larger boost counts.
        speller: of the model.
        vocabulary: of the model.

    Raises:
        WavelaneError: INVALID_CONFIG, naming a phrase that the model's pieces cannot spell.
    """
    nodes = [_Node()]
    openers = np.array([piece.startswith(OPENER) for piece in vocabulary], bool)
    for text, boost in phrases:
        for usual, spelling in _spellings(text, speller):
            _insert(nodes, spelling, boost * usual / len(spelling), boost * usual)
    _link(nodes)
    _settle(nodes, openers)
    return _compile(nodes, openers)


def _spellings(text: str, speller: Speller) -> list[tuple[int, Spelling]]:
    """Ways to spell a phrase, each with the number of pieces of the usual one of the same form."""
    words = speller.written(text)
    forms = [words]
    if speller.cased:
        forms += [[word.lower() for word in words], [word[:1].upper() + word[1:] for word in words]]
    found: dict[Spelling, int] = {}
    for form in forms:
        usual = [speller.spell_word(word) for word in form]
        if not usual or any(spelling is None for spelling in usual):
            continue
        known = [spelling for spelling in usual if spelling is not None]
        length = sum(map(len, known))
        found.setdefault(sum(known, ()), length)
        if speller.exact:
            continue
        # One word at a time is spelled in another way: all combinations would be too many.
        for at, word in enumerate(form):
            for other in speller.alternatives(word, _SPELLINGS):
                found.setdefault(sum((*known[:at], other, *known[at + 1 :]), ()), length)
    if not found:
        raise speller.refusal(text)
    return [(length, spelling) for spelling, length in found.items()]


def _insert(nodes: list[_Node], spelling: Spelling, share: float, total: float) -> None:
    at = ROOT
    for place, piece in enumerate(spelling, 1):
        child = nodes[at].children.get(piece)
        if child is None:
            child = nodes[at].children[piece] = len(nodes)
            nodes.append(_Node())
        at = child
        nodes[at].share = max(nodes[at].share, share * place)
    step = _STEP if total >= _STEP else _SMALL_STEP
    nodes[at].due = max(nodes[at].due, total // step * step)


def _breadth_first(nodes: list[_Node]) -> Iterator[tuple[_Node, int, int]]:
    """Every arc of the tree as (parent, piece, child), the shallow ones first."""
    order = deque([ROOT])
    while order:
        node = nodes[order.popleft()]
        for piece, child in node.children.items():
            yield node, piece, child
            order.append(child)


def _link(nodes: list[_Node]) -> None:
    """Failure arcs: from each node to the longest proper suffix of its pieces that is a node."""
    for node, piece, child in _breadth_first(nodes):
        if node is nodes[ROOT]:
            continue
        suffix = node.failure
        while suffix != ROOT and piece not in nodes[suffix].children:
            suffix = nodes[suffix].failure
        nodes[child].failure = nodes[suffix].children.get(piece, ROOT)


def _settle(nodes: list[_Node], openers: Mask) -> None:
    """What stays, what would stay, and what is given out, at each node."""
    for node, piece, at in _breadth_first(nodes):
        child = nodes[at]
        suffix = nodes[child.failure]
        child.secured = node.complete if openers[piece] else node.secured
        child.complete = child.secured + child.due + (suffix.complete - suffix.secured)
        child.earned = max(node.earned, child.secured + child.share, child.complete)


class _Arcs:
    """Arcs of one state after another."""

    def __init__(self) -> None:
        self.first = [0]
        self.labels: list[int] = []
        self.targets: list[int] = []
        self.weights: list[float] = []

    def state(self, arcs: dict[int, tuple[int, float]]) -> None:
        for label in sorted(arcs):
            self.labels.append(label)
            self.targets.append(arcs[label][0])
            self.weights.append(arcs[label][1])
        self.first.append(len(self.labels))


def _compile(nodes: list[_Node], openers: Mask) -> BackoffGraph:
    """States are the nodes, then one *gate* for each amount that a completed word keeps and a continued one does not.

    A back-off arc cannot see which label comes, but what a completed phrase keeps depends on it. So the end of a phrase
    has arcs for whatever its suffixes would go on with; for all else it takes everything back and leads to a gate,
    which gives the amount again to every piece that opens a word.
    """
    arcs = _Arcs()
    backoff, backoff_weight, final = [-1], [0.0], [0.0]
    gates: dict[float, int] = {}
    heads = nodes[ROOT].children
    arcs.state({piece: (child, nodes[child].earned) for piece, child in heads.items()})
    for node in nodes[1:]:
        here = {piece: (child, nodes[child].earned - node.earned) for piece, child in node.children.items()}
        amount = node.complete - node.secured
        suffix = nodes[node.failure]
        if amount > 0:
            while suffix is not nodes[ROOT]:
                opened = node.complete - suffix.complete - node.earned
                continued = node.secured - suffix.secured - node.earned
                for piece, child in suffix.children.items():
                    kept = opened if openers[piece] else continued
                    here.setdefault(piece, (child, kept + nodes[child].earned))
                suffix = nodes[suffix.failure]
            backoff.append(gates.setdefault(amount, len(nodes) + len(gates)))
            backoff_weight.append(node.secured - node.earned)
        else:
            backoff.append(node.failure)
            backoff_weight.append(node.secured - suffix.secured + suffix.earned - node.earned)
        arcs.state(here)
        final.append(node.complete - node.earned)
    opening = np.flatnonzero(openers).tolist()
    for amount in gates:
        arcs.state({piece: _through(heads.get(piece), amount, nodes) for piece in opening})
        backoff.append(ROOT)
        backoff_weight.append(0.0)
        final.append(0.0)
    return BackoffGraph(
        first=np.array(arcs.first, np.int32),
        labels=np.array(arcs.labels, np.int32),
        targets=np.array(arcs.targets, np.int32),
        weights=np.array(arcs.weights, np.float32),
        backoff=np.array(backoff, np.int32),
        backoff_weight=np.array(backoff_weight, np.float32),
        final=np.array(final, np.float32),
        start=ROOT,
        unknown=0.0,
    )


def _through(child: int | None, amount: float, nodes: list[_Node]) -> tuple[int, float]:
    return (ROOT, amount) if child is None else (child, amount + nodes[child].earned)
