"""What becomes of each option of NVIDIA Riva's speech recognition."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wavelane_server.adapters.recognition import NAMES, Asked, Host, check_known, invalid
from wavelane_server.adapters.riva.messages import AudioEncoding

RAW = {"LINEAR_PCM": "linear16", "MULAW": "mulaw", "ALAW": "alaw"}
CONTAINERS = ("ENCODING_UNSPECIFIED", "FLAC", "OGGOPUS")

OPTIONS = {
    **NAMES,
    "endpoint.silence_ms": "endpointing_config.stop_history",
    "vad.min_speech_ms": "endpointing_config.start_history",
    "vad.min_silence_ms": "endpointing_config.stop_history_eou",
    "vad.threshold": "custom_configuration neural_vad.onset",
}
"""What Riva calls options of ours, for errors."""

FORCE_EOU = "force_eou"

LEAST_SILENCE_MS = 100
"""Shortest silence that ends an utterance (ms); shorter ones are within words."""

_MODELS = re.compile(r"parakeet|conformer|citrinet|canary|nemotron|whisper|jasper|quartznet|riva|asr", re.IGNORECASE)
"""In the names that NVIDIA gives its models, which its clients send by default; all of them are the one served."""


@dataclass(slots=True, kw_only=True)
class RivaAsked(Asked):
    """What a client of Riva's asks for."""

    early: bool = False
    """Tell at a shorter silence that the utterance may be over (``stop_history_eou``)."""
    request_id: str = ""
    """Of a recording, sent back with its transcript."""


_Take = Callable[[RivaAsked, Any, Any, Host], None]
"""Takes the value of a field, out of its message."""


def recognition(config: Any, host: Host, *, head: bytes | None = None) -> RivaAsked:
    """Translate a ``RecognitionConfig``.

    Args:
        config: the message.
        host: the server.
        head: how the recording begins; None for a stream that is still to come.

    Raises:
        WavelaneError: INVALID_CONFIG.
    """
    asked = RivaAsked(language_code=config.language_code)
    check_known(config, RECOGNITION)
    if config.language_code:
        asked.values["language"] = config.language_code
    if host.english(config.language_code):
        asked.part("text", itn=not config.verbatim_transcripts)
    _audio(asked, config, head)
    for descriptor, value in config.ListFields():
        RECOGNITION[descriptor.name](asked, value, config, host)
    asked.values["words"] = asked.word_times
    return asked


def streaming(config: Any, host: Host) -> RivaAsked:
    """Translate a ``StreamingRecognitionConfig``.

    Raises:
        WavelaneError: INVALID_CONFIG.
    """
    check_known(config, {"config": None, "interim_results": None})
    asked = recognition(config.config, host)
    asked.interim = config.interim_results
    asked.values["partials"] = asked.interim
    return asked


def forced(runtime: Mapping[str, str]) -> bool:
    """Whether a ``runtime_config`` ends the utterance.

    Raises:
        WavelaneError: INVALID_CONFIG for a key or value that is not known.
    """
    if unknown := sorted(set(runtime) - {FORCE_EOU}):
        raise invalid(f"runtime_config: {', '.join(unknown)} cannot change here; only {FORCE_EOU} is known")
    return FORCE_EOU in runtime and _boolean(f"runtime_config {FORCE_EOU}", runtime[FORCE_EOU])


def _audio(asked: RivaAsked, config: Any, head: bytes | None) -> None:
    name = AudioEncoding.Name(config.encoding) if config.encoding in AudioEncoding.values() else str(config.encoding)
    rate, count = config.sample_rate_hertz, config.audio_channel_count
    if not 0 <= count <= 8:
        raise invalid(f"audio_channel_count: 1 to 8 channels are taken, not {count}")
    asked.channels(count, config.enable_separate_recognition_per_channel and count > 1)
    wav = head is not None and head.startswith(b"RIFF")
    if name in RAW and not (wav and not rate):
        if not rate:
            raise invalid(f"sample_rate_hertz: raw {name} does not say its own; set it")
        asked.samples(RAW[name], rate)
    elif name in RAW or name in CONTAINERS:
        asked.values["encoding"] = "container"
    else:
        raise invalid(f"encoding: {name} is not known; send one of {', '.join((*RAW, *CONTAINERS))}")


def _model(asked: RivaAsked, value: str, config: Any, host: Host) -> None:
    if value == host.spec.name:
        return
    if not _MODELS.search(value):
        raise invalid(
            "Error: Unavailable model requested given these parameters: "
            f"language_code={config.language_code}; name={value}; this server serves {host.spec.name!r}"
        )
    asked.warnings.append(f"model: {value} is recognised by {host.spec.name}")


def _diarization(asked: RivaAsked, value: Any, config: Any, host: Host) -> None:
    if value.enable_speaker_diarization:
        raise invalid("diarization_config: speakers are not told apart here; leave enable_speaker_diarization out")


def _contexts(asked: RivaAsked, value: Any, config: Any, host: Host) -> None:
    asked.favour((phrase, context.boost) for context in value for phrase in context.phrases)


def _endpointing(asked: RivaAsked, value: Any, config: Any, host: Host) -> None:
    for descriptor, number in value.ListFields():
        name = descriptor.name
        if number < 0:
            continue  # Riva's clients write -1 for the default.
        if name == "start_history":
            asked.part("vad", min_speech_ms=number)
        elif name == "stop_history":
            if number < LEAST_SILENCE_MS:
                asked.warnings.append(f"endpointing_config.stop_history: {number} counts as {LEAST_SILENCE_MS}")
            asked.part("endpoint", silence_ms=max(number, LEAST_SILENCE_MS))
        elif name == "stop_history_eou":
            asked.part("vad", min_silence_ms=number)
            asked.early = True
        else:
            raise invalid(f"endpointing_config.{name}: what is speech is decided otherwise here; leave it out")
    if "vad" in asked.values and host.defaults.vad.kind == "off":
        asked.part("vad", kind="webrtc")


def _custom(asked: RivaAsked, value: Any, config: Any, host: Host) -> None:
    for key, text in value.items():
        if key == "enable_vad_endpointing":
            if not _boolean(key, text):
                asked.part("vad", kind="off")
            elif host.defaults.vad.kind == "off":
                asked.part("vad", kind="webrtc")
        elif key == "neural_vad.onset":
            asked.part("vad", kind="silero", threshold=_number(key, text))
        elif key != "apply_partial_itn" or not _boolean(key, text):
            raise invalid(f"custom_configuration: {key}:{text} is not known here; leave it out")


def _boolean(key: str, text: str) -> bool:
    try:
        return {"true": True, "1": True, "false": False, "0": False}[text.strip().lower()]
    except KeyError:
        raise invalid(f"{key} is true or false, not {text!r}") from None


def _number(key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise invalid(f"{key} is a number, not {text!r}") from None


def _text(**options: object) -> _Take:
    return lambda asked, value, config, host: asked.part("text", **options)


def _words(asked: RivaAsked, value: Any, config: Any, host: Host) -> None:
    asked.word_times = True


def _before(asked: RivaAsked, value: Any, config: Any, host: Host) -> None:
    """Taken before the others."""


RECOGNITION: dict[str, _Take] = {
    "encoding": _before,
    "sample_rate_hertz": _before,
    "language_code": _before,
    "audio_channel_count": _before,
    "enable_separate_recognition_per_channel": _before,
    "verbatim_transcripts": _before,
    "max_alternatives": lambda asked, value, config, host: asked.alternatives(value, host),
    "profanity_filter": _text(profanity="mask"),
    "speech_contexts": _contexts,
    "enable_word_time_offsets": _words,
    "enable_automatic_punctuation": _text(punctuation=True, capitals=True),
    "model": _model,
    "diarization_config": _diarization,
    "custom_configuration": _custom,
    "endpointing_config": _endpointing,
}
"""Each field of ``RecognitionConfig``: it takes effect, is refused, or is accepted with a warning."""
