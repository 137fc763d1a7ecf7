"""``Recognize``: a whole recording in one request."""

from typing import Any

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_server.adapters.google.adapter import rejection
from wavelane_server.adapters.google.messages import (
    RecognizeRequest,
    RecognizeResponse,
    SpeechRecognitionResult,
    alternatives,
    duration,
    whole_seconds,
)
from wavelane_server.adapters.google.options import GoogleAsked, recognition
from wavelane_server.adapters.recognition import Host, check_known, check_size
from wavelane_server.transcript_formats import Transcript

__all__ = ["answer", "ask", "rejection"]


def ask(data: bytes, host: Host) -> tuple[GoogleAsked, bytes]:
    """Read a request: what it asks for, and its audio.

    Raises:
        google.protobuf.message.DecodeError: the bytes are no request.
        WavelaneError: INVALID_CONFIG or MESSAGE_TOO_BIG, or INVALID_AUDIO where there is no audio.
    """
    request = RecognizeRequest.FromString(data)
    source = request.audio.WhichOneof("audio_source")
    if source == "uri":
        raise WavelaneError(
            ErrorCode.INVALID_AUDIO, "uri: this server fetches nothing from other places; send the audio as content"
        )
    content: bytes = request.audio.content
    if not content:
        raise WavelaneError(ErrorCode.INVALID_AUDIO, "RecognitionAudio not set.")
    check_size(request.config)
    asked = recognition(request.config, host, head=content[:4])
    check_known(request, {"config": None, "audio": None})
    asked.values["partials"] = False
    return asked, content


def answer(asked: GoogleAsked, transcript: Transcript) -> Any:
    """The response."""
    results = []
    seen: set[int] = set()
    for final in transcript.finals:
        lead = " " if final.channel in seen else ""
        seen.add(final.channel)
        results.append(
            SpeechRecognitionResult(
                alternatives=alternatives(
                    final.alternatives, lead, times=asked.word_times, confidence=asked.word_confidence
                ),
                channel_tag=final.channel + 1 if asked.separate else 0,
                result_end_time=duration(final.end),
                language_code=asked.language_code.lower(),
            )
        )
    return RecognizeResponse(results=results, total_billed_time=whole_seconds(transcript.received))
