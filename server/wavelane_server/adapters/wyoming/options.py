"""What a Wyoming client asks for with ``transcribe`` and ``audio-start``, as options of a session."""

from collections.abc import Callable, Mapping
from typing import Any

from wavelane.errors import ErrorCode, WavelaneError

OPTIONS: Mapping[str, str] = {
    "name": "works for the model that is served, or the program's name; any other is refused",
    "language": "works",
    "context": "sent back with the transcript",
    "vad_sensitivity": "only default: audio-stop ends a command here, not a pause",
    "transcript_names": "works: favoured strongly; what the model has no letters for is left out",
    "transcript_terms": "works: favoured; what the model has no letters for is left out",
}
"""Every member of ``transcribe``. Others are refused."""

NAME_BOOST, TERM_BOOST = 2.0, 1.0
"""Boosts of hotwords: the protocol wants names before terms."""

ENCODINGS: Mapping[int, str] = {2: "linear16", 4: "float32"}
"""Of the samples by their width (bytes). Those of four are 32-bit integers, which :mod:`..adapter` converts."""

LONGEST_PHRASE = 200
"""Longest hotword (characters)."""


def transcribe_options(
    data: Mapping[str, Any], program: str, spells: Callable[[str], bool], most: int
) -> dict[str, Any]:
    """Session options of a ``transcribe`` event.

    Args:
        data: of the event.
        program: name of this server's program.
        spells: whether the model can write a phrase.
        most: phrases that may be favoured (setting ``lm.max_hotwords``).

    Raises:
        WavelaneError: INVALID_CONFIG, naming the member.
    """
    given = {name: value for name, value in data.items() if value is not None}
    if unknown := [name for name in given if name not in OPTIONS]:
        raise _invalid(f"unknown member {unknown[0][:64]!r} of transcribe; there are {', '.join(OPTIONS)}")
    values: dict[str, Any] = {}
    for name, option in (("name", "model"), ("language", "language")):
        if name in given:
            if not isinstance(given[name], str):
                raise _invalid(f"{name} of transcribe must be a string")
            values[option] = given[name]
    if values.get("model") == program:
        del values["model"]
    if given.get("vad_sensitivity", "default") != "default":
        raise _invalid(
            "vad_sensitivity: this server leaves the end of a command to audio-stop (requires_external_vad); leave it "
            "out, or set it to default"
        )
    boosts: dict[str, float] = {}
    count = 0
    for name, boost in (("transcript_names", NAME_BOOST), ("transcript_terms", TERM_BOOST)):
        phrases = given.get(name, [])
        if not isinstance(phrases, list) or not all(isinstance(phrase, str) for phrase in phrases):
            raise _invalid(f"{name} of transcribe must be a list of strings")
        count += len(phrases)
        if count > most:
            raise _invalid(
                f"{name}: {count} phrases are more than this server's limit of {most} (setting lm.max_hotwords): send "
                "those that matter"
            )
        for phrase in phrases:
            # Names of a house's things come without anybody having looked at them.
            if len(phrase) <= LONGEST_PHRASE and spells(phrase):
                boosts.setdefault(phrase, boost)
    if boosts:
        values["hotwords"] = [{"phrase": phrase, "boost": boost} for phrase, boost in boosts.items()]
    return values


def audio_options(data: Mapping[str, Any]) -> dict[str, Any]:
    """Session options of an ``audio-start`` event, or of the first ``audio-chunk`` where there was none.

    Raises:
        WavelaneError: INVALID_CONFIG, naming the member.
    """
    for name in ("rate", "width", "channels"):
        if not isinstance(data.get(name), int) or isinstance(data.get(name), bool):
            raise _invalid(f"{name} of the audio must be a whole number")
    encoding = ENCODINGS.get(data["width"])
    if encoding is None:
        raise _invalid(f"width of the audio must be 2 or 4 bytes a sample (signed integers), not {data['width']}")
    return {"encoding": encoding, "sample_rate": data["rate"], "channels": data["channels"]}


def _invalid(message: str) -> WavelaneError:
    return WavelaneError(ErrorCode.INVALID_CONFIG, message)
