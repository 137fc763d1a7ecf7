"""The WebSocket protocol of vosk-server: PCM in, one JSON text back for each message."""

from wavelane_server.adapters.handshake import WebSocketProtocol, without_query
from wavelane_server.adapters.vosk.adapter import VoskAdapter

PROTOCOL = WebSocketProtocol(
    adapter=lambda handshake: without_query(handshake, VoskAdapter(constrained=handshake.constrained))
)
"""What ``Stream`` serves."""
