import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavelane_client.evaluate.score import Counts, align, compare, count_characters, count_words, rate

words = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=8)


def counted(*errors: int, length: int = 10) -> list[Counts]:
    return [Counts(hits=length - each, substitutions=each) for each in errors]


@given(words, words)
def test_an_alignment_goes_through_both_texts_with_the_fewest_errors(said, heard):
    steps = align(said, heard)
    assert [step.reference for step in steps if step.reference is not None] == list(range(len(said)))
    assert [step.hypothesis for step in steps if step.hypothesis is not None] == list(range(len(heard)))
    for step in steps:
        assert step.equal == (
            step.reference is not None
            and step.hypothesis is not None
            and said[step.reference] == heard[step.hypothesis]
        )
    counts = count_words(" ".join(said), " ".join(heard))
    assert counts.length == len(said)
    assert counts.errors == sum(not step.equal for step in steps) <= max(len(said), len(heard))
    assert counts.errors >= abs(len(said) - len(heard))


def test_words_and_characters_are_counted_by_kind():
    assert count_words("turn the light on", "turn a light on now") == Counts(3, 1, 0, 1)
    assert count_words("turn the light on", "") == Counts(deletions=4)
    assert count_words("", "uh oh") == Counts(insertions=2)
    assert count_characters("abc", "abd") == Counts(2, 1, 0, 0)
    assert Counts.total([Counts(1, 2, 3, 4), Counts(1, 1, 1, 1)]) == Counts(2, 3, 4, 5)


def test_the_interval_holds_the_rate_and_narrows_with_more_utterances():
    few, many = counted(0, 5, 1, 4), counted(*[0, 5, 1, 4] * 50)
    assert rate([]) is None
    assert rate([Counts(insertions=3)]) is None
    small, large = rate(few), rate(many)
    assert small is not None
    assert large is not None
    for each in (small, large):
        assert each.value == pytest.approx(0.25)
        assert each.low < 0.25 < each.high
    assert large.high - large.low < (small.high - small.low) / 4
    assert rate(few) == small, "the same seed draws the same"


def test_utterances_are_drawn_and_not_words():
    """Ten utterances that are wholly right or wholly wrong say less than their hundred words would."""
    clumped = rate(counted(*[0, 10] * 5))
    spread = rate(counted(*[5] * 10))
    assert clumped is not None
    assert spread is not None
    assert clumped.high - clumped.low > 0.4
    assert spread.low == spread.high == pytest.approx(0.5)


def test_a_paired_comparison_sees_what_intervals_hide():
    base = counted(*[1, 9, 2, 8, 5] * 20)
    better = counted(*[1, 8, 2, 7, 5] * 20)
    first, second = rate(base), rate(better)
    assert first is not None
    assert second is not None
    assert second.high > first.low, "seen apart they overlap"
    difference = compare(better, base)
    assert difference is not None
    assert difference.change.value == pytest.approx(-0.04)
    assert (difference.sure, difference.better) == (True, 1.0)
    turned = compare(base, better)
    assert turned is not None
    assert (turned.sure, turned.better) == (True, 0.0)
    same = compare(base, base)
    assert same is not None
    assert (same.change.value, same.sure, same.better) == (0.0, False, 0.5)
    assert compare([Counts()], [Counts()]) is None
