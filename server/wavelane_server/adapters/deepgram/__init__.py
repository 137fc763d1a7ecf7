"""Deepgram's protocols: ``/v1/listen`` (results by channel) and ``/v2/listen`` (turns)."""

from wavelane_server.adapters.deepgram.live import ListenV1
from wavelane_server.adapters.deepgram.request import Request, key, refuse_handshake, subprotocol
from wavelane_server.adapters.handshake import WebSocketProtocol

LISTEN_V1 = WebSocketProtocol(
    adapter=lambda handshake: ListenV1(handshake, Request()),
    key=key,
    subprotocol=subprotocol,
    refuse=refuse_handshake,
)
