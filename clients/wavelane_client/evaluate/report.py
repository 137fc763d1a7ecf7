"""The report of an evaluation as plain values (``wavelane-eval/1``), written and read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_client.evaluate.measures import by_group, confusions, measure
from wavelane_client.evaluate.row import Heard, HeardWord, Row, make_row
from wavelane_client.evaluate.text import NORMALISERS, normaliser
from wavelane_client.load.machine import describe_machine
from wavelane_client.manifest import Entry

FORMAT = "wavelane-eval/1"


@dataclass(frozen=True, slots=True)
class Report:
    """A report that was read."""

    name: str
    normaliser: str
    rows: Sequence[Row]
    values: Mapping[str, Any]


def make_report(
    name: str, rows: Sequence[Row], normaliser_name: str, keywords: Sequence[str] = (), seed: int = 0, **more: Any
) -> dict[str, Any]:
    """Measure rows.

    Args:
        name: of what was evaluated.
        rows: all of them.
        normaliser_name: that the rows were normalised with.
        keywords: phrases to be found.
        seed: of the resampling.
        more: what else belongs to the report.
    """
    normalise = normaliser(normaliser_name)
    phrases = [phrase for phrase in map(normalise, keywords) if phrase]
    return {
        "format": FORMAT,
        "name": name,
        "machine": describe_machine(),
        "normaliser": normaliser_name,
        "normaliser_is": NORMALISERS[normaliser_name],
        **more,
        "groups": [measure(key, group, phrases, seed) for key, group in by_group(rows).items()],
        "confusions": [list(confusion) for confusion in confusions(rows)],
        "utterances": [row.to_json() for row in rows],
    }


def write_report(report: Mapping[str, Any], path: str | Path) -> None:
    """Write a report. Raises INVALID_CONFIG when the file cannot be written."""
    write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", path)


def write_text(text: str, path: str | Path) -> None:
    """Write a file. Raises INVALID_CONFIG when it cannot be written."""
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, f"cannot write {path}: {error.strerror}") from None


def read_report(path: str | Path) -> Report:
    """Read a report. Raises INVALID_CONFIG, it cannot be read or is none of this version."""
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise ValueError(f"its format is {values['format']!r}")
        rows = [Row.from_json(row) for row in values["utterances"]]
        return Report(str(values["name"]), str(values["normaliser"]), rows, values)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG, f"{path} is no report ({FORMAT}) of `wavelane eval --json`: {error}"
        ) from None


def read_transcripts(path: str | Path) -> dict[str, Heard]:
    """What another recogniser heard, by the recordings' names: JSON lines with ``audio_filepath``, ``text``, ``words``.

    Raises:
        WavelaneError: INVALID_CONFIG, it cannot be read, or a line is not of this kind.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, f"cannot read {path}: {error}") from None
    heard = {}
    for number, line in enumerate(lines, start=1):
        try:
            values = json.loads(line)
            words = tuple(
                HeardWord(
                    text=str(word["word"]),
                    start=float(word["start"]),
                    end=float(word["end"]),
                    confidence=word.get("confidence"),
                )
                for word in values.get("words") or ()
            )
            heard[str(values["audio_filepath"])] = Heard(text=str(values["text"]), words=words)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG,
                f'{path}, line {number}: every line is {{"audio_filepath": PATH, "text": WORDS}}; optional is words, a '
                'list of {"word": WORD, "start": SECONDS, "end": SECONDS, "confidence": 0 TO 1}',
            ) from None
    return heard


def score_transcripts(
    entries: Sequence[tuple[Entry, float]], heard: Mapping[str, Heard], condition: str, normaliser_name: str
) -> list[Row]:
    """Rows of what another recogniser heard; entries without a transcript are failed ones.

    Args:
        entries: and how long each plays (s).
        heard: by name.
        condition: that they were heard under.
        normaliser_name: of all texts.
    """
    missing = Heard(error="there is no transcript of it")
    normalise = normaliser(normaliser_name)
    return [
        make_row(entry, condition, None, seconds, heard.get(entry.name, missing), normalise)
        for entry, seconds in entries
    ]
