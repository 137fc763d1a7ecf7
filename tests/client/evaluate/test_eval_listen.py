from dataclasses import replace

import pytest

from wavelane.events import Alternative, Closed, Final, Intent, Partial, Word
from wavelane_client.evaluate.listen import Listener


def words(*texts: str) -> tuple[Word, ...]:
    return tuple(
        Word(text=text, start=1_600 * index, end=1_600 * (index + 1), confidence=0.5)
        for index, text in enumerate(texts)
    )


def partial(*texts: str, utterance: int = 0) -> Partial:
    return Partial(
        channel=0,
        utterance=utterance,
        text=" ".join(texts),
        stable=0,
        words=words(*texts),
        start=0,
        processed=1_600 * len(texts),
        lag_ms=0,
    )


def final(*texts: str, utterance: int = 0) -> Final:
    best = Alternative(text=" ".join(texts), confidence=0.5, words=words(*texts))
    return Final(
        channel=0, utterance=utterance, alternatives=(best,), start=0, end=0, processed=0, lag_ms=0, reason="end"
    )


def listened(*, live: bool) -> Listener:
    listener = Listener(live=live)
    for packet in range(4):  # of 100 ms each, sent when they are full
        listener.meter.sent(1_600, 10.1 + 0.1 * packet)
    return listener


def test_a_word_came_when_it_was_shown_and_stayed():
    listener = listened(live=True)
    listener.event(partial("turn"), 10.3)
    listener.event(partial("turn", "of"), 10.5)
    listener.event(partial("turn", "off"), 10.6)
    listener.event(partial("turn"), 10.7)
    listener.event(partial("turn", "off"), 10.8)
    listener.event(final("turn", "off", "it"), 11.0)
    listener.meter.ended(10.9)
    listener.event(Closed(received=6_400), 11.1)
    heard = listener.heard(11.1)
    assert heard.text == "turn off it"
    # "turn" ends with the first packet, sent at 10.1; "off" with the second, "it" with the third.
    assert [word.latency for word in heard.words] == pytest.approx([0.2, 0.6, 0.7])
    assert heard.latency["first_partial"] == pytest.approx(0.2)
    assert heard.latency["final"] == pytest.approx(0.1)
    assert heard.latency["partial_lag"] == pytest.approx(0.6)


def test_utterances_do_not_mix():
    listener = listened(live=True)
    listener.event(partial("go"), 10.2)
    listener.event(final("go"), 10.3)
    listener.event(final("go", utterance=1), 10.5)
    assert [word.latency for word in listener.heard(11.0).words] == pytest.approx([0.1, 0.4])


def test_faster_than_real_time_there_are_no_latencies():
    listener = listened(live=False)
    listener.event(partial("go"), 10.2)
    listener.event(final("go"), 10.3)
    heard = listener.heard(11.0)
    assert (heard.latency, heard.words[0].latency) == ({}, None)
    assert (heard.words[0].start, heard.words[0].end) == (0.0, 0.1)


def test_the_surest_intent_is_what_was_meant():
    listener = listened(live=False)
    for score, size in ((0.4, "small"), (0.9, "large"), (0.2, "tiny")):
        intent = Intent(name="order", slots={"size": size}, score=score, sentence="")
        listener.event(replace(final("a"), intent=intent), 10.2)
    listener.event(final("b"), 10.3)
    heard = listener.heard(11.0)
    assert (heard.intent, heard.slots) == ("order", {"size": "large"})
    assert Listener(live=False).heard(1.0).intent is None
