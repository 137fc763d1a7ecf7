"""The WebSocket protocol of vosk-server: PCM in, one JSON text back for each message."""

from wavelane_server.adapters.handshake import Handshake, WebSocketProtocol, without_query
from wavelane_server.adapters.vosk.adapter import VoskAdapter


def _adapter(handshake: Handshake) -> VoskAdapter:
    constrained = handshake.model is not None and handshake.model.constrained
    return without_query(handshake, VoskAdapter(constrained=constrained))


PROTOCOL = WebSocketProtocol(adapter=_adapter)
"""What ``Stream`` serves."""
