"""Sessions whose text is written: options, what is refused, what changes mid-stream."""

from dataclasses import replace
from typing import Any

import pytest

from support.toy import SPEC, Driver, linear16, speech
from wavelane.errors import WavelaneError
from wavelane.events import Event, Final, Partial
from wavelane.session.options import SessionOptions, parse_options
from wavelane.session.session import Session

ONE, TWO, THREE = 0.03, 0.08, 0.13
"""Loudness of words."""
PAUSE = (1.0, 0.0)


def run(text: dict[str, Any], plan: list[tuple[float, float]]) -> list[Event]:
    options = parse_options({"lookahead": 0, "vad": {"kind": "off"}, "text": text})
    return Driver(Session(options, SPEC)).audio(linear16(speech(plan))).end()


def finals(log: list[Event]) -> list[Final]:
    return [event for event in log if isinstance(event, Final)]


def test_partials_and_finals_are_written() -> None:
    plan = [(0.3, THREE), (0.3, TWO), (0.3, THREE), PAUSE, (0.3, TWO)]
    plain, last = finals(run({}, plan))
    assert plain.text == "three two three"
    assert plain.alternatives[0].spoken == ""
    log = run({"itn": True, "replace": {"two": "II"}}, plan)
    first, second = finals(log)
    assert first.alternatives[0].spoken == plain.text
    assert (first.start, first.end) == (plain.start, plain.end)
    assert first.text == "three II three"
    assert second.text == last.text.replace("two", "II")
    stable = ""
    for event in log:
        if isinstance(event, Partial) and event.utterance == 0:
            assert event.text.startswith(stable)
            stable = event.text[: event.stable]
    assert first.text.startswith(stable)


def test_words_may_be_left_out() -> None:
    options = parse_options({"lookahead": 0, "vad": {"kind": "off"}, "words": False, "text": {"capitals": True}})
    log = Driver(Session(options, SPEC)).audio(linear16(speech([(0.3, TWO)]))).end()
    assert all(event.words == () for event in log if isinstance(event, (Partial, Final)))
    assert finals(log)[0].text[0].isupper()


def test_text_changes_with_the_next_utterance() -> None:
    session = Session(parse_options({"lookahead": 0, "vad": {"kind": "off"}}), SPEC)
    driver = Driver(session).audio(linear16(speech([(0.3, TWO)])))
    session.receive_options({"text": {"replace": {"two": "II"}}})
    driver.audio(linear16(speech([(0.3, THREE)]))).flush()
    driver.audio(linear16(speech([(0.3, TWO)])))
    first, second = finals(driver.end())
    assert "two" in first.text
    assert second.text == "II"


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ({"itn": True, "capitals": True}, "text.itn"),
        ({"verbatim": False}, "text.verbatim"),
        ({"profanity": "mask"}, "text.profanity"),
    ],
)
def test_languages_without_rules_are_refused(text: dict[str, Any], refused: str) -> None:
    spec = replace(SPEC, languages=("en", "de"))
    for language in ("en", None):
        Session(parse_options({"language": language, "text": text}), spec)
    with pytest.raises(WavelaneError, match=rf"{refused}: there are rules for en only, and the language is 'de'"):
        Session(parse_options({"language": "de", "text": text}), spec)
    prompted = replace(SPEC, languages=("de", "en"), prompts={"auto": 0, "de": 1, "en": 2}, default_prompt=0)
    with pytest.raises(WavelaneError, match="the language is 'auto'"):
        Session(parse_options({"text": text}), prompted)
    Session(parse_options({"text": {"replace": {"ja": "Ja!"}}}), prompted)


def test_a_language_without_rules_is_refused_mid_stream() -> None:
    spec = replace(SPEC, languages=("en", "de"))
    session = Session(parse_options({"text": {"itn": True}}), spec)
    with pytest.raises(WavelaneError, match=r"text\.itn"):
        session.receive_options({"language": "de"})
    assert session.options.language is None


def test_replacements_are_given_anew_as_a_whole() -> None:
    base = SessionOptions.model_validate({"text": {"itn": True, "replace": {"a": "b"}}})
    assert parse_options({"text": {"replace": {"c": "d"}}}, base).text.replace == {"c": "d"}
    assert parse_options({"text": {"capitals": True}}, base).text.replace == {"a": "b"}
    with pytest.raises(WavelaneError, match=r"text\.replace: .*the same words"):
        parse_options({"text": {"replace": {"a": "b", "A": "c"}}})
