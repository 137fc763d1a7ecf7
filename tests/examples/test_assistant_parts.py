"""The voice assistant's parts: who is spoken to, what is answered, how it is spoken."""

import asyncio
import random
import shutil
import sys
import wave
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from examples.assistant.__main__ import Assistant, grammar_of, wake_phrase
from examples.assistant.skills import Skills
from examples.assistant.voice import Recorder, SoundCard, Voice, VoiceError
from wavelane.grammar import Grammar
from wavelane_client import Alternative, Final, Intent

COMPUTER = Grammar.parse(grammar_of("hey computer"))


def understood(sentence: str, grammar: Grammar = COMPUTER) -> Intent | None:
    meaning = grammar.read(sentence)
    return meaning and Intent(name=meaning.intent, slots=meaning.slots, score=1.0, sentence=sentence)


def final_of(sentence: str) -> Final:
    return Final(
        channel=0,
        utterance=0,
        alternatives=(Alternative(text=sentence, confidence=1.0, words=()),),
        start=0,
        end=16_000,
        processed=16_000,
        lag_ms=0,
        reason="silence",
        intent=understood(sentence),
    )


def assistant_of(voice: Voice | None = None, **options: Any) -> Assistant:
    silent = voice or Voice("print", SoundCard)
    return Assistant(None, silent, **{"push_to_talk": False, "barge_in": True} | options)  # type: ignore[arg-type]


def replies(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line.split(maxsplit=1)[1] for line in capsys.readouterr().out.splitlines() if line.startswith("reply:")]


async def test_only_who_says_the_wake_phrase_is_answered_and_may_go_on_without(capsys):
    assistant = assistant_of()
    assistant.turn(final_of("which lights are on"))
    assert replies(capsys) == []
    assistant.turn(final_of("hey computer"))
    assert replies(capsys) == ["Yes?"]
    assistant.turn(final_of("which lights are on"))
    assert replies(capsys) == ["All lights are off."]
    assistant.turn(final_of("nice weather today"))
    assert replies(capsys) == []
    await assistant.reply
    assistant.awake_until = 0.0  # it is long ago
    assistant.turn(final_of("which lights are on"))
    assert replies(capsys) == []


async def test_whoever_pressed_the_key_gets_an_answer_in_any_case(capsys):
    assistant = assistant_of(push_to_talk=True)
    await assistant.press()
    assistant.turn(final_of("nice weather today"))
    assert replies(capsys) == ["I did not understand."]
    assert not assistant.pressed


async def test_nothing_is_spoken_over_the_user(capsys):
    assistant = assistant_of()
    assistant.user_speaks = True
    assistant.turn(final_of("hey computer what is two plus two"))
    out = capsys.readouterr().out
    assert "reply:   2 plus 2 is 4.\n         (not spoken: you are speaking)" in out
    assert assistant.reply is None


async def test_a_synthesiser_that_fails_is_told_and_the_conversation_goes_on(capsys, tmp_path):
    voice = Voice("sh -c 'echo no such voice >&2'", lambda: Recorder(str(tmp_path / "out.wav")))
    with pytest.raises(VoiceError, match="sh wrote no WAV \\(no such voice\\)"):
        await voice.say("hello", lambda: None)
    assistant = assistant_of(voice)
    assistant.turn(final_of("hey computer"))
    await assistant.reply
    assert "(not spoken: sh wrote no WAV (no such voice))" in capsys.readouterr().out


def test_the_wake_phrase_is_a_setting():
    robot = Grammar.parse(grammar_of(wake_phrase("Good Robot")))
    assert understood("good robot what time is it", robot).slots == {"wake": "yes"}
    assert understood("hey computer what time is it", robot) is None
    for wrong in ("", "r2d2", "hey; computer", "hey  computer"):
        with pytest.raises(Exception, match="is no phrase"):
            wake_phrase(wrong)


async def test_whatever_the_grammar_understands_is_answered():
    skills = Skills(announce=print)
    rng = random.Random(0)
    seen = set()
    for _ in range(500):
        intent = understood(COMPUTER.random_sentence(rng))
        seen.add(intent.name)
        assert skills.answer(intent) or intent.name == "stop"
    assert seen == set(COMPUTER.intents)
    skills.answer(understood("cancel the timer"))


async def test_answers():
    announced = asyncio.Queue()
    skills = Skills(announced.put_nowait, now=lambda: datetime(2026, 2, 3, 14, 5))
    talk = {
        "what time is it": "It is 14:05.",
        "what is the date": "It is Tuesday, February 3.",
        "which lights are on": "All lights are off.",
        "turn on the lights in the kitchen": "The light in the kitchen is on.",
        "turn on the light": "The light in the living room is on.",
        "turn off the light in the kitchen": "The light in the kitchen is off.",
        "hey computer which lights are on": "On: living room.",
        "what is twenty five plus nine": "25 plus 9 is 34.",
        "how much is three minus twelve": "3 minus 12 is minus 9.",
        "what is thirteen times seventy": "13 times 70 is 910.",
        "what is on my shopping list": "The list is empty.",
        "add milk to the shopping list": "Added milk.",
        "put tea on my shopping list": "Added tea.",
        "what is on the shopping list": "You need milk, tea.",
        "clear the shopping list": "The list is empty.",
        "how much time is left": "There is no timer.",
        "set a timer for two hours": "Timer set for 2 hours.",
        "start a timer for forty seconds": "Timer set for 40 seconds.",
        "how long is left on the timer": "40 seconds.",
        "stop the timer": "Timer cancelled.",
        "cancel the timer": "There is no timer.",
    }
    assert {sentence: skills.answer(understood(sentence)) for sentence in talk} == talk
    assert announced.empty()


def test_what_is_missing_is_named_with_its_remedy(monkeypatch):
    with pytest.raises(SystemExit, match="the synthesiser nosuch is not installed: `apt-get install espeak-ng`"):
        Voice("nosuch {text}", SoundCard)
    with pytest.raises(SystemExit, match=r"cannot write /nowhere/out\.wav: No such file"):
        Voice(f"{sys.executable} {{text}}", lambda: Recorder("/nowhere/out.wav"))
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(SystemExit, match="apt-get install libportaudio2"):
        Voice(f"{sys.executable} {{text}}", SoundCard)


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
async def test_the_usual_synthesiser_speaks(tmp_path: Path):
    first = []
    out = tmp_path / "out.wav"
    await Voice("espeak-ng --stdout -- {text}", lambda: Recorder(str(out))).say("-1 $(exit)", lambda: first.append(1))
    assert first == [1]
    with wave.open(str(out)) as file:
        assert 0.5 < file.getnframes() / file.getframerate() < 5
