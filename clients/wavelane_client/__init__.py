"""Client of a Wavelane server: typed events over WebSocket or gRPC, asynchronous or not.

See :func:`connect` and :func:`connect_sync`; ``clients/README.md`` has examples.
"""

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import (
    CLOCK_RATE,
    Alternative,
    AudioIssue,
    Closed,
    Endpoint,
    Failed,
    Final,
    Flushed,
    Intent,
    LookaheadChanged,
    Partial,
    SpeechStarted,
    SpeechStopped,
    Word,
)
from wavelane_client.client import DEFAULT_GRPC_URL, DEFAULT_URL, Stream, connect
from wavelane_client.messages import Configured, Corrected, ModelInfo, Ready, ServerEvent, seconds
from wavelane_client.sync import SyncStream, connect_sync

__all__ = [
    "CLOCK_RATE",
    "DEFAULT_GRPC_URL",
    "DEFAULT_URL",
    "Alternative",
    "AudioIssue",
    "Closed",
    "Configured",
    "Corrected",
    "Endpoint",
    "ErrorCode",
    "Failed",
    "Final",
    "Flushed",
    "Intent",
    "LookaheadChanged",
    "ModelInfo",
    "Partial",
    "Ready",
    "ServerEvent",
    "SpeechStarted",
    "SpeechStopped",
    "Stream",
    "SyncStream",
    "WavelaneError",
    "Word",
    "connect",
    "connect_sync",
    "seconds",
]
