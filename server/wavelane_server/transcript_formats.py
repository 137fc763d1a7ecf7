"""A finished transcript as JSON, text, SRT or WebVTT, in the shapes of OpenAI's transcription API."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from wavelane.events import CLOCK_RATE, Final, Word

Format = Literal["json", "verbose_json", "text", "srt", "vtt"]
FORMATS: tuple[str, ...] = get_args(Format)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What a file was recognised as."""

    finals: Sequence[Final]
    """With text, in order."""
    received: int
    """Audio (sample clock)."""
    language: str | None
    warnings: Sequence[str] = ()

    @property
    def text(self) -> str:
        """All of it."""
        return " ".join(final.text for final in self.finals)


def render(transcript: Transcript, form: str, *, words: bool) -> tuple[str | dict[str, Any], str]:
    """Body and media type. ``words`` adds their times to ``verbose_json``."""
    match form:
        case "text":
            return transcript.text + "\n", "text/plain; charset=utf-8"
        case "srt":
            return _srt(transcript), "application/x-subrip; charset=utf-8"
        case "vtt":
            return _vtt(transcript), "text/vtt; charset=utf-8"
    body: dict[str, Any] = {"text": transcript.text}
    if transcript.warnings:
        body["warnings"] = list(transcript.warnings)
    if form == "verbose_json":
        body |= {
            "task": "transcribe",
            "language": transcript.language,
            "duration": _seconds(transcript.received),
            "segments": [
                {
                    "id": index,
                    "start": _seconds(final.start),
                    "end": _seconds(final.end),
                    "text": final.text,
                    "confidence": final.alternatives[0].confidence,
                }
                for index, final in enumerate(transcript.finals)
            ],
        }
        if words:
            body["words"] = [_word(word) for final in transcript.finals for word in final.words]
    return body, "application/json"


def _word(word: Word) -> dict[str, Any]:
    return {
        "word": word.text,
        "start": _seconds(word.start),
        "end": _seconds(word.end),
        "confidence": word.confidence,
    }


def _seconds(at: int) -> float:
    return round(at / CLOCK_RATE, 3)


def _srt(transcript: Transcript) -> str:
    return "".join(
        f"{number}\n{_stamp(final.start, ',')} --> {_stamp(final.end, ',')}\n{final.text}\n\n"
        for number, final in enumerate(transcript.finals, 1)
    )


def _vtt(transcript: Transcript) -> str:
    cues = (
        f"{_stamp(final.start, '.')} --> {_stamp(final.end, '.')}\n{_escape(final.text)}\n\n"
        for final in transcript.finals
    )
    return "WEBVTT\n\n" + "".join(cues)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _stamp(at: int, point: str) -> str:
    milliseconds = at * 1000 // CLOCK_RATE
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{milliseconds:03}"
