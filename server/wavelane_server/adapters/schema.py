"""JSON schema of the native protocol, made from the classes that carry it. ``python -m`` prints it."""

import json
from typing import Any

from pydantic import TypeAdapter

from wavelane.session.options import MUTABLE, SessionOptions
from wavelane_server.adapters.base import PROTOCOL_VERSION
from wavelane_server.adapters.native import EVENT_TYPES
from wavelane_server.profiles.profile import Correction

_REFS = "#/$defs/{model}"


def message_schema() -> dict[str, Any]:
    """Schema (draft 2020-12) of every text message: ``$defs.ClientMessage`` and ``$defs.ServerMessage``."""
    definitions: dict[str, Any] = {}
    options = _take(TypeAdapter(SessionOptions), definitions, "SessionOptions", "validation")
    client = []
    for kind in ("configure", "reconfigure"):
        names = options["properties"] if kind == "configure" else MUTABLE
        title = kind.capitalize()
        definitions[title] = {
            "title": title,
            "type": "object",
            "additionalProperties": False,
            "required": ["type"],
            "properties": {"type": {"const": kind}, **{name: options["properties"][name] for name in names}},
        }
        client.append({"$ref": f"#/$defs/{title}"})
    for kind in ("flush", "end", "keepalive"):
        title = "KeepAlive" if kind == "keepalive" else kind.capitalize()
        definitions[title] = {
            "title": title,
            "type": "object",
            "additionalProperties": False,
            "required": ["type"],
            "properties": {"type": {"const": kind}},
        }
        client.append({"$ref": f"#/$defs/{title}"})
    definitions["Correct"] = _take(TypeAdapter(Correction), definitions, "Correct", "validation")
    definitions["Correct"]["title"] = "Correct"
    definitions["Correct"]["properties"] = {"type": {"const": "correct"}, **definitions["Correct"]["properties"]}
    definitions["Correct"]["required"] = ["type", *definitions["Correct"]["required"]]
    client.append({"$ref": "#/$defs/Correct"})
    server = []
    for event, kind in EVENT_TYPES.items():
        title = "Error" if kind == "error" else event.__name__
        schema = _take(TypeAdapter(event), definitions, title, "serialization")
        schema["title"] = title
        schema["properties"] = {"type": {"const": kind}, **schema["properties"]}
        schema["required"] = ["type", *(name for name in schema["properties"] if name != "type")]
        server.append({"$ref": f"#/$defs/{title}"})
    definitions["ClientMessage"] = {"description": "Text from the client. Audio is binary.", "oneOf": client}
    definitions["ServerMessage"] = {"description": "Text from the server.", "oneOf": server}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Wavelane native stream protocol, version {PROTOCOL_VERSION}",
        "anyOf": [{"$ref": "#/$defs/ClientMessage"}, {"$ref": "#/$defs/ServerMessage"}],
        "$defs": dict(sorted(definitions.items())),
    }


def _take(adapter: TypeAdapter[Any], definitions: dict[str, Any], title: str, mode: Any) -> dict[str, Any]:
    """The schema of one class; it and what it refers to are added to ``definitions``."""
    schema: dict[str, Any] = adapter.json_schema(mode=mode, ref_template=_REFS)
    definitions.update(schema.pop("$defs", {}))
    definitions[title] = schema
    return schema


def render() -> str:
    """The committed file's text."""
    return json.dumps(message_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(render(), end="")
