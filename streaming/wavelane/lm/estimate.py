"""n-gram models from text: interpolated modified Kneser-Ney, on whole arrays.

The estimator of Chen and Goodman (Harvard TR-10-98, section 3) as KenLM's lmplz does it (Heafield et al., ACL 2013):
lower orders count in how many contexts an n-gram was seen, three discounts an order from the counts of counts, unigrams
interpolated with the uniform distribution, and pruned n-grams leave their share to the back-off.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.lm.ngram import BOS, EOS, NEVER, UNK, NgramModel, Wide, assemble

_FALLBACK = (0.5, 1.0, 1.5)
"""Discounts where a text is too small or too regular to tell them; lmplz's ``--discount_fallback``."""

MOST_ORDER = 10

Reals = NDArray[np.float64]


@dataclass(slots=True)
class _Grams:
    """Distinct n-grams of one order, sorted by prefix, then by last word."""

    prefix: Wide
    """[N], among the n-grams one shorter."""
    suffix: Wide
    """[N], the n-gram without its first word, among those one shorter."""
    word: Wide
    first: Wide
    """[N], first word."""
    seen: Wide
    """[N], how often."""
    adjusted: Wide
    """[N], how often (highest order, or begun by the begin of a sentence), else in how many contexts."""


def estimate(
    sentences: Sequence[Sequence[str]],
    order: int,
    *,
    prune: Sequence[int] = (),
    vocabulary: Sequence[str] | None = None,
) -> NgramModel:
    """Estimate a model.

    Args:
        sentences: words (or pieces) of each; neither may be one of the special words.
        order: longest n-gram.
        prune: for each order from 1, n-grams seen no more often than this are left out; the last one stands for all
            longer orders; never decreasing, and 0 for unigrams.
        vocabulary: the words that are known; others count as unknown. None: all that are seen.

    Raises:
        WavelaneError: INVALID_CONFIG for text, order or thresholds that no model can be made of.
    """
    _check(sentences, order, prune)
    known = sorted({word for sentence in sentences for word in sentence} if vocabulary is None else set(vocabulary))
    names = [UNK, BOS, EOS, *(word for word in known if word not in (UNK, BOS, EOS))]
    ids = {name: index for index, name in enumerate(names)}
    rows = [[1, *(ids.get(word, 0) for word in sentence), 2] for sentence in sentences]
    tokens = np.fromiter((token for row in rows for token in row), np.int64)
    grams = _count(tokens, order, len(names))
    thresholds = [*prune, *([prune[-1] if prune else 0] * order)][:order]
    kept = [table.seen > threshold for table, threshold in zip(grams, thresholds, strict=True)]
    kept[0][:] = True
    probability: list[Reals] = []
    backoff: list[Reals] = []
    for table, keep in zip(grams, kept, strict=True):
        if not probability:
            probability.append(_unigrams(table, len(names)))
            continue
        share, left = _discounted(table, keep, len(probability[-1]))
        probability.append(share + left[table.prefix] * probability[-1][table.suffix])
        backoff.append(left)
    backoff.append(np.ones(len(probability[-1])))
    return _collect(names, grams, kept, probability, backoff)


def _check(sentences: Sequence[Sequence[str]], order: int, prune: Sequence[int]) -> None:
    def refuse(message: str) -> WavelaneError:
        return WavelaneError(ErrorCode.INVALID_CONFIG, message)

    if not 1 <= order <= MOST_ORDER:
        raise refuse(f"order: {order} is not from 1 to {MOST_ORDER}")
    if not any(sentences):
        raise refuse("the text has no words: give at least one sentence a line")
    if len(prune) > order or (prune and prune[0] != 0) or any(b < a for a, b in itertools.pairwise(prune)):
        raise refuse(f"prune: {list(prune)} must begin with 0, never decrease, and have at most {order} numbers")
    for sentence in sentences:
        if special := {BOS, EOS, UNK}.intersection(sentence):
            raise refuse(f"the text has the word {special.pop()}, which stands for something else; take it out")


def _count(tokens: Wide, order: int, size: int) -> list[_Grams]:
    """Tables of all orders. Sentences are begun by 1 and ended by 2."""
    node = tokens.copy()
    seen = np.bincount(tokens, minlength=size)
    every = np.arange(size)
    grams = [_Grams(np.full(size, -1), np.full(size, -1), every, every, seen, seen.copy())]
    for _ in range(order - 1):
        # The n-gram that ends at each place, from the one before it; none reaches over the begin of its sentence.
        before = np.concatenate([[-1], node[:-1]])
        inside = (before >= 0) & (tokens != 1)
        places = np.flatnonzero(inside)
        keys, where, inverse, seen = np.unique(
            before[places] * size + tokens[places], return_index=True, return_inverse=True, return_counts=True
        )
        prefix, suffix = keys // size, node[places[where]]
        longer = _Grams(prefix, suffix, keys % size, grams[-1].first[prefix], seen, seen.copy())
        contexts = np.bincount(suffix, minlength=len(grams[-1].seen))
        grams[-1].adjusted = np.where(grams[-1].first == 1, grams[-1].seen, contexts)
        node = np.full(len(tokens), -1, np.int64)
        node[places] = inverse
        grams.append(longer)
    # The begin of a sentence is context, and is never predicted.
    grams[0].adjusted[1] = 0
    return grams


def _discounts(adjusted: Wide) -> Reals:
    """What is taken off counts of 0, 1, 2, and 3 or more [4]."""
    n1, n2, n3, n4 = (int((adjusted == count).sum()) for count in (1, 2, 3, 4))
    if not (n1 and n2 and n3):
        return np.array([0.0, *_FALLBACK])
    ratio = n1 / (n1 + 2 * n2)
    discounts = [1 - 2 * ratio * n2 / n1, 2 - 3 * ratio * n3 / n2, 3 - 4 * ratio * n4 / n3]
    if any(not 0 < discount <= count for count, discount in enumerate(discounts, 1)):
        return np.array([0.0, *_FALLBACK])
    return np.array([0.0, *discounts])


def _unigrams(table: _Grams, size: int) -> Reals:
    """Probabilities [V], the begin of a sentence aside."""
    taken = np.minimum(_discounts(table.adjusted)[np.minimum(table.adjusted, 3)], table.adjusted)
    total = table.adjusted.sum()
    # Every word but the begin of a sentence gets the same share of what was taken.
    probability = (table.adjusted - taken) / total + taken.sum() / total / (size - 1)
    probability[1] = 0.0
    return np.asarray(probability)


def _discounted(table: _Grams, keep: NDArray[np.bool_], contexts: int) -> tuple[Reals, Reals]:
    """Discounted relative frequencies [N], and what is left for the back-off of each context [contexts]."""
    taken = np.minimum(_discounts(table.adjusted)[np.minimum(table.adjusted, 3)], table.adjusted)
    taken = np.where(keep, taken, table.adjusted)
    total = np.maximum(np.bincount(table.prefix, table.adjusted, contexts), 1)
    left = np.bincount(table.prefix, taken, contexts) / total
    seen = np.bincount(table.prefix, minlength=contexts) > 0
    return (table.adjusted - taken) / total[table.prefix], np.where(seen, left, 1.0)


def _collect(
    names: list[str], grams: list[_Grams], kept: list[NDArray[np.bool_]], probability: list[Reals], backoff: list[Reals]
) -> NgramModel:
    orders = []
    words = np.empty((0, 0), np.int64)
    for number, (table, keep) in enumerate(zip(grams, kept, strict=True)):
        words = table.word[:, None] if number == 0 else np.column_stack([words[table.prefix], table.word])
        with np.errstate(divide="ignore"):
            logs = np.maximum(np.log(probability[number]), NEVER)
            bows = np.maximum(np.log(backoff[number]), NEVER)
        orders.append((words[keep], logs[keep], bows[keep]))
    return assemble(names, [rows for rows in orders if len(rows[0])])
