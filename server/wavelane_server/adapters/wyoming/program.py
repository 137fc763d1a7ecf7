"""What this server says of itself, in answer to ``describe``."""

from typing import Any

from wavelane import __version__
from wavelane_server.adapters.base import ModelInfo

PROGRAM = "wavelane"

_OURS = {"attribution": {"name": "Wavelane", "url": ""}, "installed": True}


def describe(model: ModelInfo) -> dict[str, Any]:
    """Data of the event ``info``."""
    asr = {
        **_OURS,
        "name": PROGRAM,
        "description": "Live speech recognition",
        "version": __version__,
        "models": [
            {
                **_OURS,
                "name": model.name,
                "description": None,
                "version": None,
                "languages": list(model.languages),
            }
        ],
        "supports_transcript_streaming": True,
        "requires_external_vad": True,
        # The session does both itself where it helps; its models know noise.
        "prefers_auto_gain_enabled": False,
        "prefers_noise_reduction_enabled": False,
    }
    return {"asr": [asr], "tts": [], "handle": [], "intent": [], "wake": [], "mic": [], "snd": []}
