"""Beam search through real sockets: the best words with alternatives, over both protocols and through front ends."""

import itertools
from pathlib import Path

import jiwer
import pytest

from support.server import Server
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import Closed, Event, Final, Partial
from wavelane_client import connect

SPEECH = Path(__file__).parents[1] / "data" / "speech"


async def heard(url: str, name: str, step: int = 1_000, **options: object) -> list[Event]:
    async with connect(url, encoding="container", **options) as stream:
        data = (SPEECH / name).read_bytes()
        for start in range(0, len(data), step):
            await stream.send(data[start : start + step])
        await stream.end()
        return [event async for event in stream]


def finals(events: list[Event]) -> list[Final]:
    assert isinstance(events[-1], Closed)
    return [event for event in events if isinstance(event, Final)]


@pytest.mark.parametrize("vad", ["off", "webrtc"])
async def test_alternatives_come_with_scores_over_both_protocols(any_server: Server, vad: str) -> None:
    options = {"decoding": {"method": "beam", "beam": 8}, "alternatives": 4, "vad": {"kind": vad}}
    told = {}
    for url, step in ((any_server.ws, 700), (f"grpc://{any_server.grpc}", 5_000)):
        events = await heard(url, "commands.flac", step, **options)
        told[url] = finals(events)
        stable: dict[int, str] = {}
        for event in events:
            if isinstance(event, Partial):
                assert event.text.startswith(stable.get(event.utterance, ""))
                stable[event.utterance] = event.text[: event.stable]
            elif isinstance(event, Final):
                assert event.text.startswith(stable.get(event.utterance, ""))
    first, second = told.values()
    assert [final.alternatives for final in first] == [final.alternatives for final in second]
    assert any(len(final.alternatives) == 4 for final in first)
    assert jiwer.wer("go left five zero", " ".join(final.text for final in first if final.text)) <= 0.5
    for final in first:
        scores = [alternative.score for alternative in final.alternatives]
        assert all(score is not None and score < 0 for score in scores)
        assert all(a >= b for a, b in itertools.pairwise(scores))  # type: ignore[operator]
        texts = [alternative.text for alternative in final.alternatives]
        assert len(set(texts)) == len(texts)
        for alternative in final.alternatives:
            assert " ".join(word.text for word in alternative.words) == alternative.text


async def test_greedy_search_has_neither_scores_nor_alternatives(any_server: Server) -> None:
    for final in finals(await heard(any_server.ws, "commands.flac")):
        assert [alternative.score for alternative in final.alternatives] == [None]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"alternatives": 2}, "set decoding.method to beam"),
        ({"alternatives": 9, "decoding": {"method": "beam"}}, "9 are more than the 8 hypotheses"),
        ({"decoding": {"method": "beam", "beam": 64}}, "setting engine.max_beam"),
        ({"decoding": {"beam": 4}}, "set method to beam"),
    ],
)
async def test_what_cannot_be_is_said(any_server: Server, options: dict[str, object], said: str) -> None:
    with pytest.raises(WavelaneError, match=said) as error:
        await heard(any_server.ws, "commands.flac", **options)
    assert error.value.code is ErrorCode.INVALID_CONFIG


_told: dict[str, object] = {}


async def test_language_model_and_hotwords_reach_the_search(any_server: Server) -> None:
    beam = {"decoding": {"method": "beam", "beam": 4}}
    plain = finals(await heard(any_server.ws, "libri_lemon.opus", **beam))
    for name, options in {
        "lm": beam | {"lm": "general"},
        "hotwords": beam | {"hotwords": ["lemon", {"phrase": "the", "boost": 3}]},
        "greedy": {"lm": "general", "hotwords": ["lemon"]},
    }.items():
        found = finals(await heard(any_server.ws, "libri_lemon.opus", 3_000, **options))
        said = [(final.text, final.alternatives[0].score) for final in found]
        assert said != [(final.text, final.alternatives[0].score) for final in plain]
        # The same through any number of front ends.
        assert _told.setdefault(name, said) == said
