"""The message sequence of vosk-server's own test client against a real server."""

import json
from collections.abc import Callable
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from support.server import Server
from support.words import much_alike

Run = Callable[..., list[dict[str, Any]]]
Words = Callable[..., list[str]]
COMMANDS, EGYPT = "commands.flac", "libri_egypt.opus"


@pytest.fixture
def say(interop_server: Server, key: str, run_client: Run, wav: Callable[..., Path]) -> Callable[..., list[Any]]:
    """What the client of a recording is told."""

    def run(name: str, **config: Any) -> list[Any]:
        lines = run_client("vosk_file.py", interop_server.ws, wav(name), json.dumps(config), key)
        return [line["json"] for line in lines]

    return run


@pytest.mark.parametrize("name", [COMMANDS, EGYPT])
def test_a_file_has_the_words_of_the_native_protocol(say: Run, native_words: Words, name: str) -> None:
    answers = say(name)
    seconds = {COMMANDS: 5.1, EGYPT: 3.6}[name]
    assert len(answers) == round(seconds / 0.2 + 0.4) + 1
    results = [answer for answer in answers if "text" in answer]
    assert all("partial" in answer or "text" in answer for answer in answers)
    heard = " ".join(result["text"] for result in results).split()
    assert much_alike(heard, native_words(name))
    words = [word for result in results for word in result.get("result", [])]
    assert [word["word"] for word in words] == heard
    ends = [0.0, *(word["end"] for word in words)]
    assert all(before <= word["start"] + 0.1 < word["end"] + 0.1 for before, word in zip(ends, words, strict=False))
    assert ends[-1] < seconds
    assert all(0 <= word["conf"] <= 1 for word in words)


def test_an_utterance_that_ended_is_told_with_the_next_answer(say: Run, native_words: Words) -> None:
    *answers, last = say(COMMANDS)
    first = next(answer for answer in answers if answer.get("text"))
    assert first["text"] == native_words(COMMANDS)[0]
    partials = [answer["partial"] for answer in answers[answers.index(first) + 1 :] if answer.get("partial")]
    assert last["text"].startswith(partials[-1].split()[0])


def test_alternatives(say: Run, native_words: Words) -> None:
    answers = say(COMMANDS, max_alternatives=20)
    finals = [answer["alternatives"] for answer in answers if "alternatives" in answer]
    spoken = [final[0]["text"] for final in finals if final[0]["text"]]
    assert " ".join(spoken).split() == native_words(COMMANDS, decoding={"method": "beam"})
    for final in finals:
        assert len({alternative["text"] for alternative in final}) == len(final) <= 8
        assert final == sorted(final, key=lambda alternative: -alternative["confidence"])
    assert max(map(len, finals)) > 1
    assert [word["word"] for word in finals[-1][1]["result"]] == finals[-1][1]["text"].split()


def test_only_words_of_a_list_are_heard(say: Run, native_words: Words) -> None:
    """As with theirs, in any order; and nothing where something else was said."""
    phrases = ["but the vatican received with open arms", "messengers of egypt"]
    words = " ".join(phrases).split()
    grammar = f"#JSGF V1.0; grammar list; public <words> = ({' | '.join(words)})+;"
    heard = spoken(say(EGYPT, phrase_list=phrases, words=0))
    # Decoded by another decoder: of words that were guessed, one may be another.
    assert SequenceMatcher(a=heard, b=native_words(EGYPT, grammar=grammar)).ratio() > 0.7
    assert {"vatican", "egypt"} < set(heard) <= set(words)
    assert not {"vatican", "egypt"} & set(native_words(EGYPT))
    assert spoken(say(EGYPT, phrase_list=["zero one two three four five six seven eight nine oh"])) == []


def test_words_of_an_open_list_are_favoured(say: Run, native_words: Words) -> None:
    found = spoken(say(EGYPT, phrase_list=["vatican", "messengers of egypt", "[unk]"]))
    hotwords = ["vatican", "messengers of egypt", "messengers", "of", "egypt"]
    favoured = native_words(EGYPT, hotwords=hotwords)
    assert much_alike(found, favoured)
    assert favoured != native_words(EGYPT)


def spoken(answers: list[Any]) -> list[str]:
    return " ".join(answer["text"] for answer in answers if answer.get("text")).split()


def test_a_key_is_asked_for(interop_server: Server) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        with pytest.raises(InvalidStatus) as refused:
            connect(interop_server.ws, additional_headers=headers)
        assert refused.value.response.status_code == 401
