"""An n-gram language model with back-off, as one tree in flat arrays.

Everything that is done to such models (reading, estimating, mixing, turning into a graph) works on whole arrays here:
an n-gram is a node, its parent the n-gram without its last word, and one sorted array of (parent, word) finds any node
by binary search.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavelane.lm.graph import Floats, Ints

BOS, EOS, UNK = "<s>", "</s>", "<unk>"
"""Begin of sentence (context only), end of sentence, and every word that is not in the vocabulary."""

LOG10 = math.log(10)
"""Turns logarithms to the base of 10, as files have them, into natural ones."""
MOST_ORDER = 20
"""Longest n-gram that a file may have."""

NEVER = -99.0 * LOG10
"""Log probability of what is never predicted, as ARPA files have it for the begin of a sentence."""

Wide = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class NgramModel:
    """``N`` n-grams of orders 1 to ``order`` over ``V`` words; weights are natural logarithms.

    Nodes are sorted by order, then by parent, then by word; the node of a unigram is the id of its word.
    """

    words: tuple[str, ...]
    """[V] by id. Has :data:`BOS`, :data:`EOS` and :data:`UNK`, in any place."""
    counts: tuple[int, ...]
    """Number of n-grams of each order, from unigrams on."""
    parent: Ints
    """[N], -1 for unigrams."""
    word: Ints
    """[N], the last word."""
    log_prob: Floats
    """[N], of the last word after the others."""
    backoff: Floats
    """[N], added where a word is not found after this n-gram."""

    @property
    def order(self) -> int:
        """Longest n-gram."""
        return len(self.counts)

    def span(self, order: int) -> tuple[int, int]:
        """Nodes of one order: the first, and one past the last."""
        first = sum(self.counts[: order - 1])
        return first, first + self.counts[order - 1]

    @cached_property
    def ids(self) -> dict[str, int]:
        """Id of each word."""
        return {word: index for index, word in enumerate(self.words)}

    @cached_property
    def unk(self) -> int:
        """Id of the unknown word."""
        return self.ids[UNK]

    @cached_property
    def _keys(self) -> Wide:
        return (self.parent.astype(np.int64) + 1) * len(self.words) + self.word

    def find(self, parents: NDArray[np.integer], words: NDArray[np.integer]) -> Wide:
        """Nodes of words after n-grams (-1: after nothing); -1 where there is none. Shapes [n]."""
        keys = (parents.astype(np.int64) + 1) * len(self.words) + words
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where((self._keys[at] == keys) & (words >= 0), at, -1)

    @cached_property
    def suffix(self) -> Wide:
        """[N], the longest n-gram of the model that each one ends with; -1 for unigrams."""
        suffix = np.full(len(self.word), -1, np.int64)
        for order in range(2, self.order + 1):
            first, last = self.span(order)
            context = suffix[self.parent[first:last]]
            words = self.word[first:last]
            found = self.find(context, words)
            while (missing := (found < 0) & (context >= 0)).any():
                context = np.where(missing, suffix[context], context)
                found = np.where(missing, self.find(context, words), found)
            suffix[first:last] = found
        return suffix

    @cached_property
    def contexts(self) -> NDArray[np.bool_]:
        """[N], whether an n-gram changes what comes after it: it has children or a back-off weight."""
        result = self.backoff != 0
        result[self.parent[self.counts[0] :]] = True
        return np.asarray(result)

    def score(self, contexts: NDArray[np.integer], words: NDArray[np.integer]) -> NDArray[np.float64]:
        """Log probability of words after contexts (nodes, -1: none), backing off as far as it takes. Shapes [n]."""
        words = np.where(words < 0, self.unk, words)
        context = contexts.astype(np.int64)
        node = self.find(context, words)
        total = np.zeros(len(words))
        while (missing := node < 0).any():
            total += np.where(missing, self.backoff[context], 0.0)
            context = np.where(missing, self.suffix[context], context)
            node = np.where(missing, self.find(context, words), node)
        return total + self.log_prob[node]

    def encode(self, sentence: Iterable[str]) -> list[int]:
        """Word ids of a sentence, with that of :data:`UNK` for words that are not in the vocabulary."""
        return [self.ids.get(word, self.unk) for word in sentence]

    def sentence_scores(self, sentences: Sequence[Sequence[str]]) -> list[NDArray[np.float64]]:
        """Log probability of every word of each sentence, and of its end."""
        bos, eos = self.ids[BOS], self.ids[EOS]
        rows = [[bos, *self.encode(sentence), eos] for sentence in sentences]
        tokens = np.fromiter((token for row in rows for token in row), np.int64)
        if not len(tokens):
            return []
        context = np.full(len(tokens), -1, np.int64)
        node = tokens.copy()
        longest = node.copy()
        for _ in range(self.order - 2):
            # From the nodes of k words that end at each place to those of k + 1; never across a begin of sentence.
            before = np.concatenate([[-1], node[:-1]])
            node = np.where((before >= 0) & (tokens != bos), self.find(before, tokens), -1)
            longest = np.where(node >= 0, node, longest)
        context[1:] = longest[:-1] if self.order > 1 else -1
        scores = self.score(context, tokens)
        ends = np.cumsum([len(row) for row in rows])
        return [part[1:] for part in np.split(scores, ends[:-1])]

    def perplexity(self, sentences: Sequence[Sequence[str]]) -> "Perplexity":
        """How well the model predicts a text."""
        scores = self.sentence_scores(sentences)
        known = [np.array([word in self.ids and word != UNK for word in s] + [True]) for s in sentences]
        total = sum(float(score.sum()) for score in scores)
        inside = sum(float(score[mask].sum()) for score, mask in zip(scores, known, strict=True))
        tokens, seen = sum(map(len, scores)), sum(int(mask.sum()) for mask in known)
        return Perplexity(
            sentences=len(sentences),
            words=tokens - len(sentences),
            unknown=tokens - seen,
            perplexity=math.exp(-total / tokens) if tokens else math.nan,
            known_perplexity=math.exp(-inside / seen) if seen else math.nan,
        )


@dataclass(frozen=True, slots=True)
class Perplexity:
    """What :meth:`NgramModel.perplexity` finds."""

    sentences: int
    words: int
    unknown: int
    """Words that are not in the vocabulary."""
    perplexity: float
    """Over all words and sentence ends."""
    known_perplexity: float
    """Unknown words left out."""


Rows = tuple[NDArray[np.integer], NDArray[np.floating], NDArray[np.floating]]
"""n-grams of one order as word ids [N, order], log probabilities [N] and back-off weights [N]; natural logarithms."""


def assemble(words: Sequence[str], orders: Sequence[Rows]) -> NgramModel:
    """A model from rows of word ids.

    Args:
        words: by id; :data:`BOS`, :data:`EOS` and :data:`UNK` are added where they are missing.
        orders: from unigrams on; rows in any order.

    Raises:
        ValueError: an n-gram is there twice, or without the n-gram that is its beginning.
    """
    names, unigrams = _with_specials(words, orders[0])
    size = len(names)
    # Of each order: the sorted (parent, word) of its nodes, and the number of its first node.
    levels: list[tuple[Wide, int]] = []
    columns: list[tuple[NDArray[Any], ...]] = []
    for order, (grams, log_prob, backoff) in enumerate([unigrams, *orders[1:]], 1):
        parent = np.full(len(grams), -1, np.int64)
        for place in range(order - 1):
            level, start = levels[place]
            key = (parent + 1) * size + grams[:, place]
            at = np.minimum(np.searchsorted(level, key), len(level) - 1)
            if (level[at] != key).any():
                lost = grams[np.flatnonzero(level[at] != key)[0]]
                raise ValueError(
                    f"{' '.join(names[word] for word in lost)!r} is there without its first {place + 1} words"
                )
            parent = at + start
        key = (parent + 1) * size + grams[:, -1]
        rows = np.argsort(key, kind="stable")
        if (np.diff(key[rows]) == 0).any():
            raise ValueError(f"an n-gram of order {order} is there twice")
        levels.append((key[rows], sum(len(level) for level, _ in levels)))
        columns.append((parent[rows], grams[rows, -1], log_prob[rows], backoff[rows]))
    parents, lasts, logs, backoffs = (np.concatenate(column) for column in zip(*columns, strict=True))
    return NgramModel(
        words=tuple(names),
        counts=tuple(len(level) for level, _ in levels),
        parent=parents.astype(np.int32),
        word=lasts.astype(np.int32),
        log_prob=logs.astype(np.float32),
        backoff=backoffs.astype(np.float32),
    )


def _with_specials(words: Sequence[str], unigrams: Rows) -> tuple[list[str], Rows]:
    """Words and unigrams with those that every model has. An unknown word is rarer than any that was seen."""
    grams, log_prob, backoff = unigrams
    names = [*words, *(special for special in (BOS, EOS, UNK) if special not in words)]
    rarest = float(np.min(log_prob[log_prob > NEVER / 2], initial=0.0))
    given = set(grams[:, 0].tolist())
    added = [index for index in range(len(names)) if index not in given]
    more = [rarest - 1.0 if names[index] == UNK else NEVER for index in added]
    return names, (
        np.concatenate([grams, np.array(added, np.int64).reshape(-1, 1)]),
        np.concatenate([log_prob, more]),
        np.concatenate([backoff, np.zeros(len(added))]),
    )
