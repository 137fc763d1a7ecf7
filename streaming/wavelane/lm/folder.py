"""What a model's folder says about its language models and hotwords: ``lm.json``."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wavelane.errors import ErrorCode, WavelaneError

FILE = "lm.json"
VERSION = 1

WEIGHT = 0.5
"""Scale of a language model of which nothing else is known."""
WORD_BONUS = 0.5
"""Bonus of a word with it."""
BOOST = 1.0
"""Boost of a hotword without one of its own."""
_MOST_PHRASES = 100_000

Phrases = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LmSource:
    """Where a language model is, and how it is used."""

    path: Path
    weight: float = WEIGHT
    """Scale of its natural logarithms beside the acoustic ones."""
    word_bonus: float = WORD_BONUS
    """Added for every word, at that weight."""
    blank_penalty: float = 0.0
    """Taken from the blank in every frame, at that weight: what an unsure model leaves out is said then."""
    prior_weight: float = 0.0
    """Scale of the recogniser's own prior, which is taken off at that weight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderLms:
    """What a folder brings with it."""

    models: dict[str, LmSource] = field(default_factory=dict)
    default: str | None = None
    """The one that sessions have which choose none."""
    hotwords: Phrases = ()
    prior: Path | None = None
    """n-grams of single pieces, of the text that the recogniser was trained on: how often it hears each by itself."""


def read_folder(folder: Path) -> FolderLms:
    """The language models and hotwords of a model's folder; none where it has no ``lm.json``.

    Raises:
        WavelaneError: MODEL_UNSUPPORTED: the file is malformed.
    """
    file = folder / FILE
    if not file.is_file():
        return FolderLms()
    try:
        data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if data.pop("version") != VERSION:
            raise ValueError(f"its version is not {VERSION}")
        models = {
            str(name): LmSource(
                path=folder / str(entry["path"]),
                weight=_number(entry, "weight", WEIGHT, 1e-6, 10.0),
                word_bonus=_number(entry, "word_bonus", WORD_BONUS, -10.0, 10.0),
                blank_penalty=_number(entry, "blank_penalty", 0.0, 0.0, 10.0),
                prior_weight=_number(entry, "prior_weight", 0.0, 0.0, 10.0),
            )
            for name, entry in data.pop("models").items()
        }
        default, hotwords = data.pop("default", None), data.pop("hotwords", None)
        prior = data.pop("prior", None)
        if data:
            raise ValueError(f"{', '.join(data)} is no field of it")
        if default is not None and default not in models:
            raise ValueError(f"its default, {default!r}, is none of its models")
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise WavelaneError(ErrorCode.MODEL_UNSUPPORTED, f"{file} is malformed: {error}.") from None
    phrases = read_hotwords(folder / str(hotwords)) if hotwords else ()
    return FolderLms(
        models=models, default=default, hotwords=phrases, prior=None if prior is None else folder / str(prior)
    )


def write_folder(
    folder: Path,
    models: dict[str, LmSource],
    default: str | None,
    hotwords: str | None,
    prior: str | None = None,
) -> None:
    """Write ``lm.json``.

    Args:
        folder: of the model.
        models: by name, with paths inside of the folder.
        default: name of one of them, or None.
        hotwords: name of the file with the phrases, or None.
        prior: name of the recogniser's prior, or None.
    """
    data = {
        "version": VERSION,
        "models": {
            name: {
                "path": str(source.path.relative_to(folder)),
                "weight": source.weight,
                "word_bonus": source.word_bonus,
                "blank_penalty": source.blank_penalty,
                "prior_weight": source.prior_weight,
            }
            for name, source in models.items()
        },
        "default": default,
        "hotwords": hotwords,
        "prior": prior,
    }
    (folder / FILE).write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read_hotwords(path: Path) -> Phrases:
    """Phrases with their boosts: one a line, a boost of its own behind a tab; ``#`` begins a comment.

    Raises:
        WavelaneError: INVALID_CONFIG, naming the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, f"the hotwords {path} cannot be read: {error}") from None
    phrases: list[tuple[str, float]] = []
    for number, line in enumerate(lines, 1):
        text, tab, boost = line.partition("#")[0].rstrip().partition("\t")
        if not text.strip():
            continue
        try:
            phrases.append(
                (" ".join(text.split()), _number({"boost": float(boost)}, "boost", BOOST, 1e-6, 20.0) if tab else BOOST)
            )
        except ValueError as error:
            raise WavelaneError(ErrorCode.INVALID_CONFIG, f"{path}, line {number}: {error}") from None
    if len(phrases) > _MOST_PHRASES:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG, f"{path} has {len(phrases)} phrases, more than the limit of {_MOST_PHRASES}"
        )
    return tuple(phrases)


def _number(entry: dict[str, Any], name: str, default: float, least: float, most: float) -> float:
    value = entry.get(name, default)
    if not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{name} is {value!r}, not a number from {least:g} to {most:g}")
    return float(value)
