"""Prefix beam search against sums over all alignments, against a plain search, and against itself in other company."""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from wavelane.decode.search import Found, FusionHandle, Pieces, Pruning, Search, advance_ctc
from wavelane.decode.words import OPENER
from wavelane.lm.fusion import Fusion, FusionPart
from wavelane.lm.graph import BackoffGraph, WordLexicon
from wavelane.native.searching import missing_search
from wavelane.work import Decoding, Token

pytestmark = pytest.mark.skipif(missing_search() is not None, reason=str(missing_search()))

Scores = NDArray[np.float32]
NEVER = 1_000_000
"""A settle that does not come."""
WIDE = Pruning(patience=NEVER, tokens=1_000, floor=-math.inf, margin=math.inf)
VOCABULARY = (OPENER + "a", "b", OPENER + "c")


def scores_of(seed: int, frames: int, symbols: int, sharpness: float = 2.0) -> Scores:
    return (np.random.default_rng(seed).standard_normal((frames, symbols)) * sharpness).astype(np.float32)


def log_softmax(scores: Scores) -> NDArray[np.float64]:
    wide = scores.astype(np.float64)
    peak = wide.max(axis=1, keepdims=True)
    return wide - peak - np.log(np.exp(wide - peak).sum(axis=1, keepdims=True))


def collapse(alignment: Iterable[int], blank: int) -> tuple[int, ...]:
    return tuple(symbol for symbol, _ in itertools.groupby(alignment) if symbol != blank)


def every_text(scores: Scores, blank: int) -> dict[tuple[int, ...], float]:
    """Log-probability of every text: the sum over all its alignments."""
    lp = log_softmax(scores)
    sums: dict[tuple[int, ...], float] = defaultdict(lambda: -math.inf)
    for alignment in itertools.product(range(scores.shape[1]), repeat=len(scores)):
        text = collapse(alignment, blank)
        sums[text] = float(np.logaddexp(sums[text], sum(lp[t, s] for t, s in enumerate(alignment))))
    return dict(sums)


def run(search: Search, scores: Scores, cuts: Sequence[int] = ()) -> list[Found]:
    """The results of a stream that comes in steps."""
    edges = [0, *cuts, len(scores)]
    found = []
    for begin, end in itertools.pairwise(edges):
        part = np.ascontiguousarray(scores[begin:end])
        found += advance_ctc(
            [search], [part.ctypes.data], scores.shape[1], [end - begin], [begin <= end == len(scores)]
        )
    return found


def ids(tokens: Iterable[Token]) -> tuple[int, ...]:
    return tuple(token.id for token in tokens)


def texts(found: list[Found]) -> list[tuple[tuple[int, ...], float]]:
    """Whole texts of the last result's alternatives, with scores."""
    before = sum((ids(one.tokens) for one in found[:-1]), ())
    return [(before + ids(one.tokens), one.score) for one in found[-1].alternatives]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(2, 4), st.sampled_from([0.5, 2.0, 5.0]))
def test_a_wide_beam_finds_every_text_with_the_sum_of_its_alignments(
    seed: int, frames: int, symbols: int, sharpness: float
) -> None:
    scores = scores_of(seed, frames, symbols, sharpness)
    expected = every_text(scores, symbols - 1)
    search = Search(Decoding(beam=500, alternatives=500, settle=NEVER), symbols, symbols - 1, pruning=WIDE)
    found = texts(run(search, scores))
    assert {text for text, _ in found} == {text for text, lp in expected.items() if lp > -math.inf}
    for text, score in found:
        assert score == pytest.approx(expected[text], abs=1e-4)
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)


def plain_search(scores: Scores, blank: int, beam: int, fusion: Fusion | None) -> list[tuple[tuple[int, ...], float]]:
    """Prefix beam search as it is written in books, over dictionaries."""
    lp = log_softmax(scores)
    if fusion is not None:
        lp[:, blank] -= fusion.blank_penalty

    def added(text: tuple[int, ...], end: bool = False) -> float:
        return 0.0 if fusion is None else fusion.score(text, VOCABULARY, end=end)

    hypotheses = {(): (0.0, -math.inf)}
    for frame in lp:
        following: dict[tuple[int, ...], list[float]] = defaultdict(lambda: [-math.inf, -math.inf])
        for text, (in_blank, in_symbol) in hypotheses.items():
            total = float(np.logaddexp(in_blank, in_symbol))
            following[text][0] = float(np.logaddexp(following[text][0], total + frame[blank]))
            for symbol in range(len(frame)):
                if symbol == blank:
                    continue
                if text and symbol == text[-1]:
                    following[text][1] = float(np.logaddexp(following[text][1], in_symbol + frame[symbol]))
                    entering = in_blank
                else:
                    entering = total
                longer = (*text, symbol)
                following[longer][1] = float(np.logaddexp(following[longer][1], entering + frame[symbol]))
        ranked = sorted(following.items(), key=lambda item: -float(np.logaddexp(*item[1])) - added(item[0]))
        hypotheses = {text: (pair[0], pair[1]) for text, pair in ranked[:beam]}
    scored = [
        (text, float(np.logaddexp(*pair)) + added(text, end=True))
        for text, pair in hypotheses.items()
        if max(pair) > -math.inf
    ]
    return sorted(scored, key=lambda item: -item[1])


weights = st.floats(-4, 4, width=32).map(lambda value: round(value, 2))


@st.composite
def graphs(draw: st.DrawFn, labels: int) -> BackoffGraph:
    """Any automaton whose states back off to earlier ones."""
    states = draw(st.integers(1, 4))
    first, arcs = [0], []
    for _ in range(states):
        found = sorted(draw(st.sets(st.integers(0, labels - 1), max_size=labels)))
        arcs += [(label, draw(st.integers(0, states - 1)), draw(weights)) for label in found]
        first.append(len(arcs))
    graph = BackoffGraph(
        first=np.array(first, np.int32),
        labels=np.array([arc[0] for arc in arcs], np.int32),
        targets=np.array([arc[1] for arc in arcs], np.int32),
        weights=np.array([arc[2] for arc in arcs], np.float32),
        backoff=np.array([-1, *(draw(st.integers(0, i - 1)) for i in range(1, states))], np.int32),
        backoff_weight=np.array([0.0, *(draw(weights) for _ in range(1, states))], np.float32),
        final=np.array([draw(weights) for _ in range(states)], np.float32),
        start=draw(st.integers(0, states - 1)),
        unknown=draw(weights),
    )
    graph.check()
    return graph


WORDS = ("a", "ab", "c", "cb", "abb")


@st.composite
def fusions(draw: st.DrawFn) -> Fusion:
    pieces = draw(st.lists(graphs(len(VOCABULARY)), max_size=2))
    words = draw(st.lists(graphs(len(WORDS)), max_size=1))
    scales = st.sampled_from([0.3, 1.0])
    return Fusion(
        parts=(
            *(FusionPart(graph, draw(scales), "piece") for graph in pieces),
            *(FusionPart(graph, draw(scales), "word", WordLexicon.of(WORDS)) for graph in words),
        ),
        word_bonus=draw(st.sampled_from([0.0, 0.7])),
        blank_penalty=draw(st.sampled_from([0.0, 1.5])),
    )


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), fusions(), st.sampled_from([3, 8, 60]))
def test_fusion_adds_what_the_plain_reference_adds(seed: int, frames: int, fusion: Fusion, beam: int) -> None:
    scores = scores_of(seed, frames, len(VOCABULARY) + 1)
    expected = plain_search(scores, len(VOCABULARY), beam, fusion)
    search = Search(
        Decoding(beam=beam, alternatives=beam, settle=NEVER),
        len(VOCABULARY) + 1,
        len(VOCABULARY),
        fusion=FusionHandle(fusion, Pieces(VOCABULARY)),
        pruning=WIDE,
    )
    found = texts(run(search, scores))
    assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-3)
    reference = dict(expected)
    for text, score in found:
        assert score == pytest.approx(reference[text], abs=1e-3)


streams = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 60), st.lists(st.integers(1, 59), max_size=6))


def speech_like(seed: int, frames: int, symbols: int = 6) -> Scores:
    """Mostly blank, with silences long enough to settle."""
    random = np.random.default_rng(seed)
    scores = scores_of(seed, frames, symbols, 1.5)
    talking = np.repeat(random.random(frames // 8 + 1) < 0.6, 8)[:frames]
    scores[:, -1] += np.where(talking, 1.0, 9.0)
    return scores


@settings(max_examples=60, deadline=None)
@given(st.lists(streams, min_size=1, max_size=4), st.sampled_from([1, 2, 4, 8]), fusions())
def test_rows_together_give_what_each_gives_alone(
    rows: list[tuple[int, int, list[int]]], beam: int, fusion: Fusion
) -> None:
    decoding = Decoding(beam=beam, alternatives=min(beam, 3), settle=4)
    handle = FusionHandle(fusion, Pieces(VOCABULARY))

    def search() -> Search:
        return Search(decoding, 6, 5, fusion=handle, pruning=Pruning(patience=9))

    alone, together = [], []
    parts: list[list[Scores]] = []
    for seed, frames, cuts in rows:
        scores = speech_like(seed, frames)
        inside = sorted({cut for cut in cuts if cut < frames})
        alone.append(run(search(), scores, inside))
        parts.append([np.ascontiguousarray(part) for part in np.split(scores, inside)])
        together.append(list[Found]())
    searches = [search() for _ in rows]
    for step in range(max(map(len, parts))):
        here = [row for row in range(len(rows)) if step < len(parts[row])]
        found = advance_ctc(
            [searches[row] for row in here],
            [parts[row][step].ctypes.data for row in here],
            6,
            [len(parts[row][step]) for row in here],
            [step == len(parts[row]) - 1 for row in here],
        )
        for row, one in zip(here, found, strict=True):
            together[row].append(one)
    assert alone == together


@settings(max_examples=100, deadline=None)
@given(streams, st.sampled_from([1, 2, 4, 16]), st.sampled_from([2, 5, 1_000]), st.sampled_from([3, 12, 1_000]))
def test_what_is_committed_is_told_once_and_in_order(
    stream: tuple[int, int, list[int]], beam: int, settle: int, patience: int
) -> None:
    seed, frames, cuts = stream
    decoding = Decoding(beam=beam, alternatives=min(beam, 3), settle=settle)
    search = Search(decoding, 6, 5, pruning=Pruning(patience=patience))
    found = run(search, speech_like(seed, frames), sorted({cut for cut in cuts if cut < frames}))
    said = [token.frame for one in found for token in one.tokens]
    assert said == sorted(said)
    assert all(0 <= frame < frames for frame in said)
    for one in found:
        if one.alternatives:
            assert one.alternatives[0].tokens == one.tokens
            assert one.tentative == ()
            assert len({ids(other.tokens) for other in one.alternatives}) == len(one.alternatives)
        if beam == 1:
            assert one.tentative == ()
        assert all(0 <= token.confidence <= 1 for token in one.tokens)
    assert found[-1].alternatives


def after_doubts(decoding: Decoding) -> str:
    """Four doubtful words fill a small beam with their combinations; then a word comes that is less likely at first,
    and is right as soon as the next one follows."""
    vocabulary = tuple(OPENER + letter for letter in "abxcde")
    lm = BackoffGraph(
        first=np.array([0, 6, 7], np.int32),
        labels=np.array([0, 1, 2, 3, 4, 5, 5], np.int32),
        targets=np.array([0, 0, 0, 0, 1, 0, 0], np.int32),
        weights=np.array([0, 0, 0, 0, 0, 0, 8], np.float32),
        backoff=np.array([-1, 0], np.int32),
        backoff_weight=np.zeros(2, np.float32),
        final=np.zeros(2, np.float32),
        start=0,
        unknown=0.0,
    )
    frames = []
    for likely in (
        {0: 0.0, 1: -0.1},
        {1: 0.0, 0: -0.1},
        {0: 0.0, 1: -0.2},
        {1: 0.0, 0: -0.2},
        {2: 0.0},
        {3: 0.0, 4: -3.0},
        {5: 0.0},
    ):
        frames.append([likely.get(piece, -20.0) for piece in range(7)])
        frames.append([-20.0] * 6 + [0.0])
    handle = FusionHandle(Fusion((FusionPart(lm, 1.0, "piece"),)), Pieces(vocabulary))
    found = run(Search(decoding, 7, 6, fusion=handle), np.array(frames, np.float32))
    return "".join(vocabulary[piece][1:] for piece in ids(found[-1].tokens))


def test_hypotheses_that_go_on_alike_take_one_place() -> None:
    assert after_doubts(Decoding(beam=4, settle=NEVER)) == "ababxde"
    assert after_doubts(Decoding(beam=64, settle=NEVER)) == "ababxde"
    apart = Decoding(beam=4, alternatives=4, settle=NEVER)
    assert after_doubts(apart) == "ababxce", "where alternatives are wanted, none is dropped for another one"


def test_disagreement_ends_after_the_patience() -> None:
    # Two pieces equally likely in frame 0, then silence that settles never: one of them is believed.
    scores = np.full((40, 4), -20.0, np.float32)
    scores[:, 3] = 0.0
    scores[0] = [0.0, -0.1, -20.0, -20.0]
    search = Search(Decoding(beam=4, settle=NEVER), 4, 3, pruning=Pruning(patience=10))
    found = run(search, scores, range(1, 40))
    at = next(frame for frame, one in enumerate(found) if one.tokens)
    assert ids(found[at].tokens) == (0,)
    assert 10 <= at <= 11
    assert all(ids(one.tentative) == (0,) for one in found[:at])


def test_silence_settles_and_a_new_segment_begins() -> None:
    scores = np.full((30, 4), -6.0, np.float32)
    scores[:, 3] = 0.0
    scores[2] = scores[20] = [0.0, -0.5, -6.0, -2.0]
    search = Search(Decoding(beam=4, alternatives=2, settle=5), 4, 3)
    found = run(search, scores, range(1, 30))
    ends = [frame for frame, one in enumerate(found) if one.alternatives]
    assert ends == [7, 25, 29]
    assert [ids(other.tokens) for other in found[7].alternatives] == [(0,), (1,)]
    assert [ids(other.tokens) for other in found[25].alternatives] == [(0,), (1,)]
    # Each segment is scored by itself, and equals the other: the same frames are at the same place in it.
    assert found[7].alternatives[0].score == pytest.approx(found[25].alternatives[0].score, abs=0.2)
    assert [token.frame for one in found for token in one.tokens] == [2, 20]


def test_one_hypothesis_is_greedy_with_what_is_added() -> None:
    scores = scores_of(3, 200, 6, 3.0)
    best = log_softmax(scores).argmax(axis=1)
    search = Search(Decoding(beam=1, settle=NEVER), 6, 5)
    found = run(search, scores, [50, 51, 120])
    assert sum((ids(one.tokens) for one in found), ()) == collapse(best.tolist(), 5)
    starts = [t for t in range(200) if best[t] != 5 and (t == 0 or best[t - 1] != best[t])]
    assert [token.frame for one in found for token in one.tokens] == starts


def test_greedy_hears_a_piece_that_is_boosted() -> None:
    scores = np.log(np.array([[0.3, 0.25, 0.05, 0.4]] * 3, np.float32))
    boosted = BackoffGraph(
        first=np.array([0, 1], np.int32),
        labels=np.array([1], np.int32),
        targets=np.array([0], np.int32),
        weights=np.array([1.0], np.float32),
        backoff=np.array([-1], np.int32),
        backoff_weight=np.zeros(1, np.float32),
        final=np.zeros(1, np.float32),
        start=0,
        unknown=0.0,
    )
    fusion = FusionHandle(Fusion((FusionPart(boosted, 1.0, "piece"),)), Pieces(VOCABULARY))
    search = Search(Decoding(beam=1, settle=NEVER), 4, 3, fusion=fusion)
    (found,) = run(search, scores)
    assert ids(found.tokens) == (1, 1)
    assert [token.frame for token in found.tokens] == [0, 2]
    assert found.tokens[0].confidence == pytest.approx(0.25)


def test_scores_that_are_no_numbers_are_silence() -> None:
    scores = np.full((4, 4), np.nan, np.float32)
    (found,) = run(Search(Decoding(beam=4, settle=NEVER), 4, 3), scores)
    assert found.tokens == ()


def test_more_graphs_than_a_search_takes_are_refused() -> None:
    graph = BackoffGraph(
        *(np.zeros(n, np.int32) for n in (2, 0, 0)),
        np.zeros(0, np.float32),
        np.array([-1], np.int32),
        np.zeros(1, np.float32),
        np.zeros(1, np.float32),
        0,
        0.0,
    )
    with pytest.raises(ValueError, match="8 graphs, not 9"):
        FusionHandle(Fusion((FusionPart(graph, 1.0, "piece"),) * 9), Pieces(VOCABULARY))


@pytest.mark.parametrize("beam", [1, 4])
@pytest.mark.parametrize("wrong", [math.nan, math.inf])
@pytest.mark.parametrize("place", [0, 5, 19])
def test_a_frame_with_a_score_that_is_no_number_is_left_out(beam: int, wrong: float, place: int) -> None:
    scores = scores_of(7, 9, 20)
    found = [[token.id for token in run(Search(Decoding(beam=beam), 20, 19), scores[[0, 1, 3, 4]])[-1].tokens]]
    scores[2, place] = wrong
    found.append([token.id for token in run(Search(Decoding(beam=beam), 20, 19), scores[:5])[-1].tokens])
    assert found[0] == found[1]
