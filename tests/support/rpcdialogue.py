"""Recorded dialogues of a gRPC protocol, one JSON object a line: what the client sends and the commands that come of
it, or what the session tells and the messages that come of that."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict

from wavelane import events
from wavelane.errors import ErrorCode
from wavelane.session.options import SessionOptions
from wavelane_server.adapters import base

DIALOGUES = Path(__file__).parents[1] / "data" / "dialogues"
MODEL = base.ModelInfo(name="m", languages=("en",), lookaheads=(6,), default_lookahead=6, head="ctc")


def lines(name: str) -> Iterator[dict[str, Any]]:
    """The lines of a recorded dialogue."""
    for line in (DIALOGUES / name).read_text().splitlines():
        yield json.loads(line)


def replay(adapter: Any, request: Any, line: dict[str, Any]) -> dict[str, Any]:
    """The line as the adapter has it now.

    Args:
        adapter: in the middle of the dialogue.
        request: class of the client's messages.
        line: as recorded.
    """
    if "client" in line:
        commands = [command(each) for each in adapter.receive(ParseDict(line["client"], request()))]
        return {"client": line["client"], "commands": commands}
    sent = adapter.send(event(line["event"]))
    return {"event": line["event"], "server": [MessageToDict(each, preserving_proto_field_name=True) for each in sent]}


def command(made: base.Command) -> dict[str, Any]:
    """A command as JSON."""
    name = type(made).__name__
    if isinstance(made, base.Fail):
        return {name: {"code": made.error.code.value, "message": made.error.message}}
    return {name: {key: len(value) if key == "data" else value for key, value in dataclasses.asdict(made).items()}}


def event(recorded: dict[str, Any]) -> base.Outgoing:
    """An event from JSON: its class and its fields."""
    ((name, fields),) = recorded.items()
    if name == "Ready":
        return base.Ready(session=fields["session"], config=SessionOptions(), model=MODEL)
    if name == "Progress":
        return base.Progress(**fields)
    if name == "Failed":
        fields = {**fields, "code": ErrorCode(fields["code"])}
    if "words" in fields:
        fields = {**fields, "words": _words(fields["words"])}
    if "alternatives" in fields:
        found = [events.Alternative(**{**each, "words": _words(each["words"])}) for each in fields["alternatives"]]
        fields = {**fields, "alternatives": tuple(found)}
    made: base.Outgoing = getattr(events, name)(**fields)
    return made


def _words(words: list[dict[str, Any]]) -> tuple[events.Word, ...]:
    return tuple(events.Word(**word) for word in words)
