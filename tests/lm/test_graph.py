import dataclasses

import numpy as np
import pytest

from wavelane.lm.fusion import Fusion, FusionPart
from wavelane.lm.graph import BackoffGraph, WordLexicon, fnv1a

# Two words, 0 and 1: unigrams at the root, the bigrams "0 1" and "1 1" in the states 1 ("after 0") and 2 ("after 1").
BIGRAM = BackoffGraph(
    first=np.array([0, 2, 3, 4], np.int32),
    labels=np.array([0, 1, 1, 1], np.int32),
    targets=np.array([1, 2, 2, 2], np.int32),
    weights=np.array([-1.0, -2.0, -0.25, -0.5], np.float32),
    backoff=np.array([-1, 0, 0], np.int32),
    backoff_weight=np.array([0.0, -0.125, -0.75], np.float32),
    final=np.array([-3.0, -4.0, -5.0], np.float32),
    start=2,
    unknown=-9.0,
)


def test_a_label_is_taken_from_the_longest_context_that_has_it() -> None:
    BIGRAM.check()
    assert BIGRAM.step(1, 1) == (2, -0.25)
    assert BIGRAM.step(1, 0) == (1, -0.125 - 1.0)
    assert BIGRAM.step(2, 7) == (0, -0.75 - 9.0)
    assert BIGRAM.score([0, 1]) == -0.75 - 1.0 - 0.25 - 5.0
    assert BIGRAM.score([0, 1], end=False) == -0.75 - 1.0 - 0.25
    assert BIGRAM.score([]) == -5.0


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("first", np.array([0, 2, 3, 3], np.int32), "cut the arcs"),
        ("labels", np.array([1, 0, 1, 1], np.int32), "not sorted"),
        ("labels", np.array([0, 1, 1, 1], np.int64), "contiguous int32"),
        ("targets", np.array([1, 2, 2, 3], np.int32), "does not exist"),
        ("backoff", np.array([-1, 2, 1], np.int32), "circle"),
        ("backoff", np.array([-1, -1, 0], np.int32), "needs a state"),
        ("final", np.array([0, 0, np.nan], np.float32), "not finite"),
        ("start", 3, "does not exist"),
    ],
)
def test_arrays_that_contradict_each_other_are_refused(name: str, value: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        dataclasses.replace(BIGRAM, **{name: value}).check()


def test_words_are_found_by_their_hash() -> None:
    assert fnv1a("") == 0xCBF29CE484222325
    assert fnv1a("foobar") == 0x85944171F73967E8  # from the authors' test suite
    lexicon = WordLexicon.of(["the", "cat", "éclair"])
    assert [lexicon.find(word) for word in ("the", "cat", "éclair", "dog")] == [0, 1, 2, WordLexicon.UNKNOWN]
    with pytest.raises(ValueError, match="share a hash"):
        WordLexicon.of(["a", "a"])


def test_a_word_counts_when_it_is_complete_a_piece_at_once() -> None:
    vocabulary = ("▁the", "▁c", "at")
    words = FusionPart(BIGRAM, 2.0, "word", WordLexicon.of(["the", "cat"]))
    fusion = Fusion((words,), word_bonus=0.5)
    assert fusion.score([0, 1, 2], vocabulary) == 2 * 0.5 + 2 * BIGRAM.score([0, 1])
    assert fusion.score([0, 1, 2], vocabulary, end=False) == 2 * 0.5 + 2 * BIGRAM.score([0], end=False)
    assert fusion.score([1], vocabulary) == 0.5 + 2 * BIGRAM.score([-1])
    pieces = Fusion((FusionPart(BIGRAM, 1.0, "piece"),))
    assert pieces.score([0, 1], vocabulary, end=False) == BIGRAM.score([0, 1], end=False)
