"""Which utterances a worker hears, in which order, and how they become a batch."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wavelane.lm.spelling import Speller
from wavelane_training.augment import Augment
from wavelane_training.store import Store, Utterance

POOL = 3_000
"""Utterances that are sorted by length together: batches hold little padding and still come in random order."""
PADDING = 65
"""Frames that augmentation may add."""
_SUBSAMPLING = 8
_LONGEST = 2_000


@dataclass(frozen=True, slots=True)
class Example:
    """An utterance, where it lies, and the pieces of its text."""

    store: Store
    utterance: Utterance
    pieces: tuple[int, ...]

    @property
    def fewest(self) -> int:
        """Frames below which CTC would have no room for the pieces."""
        return int(len(self.pieces) * 1.15 + 2) * _SUBSAMPLING


@dataclass(frozen=True, slots=True)
class Batch:
    """Features and targets of some utterances."""

    features: Tensor
    """[B, F, mels] float32, zeros after each row's end."""
    lengths: Tensor
    """[B]"""
    targets: Tensor
    """[sum of target lengths], all rows' pieces one after the other."""
    target_lengths: Tensor
    """[B]"""


def examples(stores: Sequence[Store], speller: Speller) -> list[Example]:
    """What of the stores can be trained on: it can be spelled, is not too long, and has room for its pieces."""
    found = []
    for store in stores:
        for utterance in store.utterances:
            pieces = speller.spell(utterance.text)
            if pieces and utterance.frames <= _LONGEST:
                example = Example(store, utterance, pieces)
                if utterance.frames >= example.fewest:
                    found.append(example)
    return found


def epoch(
    found: Sequence[Example], weights: Mapping[str, float], seconds: float, rng: random.Random
) -> Iterator[list[Example]]:
    """One pass over the data in batches.

    Args:
        found: all examples.
        weights: times that a corpus is heard in one pass, 1 where it is not named; parts are drawn.
        seconds: of audio in a batch, with its padding.
        rng: of the order.
    """
    chosen: list[Example] = []
    for example in found:
        weight = weights.get(example.utterance.corpus, 1.0)
        chosen += [example] * (int(weight) + (rng.random() < weight % 1))
    rng.shuffle(chosen)
    for start in range(0, len(chosen), POOL):
        pool = sorted(chosen[start : start + POOL], key=lambda example: example.utterance.frames)
        batches: list[list[Example]] = [[]]
        for example in pool:
            frames = (len(batches[-1]) + 1) * (example.utterance.frames + PADDING // 2)
            if batches[-1] and frames > seconds * 100:
                batches.append([])
            batches[-1].append(example)
        rng.shuffle(batches)
        yield from batches


def collate(batch: Sequence[Example], augment: Augment | None, views: int = 1) -> Batch:
    """Read, augment (None: as they are) and pad.

    Args:
        batch: utterances.
        augment: makes the variants that are heard.
        views: variants of each utterance; row ``n`` of the batch is followed by its next one ``len(batch)`` rows later.
    """
    rows = [example.store.mels(example.utterance) for example in batch]
    if augment is not None:
        seen = [augment.views(mels, example.fewest, views) for mels, example in zip(rows, batch, strict=True)]
        rows = [variants[view] for view in range(views) for variants in seen]
        batch = [*batch] * views
    features = np.zeros((len(rows), max(map(len, rows)), rows[0].shape[1]), np.float32)
    for row, mels in zip(features, rows, strict=True):
        row[: len(mels)] = mels
    return Batch(
        torch.from_numpy(features),
        torch.tensor([len(mels) for mels in rows]),
        torch.tensor([piece for example in batch for piece in example.pieces]),
        torch.tensor([len(example.pieces) for example in batch]),
    )
