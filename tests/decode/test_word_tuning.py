"""Words whose times and confidences are corrected as it was fitted."""

import itertools
import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavelane.decode.words import WordBuilder
from wavelane.errors import WavelaneError
from wavelane.model.checkpoint.native import read_native_config
from wavelane.model.config import ModelConfig
from wavelane.model.embedded import embedded_path
from wavelane.spec import WordTuning
from wavelane.work import Token

PIECES = ["▁go", "▁left", "s", "▁"]
TUNING = WordTuning(head="ctc", lookahead=6, start=(1_600.0, 0.5), end=(800.0, 0.1), confidence=(-1.0, 0.5))


def build(places: list[tuple[int, int]], tuning: WordTuning | None, *, base: int = 0, floor: int = 0) -> WordBuilder:
    """Words of (piece, frame)."""
    builder = WordBuilder(PIECES, 1_280, tuning, floor)
    for piece, frame in places:
        builder.add(Token(id=piece, frame=frame, confidence=0.5), base)
    return builder


def spans(*places: tuple[int, int], tuning: WordTuning | None = TUNING, **more: int) -> list[tuple[int, int]]:
    return [(word.start, word.end) for word in build(list(places), tuning, **more).words()]


def test_words_begin_and_end_before_they_were_emitted() -> None:
    """The pause before the first word and behind the last one counts as the longest."""
    assert spans((0, 20)) == [(25_600 - 1_600 - 3_200, 26_880 - 800 - 640)]
    # A pause of 2 frames lies between these.
    first, second = spans((0, 20), (1, 23), (2, 24))
    assert first == (25_600 - 4_800, 26_880 - 800 - 256)
    assert second == (29_440 - 1_600 - 1_280, 32_000 - 800 - 640)


def test_words_that_overlap_meet_halfway() -> None:
    first, second = spans((0, 20), (1, 21))
    assert first[1] == second[0] == (26_880 - 800 + 26_880 - 1_600) // 2


def test_no_word_begins_before_its_stream_or_what_was_told_before() -> None:
    assert spans((0, 1), base=16_000)[0][0] == 16_000
    assert spans((0, 1), base=16_000, floor=16_500)[0][0] == 16_500
    assert spans((0, 1))[0][0] == 0


def test_a_word_is_never_moved_to_later_than_it_was_emitted() -> None:
    later = WordTuning(head="ctc", lookahead=6, start=(-5_000.0, 0.0), end=(-5_000.0, 0.0))
    assert spans((0, 20), tuning=later) == spans((0, 20), tuning=None)


def test_confidence_follows_the_log_odds() -> None:
    (word,) = build([(0, 20)], TUNING).words()
    assert word.confidence == pytest.approx(1 / (1 + math.e), abs=1e-4)
    steep = build([(0, 20)], replace(TUNING, confidence=(1e6, 1e6))).words()
    assert steep[0].confidence == 1.0


@given(
    st.lists(st.tuples(st.integers(0, len(PIECES) - 1), st.integers(0, 4)), max_size=20),
    st.tuples(st.floats(-9e3, 9e3), st.floats(-2, 2)),
    st.tuples(st.floats(-9e3, 9e3), st.floats(-2, 2)),
    st.integers(0, 9_000),
)
def test_words_stay_in_order_whatever_was_fitted(
    steps: list[tuple[int, int]], start: tuple[float, float], end: tuple[float, float], floor: int
) -> None:
    tuning = WordTuning(head="ctc", lookahead=6, start=start, end=end)
    builder = WordBuilder(PIECES, 1_280, tuning, floor)
    frame = floor // 1_280 + 1
    for piece, more in steps:
        frame += more
        builder.add(Token(id=piece, frame=frame, confidence=0.9), 0)
        words = builder.words()
        assert builder.text == " ".join(word.text for word in words)
        assert all(floor <= word.start <= word.end <= (frame + 1) * 1_280 for word in words)
        assert all(word.end <= following.start for word, following in itertools.pairwise(words))
        assert builder.copy().words() == words


def test_a_model_keeps_its_corrections() -> None:
    config = replace(read_native_config(embedded_path()), words=(TUNING, replace(TUNING, lookahead=1)))
    read = ModelConfig.from_json(json.loads(json.dumps(config.to_json())))
    assert read.words == config.words
    spec = read.spec()
    assert [spec.tuning(lookahead) for lookahead in (0, 3, 4, 13)] == [read.words[1], read.words[1], *[TUNING] * 2]
    assert replace(spec, words=()).tuning(6) is None


@pytest.mark.parametrize("broken", [{"start": [1.0]}, {"end": [1.0, math.inf]}, {"loud": 1}, {"confidence": ["a", 1]}])
def test_broken_corrections_are_refused(broken: dict[str, object]) -> None:
    data = read_native_config(embedded_path()).to_json()
    data["words"] = [{"head": "ctc", "lookahead": 6, **broken}]
    with pytest.raises(WavelaneError, match="not a model configuration of this version"):
        ModelConfig.from_json(data)
