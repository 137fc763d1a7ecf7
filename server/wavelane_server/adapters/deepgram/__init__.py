"""Deepgram's protocols: ``/v1/listen`` (results by channel) and ``/v2/listen`` (turns)."""

from collections.abc import Callable

from wavelane_server.adapters.base import Adapter
from wavelane_server.adapters.deepgram.live import ListenV1
from wavelane_server.adapters.deepgram.request import Request, key, refuse_handshake, subprotocol
from wavelane_server.adapters.deepgram.turns import ListenV2
from wavelane_server.adapters.handshake import Handshake, WebSocketProtocol


def _protocol(adapter: Callable[[Handshake, Request], Adapter[str | bytes, str]]) -> WebSocketProtocol:
    return WebSocketProtocol(
        adapter=lambda handshake: adapter(handshake, Request()),
        key=key,
        subprotocol=subprotocol,
        headers=lambda adapter: {"dg-request-id": adapter.request.id},
        refuse=refuse_handshake,
    )


LISTEN_V1 = _protocol(ListenV1)
LISTEN_V2 = _protocol(ListenV2)
