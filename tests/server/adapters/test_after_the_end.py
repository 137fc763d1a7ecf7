"""Clients that go on after they said that there is no more, as programs do whose microphone stops last."""

import json
from typing import Any

import pytest

from wavelane_server.adapters.assemblyai.adapter import PROTOCOL
from wavelane_server.adapters.base import End
from wavelane_server.adapters.deepgram.live import ListenV1
from wavelane_server.adapters.deepgram.request import Request
from wavelane_server.adapters.deepgram.turns import ListenV2
from wavelane_server.adapters.handshake import Handshake

FLUX = Handshake(headers={}, query=(("model", "flux-general-en"),))
EMPTY = Handshake(headers={})


@pytest.mark.parametrize(
    ("adapter", "end"),
    [
        (ListenV1(EMPTY, Request()), '{"type": "CloseStream"}'),
        (ListenV1(EMPTY, Request()), b""),
        (ListenV2(FLUX, Request()), '{"type": "CloseStream"}'),
        (ListenV2(FLUX, Request()), b""),
        (PROTOCOL.adapter(EMPTY), '{"type": "Terminate"}'),
    ],
)
def test_what_comes_after_the_end_is_not_read_and_no_error(adapter: Any, end: str | bytes) -> None:
    assert list(adapter.receive(end)) == [End()]
    late = ("Finalize", "ForceEndTurn", "ForceEndpoint", "Configure", "UpdateConfiguration", "CloseStream")
    for message in (bytes(640), b"", end, "{", *(json.dumps({"type": kind}) for kind in late)):
        assert list(adapter.receive(message)) == []
