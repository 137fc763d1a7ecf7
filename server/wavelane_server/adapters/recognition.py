"""What Google's ``RecognitionConfig`` and NVIDIA Riva's, which began as its copy, have in common."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from google.protobuf.unknown_fields import UnknownFieldSet

from wavelane.audio.demux import Stream
from wavelane.audio.limits import DecoderLimits
from wavelane.audio.wav import WavParser
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.session.options import DEFAULT_BEAM, SessionOptions
from wavelane.spec import ModelSpec
from wavelane.text.formatter import LANGUAGE

MOST_ALTERNATIVES = 30
"""Hypotheses that may be asked for (Google, ``max_alternatives``)."""

BOOST_SCALE = 10.0
"""Their boosts (0 to 20 are advised) as multiples of ours, which do as much at 1 as theirs at 10."""

MOST_BOOST = 200.0
"""The strongest, which is 20 of ours."""

NAMES = {
    "language": "language_code",
    "hotwords": "speech_contexts",
    "alternatives": "max_alternatives",
    "decoding.method": "max_alternatives",
    "channels": "audio_channel_count",
    "sample_rate": "sample_rate_hertz",
    "text.punctuation": "enable_automatic_punctuation",
    "text.profanity": "profanity_filter",
}
"""What their configurations call options of ours."""

_CLASS_TOKEN = re.compile(r"\$(\{[^{}]*\}|[A-Z][A-Z_]*)")
_MOST_UNKNOWN = 10
"""Unknown fields that an error names."""
_NAMED_BYTES = 65_536
"""Largest message that unknown fields are looked for in: finding them takes a microsecond a byte."""

MOST_PHRASES = 100_000
"""Phrases that are looked at."""

MOST_CONFIG_BYTES = 1_048_576
"""Largest configuration of a whole recording, whose request may be as large as a recording: it is read at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What a translation has to know of the server."""

    spec: ModelSpec
    defaults: SessionOptions
    """Of a session that asks for nothing."""

    def english(self, code: str) -> bool:
        """Whether a session in this language, or in the default one for an empty code, is written by English rules."""
        spec = self.spec
        defaults = [name for name, prompt in spec.prompts.items() if prompt == spec.default_prompt]
        language = code or self.defaults.language or next(iter((*defaults, *spec.languages)), LANGUAGE)
        return language.split("-")[0].lower() == LANGUAGE


@dataclass(slots=True, kw_only=True)
class Asked:
    """What a client asks for, in our words."""

    values: dict[str, Any] = field(default_factory=dict)
    """Options of the session."""
    warnings: list[str] = field(default_factory=list)
    """What was accepted and changes nothing."""
    language_code: str = ""
    """As the client wrote it."""
    word_times: bool = False
    word_confidence: bool = False
    interim: bool = False
    raw: "RawAudio | None" = None
    """What takes the audio; None for a container."""

    def part(self, name: str, **options: object) -> None:
        """Set options of a part of the session's, like ``text``."""
        self.values.setdefault(name, {}).update(options)

    def alternatives(self, count: int, host: Host) -> None:
        """Take ``max_alternatives``: fewer may come than asked for.

        Raises:
            WavelaneError: INVALID_CONFIG for a number out of range.
        """
        if not 0 <= count <= MOST_ALTERNATIVES:
            raise invalid(f"max_alternatives is 0 to {MOST_ALTERNATIVES}, not {count}")
        if count > 1:
            most = max(host.spec.max_beam, 2)
            self.values["alternatives"] = min(count, most)
            self.part("decoding", method="beam", beam=min(max(count, DEFAULT_BEAM), most))

    def favour(self, phrases: Iterable[tuple[str, float]]) -> None:
        """Take phrases with the client's boosts, 0 for none.

        Raises:
            WavelaneError: INVALID_CONFIG for class tokens, which stand for words that the server does not know.
        """
        hotwords = self.values.setdefault("hotwords", [])
        for phrase, boost in phrases:
            if token := _CLASS_TOKEN.search(phrase):
                raise invalid(
                    f"the phrase {phrase!r} has the class token {token[0]}: write out the words it stands for"
                )
            if not phrase.strip():
                raise invalid("a phrase is empty: leave it out")
            if not 0 <= boost <= MOST_BOOST:
                raise invalid(f"the boost of the phrase {phrase!r} is {boost:g}; it is 0 to {MOST_BOOST:g}")
            if len(hotwords) == MOST_PHRASES:
                raise invalid(f"there are more than {MOST_PHRASES} phrases: send those that matter")
            hotwords.append({"phrase": phrase, "boost": boost / BOOST_SCALE} if boost else {"phrase": phrase})

    def channels(self, count: int, separate: bool) -> None:
        """Take ``audio_channel_count``: without recognition of each channel, the first one is recognised."""
        self.values["channels"] = max(count, 1)
        if separate:
            self.values["channel"] = "separate"
        elif count > 1:
            self.values["channel"] = 0

    def samples(self, codec: str, rate: int) -> None:
        """Take the format of raw audio; the channels must be known."""
        self.values |= {"encoding": codec, "sample_rate": rate}
        self.raw = RawAudio(codec, rate, self.values["channels"])

    @property
    def separate(self) -> bool:
        """Every channel is recognised on its own."""
        return self.values.get("channel") == "separate"


def invalid(message: str) -> WavelaneError:
    """An option that is wrong, or cannot take effect."""
    return WavelaneError(ErrorCode.INVALID_CONFIG, message)


def renamed(message: str, names: Mapping[str, str]) -> str:
    """What is wrong with options of ours, said of those that the client knows.

    Args:
        message: faults, each begun by the name of an option.
        names: theirs, by ours.
    """
    ours = "|".join(map(re.escape, names))
    return re.sub(rf"(?:^|(?<=; ))({ours})(?=[:.] ?)", lambda match: names[match[1]], message)


def check_size(config: Any) -> None:
    """Refuse a configuration that would take long to read.

    Raises:
        WavelaneError: MESSAGE_TOO_BIG.
    """
    if (size := config.ByteSize()) > MOST_CONFIG_BYTES:
        raise WavelaneError(
            ErrorCode.MESSAGE_TOO_BIG,
            f"a configuration of {size} bytes is larger than the limit of {MOST_CONFIG_BYTES}: send fewer phrases",
        )


def check_known(message: Any, table: Mapping[str, object]) -> None:
    """Refuse fields of a newer version of a message, and such as a table of what becomes of each does not have.

    Raises:
        WavelaneError: INVALID_CONFIG.
    """
    fields = [descriptor.name for descriptor, _ in message.ListFields() if descriptor.name not in table]
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    size = message.ByteSize()
    if fields or known.ByteSize() != size:
        newer = islice(_newer(message), _MOST_UNKNOWN) if size <= _NAMED_BYTES else ()
        names = ", ".join((*fields, *newer)) or "too many to name"
        raise invalid(f"{message.DESCRIPTOR.name} has fields that this server does not know: {names}; leave them out")


def _newer(message: Any) -> Iterator[str]:
    """Numbers of the fields that the installed messages do not know, here and in what is within."""
    unknown: Any = UnknownFieldSet(message)
    yield from (str(field.field_number) for field in unknown)
    for descriptor, value in message.ListFields():
        if descriptor.message_type is not None and not descriptor.message_type.GetOptions().map_entry:
            for inner in value if descriptor.is_repeated else (value,):
                yield from _newer(inner)


def settled(text: str, stable: int) -> int:
    """Length of the whole words within the first ``stable`` characters of a partial; its last word may still grow."""
    if stable < len(text) and text[stable] == " ":
        return stable
    return max(text.rfind(" ", 0, stable), 0)


class RawAudio:
    """Samples said to be raw, without the WAV header of clients that send a file as it is.

    Args:
        codec: ``linear16``, ``mulaw`` or ``alaw``.
        rate: that the client said (Hz).
        channels: that the client said.
    """

    _RIFF = b"RIFF"

    def __init__(self, codec: str, rate: int, channels: int) -> None:
        self._said = Stream(codec=codec, rate=rate, channels=channels)
        self._head = b""
        self._plain = False
        self._wav: WavParser | None = None

    def take(self, data: bytes) -> bytes:
        """The samples of the next bytes.

        Raises:
            WavelaneError: INVALID_AUDIO for a header that says otherwise than the client.
        """
        if self._plain:
            return data
        if self._wav is None:
            data = self._head + data
            if not data.startswith(self._RIFF):
                if self._RIFF.startswith(data):
                    self._head = data
                    return b""
                self._plain = True
                return data
            self._wav = WavParser(DecoderLimits())
        samples = []
        for item in self._wav.feed(data):
            if isinstance(item, Stream):
                self._check(item)
            else:
                samples.append(item.data)
        return b"".join(samples)

    def _check(self, found: Stream) -> None:
        for name, said, there in (
            ("encoding", self._said.codec, found.codec),
            ("sample_rate_hertz", self._said.rate, found.rate),
            ("audio_channel_count", self._said.channels, found.channels),
        ):
            if said != there:
                raise WavelaneError(
                    ErrorCode.INVALID_AUDIO,
                    f"{name} ({said}) in RecognitionConfig must either be unspecified or match the value in the WAV "
                    f"header ({there}).",
                )
