"""The answer to ``POST /v1/listen``: a whole recording's transcript in Deepgram's shape."""

import uuid
from collections.abc import Sequence
from typing import Any

from wavelane.events import Final
from wavelane_server.adapters.base import ModelInfo
from wavelane_server.adapters.deepgram.live import model_info, model_uuid
from wavelane_server.adapters.deepgram.options import Options
from wavelane_server.adapters.deepgram.request import Request, seconds
from wavelane_server.adapters.deepgram.words import alternative, mean_confidence, of_final
from wavelane_server.transcript_formats import Transcript


def answer(request: Request, options: Options, transcript: Transcript, model: ModelInfo, sha256: str) -> dict[str, Any]:
    """What is sent as JSON.

    Args:
        request: its identity.
        options: what it asked for.
        transcript: what was heard.
        model: by which.
        sha256: of the recording, hexadecimal.
    """
    name = model_uuid(model)
    by_channel: list[list[Final]] = [[] for _ in range(options.channels)]
    for final in transcript.finals:
        by_channel[final.channel].append(final)
    results: dict[str, Any] = {"channels": [{"alternatives": [_whole(finals, options)]} for finals in by_channel]}
    if options.utterances:
        in_order = sorted(transcript.finals, key=lambda final: (final.start, final.channel))
        results["utterances"] = [_utterance(request, index, final, options) for index, final in enumerate(in_order)]
    return {
        "metadata": {
            "transaction_key": "deprecated",
            "request_id": request.id,
            "sha256": sha256,
            "created": request.created_text,
            "duration": seconds(transcript.received),
            "channels": options.channels,
            "models": [name],
            "model_info": {name: model_info(model)},
            **({"extra": options.extra} if options.extra else {}),
            **({"warnings": [{"message": text} for text in transcript.warnings]} if transcript.warnings else {}),
        },
        "results": results,
    }


def _whole(finals: Sequence[Final], options: Options) -> dict[str, Any]:
    words = [word for final in finals for word in final.words]
    text = " ".join(final.text for final in finals)
    return alternative(text, mean_confidence(words), words, punctuated=options.punctuated)


def _utterance(request: Request, index: int, final: Final, options: Options) -> dict[str, Any]:
    return {
        "start": seconds(final.start),
        "end": seconds(final.end),
        "channel": final.channel,
        "id": str(uuid.uuid5(uuid.UUID(request.id), str(index))),
        **of_final(final.alternatives[0], punctuated=options.punctuated),
    }
