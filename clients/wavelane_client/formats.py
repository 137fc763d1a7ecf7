"""Transcripts as text, JSON lines, SubRip (SRT) and WebVTT. Pure functions over events."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from wavelane.events import CLOCK_RATE, Final, Word
from wavelane_client.messages import ServerEvent, encode

LINE_CHARACTERS = 42
"""Longest line of a subtitle, the usual limit of broadcasters' guides (Netflix, BBC)."""
CUE_LINES = 2
CUE_SECONDS = 7.0
"""Longest time that a subtitle stays."""
CUE_LEAST_SECONDS = 1.0
"""Shortest time that a subtitle stays, unless the next one comes before: a word alone is gone before it is read."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle; times in samples at the clock rate."""

    start: int
    end: int
    lines: tuple[str, ...]


def to_text(finals: Iterable[Final], *, label_channels: bool = False) -> str:
    """One line for every utterance that has text; ends with a newline unless it is empty.

    ``label_channels`` puts ``[0]`` and so on before each line, for channels recognised separately.
    """
    return "".join(f"{_label(final, label_channels)}{final.text}\n" for final in finals if final.text)


def to_json_line(event: ServerEvent, **extra: object) -> str:
    """The event as the protocol's JSON object on one line, without the newline; ``extra`` keys come first."""
    return json.dumps({**extra, **encode(event)}, ensure_ascii=False)


def to_srt(finals: Iterable[Final], *, label_channels: bool = False) -> str:
    """SubRip subtitles, numbered from 1, in the order of time."""
    return "\n".join(
        f"{number}\n{_timing(cue, ',')}\n" + "".join(f"{line}\n" for line in cue.lines)
        for number, cue in enumerate(cues(finals, label_channels=label_channels), start=1)
    )


def to_vtt(finals: Iterable[Final], *, label_channels: bool = False) -> str:
    """WebVTT subtitles (https://www.w3.org/TR/webvtt1/); ``&``, ``<`` and ``>`` are escaped."""
    blocks = [
        f"{_timing(cue, '.')}\n" + "".join(f"{_escape(line)}\n" for line in cue.lines)
        for cue in cues(finals, label_channels=label_channels)
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def cues(finals: Iterable[Final], *, label_channels: bool = False) -> Iterator[Cue]:
    """Cut utterances into subtitles of at most two lines of 42 characters and seven seconds, between words.

    One ends with its last word, or is held for a second where nothing follows so soon.
    """
    cut = [
        cue
        for final in sorted(finals, key=lambda final: (final.start, final.channel))
        if final.text
        for cue in _cues_of(final, _label(final, label_channels).split())
    ]
    for cue, following in zip_longest(cut, cut[1:]):
        readable = cue.start + round(CUE_LEAST_SECONDS * CLOCK_RATE)
        if following is not None:
            readable = min(readable, following.start)
        yield replace(cue, end=max(cue.end, readable))


def _cues_of(final: Final, label: list[str]) -> Iterator[Cue]:
    words = final.words
    if not words:  # the session was told to send none
        yield Cue(final.start, final.end, tuple(wrap([*label, *final.text.split()])))
        return
    chosen: list[Word] = []
    for word in words:
        candidate = [*chosen, word]
        too_long = len(wrap([*label, *(w.text for w in candidate)])) > CUE_LINES
        too_slow = word.end - candidate[0].start > CUE_SECONDS * CLOCK_RATE
        if chosen and (too_long or too_slow):
            yield _cue(chosen, label)
            chosen = [word]
        else:
            chosen = candidate
    yield _cue(chosen, label)


def _cue(words: Sequence[Word], label: list[str]) -> Cue:
    return Cue(words[0].start, words[-1].end, tuple(wrap([*label, *(word.text for word in words)])))


def _label(final: Final, wanted: bool) -> str:
    return f"[{final.channel}] " if wanted else ""


def wrap(words: Iterable[str]) -> list[str]:
    """Fill lines of at most :data:`LINE_CHARACTERS`; a longer word has a line of its own."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + 1 + len(word) <= LINE_CHARACTERS:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _timing(cue: Cue, separator: str) -> str:
    start = _milliseconds(cue.start)
    end = max(_milliseconds(cue.end), start + 1)  # players drop a cue that ends where it starts
    return f"{_clock(start, separator)} --> {_clock(end, separator)}"


def _milliseconds(ticks: int) -> int:
    return round(ticks * 1000 / CLOCK_RATE)


def _clock(milliseconds: int, separator: str) -> str:
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{milliseconds // 1000:02d}{separator}{milliseconds % 1000:03d}"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
