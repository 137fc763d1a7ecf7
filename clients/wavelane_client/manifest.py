"""Manifests: one JSON object a line that says what is said in a recording, as NeMo and others write them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wavelane.errors import ErrorCode, WavelaneError


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedWord:
    """A word of the reference, and when it was said (s from the start of the recording)."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One recording."""

    name: str
    """As the manifest writes it: what tells two runs that they speak of the same recording."""
    path: Path
    text: str | None = None
    """What is said in it, where that is known."""
    corpus: str = ""
    """The set it belongs to; the manifest's own name where the line has none."""
    speaker: str | None = None
    words: tuple[TimedWord, ...] = ()
    """Of a forced alignment; empty where there is none."""
    intent: str | None = None
    slots: Mapping[str, str] = field(default_factory=dict, hash=False)


def read_manifest(path: str | Path) -> Iterator[Entry]:
    """The lines of a manifest.

    ``audio_filepath`` (relative to the manifest, or absolute) is needed; ``text``, ``corpus``, ``speaker``, ``words``
    (a list of ``word``, ``start`` and ``end``, in seconds), ``intent`` and ``slots`` are optional; other fields are
    left alone.

    Raises:
        WavelaneError: INVALID_CONFIG, it cannot be read, or a line is none of a manifest.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, f"cannot read the manifest {path}: {error}") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield _entry(path, json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG,
                f'{path}, line {number}: every line is {{"audio_filepath": PATH, "text": WORDS}}; optional are corpus, '
                'speaker, words (a list of {"word": WORD, "start": SECONDS, "end": SECONDS}), intent and slots',
            ) from None


def _entry(path: Path, line: Mapping[str, Any]) -> Entry:
    name = str(line["audio_filepath"])
    return Entry(
        name=name,
        path=path.parent / name,
        text=_optional(line, "text"),
        corpus=_optional(line, "corpus") or path.stem,
        speaker=_optional(line, "speaker"),
        words=tuple(
            TimedWord(text=str(word["word"]), start=float(word["start"]), end=float(word["end"]))
            for word in line.get("words") or ()
        ),
        intent=_optional(line, "intent"),
        slots={str(slot): str(value) for slot, value in (line.get("slots") or {}).items()},
    )


def _optional(line: Mapping[str, Any], name: str) -> str | None:
    value = line.get(name)
    return None if value is None else str(value)
