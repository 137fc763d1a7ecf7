"""What becomes of each option of Google Cloud Speech v1."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from wavelane_server.adapters.google.messages import RecognitionConfig, ticks
from wavelane_server.adapters.recognition import NAMES, Asked, Host, check_known, invalid

CONTAINERS = ("FLAC", "OGG_OPUS", "MP3", "WEBM_OPUS")
RAW = {"LINEAR16": "linear16", "MULAW": "mulaw"}
RATES = range(8_000, 48_001)

MODELS = (
    *("latest_long", "latest_short", "command_and_search", "phone_call", "video", "default"),
    *("telephony", "telephony_short", "chirp", "chirp_2", "medical_conversation", "medical_dictation"),
)
"""Google's models; all of them are the one that is served."""

AUTO = "auto"
"""The language of models that find it themselves."""

OPTIONS = {**NAMES, "text.replace": "transcript_normalization"}
"""What Google calls options of ours, for errors."""

MOST_SECONDS = 60 * 60
"""Longest time-out that makes sense (s)."""


@dataclass(slots=True, kw_only=True)
class GoogleAsked(Asked):
    """What a client of Google's asks for."""

    single_utterance: bool = False
    activity: bool = False
    """Tell when speech begins and ends."""
    start_timeout: int | None = None
    """Longest silence before any speech (sample clock)."""
    end_timeout: int | None = None
    """Longest silence after speech (sample clock)."""

    @property
    def timed(self) -> bool:
        """There is a time-out."""
        return self.start_timeout is not None or self.end_timeout is not None


_Take = Callable[[GoogleAsked, Any, Any, Host], None]
"""Takes the value of a field, out of its message."""


def recognition(config: Any, host: Host, *, head: bytes | None = None) -> GoogleAsked:
    """Translate a ``RecognitionConfig``.

    Args:
        config: the message.
        host: the server.
        head: how the recording begins; None for a stream that is still to come.

    Raises:
        WavelaneError: INVALID_CONFIG, in Google's words where its clients know them.
    """
    asked = GoogleAsked()
    _recognition(asked, config, host, head)
    return asked


def streaming(config: Any, host: Host) -> GoogleAsked:
    """Translate a ``StreamingRecognitionConfig``.

    Raises:
        WavelaneError: INVALID_CONFIG, in Google's words where its clients know them.
    """
    asked = GoogleAsked()
    check_known(config, STREAMING)
    _recognition(asked, config.config, host, None)
    for descriptor, value in config.ListFields():
        STREAMING[descriptor.name](asked, value, config, host)
    asked.values["partials"] = asked.interim
    if (asked.activity or asked.timed) and host.defaults.vad.kind == "off":
        asked.part("vad", kind="webrtc")
    return asked


def _recognition(asked: GoogleAsked, config: Any, host: Host, head: bytes | None) -> None:
    check_known(config, RECOGNITION)
    _language(asked, config, host)
    _audio(asked, config, head)
    for descriptor, value in config.ListFields():
        RECOGNITION[descriptor.name](asked, value, config, host)
    asked.values["words"] = asked.word_times or asked.word_confidence


def _language(asked: GoogleAsked, config: Any, host: Host) -> None:
    code = asked.language_code = config.language_code
    if not code:
        raise invalid("Invalid recognition 'config': bad language code: language_code is empty; say what is spoken")
    languages = {other.split("-")[0].lower() for other in (code, *config.alternative_language_codes)}
    if len(languages) > 1 and AUTO not in host.spec.prompts:
        raise invalid(
            f"alternative_language_codes: {host.spec.name} does not find out which language is spoken; leave them out"
        )
    asked.values["language"] = AUTO if len(languages) > 1 else code
    if host.english(asked.values["language"]):
        # Google always writes numbers as figures; there are rules for English only.
        asked.part("text", itn=True)


def _audio(asked: GoogleAsked, config: Any, head: bytes | None) -> None:
    names = RecognitionConfig.AudioEncoding
    name = names.Name(config.encoding) if config.encoding in names.values() else str(config.encoding)
    rate, count = config.sample_rate_hertz, config.audio_channel_count
    if not 0 <= count <= 8:
        raise invalid(f"Invalid audio channel count: 1 to 8 channels are taken, not {count}")
    if rate and rate not in RATES:
        raise invalid(f"Invalid recognition 'config': bad sample rate hertz: {RATES[0]} to {RATES[-1]}, not {rate}")
    asked.channels(count, config.enable_separate_recognition_per_channel and count > 1)
    wav = head is not None and head.startswith(b"RIFF")
    if name in RAW and not (wav and not rate):
        if not rate:
            raise invalid(f"Invalid recognition 'config': bad sample rate hertz: raw {name} does not say its own")
        asked.samples(RAW[name], rate)
    elif name in RAW or name in CONTAINERS or name == "ENCODING_UNSPECIFIED":
        asked.values["encoding"] = "container"
    else:
        raise invalid(
            f"Invalid recognition 'config': bad encoding: {name} is not decoded; send one of "
            f"{', '.join((*RAW, *CONTAINERS))}"
        )


def _model(asked: GoogleAsked, value: str, config: Any, host: Host) -> None:
    if value == host.spec.name:
        return
    if value not in MODELS:
        raise invalid(
            f"Invalid recognition 'config': bad model: {value!r}; this server serves {host.spec.name!r}, and takes the "
            f"names of Google's: {', '.join(MODELS)}"
        )
    asked.warnings.append(f"model: {value} is recognised by {host.spec.name}")


def _adaptation(asked: GoogleAsked, value: Any, config: Any, host: Host) -> None:
    for descriptor, _ in value.ListFields():
        if descriptor.name != "phrase_sets":
            raise invalid(
                f"adaptation.{descriptor.name}: there is no such thing here; write phrases out in phrase_sets"
            )
    asked.favour(_phrases(value))


def _phrases(adaptation: Any) -> Iterator[tuple[str, float]]:
    for phrases in adaptation.phrase_sets:
        for phrase in phrases.phrases:
            yield phrase.value, phrase.boost or phrases.boost


def _contexts(asked: GoogleAsked, value: Any, config: Any, host: Host) -> None:
    asked.favour((phrase, context.boost) for context in value for phrase in context.phrases)


def _normalization(asked: GoogleAsked, value: Any, config: Any, host: Host) -> None:
    if any(entry.case_sensitive for entry in value.entries):
        raise invalid("transcript_normalization: case_sensitive is not known, capitals make no difference here")
    asked.part("text", replace={entry.search: entry.replace for entry in value.entries})


def _diarization(asked: GoogleAsked, value: Any, config: Any, host: Host) -> None:
    if value.enable_speaker_diarization:
        raise invalid("diarization_config: speakers are not told apart here; leave enable_speaker_diarization out")


def _timeouts(asked: GoogleAsked, value: Any, config: Any, host: Host) -> None:
    if not config.enable_voice_activity_events:
        raise invalid("voice_activity_timeout needs enable_voice_activity_events")
    for name in ("speech_start_timeout", "speech_end_timeout"):
        if value.HasField(name):
            duration = getattr(value, name)
            if not 0 <= duration.seconds <= MOST_SECONDS or ticks(duration) <= 0:
                raise invalid(f"voice_activity_timeout.{name} is more than 0 and at most {MOST_SECONDS} seconds")
            setattr(asked, name.removeprefix("speech_"), ticks(duration))


def _text(**options: object) -> _Take:
    return lambda asked, value, config, host: asked.part("text", **options)


def _flag(name: str) -> _Take:
    return lambda asked, value, config, host: setattr(asked, name, True)


def _before(asked: GoogleAsked, value: Any, config: Any, host: Host) -> None:
    """Taken before the others."""


def _accepted(why: str) -> _Take:
    return lambda asked, value, config, host: asked.warnings.append(why)


def _refused(why: str) -> _Take:
    def take(asked: GoogleAsked, value: Any, config: Any, host: Host) -> None:
        # A wrapper may be there and say False.
        if getattr(value, "value", True):
            raise invalid(why)

    return take


RECOGNITION: dict[str, _Take] = {
    "encoding": _before,
    "sample_rate_hertz": _before,
    "audio_channel_count": _before,
    "enable_separate_recognition_per_channel": _before,
    "language_code": _before,
    "alternative_language_codes": _before,
    "max_alternatives": lambda asked, value, config, host: asked.alternatives(value, host),
    "profanity_filter": _text(profanity="mask"),
    "adaptation": _adaptation,
    "speech_contexts": _contexts,
    "transcript_normalization": _normalization,
    "enable_word_time_offsets": _flag("word_times"),
    "enable_word_confidence": _flag("word_confidence"),
    "enable_automatic_punctuation": _text(punctuation=True, capitals=True),
    "enable_spoken_punctuation": _refused("enable_spoken_punctuation: spoken signs are written as words here"),
    "enable_spoken_emojis": _refused("enable_spoken_emojis: spoken emojis are written as words here"),
    "diarization_config": _diarization,
    "metadata": _accepted("metadata: it describes the recording, and changes nothing"),
    "model": _model,
    "use_enhanced": _accepted("use_enhanced: there is one model"),
}
"""Each field of ``RecognitionConfig``: it takes effect, is refused, or is accepted with a warning."""

STREAMING: dict[str, _Take] = {
    "config": _before,
    "single_utterance": _flag("single_utterance"),
    "interim_results": _flag("interim"),
    "enable_voice_activity_events": _flag("activity"),
    "voice_activity_timeout": _timeouts,
}
"""The same of ``StreamingRecognitionConfig``."""
