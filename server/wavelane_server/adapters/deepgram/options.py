"""Query parameters of ``/v1/listen``, and the session's options that they come to."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wavelane_server.adapters.deepgram.query import Query, Use, refuse

LEAST_PAUSE_MS = 300
"""Shortest silence that ends an utterance (ms): shorter ones lie within sentences. Deepgram's clients send 10 or 25 to
say: as soon as possible."""

VENDOR_MODEL = re.compile(
    r"(nova|enhanced|base|whisper|flux|general|meeting|phonecall|finance|conversationalai|voicemail|video|medical|custom)"
    r"(-[a-z0-9]+)*"
)
"""Names that stand for whatever this server serves; any other one has to be its model's own."""

ENCODINGS = {
    "linear16": "linear16",
    "linear32": "float32",
    "mulaw": "mulaw",
    "alaw": "alaw",
    "flac": "container",
    "opus": "container",
    "ogg-opus": "container",
}
"""Session's encoding for each of Deepgram's. FLAC and Ogg say themselves what they hold."""

_COMMON = {
    **dict.fromkeys(
        (
            *("model", "language", "encoding", "sample_rate", "channels", "multichannel"),
            *("punctuate", "smart_format", "numerals", "profanity_filter", "filler_words", "replace"),
            *("keywords", "keyterm", "extra"),
        ),
        Use.EFFECT,
    ),
    **dict.fromkeys(
        (
            *("callback", "callback_method", "detect_entities", "detect_language", "diarize", "diarize_model"),
            *("diarize_version", "dictation", "language_hint", "measurements", "paragraphs", "redact", "search"),
        ),
        Use.REFUSED,
    ),
    **dict.fromkeys(("mip_opt_out", "tag", "tier", "version"), Use.HARMLESS),
}

LIVE: Mapping[str, Use] = {
    **_COMMON,
    **dict.fromkeys(("alternatives", "endpointing", "interim_results", "utterance_end_ms", "vad_events"), Use.EFFECT),
    **dict.fromkeys(("utterances", "utt_split"), Use.REFUSED),
    "no_delay": Use.HARMLESS,
}
"""What becomes of each parameter of a stream. Nothing waits for formatting here, so ``no_delay`` is always true."""

RECORDED: Mapping[str, Use] = {
    **_COMMON,
    **dict.fromkeys(("utterances", "utt_split"), Use.EFFECT),
    **dict.fromkeys(("alternatives", "intents", "sentiment", "summarize", "topics"), Use.REFUSED),
}
"""What becomes of each parameter of a whole recording."""

FEATURES = ("punctuate", "smart_format", "numerals", "profanity_filter", "filler_words")
"""Those that a stream may change by ``Configure``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a request asks for."""

    values: Mapping[str, Any]
    """Options of the session."""
    features: Mapping[str, bool]
    """Of :data:`FEATURES`, those that were set."""
    replace: Mapping[str, str]
    extra: Mapping[str, str]
    """To be returned as it came."""
    channels: int
    """Recognised on their own."""
    interim: bool = False
    """Results are wanted before they are final."""
    speech_final: bool = False
    """Utterances that silence ends are the ends of speech."""
    utterance_end_ms: int | None = None
    vad_events: bool = False
    utterances: bool = False

    @property
    def punctuated(self) -> bool:
        """Words are shown as the transcript writes them, too."""
        return punctuated(self.features)


def live_options(items: Iterable[tuple[str, str]]) -> Options:
    """Of a stream.

    Raises:
        WavelaneError: INVALID_CONFIG.
    """
    query = Query(items, LIVE)
    endpointing = query.text("endpointing")
    speech_final = endpointing is None or endpointing.lower() != "false"
    silence = None
    if endpointing is not None and endpointing.lower() not in ("true", "false"):
        silence = query.integer("endpointing", 0, 60_000)
    utterance_end = query.integer("utterance_end_ms", LEAST_PAUSE_MS, 60_000)
    endpoint = {} if silence is None else {"silence_ms": max(silence, LEAST_PAUSE_MS)}
    if utterance_end is not None and endpoint.get("silence_ms", 0) > utterance_end:
        # The end of an utterance is told after the words that it had are final.
        endpoint = {"silence_ms": utterance_end}
    interim = query.flag("interim_results") or False
    # The end of an utterance is looked for in partials too.
    values: dict[str, Any] = {"partials": interim or utterance_end is not None, "endpoint": endpoint}
    alternatives = query.integer("alternatives", 1, 30)
    if alternatives is not None and alternatives > 1:
        values |= {"alternatives": alternatives, "decoding": {"method": "beam"}}
    return _options(
        query,
        values,
        interim=interim,
        speech_final=speech_final,
        utterance_end_ms=utterance_end,
        vad_events=query.flag("vad_events") or False,
    )


def recorded_options(items: Iterable[tuple[str, str]]) -> Options:
    """Of a whole recording.

    Raises:
        WavelaneError: INVALID_CONFIG.
    """
    query = Query(items, RECORDED)
    values: dict[str, Any] = {"partials": False}
    split = query.number("utt_split", 0.1, 60)
    if split is not None:
        values["endpoint"] = {"silence_ms": round(split * 1000)}
    return _options(query, values, utterances=query.flag("utterances") or False)


def _options(query: Query, values: dict[str, Any], **rest: Any) -> Options:
    features = {name: value for name in FEATURES if (value := query.flag(name)) is not None}
    replace = dict(_pair(text) for text in query.texts("replace"))
    channels = query.integer("channels", 1, 8) or 1
    separate = query.flag("multichannel") or False
    values |= {
        **audio(query),
        **model(query.text("model")),
        "channels": channels,
        "channel": "separate" if separate else "mix",
        "words": True,
        "hotwords": [*({"phrase": text} for text in query.texts("keyterm")), *map(_keyword, query.texts("keywords"))],
        "text": text_options(features, replace),
    }
    language = query.text("language")
    if language is not None:
        values["language"] = "auto" if language == "multi" else language
    return Options(
        values=values,
        features=features,
        replace=replace,
        extra=dict(_pair(text) for text in query.texts("extra")),
        channels=channels if separate else 1,
        **rest,
    )


def audio(query: Query) -> dict[str, Any]:
    """The session's options for the encoding; a container where none is named."""
    name = query.text("encoding")
    rate = query.integer("sample_rate", 8_000, 96_000)
    if name is None:
        return {"encoding": "container"}
    if name not in ENCODINGS:
        raise refuse(f"encoding: one of {', '.join(ENCODINGS)}, or left out for a container; not {name[:64]!r}")
    encoding = ENCODINGS[name]
    if encoding == "container":
        return {"encoding": encoding}
    if rate is None:
        raise refuse(f"sample_rate: required with encoding={name}, whose bytes do not say it")
    return {"encoding": encoding, "sample_rate": rate}


def model(name: str | None) -> dict[str, str]:
    """The session's option for the model; none for a name of the vendor's."""
    return {} if name is None or VENDOR_MODEL.fullmatch(name) else {"model": name}


def punctuated(features: Mapping[str, bool]) -> bool:
    """Whether the transcript has punctuation."""
    return features.get("punctuate", False) or features.get("smart_format", False)


def text_options(features: Mapping[str, bool], replace: Mapping[str, str]) -> dict[str, Any]:
    """How text is written. ``filler_words`` counts only where it is set: the session's default stands otherwise."""
    punctuate = punctuated(features)
    return {
        "itn": features.get("smart_format", False) or features.get("numerals", False),
        "punctuation": punctuate,
        "capitals": punctuate,
        "profanity": "mask" if features.get("profanity_filter") else "keep",
        "replace": dict(replace),
        **({"verbatim": features["filler_words"]} if "filler_words" in features else {}),
    }


def _pair(text: str) -> tuple[str, str]:
    """``name:value``; nothing for a value that is left out."""
    name, _, value = text.partition(":")
    return name, value


def _keyword(text: str) -> dict[str, Any]:
    """``word`` or ``word:intensifier``."""
    phrase, colon, intensifier = text.rpartition(":")
    if not colon:
        return {"phrase": text}
    try:
        boost = float(intensifier)
    except ValueError:
        boost = 0.0
    if not 0 < boost <= 20:
        raise refuse(f"keywords: the intensifier in {text[:64]!r} is no number above 0 and up to 20")
    return {"phrase": phrase, "boost": boost}
