import pytest

from wavelane_client.evaluate.measures import (
    by_group,
    confusions,
    intents,
    keyword_spotting,
    latencies,
    measure,
    reliability,
    word_times,
)
from wavelane_client.evaluate.row import Heard, HeardWord, Row, make_row
from wavelane_client.evaluate.text import basic
from wavelane_client.manifest import Entry, TimedWord


def row(
    said: str | None, heard: str = "", *, name: str = "a", corpus: str = "set", seconds: float = 36.0, **more
) -> Row:
    entry_fields = {key: more.pop(key) for key in ("words", "intent", "slots") if key in more}
    entry = Entry(name=name, path="x", text=said, corpus=corpus, **entry_fields)  # type: ignore[arg-type]
    lookahead, condition = more.pop("lookahead", 6), more.pop("condition", "clean")
    more["words"] = more.pop("heard_words", ())
    return make_row(entry, condition, lookahead, seconds, Heard(text=heard, **more), basic)


def spoken(*words: tuple[str, float, float]) -> tuple[TimedWord, ...]:
    return tuple(TimedWord(text=text, start=start, end=end) for text, start, end in words)


def heard(*words: tuple[str, float, float], confidence: float = 0.5) -> tuple[HeardWord, ...]:
    return tuple(HeardWord(text=text, start=start, end=end, confidence=confidence) for text, start, end in words)


def test_times_are_compared_of_right_words_only():
    one = row(
        "Turn it off",
        "turn is off now",
        words=spoken(("Turn", 0.5, 0.8), ("it", 0.8, 0.9), ("off", 0.9, 1.3)),
        heard_words=heard(("turn", 0.56, 0.64), ("is", 0.8, 0.88), ("off,", 1.2, 1.28), ("now", 1.3, 1.4)),
    )
    assert [word.right for word in one.words] == [True, False, True, False]
    times = word_times([one])
    assert times is not None
    assert times["words"] == 2
    assert times["start"] == {"bias_ms": 60.0, "median_ms": 60.0, "p90_ms": 300.0, "close": 0.5}
    assert times["end"]["bias_ms"] == -160.0
    assert times["end"]["close"] == 0.5
    assert word_times([row("a", "a")]) is None


def test_numbers_written_out_keep_their_times():
    """The normaliser may join what the recogniser heard as single words."""
    one = row("one two", "one two", heard_words=heard(("one", 0.0, 0.1), ("two", 0.1, 0.2)))
    assert [word.right for word in one.words] == [True, True]


def test_reliability_of_confidences():
    sure = [HeardWord(text="a", start=0, end=1, confidence=0.95, right=index < 19) for index in range(20)]
    unsure = [HeardWord(text="a", start=0, end=1, confidence=0.05, right=index < 1) for index in range(20)]
    good = reliability(sure + unsure)
    assert good is not None
    assert (good["words"], good["right"], good["ece"]) == (40, 0.5, 0.0)
    assert good["nce"] > 0.7
    boastful = reliability([HeardWord(text="a", start=0, end=1, confidence=1.0, right=index < 1) for index in range(2)])
    assert boastful is not None
    assert (boastful["ece"], boastful["bins"]) == (0.5, [{"words": 2, "confidence": 1.0, "right": 0.5}])
    assert boastful["nce"] < 0
    assert reliability([HeardWord(text="a", start=0, end=1)]) is None


def test_keywords_found_missed_and_invented():
    rows = [row("turn the kitchen light on", "turn the kitchen light on"), row("light", "kite"), row("no", "light no")]
    figures = keyword_spotting(rows, ["light", "kitchen light", "door"])
    assert figures["each"]["light"] == {
        "said": 2,
        "found": 1,
        "false": 1,
        "recall": 0.5,
        "precision": 0.5,
        "false_per_hour": pytest.approx(33.33, abs=0.01),
    }
    assert (figures["each"]["kitchen light"]["recall"], figures["each"]["kitchen light"]["precision"]) == (1.0, 1.0)
    assert "door" not in figures["each"]
    assert (figures["said"], figures["found"], figures["false"]) == (3, 2, 1)
    parted = keyword_spotting([row("ice cream", "ice cold cream")], ["ice cream"])
    assert (parted["said"], parted["found"], parted["false"]) == (1, 0, 0)


def test_a_command_counts_only_if_every_slot_is_right():
    wanted = {"intent": "order", "slots": {"size": "large", "drink": "tea"}}
    rows = [
        make_row(Entry(name="a", path="x", **wanted), "clean", 6, 1.0, Heard(intent=intent, slots=slots), basic)  # type: ignore[arg-type]
        for intent, slots in [
            ("order", {"size": "large", "drink": "tea"}),
            ("order", {"size": "large"}),
            ("order", {"size": "large", "drink": "tea", "milk": "no"}),
            (None, {}),
        ]
    ]
    figures = intents(rows)
    assert figures is not None
    assert (figures["commands"], figures["intent"], figures["slots"]) == (4, 0.75, 0.625)
    assert figures["understood"]["value"] == 0.25
    assert figures["understood"]["low"] <= 0.25 <= figures["understood"]["high"]
    assert intents([row("a", "a")]) is None
    assert measure(("clean", 6, "all"), rows)["words"] == 0, "no text, no word errors"


def test_groups_are_runs_and_their_sets():
    rows = [row("a", "a", corpus=corpus, lookahead=k) for corpus in ("x", "y") for k in (6, 0)]
    groups = by_group(rows)
    assert list(groups) == [
        ("clean", 6, "all"),
        ("clean", 6, "x"),
        ("clean", 6, "y"),
        ("clean", 0, "all"),
        ("clean", 0, "x"),
        ("clean", 0, "y"),
    ]
    assert list(by_group([row("a", "a")])) == [("clean", 6, "all")]


def test_what_failed_is_counted_and_in_no_rate():
    rows = [row("a b", "a b"), row("c d", error="gone")]
    group = measure(("clean", 6, "all"), rows)
    assert (group["utterances"], group["failed"], group["words"], group["wer"]["value"]) == (1, 1, 2, 0.0)
    assert confusions(rows) == []
    assert keyword_spotting(rows, ["c"])["said"] == 0


def test_confusions_come_with_their_counts():
    rows = [row("a b", "a c"), row("b", "c"), row("b d", "b"), row("e", "e f")]
    assert confusions(rows) == [("b", "c", 2), ("d", "", 1), ("", "f", 1)]


def test_latency_of_a_right_word_counts_from_when_it_was_said():
    word = HeardWord(text="go", start=0.5, end=0.6, latency=0.2)
    late = row("go", "go", words=spoken(("go", 0.2, 0.45)), heard_words=(word,), latency={"final": 0.1})
    figures = latencies([late])
    assert figures is not None
    assert figures["word"]["p50_ms"] == pytest.approx(200)
    assert figures["right_word"]["p50_ms"] == pytest.approx(350)
    assert figures["final"]["p50_ms"] == pytest.approx(100)
    assert latencies([row("a", "a")]) is None
