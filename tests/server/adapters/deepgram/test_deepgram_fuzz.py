"""Whatever comes, commands come of it, or an error that says why."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.dialogues import lines
from wavelane.errors import WavelaneError
from wavelane.events import Failed
from wavelane.session.options import parse_options
from wavelane_server.adapters.base import Audio, Configure, Configured, End, Flush, KeepAlive, Reconfigure, Reply
from wavelane_server.adapters.deepgram.live import ListenV1
from wavelane_server.adapters.deepgram.options import LIVE
from wavelane_server.adapters.deepgram.request import Request
from wavelane_server.adapters.deepgram.turn_options import TURNS
from wavelane_server.adapters.deepgram.turns import ListenV2
from wavelane_server.adapters.handshake import Handshake

COMMANDS = (Audio, End, Flush, KeepAlive, Reconfigure, Reply)
VALUES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["true", "false", "1", "0.5", "-1", "1e400", "nan", "linear16", "16000", "multi"]),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
MESSAGES = [
    json.dumps(line["client"])
    for name in ("live", "multichannel", "turns", "turns_forced")
    for line in lines(f"deepgram_{name}.jsonl")
    if "client" in line and "bytes" not in line["client"]
]


@pytest.mark.parametrize(("kind", "table"), [(ListenV1, LIVE), (ListenV2, TURNS)])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_query(kind: Any, table: dict[str, Any], data: st.DataObject) -> None:
    names = st.one_of(st.sampled_from([*table]), st.text(max_size=8))
    query = data.draw(st.lists(st.tuples(names, VALUES), max_size=6))
    with suppress(WavelaneError):
        (command,) = kind(Handshake(headers={}, query=tuple(query)), Request()).begin()
        assert isinstance(command, Configure)
        parse_options(command.values)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(MESSAGES))
    at = draw(st.integers(0, len(text)))
    return text[:at] + draw(st.text(max_size=3)) + text[at + draw(st.integers(0, 3)) :]


@pytest.mark.parametrize("kind", [ListenV1, ListenV2])
@settings(max_examples=60, deadline=None)
@given(
    messages=st.lists(
        st.one_of(mutated(), st.text(), st.binary(max_size=8), st.sampled_from(MESSAGES), JSON.map(json.dumps)),
        max_size=5,
    )
)
def test_any_message(kind: Any, messages: list[str | bytes]) -> None:
    adapter = kind(Handshake(headers={}, query=(("model", "flux-general-multi"),)), Request())
    kinds = set()
    ended = False
    for message in messages:
        try:
            commands = adapter.receive(message)
        except WavelaneError as error:
            # As the conversation does.
            (answer,) = adapter.send(Failed(code=error.code, message=error.message, fatal=False))
            kinds.add(json.loads(answer)["type"])
            continue
        assert commands or ended
        ended = ended or commands[-1:] == [End()]
        assert all(isinstance(command, COMMANDS) for command in commands)
        for command in commands:
            if isinstance(command, Reconfigure):
                (answer,) = adapter.send(Configured(config=parse_options({})))
                kinds.add(json.loads(answer)["type"])
    assert kinds <= {"ConfigureSuccess", "ConfigureFailure", "Warning"}
