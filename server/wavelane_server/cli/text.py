"""How text is written, as flags."""

from collections.abc import Iterable
from typing import Any

import click

SWITCHES: dict[str, tuple[str, Any]] = {
    "itn": ("itn", True),
    "punctuation": ("punctuation", True),
    "capitals": ("capitals", True),
    "mask": ("profanity", "mask"),
    "fluent": ("verbatim", False),
}
"""Names for ``--text``, each with the option of the session that it sets."""
ALL = "all"


def text_of(value: str) -> dict[str, Any]:
    """Options of a comma separated list of :data:`SWITCHES`, or of ``all`` of them."""
    names = list(SWITCHES) if value == ALL else [name.strip() for name in value.split(",")]
    for name in names:
        if name not in SWITCHES:
            raise click.BadParameter(f"{name!r} is none of {', '.join(SWITCHES)}, {ALL}")
    return dict(SWITCHES[name] for name in names)


def replacements_of(values: Iterable[str]) -> dict[str, str]:
    """Phrases and what is written for them, given as ``heard=written``."""
    phrases: dict[str, str] = {}
    for value in values:
        heard, sign, written = value.partition("=")
        if not sign or not heard.strip():
            raise click.BadParameter(f"{value!r} is not of the form HEARD=WRITTEN", param_hint="--replace")
        phrases[heard.strip()] = written.strip()
    return phrases
