"""Beam search of RNN-T against sums over all alignments, against greedy search, and in other cuts and company."""

import itertools
import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from support.transducer import BLANK, D_MODEL, HIDDEN, JOINT, SYMBOLS, transducer_tensors
from wavelane.decode.rnnt import RnntDecoder
from wavelane.decode.search import Found, Pruning
from wavelane.decode.transducer_search import TorchNetworks, TransducerSearch, advance_rnnt
from wavelane.model.base import Encoded, State
from wavelane.model.config import TransducerConfig
from wavelane.model.weights import Weights
from wavelane.native.searching import missing_search
from wavelane.work import Decoding

pytestmark = pytest.mark.skipif(missing_search() is not None, reason=str(missing_search()))

NEVER = 1_000_000
DATA = Path(__file__).parents[1] / "data" / "golden"


def decoder(seed: int, max_symbols: int, blank_bias: float = 1.0) -> RnntDecoder:
    config = TransducerConfig(hidden=HIDDEN, layers=2, joint=JOINT, max_symbols=max_symbols, activation="relu")
    return RnntDecoder(Weights.of(transducer_tensors(2, seed, blank_bias)), config, D_MODEL, SYMBOLS, BLANK)


def frames_of(seed: int, count: int) -> Tensor:
    return torch.randn(1, count, D_MODEL, generator=torch.Generator().manual_seed(seed))


def search(beam: int, expansions: int, **options: int) -> TransducerSearch:
    wide = Pruning(patience=NEVER, tokens=1_000, floor=-math.inf, margin=math.inf, expansions=expansions)
    decoding = Decoding(beam=beam, **{"alternatives": beam, "settle": NEVER, **options})
    return TransducerSearch(decoding, SYMBOLS, BLANK, expansions, pruning=wide)


def run(head: RnntDecoder, one: TransducerSearch, frames: Tensor, cuts: tuple[int, ...] = ()) -> list[Found]:
    found = []
    edges = [0, *cuts, frames.shape[1]]
    for begin, end in itertools.pairwise(edges):
        networks = TorchNetworks(head, frames[:, begin:end], [one])
        found += advance_rnnt([one], networks, [end - begin], [end == frames.shape[1]])
        networks.keep()
    return found


def ids(found: Found) -> tuple[int, ...]:
    return tuple(token.id for token in found.tokens)


@torch.inference_mode()
def every_text(head: RnntDecoder, frames: Tensor, most: int) -> dict[tuple[int, ...], float]:
    """Log-probability of every text: the sum over alignments of at most so many symbols a frame."""
    projected = head.project(frames[0])
    sums: dict[tuple[int, ...], float] = defaultdict(lambda: -math.inf)

    def walk(frame: int, in_frame: int, text: tuple[int, ...], state: State, score: float) -> None:
        if frame == len(projected):
            sums[text] = float(np.logaddexp(sums[text], score))
            return
        lp = head._join(projected[frame : frame + 1], state["prediction"])[0].double().log_softmax(0)
        for symbol in range(SYMBOLS):
            gone = score + float(lp[symbol])
            if symbol == BLANK:
                walk(frame + 1, 0, text, state, gone)
                continue
            moved = head._predict(torch.tensor([symbol]), state["hidden"], state["cell"])
            following = dict(zip(("hidden", "cell", "prediction"), moved, strict=True))
            over = in_frame + 1 == most
            walk(frame + over, 0 if over else in_frame + 1, (*text, symbol), following, gone)

    walk(0, 0, (), head.init_state(1), 0.0)
    return dict(sums)


@pytest.mark.parametrize(("frames", "most", "seed"), [(3, 1, 0), (2, 2, 1), (1, 3, 2)])
def test_a_wide_beam_finds_every_text_with_the_sum_of_its_alignments(frames: int, most: int, seed: int) -> None:
    head, audio = decoder(seed, most), frames_of(seed, frames)
    expected = every_text(head, audio, most)
    (found,) = run(head, search(len(expected), most), audio)
    scores = {tuple(token.id for token in other.tokens): other.score for other in found.alternatives}
    assert scores.keys() == expected.keys()
    for text, score in scores.items():
        assert score == pytest.approx(expected[text], abs=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_one_hypothesis_is_greedy(seed: int) -> None:
    head, audio = decoder(seed, 3, blank_bias=2.5), frames_of(seed, 40)
    emissions, _ = head.step(Encoded(audio, torch.tensor([40])), head.init_state(1))
    count = int(emissions.counts[0])
    found = run(head, search(1, 3), audio, cuts=(7, 8, 30))
    assert sum(map(ids, found), ()) == tuple(emissions.ids[0, :count].tolist())
    frames = [token.frame for one in found for token in one.tokens]
    assert frames == emissions.frames[0, :count].tolist()
    confidences = [token.confidence for one in found for token in one.tokens]
    assert confidences == pytest.approx(emissions.confidences[0, :count].tolist(), abs=1e-4)


def test_any_cut_and_any_company_give_the_same_pieces() -> None:
    head = decoder(4, 3, blank_bias=2.5)
    streams = [frames_of(seed, 30) for seed in range(4)]
    alone = [run(head, search(4, 3, settle=6, alternatives=2), audio)[-1] for audio in streams]
    whole = [[ids(one) for one in run(head, search(4, 3), audio, (1, 5, 22))] for audio in streams]
    assert [sum(parts, ()) for parts in whole] == [ids(run(head, search(4, 3), audio)[0]) for audio in streams]
    searches = [search(4, 3, settle=6, alternatives=2) for _ in streams]
    networks = TorchNetworks(head, torch.cat(streams), searches)
    together = advance_rnnt(searches, networks, [30] * 4, [True] * 4)
    for one, other in zip(together, alone, strict=True):
        assert ids(one) == ids(other)
        assert [[t.id for t in h.tokens] for h in one.alternatives] == [
            [t.id for t in h.tokens] for h in other.alternatives
        ]
        assert [h.score for h in one.alternatives] == pytest.approx([h.score for h in other.alternatives], abs=1e-3)


def test_rows_of_other_lengths_are_left_alone() -> None:
    head = decoder(5, 3, blank_bias=2.0)
    streams = [frames_of(seed, 12) for seed in range(3)]
    searches = [search(4, 3) for _ in streams]
    networks = TorchNetworks(head, torch.cat(streams), searches)
    found = advance_rnnt(searches, networks, [12, 0, 5], [True, True, True])
    expected = [run(head, search(4, 3), audio[:, :count])[0] for audio, count in zip(streams, (12, 1, 5), strict=True)]
    assert [ids(one) for one in found] == [ids(expected[0]), (), ids(expected[2])]
