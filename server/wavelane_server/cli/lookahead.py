"""The lookahead as a flag."""

import click


def lookahead_of(value: str) -> int | str:
    """A number of encoder frames, or ``auto``. Which numbers there are, the server's model says."""
    if value == "auto":
        return value
    if not (value.isascii() and value.isdigit()):
        raise click.BadParameter(f"{value!r} is neither a number of encoder frames nor auto")
    return int(value)
