import itertools

from hypothesis import given
from hypothesis import strategies as st

from wavelane.decode.words import WordBuilder
from wavelane.work import Token

PIECES = ["▁he", "llo", "▁wor", "ld", "▁", "s", "<0xC3>", "<0xA9>", ".", "▁a▁b", "<0xFF>"]


def build(ids: list[int], confidence: float = 0.5, base: int = 0) -> WordBuilder:
    builder = WordBuilder(PIECES, 1280)
    for frame, piece in enumerate(ids):
        builder.add(Token(id=piece, frame=frame, confidence=confidence), base)
    return builder


def test_pieces_join_into_words_with_times_on_the_sample_clock() -> None:
    words = build([0, 1, 2, 3], base=16_000).words()
    assert [word.text for word in words] == ["hello", "world"]
    assert [(word.start, word.end) for word in words] == [(16_000, 18_560), (18_560, 21_120)]


def test_bytes_become_characters_only_when_complete() -> None:
    assert build([0, 6]).text == "he"
    assert build([0, 6, 7, 8]).text == "heé."


def test_a_lone_opener_shows_no_word_until_a_piece_follows() -> None:
    assert build([0, 4]).text == "he"
    words = build([0, 4, 5]).words()
    assert [(word.text, word.start) for word in words] == [("he", 0), ("s", 2 * 1280)]


def test_a_first_piece_without_opener_is_a_word() -> None:
    assert build([1]).text == "llo"


def test_a_word_is_as_sure_as_all_of_its_pieces_together() -> None:
    builder = WordBuilder(PIECES, 1280)
    builder.add(Token(id=0, frame=0, confidence=0.25), 0)
    builder.add(Token(id=1, frame=1, confidence=0.75), 0)
    assert builder.words()[0].confidence == 0.1875


@given(st.lists(st.integers(0, len(PIECES) - 1), max_size=30))
def test_text_only_grows_and_words_stay_in_order(ids: list[int]) -> None:
    builder = WordBuilder(PIECES, 1280)
    shown = ""
    for frame, piece in enumerate(ids):
        builder.add(Token(id=piece, frame=frame, confidence=1.0), 0)
        assert builder.text.startswith(shown)
        shown = builder.text
        words = builder.words()
        assert shown == " ".join(word.text for word in words)
        for word, following in itertools.pairwise(words):
            assert word.start <= word.end <= following.start
