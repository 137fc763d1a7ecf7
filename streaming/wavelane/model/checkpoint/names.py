"""Names of weights: from those of a format to the canonical ones."""

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

Value = TypeVar("Value")


def rename(
    tensors: Mapping[str, Value], rules: Iterable[tuple[str, str]], ignored: re.Pattern[str] | None = None
) -> dict[str, Value]:
    """Apply to each name the first rule whose pattern matches its beginning; other names stay as they are.

    Args:
        tensors: by the format's names.
        rules: (pattern, replacement) as for :func:`re.sub`.
        ignored: names that are dropped.
    """
    compiled = [(re.compile(pattern), replacement) for pattern, replacement in rules]
    renamed = {}
    for name, value in tensors.items():
        if ignored is not None and ignored.match(name):
            continue
        for pattern, replacement in compiled:
            if match := pattern.match(name):
                name = match.expand(replacement) + name[match.end() :]
                break
        renamed[name] = value
    return renamed
