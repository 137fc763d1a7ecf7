"""n-gram models to graphs over what a search emits: words, or the pieces of one model."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from wavelane.decode.words import OPENER
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.lm.graph import ROOT, BackoffGraph, Floats, Ints, WordLexicon
from wavelane.lm.ngram import BOS, EOS, UNK, NgramModel, Wide

Units = Literal["word", "piece"]

_NEMO_OFFSET = 100
"""NeMo writes piece ``i`` as the character ``chr(i + 100)`` in the models that it trains."""


def units_of(model: NgramModel, vocabulary: Sequence[str]) -> Units:
    """Whether a model's n-grams are of words or of pieces.

    Args:
        model: the language model.
        vocabulary: pieces of the recogniser.

    Raises:
        WavelaneError: INVALID_CONFIG: they are of pieces, but not of these.
    """
    if not any(word.startswith(OPENER) for word in model.words) and not _as_nemo(model, vocabulary):
        return "word"
    labels = piece_labels(model, vocabulary)
    plain = [index for index, word in enumerate(model.words) if word not in (BOS, EOS, UNK)]
    lost = [model.words[index] for index in plain if labels[index] < 0]
    if lost:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG,
            f"the language model is over pieces, and {len(lost)} of its {len(plain)}, {lost[0]!r} among them, are not "
            "pieces of this recogniser: it was built for another one; build it again with `wavelane lm build --model`",
        )
    return "piece"


def piece_labels(model: NgramModel, vocabulary: Sequence[str]) -> Ints:
    """[V], piece id of each word of a piece-level model; -1 where there is none."""
    ids = {piece: index for index, piece in reversed(list(enumerate(vocabulary)))}
    if _as_nemo(model, vocabulary):
        ids = {chr(index + _NEMO_OFFSET): index for index in range(len(vocabulary))}
    return np.array([-1 if word in (BOS, EOS, UNK) else ids.get(word, -1) for word in model.words], np.int32)


def compile_pieces(model: NgramModel, vocabulary: Sequence[str]) -> BackoffGraph:
    """A graph whose labels are piece ids."""
    return compile_graph(model, piece_labels(model, vocabulary))


def centred_prior(model: NgramModel, vocabulary: Sequence[str]) -> Floats:
    """[vocabulary], natural logarithms of how frequent pieces are, less their mean over a text: to take them off a
    model's scores changes what a text is, not how long it is. Pieces that the model does not have are as rare as its
    rarest.

    Raises:
        WavelaneError: INVALID_CONFIG: its n-grams are not of these pieces.
    """
    if units_of(model, vocabulary) != "piece":
        raise WavelaneError(ErrorCode.INVALID_CONFIG, "the prior is of words, and has to be of pieces")
    labels = piece_labels(model, vocabulary)
    first, last = model.span(1)
    known = labels[model.word[first:last]] >= 0
    pieces, found = labels[model.word[first:last]][known], model.log_prob[first:last][known]
    prior = np.full(len(vocabulary), found.min(), np.float32)
    prior[pieces] = found
    share = np.exp(prior, dtype=np.float64)
    return np.asarray(prior - (share * prior).sum() / share.sum(), np.float32)


def compile_words(model: NgramModel) -> tuple[BackoffGraph, WordLexicon]:
    """A graph whose labels are word ids, and the words' ids by their text."""
    labels = np.arange(len(model.words), dtype=np.int32)
    labels[[model.ids[special] for special in (BOS, EOS, UNK)]] = -1
    return compile_graph(model, labels), WordLexicon.of(model.words)


def compile_graph(model: NgramModel, labels: Ints) -> BackoffGraph:
    """The graph of a model.

    States are the n-grams that anything depends on, and the root. n-grams that have the unknown word before others are
    left out: such a word leads to the root.

    Args:
        model: the language model.
        labels: [V], label of each word; -1 for words without an arc.
    """
    nodes = len(model.word)
    contexts = model.contexts & (model.word != model.ids[EOS]) & (model.word != model.unk)
    state = np.zeros(nodes, np.int64)
    state[contexts] = np.arange(1, contexts.sum() + 1)
    for order in range(1, model.order + 1):
        first, last = model.span(order)
        suffix = model.suffix[first:last]
        closest = np.where(suffix < 0, ROOT, state[suffix])
        state[first:last] = np.where(contexts[first:last], state[first:last], closest)
    # Where a node's arc begins; a parent that is no state (after an unknown word) has none.
    source = np.where(model.parent < 0, ROOT, state[model.parent])
    label = labels[model.word]
    taken = (label >= 0) & ((model.parent < 0) | contexts[model.parent])
    rows = np.flatnonzero(taken)
    rows = rows[np.lexsort((label[rows], source[rows]))]
    states = int(contexts.sum()) + 1
    backoff, backoff_weight = np.full(states, -1, np.int64), np.zeros(states)
    own = np.flatnonzero(contexts)
    shorter = model.suffix[own]
    backoff[1:] = np.where(shorter < 0, ROOT, state[shorter])
    backoff_weight[1:] = model.backoff[own]
    return BackoffGraph(
        first=np.searchsorted(source[rows], np.arange(states + 1)).astype(np.int32),
        labels=label[rows].astype(np.int32),
        targets=state[rows].astype(np.int32),
        weights=np.ascontiguousarray(model.log_prob[rows]),
        backoff=backoff.astype(np.int32),
        backoff_weight=backoff_weight.astype(np.float32),
        final=_finals(model, own).astype(np.float32),
        start=int(state[model.ids[BOS]]),
        unknown=float(model.log_prob[model.unk]),
    )


def _finals(model: NgramModel, own: Wide) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """[S], what the end of a sentence weighs in the root and in each context."""
    contexts = np.concatenate([[-1], own])
    return model.score(contexts, np.full(len(contexts), model.ids[EOS]))


def _as_nemo(model: NgramModel, vocabulary: Sequence[str]) -> bool:
    """Whether all words are single characters that NeMo's way of writing pieces gives."""
    plain = [word for word in model.words if word not in (BOS, EOS, UNK)]
    return bool(plain) and all(
        len(word) == 1 and _NEMO_OFFSET <= ord(word) < _NEMO_OFFSET + len(vocabulary) for word in plain
    )
