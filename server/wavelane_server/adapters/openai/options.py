"""What OpenAI's settings of a transcription come to here: turns, and hints for the model."""

import re
from typing import Any

from wavelane_server.adapters.openai.errors import RequestError
from wavelane_server.adapters.openai.fields import SemanticVad, ServerVad

VENDOR_MODEL = re.compile(r"(gpt|whisper)-[\w.-]*")
"""Names of OpenAI's own models, which stand for the model that is served."""
SEMANTIC_SILENCE_MS = {"low": 1_600, "medium": 800, "auto": 800, "high": 400}
"""Silence that ends a turn under ``semantic_vad``: there is no model that knows when a sentence is over."""
_MODES = (0.2, 0.4, 0.7)
"""``threshold`` from which the webrtc detector's next mode is taken; the silero detector takes it as it is."""
_PHRASE_WORDS = 4
_PROMPT_SEPARATORS = re.compile(r"[,;\n]+")


def turn_values(turns: ServerVad | SemanticVad | None) -> dict[str, Any]:
    """Options of our session for how a turn ends; None: by the client's commit alone."""
    if isinstance(turns, SemanticVad):
        silence = SEMANTIC_SILENCE_MS[turns.eagerness]
        return detection(ServerVad(type="server_vad", silence_duration_ms=silence))
    values = detection(turns or ServerVad(type="server_vad"))
    values["endpoint"]["enabled"] = turns is not None
    return values


def detection(turns: ServerVad) -> dict[str, Any]:
    """Options of our session that detect turns as ``server_vad`` asks for."""
    silence = turns.silence_duration_ms
    return {
        "vad": {
            "mode": sum(turns.threshold >= step for step in _MODES),
            "threshold": min(max(turns.threshold, 0.01), 0.99),
            "pre_roll_ms": turns.prefix_padding_ms,
        },
        # A turn in which nothing was heard is over as soon as any other.
        "endpoint": {"enabled": True, "silence_ms": silence, "no_text_ms": silence},
    }


def hint_values(
    model: str | None,
    language: str | None,
    languages: list[str] | None,
    keywords: list[str] | None,
    prompt: str | None,
    path: str = "",
) -> dict[str, Any]:
    """Options of our session for what OpenAI's models are told about a recording.

    Args:
        model: its own names stand for the model that is served.
        language: of the audio.
        languages: that may be in the audio; one.
        keywords: become hotwords.
        prompt: becomes hotwords where it is a list of words.
        path: what goes before a field's name in an error.

    Raises:
        RequestError: for what cannot take effect.
    """
    if languages is not None and (len(set(languages)) > 1 or language not in (None, languages[0])):
        raise RequestError(
            "One language can be given here: a model that knows several finds out by itself. Send one, or none.",
            "invalid_value",
            f"{path}languages",
        )
    given = {
        "model": None if VENDOR_MODEL.fullmatch(model or "") else model,
        "language": languages[0] if languages else language,
        "hotwords": [*(keywords or ()), *_phrases(prompt or "", f"{path}prompt")],
    }
    return {name: value for name, value in given.items() if value}


def _phrases(prompt: str, param: str) -> list[str]:
    """A prompt that is a list of names."""
    if not prompt.strip():
        return []
    phrases = [phrase.strip(" .") for phrase in _PROMPT_SEPARATORS.split(prompt)]
    phrases = [phrase for phrase in phrases if phrase]
    if any(len(phrase.split()) > _PHRASE_WORDS for phrase in phrases):
        raise RequestError(
            f"A prompt in sentences has no effect here. Send words to expect as 'keywords', or as a prompt that is a "
            f"list of phrases of at most {_PHRASE_WORDS} words with commas between.",
            "invalid_value",
            param,
        )
    return phrases
