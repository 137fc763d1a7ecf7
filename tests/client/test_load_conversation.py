"""The load generator as one party of a conversation, and what silence costs the server."""

import random
from collections.abc import Iterator
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.toy import SPEC
from wavelane.session.options import parse_options
from wavelane.session.session import Session
from wavelane.work import StepResult
from wavelane_client.load.corpus import BYTES_PER_SECOND, CONVERSATION, Corpus, Script, Utterance, load_corpus

MANIFEST = "tests/data/speech/manifest.jsonl"
LOUD = [
    Utterance(str(n), b"\x00\x40" * (16 * milliseconds), f"text{n}") for n, milliseconds in enumerate([900, 2100, 3500])
]


def is_speech(packet: bytes) -> bool:
    return packet.startswith(b"\x00\x40")


def runs(script: Script) -> Iterator[tuple[bool, float]]:
    """Spells of speech and of background, with their seconds."""
    for speech, packets in groupby(script.packets, is_speech):
        yield speech, sum(map(len, packets)) / BYTES_PER_SECOND


@given(st.integers(0, 10_000), st.floats(0.2, 0.8))
def test_a_conversation_has_the_share_of_speech_that_was_asked_for(seed: int, share: float):
    script = Corpus(LOUD, 100).conversation(random.Random(seed), 600.0, share)
    speech = sum(seconds for kind, seconds in runs(script) if kind)
    total = sum(seconds for _, seconds in runs(script))
    assert total >= 600 - 1e-6
    assert speech / total == pytest.approx(share, abs=0.05)
    assert script.text is not None
    assert len(script.text.split()) >= speech / 3.5


def test_turns_are_taken():
    script = Corpus(LOUD, 100).conversation(random.Random(5), 3_000.0, CONVERSATION)
    spells = list(runs(script))
    assert not spells[0][0], "it listens first"
    assert spells[-1][0], "it ends with a turn"
    silences = [seconds for speech, seconds in spells if not speech]
    within = [seconds for seconds in silences if seconds < 0.95]
    between = [seconds for seconds in silences if seconds >= 0.95]
    assert min(within) >= 0.15
    assert len(within) > 100
    assert len(between) > 100
    assert max(between) > 3 * min(between)
    assert max(seconds for speech, seconds in spells if speech) < 11


def test_background_is_low_noise_and_takes_no_memory_of_its_own():
    corpus = Corpus(LOUD, 100)
    packets = [p for n in range(20) for p in corpus.conversation(random.Random(n), 60.0, 0.4).packets]
    assert len({id(packet) for packet in packets}) <= 100 + 9 + 21 + 35
    quiet = [packet for packet in packets if not is_speech(packet)]
    values = [int.from_bytes(packet[:2], "little", signed=True) for packet in quiet]
    assert 5 < max(map(abs, values)) < 100
    assert len(set(values)) > 20


def test_without_a_share_speech_goes_on():
    corpus = Corpus(LOUD, 100)
    assert corpus.script(random.Random(1), 60.0).packets == corpus.script(random.Random(1), 60.0, None).packets
    conversation = corpus.script(random.Random(1), 60.0, 0.4).packets
    assert conversation == corpus.conversation(random.Random(1), 60.0, 0.4).packets
    tail = corpus.tail(random.Random(1), 60.0, 0.4)
    assert list(tail.packets) == list(conversation[-len(tail.packets) :])


def steps(script: Script, vad: str) -> int:
    """Steps that a session takes for a script."""
    session = Session(parse_options({"vad": {"kind": vad}}), SPEC)
    count = 0
    for packet in script.packets:
        session.receive_audio(packet)
        while (chunk := session.next_chunk()) is not None:
            count += 1
            session.receive_result(
                StepResult(lane=0, sequence=chunk.sequence, tokens=(), frames=chunk.lookahead + 1, last=chunk.last)
            )
        session.events()
    return count


def test_background_alone_takes_no_step():
    corpus = Corpus(LOUD, 100)
    packets = corpus.conversation(random.Random(1), 3_000.0, 0.1).packets
    background = [packet for packet in packets if not is_speech(packet)]
    assert len(background) > 20_000
    assert steps(Script(background, None), "webrtc") == 0


def test_silence_takes_no_steps():
    """Real recordings for five minutes: 40 % speech costs about 60 % of the steps of speech that goes on.

    More than 40 %, because a stream opens 0.66 s before its speech and closes 0.6 s after it.
    """
    corpus = Corpus(load_corpus(MANIFEST, []), 100)
    conversation = corpus.script(random.Random(2), 300.0, CONVERSATION)
    continuous = corpus.script(random.Random(2), 300.0)
    length = sum(map(len, conversation.packets)) / sum(map(len, continuous.packets))
    part = steps(conversation, "webrtc") / steps(continuous, "webrtc") / length
    assert 0.3 < part < 0.65
    # Without a detector silence is stepped like everything else.
    assert steps(conversation, "off") / steps(continuous, "off") / length == pytest.approx(1.0, abs=0.01)
