"""Two models into one: linear interpolation, computed once, as a back-off model (SRILM's ``ngram -mix-lm``)."""

import numpy as np
from numpy.typing import NDArray

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.lm.ngram import BOS, EOS, NEVER, UNK, NgramModel, Wide, assemble


def mix(one: NgramModel, other: NgramModel, weight: float) -> NgramModel:
    """Every n-gram of either model, with the weighted mean of both probabilities, and back-off weights to match.

    A word that one of them does not have has probability 0 there.

    Args:
        one: the first model.
        other: the second.
        weight: of the first one's probabilities, between 0 and 1.

    Raises:
        WavelaneError: INVALID_CONFIG for a weight that is not between 0 and 1.
    """
    if not 0 < weight < 1:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, f"weight: {weight} is not between 0 and 1")
    special = [UNK, BOS, EOS]
    names = special + sorted({*one.words, *other.words}.difference(special))
    ids = {name: index for index, name in enumerate(names)}
    orders = []
    for order in range(1, max(one.order, other.order) + 1):
        parts = [_rows(model, order, ids) for model in (one, other) if model.order >= order]
        grams = _distinct(np.concatenate(parts))
        mean = np.logaddexp(
            np.log(weight) + _scores(one, grams, names), np.log(1 - weight) + _scores(other, grams, names)
        )
        orders.append((grams, np.maximum(mean, NEVER), np.zeros(len(grams))))
    return rebalance(assemble(names, orders))


def _distinct(rows: Wide) -> Wide:
    """Rows in lexical order, each once: what ``np.unique(rows, axis=0)`` gives, in half of the time."""
    rows = rows[np.lexsort(rows.T[::-1])]
    first = np.ones(len(rows), dtype=np.bool_)
    first[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    distinct: Wide = rows[first]
    return distinct


def rebalance(model: NgramModel) -> NgramModel:
    """The same model with back-off weights that make the probabilities after every context sum to 1."""
    backoff = np.zeros(len(model.word))
    result = NgramModel(model.words, model.counts, model.parent, model.word, model.log_prob, backoff.astype(np.float32))
    for order in range(2, model.order + 1):
        # Shorter contexts first: what is left to them is what the longer ones share.
        first, last = model.span(order)
        parent, word = model.parent[first:last], model.word[first:last]
        given = np.bincount(parent, np.exp(model.log_prob[first:last].astype(np.float64)), first)
        shorter = np.bincount(parent, np.exp(result.score(model.suffix[parent], word)), first)
        has = np.bincount(parent, minlength=first) > 0
        left, room = np.maximum(1 - given, 1e-9), np.maximum(1 - shorter, 1e-9)
        backoff[:first] = np.where(has, np.log(left / room), backoff[:first])
        result = NgramModel(
            model.words, model.counts, model.parent, model.word, model.log_prob, backoff.astype(np.float32)
        )
    return result


def _rows(model: NgramModel, order: int, ids: dict[str, int]) -> Wide:
    """n-grams of one order as word ids of another vocabulary [N, order]."""
    there = np.array([ids[word] for word in model.words])
    first, last = model.span(order)
    columns = [there[model.word[first:last]]]
    node = model.parent[first:last]
    for _ in range(order - 1):
        columns.insert(0, there[model.word[node]])
        node = model.parent[node]
    return np.column_stack(columns)


def _scores(model: NgramModel, grams: Wide, names: list[str]) -> NDArray[np.float64]:
    """Log probability of the last word of each row after the others; -inf for a word that the model does not have."""
    here = np.array([model.ids.get(name, -1) for name in names])[grams]
    context = np.full(len(grams), -1, np.int64)
    for place in range(grams.shape[1] - 1):
        # The longest context of the model that ends here, cut to what it can still be longer than.
        word = np.where(here[:, place] < 0, model.unk, here[:, place])
        node = model.find(context, word)
        while (missing := (node < 0) & (context >= 0)).any():
            context = np.where(missing, model.suffix[context], context)
            node = np.where(missing, model.find(context, word), node)
        context = node
    return np.where(here[:, -1] < 0, -np.inf, model.score(context, here[:, -1]))
