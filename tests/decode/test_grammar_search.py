"""The search in a grammar against a plain one, and against the distance of each sentence by itself."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from wavelane.decode.grammar import (
    BLANK_PENALTY,
    GARBAGE_PENALTY,
    PRIOR_WEIGHT,
    GrammarSearch,
    PieceGrammar,
    advance_grammars,
)
from wavelane.decode.search import Found
from wavelane.errors import WavelaneError
from wavelane.grammar import Grammar
from wavelane.grammar.pieces import ANYTHING, PieceAutomaton, spell_automaton
from wavelane.lm.spelling import Speller
from wavelane.native.searching import missing_search

pytestmark = pytest.mark.skipif(missing_search() is not None, reason=str(missing_search()))

VOCABULARY = ("\u2581", "\u2581go", "\u2581le", "ft", "\u2581on", "e", "o", "n", "t", "g", "\u2581st", "op")
BLANK = len(VOCABULARY)
SYMBOLS = BLANK + 1
Floats = NDArray[np.float32]

GRAMMARS = {
    "few": "public <a> = go left | go on | stop;",
    "optional": "public <a> = [go] [left] [on] [stop];",
    "loop": "public <a> = (go | left | on)+ [stop];",
    "doubles": "public <a> = go go | no one | noon | goon;",
    "garbage": "public <a> = <GARBAGE> go <GARBAGE> [left];",
}


def automaton(rules: str) -> PieceAutomaton:
    grammar = Grammar.parse(f"#JSGF V1.0;\ngrammar test;\n{rules}")
    return spell_automaton(grammar.automaton, Speller(VOCABULARY))


def random_scores(rng: np.random.Generator, frames: int, sharpness: float = 3.0) -> Floats:
    logits = rng.normal(size=(frames, SYMBOLS)).astype(np.float32) * sharpness
    logits[:, BLANK] += sharpness
    return logits


def normalised(scores: Floats) -> NDArray[np.float64]:
    wide = scores.astype(np.float64)
    wide -= wide.max(axis=1, keepdims=True)
    return wide - np.log(np.exp(wide).sum(axis=1, keepdims=True))


def run(search: GrammarSearch, scores: Floats, cuts: list[int], last: bool = True) -> list[Found]:
    """Frames in parts that end at the cuts and at the end."""
    found = []
    borders = [0, *sorted(cuts), len(scores)]
    for begin, end in itertools.pairwise(borders):
        part = np.ascontiguousarray(scores[begin:end])
        ends = last and end == len(scores)
        found += advance_grammars([search], [part.ctypes.data], SYMBOLS, [end - begin], [ends])
    return found


def pieces(found: Found) -> list[int]:
    return [token.id for token in found.tokens]


def reference(net: PieceAutomaton, scores: Floats, prior: Floats) -> tuple[float, float, tuple[int, ...]]:
    """Score with penalty and prior and without, and pieces of the best way: plain Viterbi with whole sequences."""
    logs = normalised(scores)
    silent: dict[int, tuple[float, float, tuple[int, ...]]] = {0: (0.0, 0.0, ())}
    spoken: dict[int, tuple[float, float, tuple[int, ...]]] = {}
    arcs = list(zip(net.source.tolist(), net.target.tolist(), net.label.tolist(), strict=True))
    for frame in logs:
        blank = frame[BLANK]
        loudest_is_blank = int(frame.argmax()) == BLANK
        any_sound = frame.max() - (BLANK_PENALTY if loudest_is_blank else GARBAGE_PENALTY)
        next_silent: dict[int, tuple[float, float, tuple[int, ...]]] = {}
        for node in {*silent, *(arcs[a][1] for a in spoken)}:
            ways = [silent[node]] if node in silent else []
            ways += [way for a, way in spoken.items() if arcs[a][1] == node]
            best = max(ways)
            next_silent[node] = (best[0] + blank - BLANK_PENALTY, best[1] + blank, best[2])
        next_spoken: dict[int, tuple[float, float, tuple[int, ...]]] = {}
        for a, (source, _, label) in enumerate(arcs):
            now = any_sound if label == ANYTHING else frame[label]
            said = () if label == ANYTHING else (label,)
            entering = [silent[source]] if source in silent else []
            entering += [way for b, way in spoken.items() if arcs[b][1] == source and arcs[b][2] != label]
            weight = 0.0 if label == ANYTHING else -PRIOR_WEIGHT * float(prior[label])
            ways = [(way[0], way[1], way[2] + said) for way in entering]
            if a in spoken:
                ways.append(spoken[a])
            if ways:
                best = max(ways)
                next_spoken[a] = (best[0] + now + weight, best[1] + now, best[2])
        silent, spoken = next_silent, next_spoken
    ends = [way for node, way in silent.items() if net.accepts[node]]
    ends += [way for a, way in spoken.items() if net.accepts[arcs[a][1]]]
    return max(ends, default=(-math.inf, -math.inf, ()))


@pytest.mark.parametrize("name", GRAMMARS)
@given(
    seed=st.integers(0, 2**32),
    frames=st.integers(1, 14),
    sharpness=st.sampled_from([0.5, 2.0, 5.0]),
    with_prior=st.booleans(),
)
@settings(deadline=None, max_examples=25)
def test_the_best_way_is_that_of_plain_viterbi(
    name: str, seed: int, frames: int, sharpness: float, with_prior: bool
) -> None:
    scores = random_scores(np.random.default_rng(seed), frames, sharpness)
    net = automaton(GRAMMARS[name])
    prior = (
        np.random.default_rng(seed + 1).normal(0, 4, BLANK).astype(np.float32)
        if with_prior
        else np.zeros(BLANK, np.float32)
    )
    best, plain, sequence = reference(net, scores, prior)
    search = GrammarSearch(PieceGrammar(net, prior if with_prior else None), SYMBOLS, BLANK, least=-math.inf)
    (found,) = run(search, scores, [])
    if best == -math.inf:
        assert found.tokens == ()
    else:
        # Of equally good ways either may be taken.
        assert pieces(found) == list(sequence)
        assert found.alternatives[0].tokens == found.tokens
        # What is told is how far the way is from what would be heard without the grammar, penalty and prior aside.
        logs = normalised(scores)
        loudest = logs.argmax(axis=1).tolist()
        heard = sum(now not in (BLANK, before) for before, now in itertools.pairwise([BLANK, *loudest]))
        worse = (plain - logs.max(axis=1).sum()) / max(len(sequence), heard, 1)
        # (Where anything may be said, a blank is that or silence, and the penalty is told of one of them.)
        assert name == "garbage" or found.alternatives[0].score == pytest.approx(min(0.0, worse), abs=1e-3)


@given(
    seed=st.integers(0, 2**32), cuts=st.lists(st.integers(1, 59), max_size=8, unique=True), settle=st.integers(3, 20)
)
@settings(deadline=None, max_examples=40)
def test_a_step_boundary_changes_nothing_but_when_sentences_end(seed: int, cuts: list[int], settle: int) -> None:
    scores = random_scores(np.random.default_rng(seed), 60)
    grammar = PieceGrammar(automaton(GRAMMARS["loop"]))
    whole = run(GrammarSearch(grammar, SYMBOLS, BLANK), scores, [])[-1]
    parts = run(GrammarSearch(grammar, SYMBOLS, BLANK), scores, cuts)
    assert parts[-1] == whole
    assert all(part.tokens == () for part in parts[:-1])


def spell(words: str, repeat: int = 1) -> Floats:
    """Scores of words that are heard clearly, a blank before, between and behind pieces."""
    symbols = [BLANK]
    for piece in Speller(VOCABULARY).spell(words) or ():
        symbols += [piece] * repeat + [BLANK]
    scores = np.full((len(symbols), SYMBOLS), -12.0, np.float32)
    scores[np.arange(len(symbols)), symbols] = 0.0
    return scores


def test_what_is_said_clearly_is_heard_with_times_and_confidence() -> None:
    search = GrammarSearch(PieceGrammar(automaton(GRAMMARS["few"])), SYMBOLS, BLANK)
    (found,) = run(search, spell("go left", repeat=2), [])
    assert [VOCABULARY[piece] for piece in pieces(found)] == ["\u2581go", "\u2581le", "ft"]
    assert [token.frame for token in found.tokens] == [1, 4, 7]
    assert all(token.confidence > 0.999 for token in found.tokens)
    assert -0.01 < found.alternatives[0].score <= 0


def test_until_the_sentence_is_over_all_is_tentative() -> None:
    search = GrammarSearch(PieceGrammar(automaton(GRAMMARS["few"])), SYMBOLS, BLANK)
    first, second = run(search, spell("go left"), [4])
    assert (first.tokens, first.alternatives) == ((), ())
    assert [token.id for token in first.tentative][:1] == [VOCABULARY.index("\u2581go")]
    assert second.tentative == ()
    assert len(second.tokens) == 3


def test_other_speech_gives_nothing_and_says_how_far_it_is() -> None:
    search = GrammarSearch(PieceGrammar(automaton(GRAMMARS["few"])), SYMBOLS, BLANK)
    (found,) = run(search, spell("e o n t e o"), [])
    assert found.tokens == ()
    assert found.alternatives[0].score < -3.4


def test_silence_ends_a_sentence_and_the_next_one_begins() -> None:
    search = GrammarSearch(PieceGrammar(automaton(GRAMMARS["few"])), SYMBOLS, BLANK, settle=5)
    silence = np.full((6, SYMBOLS), -12.0, np.float32)
    silence[:, BLANK] = 0.0
    scores = np.concatenate([silence, spell("go on"), silence, spell("stop"), silence])
    found = run(search, scores, list(range(1, len(scores))))
    ended = [one for one in found if one.alternatives]
    texts = ["".join(VOCABULARY[piece] for piece in pieces(one)) for one in ended]
    # The last one is the silence behind everything.
    assert texts == ["\u2581go\u2581on", "\u2581stop", ""]
    assert [one.tokens[0].frame for one in ended[:2]] == [7, 7 + len(spell("go on")) + 6]


def test_a_long_stream_keeps_no_more_than_it_needs() -> None:
    rng = np.random.default_rng(1)
    scores = random_scores(rng, 1_500)
    grammar = PieceGrammar(automaton(GRAMMARS["loop"]))
    whole = run(GrammarSearch(grammar, SYMBOLS, BLANK, least=-math.inf), scores, [])[-1]
    often = run(GrammarSearch(grammar, SYMBOLS, BLANK, least=-math.inf), scores, list(range(7, 1_500, 7)))[-1]
    assert often == whole
    assert len(whole.tokens) > 100


def test_scores_that_are_no_numbers_do_no_harm() -> None:
    search = GrammarSearch(PieceGrammar(automaton(GRAMMARS["few"])), SYMBOLS, BLANK)
    scores = spell("go left")
    scores = np.concatenate([scores[:3], np.full((2, SYMBOLS), np.nan, np.float32), scores[3:]])
    (found,) = run(search, scores, [])
    assert len(found.tokens) == 3


def test_words_without_pieces_are_refused() -> None:
    with pytest.raises(WavelaneError, match="cannot spell 'quiz', 'zebra'"):
        automaton("public <a> = go zebra | quiz;")


def test_capitals_are_used_where_the_model_has_no_small_letters() -> None:
    speller = Speller(("\u2581GO", "\u2581ON", "\u2581", "G", "O", "N"))
    grammar = Grammar.parse("#JSGF V1.0;\ngrammar test;\npublic <a> = go on;")
    assert spell_automaton(grammar.automaton, speller).label.tolist() == [0, 1]
