"""Recorded dialogues of both of Deepgram's streams, held again."""

import json
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest

from support.dialogues import FOLDER, replay
from wavelane_server.adapters.deepgram.live import ListenV1
from wavelane_server.adapters.deepgram.request import Request
from wavelane_server.adapters.deepgram.turns import ListenV2
from wavelane_server.adapters.handshake import Handshake

REQUEST = Request(id="11111111-2222-3333-4444-555555555555", created=datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC))
QUERIES = {
    "live": "model=nova-3&encoding=linear16&sample_rate=16000&interim_results=true&vad_events=true"
    "&utterance_end_ms=1000&endpointing=25&smart_format=true&extra=who:me&tag=x",
    "live_noise": "encoding=linear16&sample_rate=16000&utterance_end_ms=1000&punctuate=true",
    "live_late": "encoding=linear16&sample_rate=16000&utterance_end_ms=1000",
    "multichannel": "model=nova-2&encoding=mulaw&sample_rate=8000&channels=2&multichannel=true&endpointing=false"
    "&keywords=egypt:2&replace=egypt:Egypt&language=en-US",
    "turns": "model=flux-general-en&encoding=linear16&sample_rate=16000&eager_eot_threshold=0.4&keyterm=egypt",
    "turns_noise": "model=nile-model&encoding=linear16&sample_rate=16000&eot_timeout_ms=1500",
    "turns_cut": "model=flux-general-multi",
    "turns_forced": "model=flux-general-multi&eot_threshold=1.0&eot_timeout_ms=10000&language_hint=en&language_hint=de",
}


def adapter(name: str) -> ListenV1 | ListenV2:
    handshake = Handshake(headers={}, query=tuple(parse_qsl(QUERIES[name])))
    return ListenV2(handshake, REQUEST) if name.startswith("turns") else ListenV1(handshake, REQUEST)


@pytest.mark.parametrize("name", QUERIES)
def test_a_recorded_dialogue(name: str) -> None:
    replay(f"deepgram_{name}.jsonl", adapter(name), json.dumps, json.loads)


def test_every_dialogue_is_held() -> None:
    assert {path.stem.removeprefix("deepgram_") for path in FOLDER.glob("deepgram_*.jsonl")} == set(QUERIES)
