"""vosk-server's protocol without a socket."""

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.dialogues import event, final, lines, partial, replay, told
from wavelane.events import Alternative, Word
from wavelane.grammar import Grammar
from wavelane.session.options import SessionOptions, parse_options
from wavelane_server.adapters.base import Configure, Outgoing, Reply
from wavelane_server.adapters.handshake import Handshake
from wavelane_server.adapters.vosk import PROTOCOL
from wavelane_server.adapters.vosk.adapter import VoskAdapter
from wavelane_server.adapters.vosk.messages import result
from wavelane_server.adapters.vosk.options import OPTIONS, Settings, changed

DIALOGUES = ["vosk_lockstep.jsonl", "vosk_reset_words.jsonl", "vosk_alternatives.jsonl", "vosk_errors.jsonl"]
RECORDED = [line["client"] for name in DIALOGUES for line in lines(name) if isinstance(line.get("client"), str)]


@pytest.mark.parametrize("name", DIALOGUES)
def test_dialogue(name: str) -> None:
    replay(name, VoskAdapter(), read=str, write=str)


def test_a_result_is_written_as_vosk_writes_it() -> None:
    words = (
        Word(text='a"ï', start=0, end=9120, confidence=1.0),
        Word(text="b", start=9120, end=16_000, confidence=0.5),
    )
    assert result(Alternative(text='a"ï b', confidence=0.5, words=words), words=True) == (
        "{\n"
        '  "result" : [{\n'
        '      "conf" : 1.000000,\n'
        '      "end" : 0.570000,\n'
        '      "start" : 0.000000,\n'
        '      "word" : "a\\"ï"\n'
        "    }, {\n"
        '      "conf" : 0.500000,\n'
        '      "end" : 1.000000,\n'
        '      "start" : 0.570000,\n'
        '      "word" : "b"\n'
        "    }],\n"
        '  "text" : "a\\"ï b"\n'
        "}"
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


@given(st.text(), st.lists(st.text(), max_size=3))
def test_what_is_written_is_json(text: str, words: list[str]) -> None:
    said = tuple(Word(text=word, start=0, end=1, confidence=0.5) for word in words)
    written = json.loads(result(Alternative(text=text, confidence=1.0, words=said), words=True))
    assert written["text"] == text
    assert [word["word"] for word in written.get("result", [])] == words


@given(st.lists(st.tuples(st.sampled_from(["audio", "reset", "partial", "final", "flushed"]), st.integers(0, 2))))
def test_each_message_has_one_answer_and_no_word_is_lost(steps: list[tuple[str, int]]) -> None:
    """Whatever comes when: answers as many as questions, and all finals in them, in their order, once."""
    adapter, answers, words, asked, resets, utterance = VoskAdapter(), list[str](), list[str](), 0, 0, 0

    def hear(outgoing: Outgoing) -> None:
        answers.extend(adapter.send(outgoing))

    def say(message: str | bytes) -> None:
        answers.extend(command.message for command in adapter.receive(message) if isinstance(command, Reply))

    say('{"config" : {"sample_rate" : 16000}}')
    for step, many in [*steps, *[("flushed", 0)] * len(steps)]:
        if step == "audio":
            say(bytes(320))
            asked += 1
        elif step == "reset":
            say('{"reset" : 1}')
            asked += 1
            resets += 1
        elif step == "flushed" and resets:
            hear(event("Flushed", at=0))
            resets -= 1
        elif step == "partial":
            hear(partial(f"p{utterance}", utterance=utterance))
        elif step == "final":
            said = [f"w{utterance}{number}" for number in range(many)]
            hear(final(" ".join(said), utterance=utterance))
            words += said
            utterance += 1
    say('{"eof" : 1}')
    hear(final("last", utterance=utterance, reason="end"))
    hear(event("Closed", received=0))
    assert len(answers) == asked + 1
    results = [json.loads(answer).get("text", "") for answer in answers]
    assert " ".join(filter(None, results)).split() == [*words, "last"]


@settings(max_examples=30)
@given(st.dictionaries(st.sampled_from([*OPTIONS, "other"]), JSON))
def test_a_config_is_options_of_a_session_or_an_error_that_names_it(config: dict[str, Any]) -> None:
    (message,) = adapter_says(json.dumps({"config": config})) or [None]
    if message is not None:
        name, fields = message
        assert name == "Fail"
        assert fields["error"][0] == "invalid_config"
        assert any(option in fields["error"][1] for option in config)


@pytest.mark.parametrize("rate", [16000, 16000.0, "16000"])
def test_the_rate_may_be_written_in_any_way(rate: object) -> None:
    assert parse_options(changed(Settings(), {"sample_rate": rate}).session(constrained=False)).sample_rate == 16_000


def test_every_option_has_an_effect() -> None:
    values = {"sample_rate": 44_100, "words": 0, "partial_words": 1, "max_alternatives": 2, "phrase_list": ["a"]}
    assert set(values) | {"model"} == set(OPTIONS)
    for name, value in {**values, "model": "m"}.items():
        assert changed(Settings(), {name: value}) != Settings()
    assert session(words=False)["words"] is False
    assert session(words=False, partial_words=True)["words"] is True


def test_a_list_of_phrases_is_a_grammar_where_the_search_can_be_held_to_one() -> None:
    long = " ".join(["word"] * 50)
    phrases = (long, "[unk]", "two words", 'o"clock \\')
    favoured = ["word", "two words", "two", "words", 'o"clock \\', 'o"clock', "\\"]
    assert session(phrases=phrases)["hotwords"] == favoured
    assert session(phrases=phrases, constrained=True)["hotwords"] == favoured
    held = session(phrases=("go left", "go on", 'o"clock'), max_alternatives=3, constrained=True)
    grammar = Grammar.parse(held["grammar"])
    assert grammar.read("left on go go") is not None
    assert grammar.read("right") is None
    # Nothing of a server's defaults stands against it.
    base = SessionOptions(lm="general", lm_weight=2, hotwords=("x",), alternatives=4, decoding={"method": "beam"})
    options = parse_options(held, base=base)
    assert (options.decoding.method, options.alternatives, options.lm, options.hotwords) == ("greedy", 1, "off", ())
    for empty in ((), ("[unk]",), (" ",)):
        assert not {"grammar", "hotwords"} & set(session(phrases=empty, constrained=True))


def test_a_session_is_opened_by_the_first_message_that_needs_one() -> None:
    for message in (bytes(2), '{"eof" : 1}', '{"reset" : 1}'):
        first = VoskAdapter().receive(message)[0]
        assert isinstance(first, Configure)
        assert first.once
        assert parse_options(dict(first.values)).sample_rate == 8_000


def test_a_url_has_no_parameters() -> None:
    PROTOCOL.adapter(Handshake(headers={}))
    with pytest.raises(Exception, match="no parameters in its URL, got 'rate'"):
        PROTOCOL.adapter(Handshake(headers={}, query=(("rate", "8000"),)))


@given(st.lists(st.binary(max_size=64) | st.text(max_size=64) | JSON.map(json.dumps), max_size=8))
def test_anything_is_commands(messages: list[str | bytes]) -> None:
    adapter = VoskAdapter()
    for message in messages:
        for command in adapter.receive(message):
            told(command)


@given(st.integers(0, 2**32))
def test_recorded_messages_with_faults_are_commands(seed: int) -> None:
    rng = random.Random(seed)
    adapter = VoskAdapter()
    for message in rng.sample(RECORDED, 4):
        at, end = sorted((rng.randint(0, len(message)), rng.randint(0, len(message))))
        adapter.receive(message[:at] + rng.choice(RECORDED)[at:end] + message[rng.randint(0, end) :])


def session(*, constrained: bool = False, **settings: Any) -> dict[str, Any]:
    return Settings(**settings).session(constrained=constrained)


def adapter_says(message: str) -> list[list[Any]]:
    return [told(command) for command in VoskAdapter().receive(message)]
