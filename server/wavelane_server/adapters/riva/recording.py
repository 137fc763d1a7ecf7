"""``Recognize``: a whole recording in one request; and what is served."""

from typing import Any

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.spec import ModelSpec
from wavelane_server.adapters.recognition import Host, check_known, check_size
from wavelane_server.adapters.riva.adapter import rejection
from wavelane_server.adapters.riva.messages import (
    RecognizeRequest,
    RecognizeResponse,
    RequestId,
    RivaSpeechRecognitionConfigRequest,
    RivaSpeechRecognitionConfigResponse,
    SpeechRecognitionResult,
    alternatives,
    seconds,
)
from wavelane_server.adapters.riva.options import RivaAsked, recognition
from wavelane_server.transcript_formats import Transcript

__all__ = ["answer", "ask", "rejection", "served"]


def ask(data: bytes, host: Host) -> tuple[RivaAsked, bytes]:
    """Read a request: what it asks for, and its audio.

    Raises:
        google.protobuf.message.DecodeError: the bytes are no request.
        WavelaneError: INVALID_CONFIG or MESSAGE_TOO_BIG, or INVALID_AUDIO where there is no audio.
    """
    request = RecognizeRequest.FromString(data)
    if not request.audio:
        raise WavelaneError(ErrorCode.INVALID_AUDIO, "Error: the request has no audio")
    check_size(request.config)
    asked = recognition(request.config, host, head=request.audio[:4])
    check_known(request, {"config": None, "audio": None, "id": None})
    asked.values["partials"] = False
    asked.request_id = request.id.value
    return asked, request.audio


def answer(asked: RivaAsked, transcript: Transcript) -> Any:
    """The response."""
    results = [
        SpeechRecognitionResult(
            alternatives=alternatives(final.alternatives, words=asked.word_times, language=asked.language_code),
            channel_tag=final.channel + 1,
            audio_processed=seconds(final.processed),
        )
        for final in transcript.finals
    ]
    return RecognizeResponse(results=results, id=RequestId(value=asked.request_id))


def served(data: bytes, spec: ModelSpec) -> Any:
    """The response of ``GetRivaSpeechRecognitionConfig``: the model in each of its languages, live and for recordings.

    Raises:
        google.protobuf.message.DecodeError: the bytes are no request.
    """
    name = RivaSpeechRecognitionConfigRequest.FromString(data).model_name
    common = {"sample_rate": str(spec.features.sample_rate), "model_family": "wavelane"}
    return RivaSpeechRecognitionConfigResponse(
        model_config=[
            {"model_name": spec.name, "parameters": {"type": kind, "language_code": language, **common}}
            for language in tuple(spec.prompts) or spec.languages
            for kind in ("online", "offline")
            if name in ("", spec.name)
        ]
    )
