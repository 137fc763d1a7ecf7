"""The WebSocket protocol of sherpa-onnx's streaming servers: float32 samples in, JSON results out."""

from wavelane_server.adapters.handshake import WebSocketProtocol, without_query
from wavelane_server.adapters.sherpa.adapter import SherpaAdapter

PROTOCOL = WebSocketProtocol(adapter=lambda handshake: without_query(handshake, SherpaAdapter()))
"""What ``Stream`` serves."""
