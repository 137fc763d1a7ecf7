"""The design page's promises that are the session's: any split, any delay, any interleaving."""

from hypothesis import given, settings
from hypothesis import strategies as st

from support.toy import SPEC, Driver, EnergyDetector, linear16, speech, split
from wavelane.events import Event, Final, Flushed, Partial
from wavelane.session.options import SessionOptions
from wavelane.session.session import Session

plans = st.lists(
    st.tuples(st.floats(0.02, 1.2), st.sampled_from([0.0, 0.0, 0.03, 0.08, 0.13, 0.18, 0.23, 0.28])),
    min_size=1,
    max_size=10,
)
TEXTS: list[dict[str, object]] = [
    {},
    {"itn": True, "replace": {"two three": "23rd", "four": ""}},
    {"itn": True, "punctuation": True, "capitals": True, "verbatim": False, "profanity": "mask"},
]
options = st.fixed_dictionaries(
    {
        "lookahead": st.sampled_from([0, 1, 6, 13]),
        "sample_rate": st.sampled_from([8_000, 16_000, 22_050, 44_100]),
        "text": st.sampled_from(TEXTS),
        "endpoint": st.fixed_dictionaries(
            {
                "silence_ms": st.sampled_from([100, 300, 600]),
                "no_text_ms": st.sampled_from([300, 1_000]),
                "max_utterance_ms": st.sampled_from([1_000, 30_000]),
            }
        ),
    }
)


def session(values: dict[str, object], detect: bool) -> Session:
    return Session(
        SessionOptions.model_validate(values), SPEC, detectors=lambda _: EnergyDetector() if detect else None
    )


def finals(log: list[Event]) -> list[tuple[object, ...]]:
    return [
        (event.utterance, event.text, event.words, event.start, event.end, event.reason)
        for event in log
        if isinstance(event, Final)
    ]


@settings(max_examples=60, deadline=None)
@given(plans, options, st.booleans(), st.lists(st.integers(0, 200_000), max_size=8), st.integers(0, 2**16))
def test_any_split_and_any_delay_give_the_same_finals(
    plan: list[tuple[float, float]], values: dict[str, object], detect: bool, cuts: list[int], seed: int
) -> None:
    data = linear16(speech(plan))
    whole = Driver(session(values, detect)).audio(data).end()
    pieces = Driver(session(values, detect), seed=seed).audio(*split(data, cuts)).end()
    assert finals(whole) == finals(pieces)


@settings(max_examples=10, deadline=None)
@given(options, st.booleans())
def test_one_byte_at_a_time_gives_the_same_finals(values: dict[str, object], detect: bool) -> None:
    data = linear16(speech([(0.15, 0.0), (0.2, 0.13), (0.15, 0.0)]))
    whole = Driver(session(values, detect)).audio(data).end()
    bytewise = Driver(session(values, detect)).audio(*[data[i : i + 1] for i in range(len(data))]).end()
    assert finals(whole) == finals(bytewise)


@settings(max_examples=60, deadline=None)
@given(st.lists(plans, min_size=1, max_size=3), options, st.booleans(), st.integers(0, 2**16))
def test_prefixes_hold_and_every_utterance_has_one_final(
    parts: list[list[tuple[float, float]]], values: dict[str, object], detect: bool, seed: int
) -> None:
    driver = Driver(session(values, detect), seed=seed)
    for part in parts:
        driver.audio(linear16(speech(part))).flush()
    log = driver.end()
    assert sum(isinstance(event, Flushed) for event in log) == len(parts)
    stable: dict[int, str] = {}
    done: list[int] = []
    for event in log:
        if isinstance(event, Partial):
            assert event.utterance not in done
            assert event.text.startswith(stable.get(event.utterance, ""))
            stable[event.utterance] = event.text[: event.stable]
        elif isinstance(event, Final):
            assert event.text.startswith(stable.pop(event.utterance, ""))
            done.append(event.utterance)
            starts = [word.start for word in event.words]
            assert starts == sorted(starts)
            assert all(word.start <= word.end for word in event.words)
    assert stable == {}
    assert done == list(range(len(done)))
