"""Recorded dialogues: JSON lines of what comes to an adapter, from its client or its session, and what it makes of it.

``{"client": MESSAGE, "commands": [...]}``: a message and the commands that come of it, each as ``[NAME, {FIELD: ...}]``
without what is as usual.
``{"begin": [...]}``: the commands that come of the handshake alone.
``{"client": MESSAGE, "refused": SENTENCE}``: one that is an error; the session goes on.
``{"session": EVENT, "sent": [...]}``: an event and the messages to the client.
Audio is written as ``{"bytes": N}``: N zero bytes. Events are written as ``[NAME, {FIELD: ...}]``.
"""

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wavelane import events
from wavelane.errors import ErrorCode, WavelaneError
from wavelane_server.adapters import base
from wavelane_server.adapters.base import Command, Outgoing

FOLDER = Path(__file__).parents[1] / "data" / "dialogues"
DEFAULTS: dict[str, Any] = {"channel": 0, "utterance": 0, "start": 0, "end": 0, "processed": 0, "lag_ms": 0}


def event(name: str, **fields: Any) -> Outgoing:
    """An event by its name; a hypothesis is its words, each as [text, start, end, confidence], and its score."""
    kind = getattr(events, name, None) or getattr(base, name)
    known = {field.name for field in dataclasses.fields(kind)}
    if "words" in fields:
        fields["words"] = _words(fields["words"])
    if "alternatives" in fields:
        fields["alternatives"] = tuple(_alternative(*alternative) for alternative in fields["alternatives"])
    if "model" in fields:
        fields["model"] = base.ModelInfo(**fields["model"])
    if "code" in fields:
        fields["code"] = ErrorCode(fields["code"])
    found = kind(**{name: value for name, value in DEFAULTS.items() if name in known} | fields)
    assert isinstance(found, Outgoing)
    return found


def partial(text: str, stable: int | None = None, **fields: Any) -> Outgoing:
    """A partial; all of it stable unless told otherwise."""
    return event("Partial", text=text, stable=len(text) if stable is None else stable, words=[], **fields)


def final(*texts: str, reason: str = "silence", **fields: Any) -> Outgoing:
    """A final of hypotheses without times."""
    alternatives = [[[[word, 0, 0, 0.5] for word in text.split()], None] for text in texts]
    return event("Final", alternatives=alternatives, reason=reason, **fields)


def told(command: Command) -> list[Any]:
    """A command as it is written."""
    fields = {}
    for field in dataclasses.fields(command):
        value = getattr(command, field.name)
        if value == field.default:
            continue
        if isinstance(value, WavelaneError):
            value = [value.code.value, value.message]
        elif isinstance(value, bytes):
            value = len(value) if not any(value) else value.decode(errors="replace")
        fields[field.name] = value
    return json.loads(json.dumps([type(command).__name__, fields]))  # type: ignore[no-any-return]


def replay(name: str, adapter: Any, read: Callable[[Any], Any], write: Callable[[Any], Any]) -> None:
    """Hold a recorded dialogue again.

    Args:
        name: of the file.
        adapter: of the protocol.
        read: a message of the adapter's client from what is written, where that is no audio.
        write: what is written for a message to the client.
    """
    for number, line in enumerate(lines(name), 1):
        where = f"{name}, line {number}"
        if "begin" in line:
            assert [told(command) for command in adapter.begin()] == line["begin"], where
        elif "client" in line:
            message = line["client"]
            message = bytes(message["bytes"]) if isinstance(message, dict) and "bytes" in message else read(message)
            if "refused" in line:
                with pytest.raises(WavelaneError, match=re.escape(line["refused"])):
                    adapter.receive(message)
                continue
            assert [told(command) for command in adapter.receive(message)] == line["commands"], where
        else:
            kind, fields = line["session"]
            assert [write(message) for message in adapter.send(event(kind, **fields))] == line["sent"], where


def lines(name: str) -> Iterator[dict[str, Any]]:
    """The lines of a dialogue."""
    for line in (FOLDER / name).read_text("utf-8").splitlines():
        yield json.loads(line)


def _words(words: list[list[Any]]) -> tuple[events.Word, ...]:
    return tuple(events.Word(text=text, start=start, end=end, confidence=sure) for text, start, end, sure in words)


def _alternative(words: list[list[Any]], score: float | None) -> events.Alternative:
    found = _words(words)
    text = " ".join(word.text for word in found)
    sure = min((word.confidence for word in found), default=1.0)
    return events.Alternative(text=text, confidence=sure, words=found, score=score)
