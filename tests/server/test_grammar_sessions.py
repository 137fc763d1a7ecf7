"""Grammars through real sockets: intents, refusals, and that one session's grammar is not another's."""

from pathlib import Path
from typing import Any

import pytest

from support.server import Server
from wavelane.errors import ErrorCode, WavelaneError
from wavelane_client import Configured, Failed, Final, connect
from wavelane_client.file import PcmFile
from wavelane_server.config import GrammarConfig
from wavelane_server.grammars import load_grammars

DATA = Path(__file__).parents[1] / "data" / "speech"
EXAMPLES = Path(__file__).parents[2] / "clients" / "examples" / "grammars"
ROBOT = """#JSGF V1.0;
grammar robot;
public <go> = go (left | right | back) {way} <digit> {first} [<digit> {second}];
public <stop> = stop [now];
<digit> = zero | one | two | three | four | five | six | seven | eight | nine;
"""
"""What commands.flac says is a sentence of it: go left five zero."""


def url_of(server: Server, transport: str) -> str:
    return server.ws if transport == "websocket" else f"grpc://{server.grpc}"


async def finals_of(url: str, file: str, **options: Any) -> list[Final]:
    finals = []
    async with connect(url, encoding="container", endpoint={"silence_ms": 1500}, **options) as stream:
        await stream.send((DATA / file).read_bytes())
        await stream.end()
        async for event in stream:
            assert not isinstance(event, Failed), event
            if isinstance(event, Final):
                finals.append(event)
    return finals


@pytest.mark.parametrize("transport", ["websocket", "grpc"])
async def test_a_command_is_understood(any_server: Server, transport: str) -> None:
    (final,) = await finals_of(url_of(any_server, transport), "commands.flac", grammar=ROBOT)
    assert final.text == "go left five zero"
    assert final.intent is not None
    assert final.intent.name == "go"
    assert dict(final.intent.slots) == {"way": "left", "first": "five", "second": "zero"}
    assert final.intent.sentence == "go left five zero"
    assert 0.1 < final.intent.score <= 1.0
    assert [word.text for word in final.words] == ["go", "left", "five", "zero"]


async def test_other_speech_has_no_intent_and_no_words_of_the_grammar(server: Server) -> None:
    (final,) = await finals_of(server.ws, "libri_egypt.opus", grammar=ROBOT)
    assert (final.text, final.intent) == ("", None)


async def test_sessions_do_not_hear_each_others_grammar(server: Server) -> None:
    other = "#JSGF V1.0; grammar other; public <a> = lemon juice may be added at (pleasure | night) {when};"
    async with (
        connect(server.ws, encoding="container", grammar=other) as first,
        connect(server.ws, encoding="container", grammar=ROBOT, endpoint={"silence_ms": 1500}) as second,
        connect(server.ws, encoding="container") as third,
    ):
        heard = []
        for stream, file in ((first, "libri_lemon.opus"), (second, "commands.flac"), (third, "commands.flac")):
            await stream.send((DATA / file).read_bytes())
            await stream.end()
        for stream in (first, second, third):
            heard.append([event async for event in stream if isinstance(event, Final)])
    assert [final.intent and final.intent.name for final in heard[0]] == ["a"]
    assert [final.intent and final.intent.name for final in heard[1] if final.intent] == ["go"]
    assert all(final.intent is None for final in heard[2])


async def test_a_grammar_may_change_with_every_turn(server: Server) -> None:
    samples = _samples("commands.flac")
    numbers = ROBOT.replace("public <go> = go (left | right | back) {way}", "public <count> = go left")
    intents = []
    async with connect(server.ws, grammar=ROBOT, endpoint={"silence_ms": 1500}) as stream:
        for grammar in (ROBOT, numbers, None):
            await stream.reconfigure(grammar=grammar)
            await stream.send(samples)
            await stream.flush()
        await stream.end()
        async for event in stream:
            if isinstance(event, Final):
                intents.append(event.intent.name if event.intent else None)
            assert not isinstance(event, Failed), event
            if isinstance(event, Configured):
                assert event.config["grammar"] in (ROBOT, numbers, None)
    assert intents[0] == "go"
    assert intents[1] == "count"
    assert set(intents[2:]) == {None}


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"grammar": "#JSGF V1.0;\ngrammar g;\npublic <a> = go <b>;"}, "line 3, column 17: there is no rule <b>"),
        ({"grammar": "coffee"}, "no grammar 'coffee'"),
        ({"grammar": "#JSGF V1.0; grammar g; public <a> = 你好;"}, "cannot spell"),
        ({"grammar": "#JSGF V1.0; grammar g; public <a> = " + "go " * 5000 + ";"}, "grammar.max_states"),
        ({"grammar": ROBOT, "hotwords": ["left"]}, "hotwords: of no effect"),
        ({"grammar": ROBOT, "alternatives": 2, "decoding": {"method": "beam"}}, "decoding.method, alternatives: of no"),
    ],
)
async def test_refusals(server: Server, options: dict[str, Any], hint: str) -> None:
    with pytest.raises(WavelaneError) as raised:
        async with connect(server.ws, **options):
            pass
    assert raised.value.code is ErrorCode.INVALID_CONFIG
    assert hint in raised.value.message


def test_the_servers_own_grammars(tmp_path: Path) -> None:
    library = load_grammars(GrammarConfig(paths=(f"coffee={EXAMPLES / 'coffee.jsgf'}",)))
    assert library.names == ("coffee",)
    assert library.find("coffee").intents == ("orderDrink",)
    bad = tmp_path / "bad.jsgf"
    bad.write_text("#JSGF V1.0;\ngrammar g;\npublic <a> = (go;")
    for entry, hint in (
        ("coffee", "not name=path"),
        ("a=/nowhere.jsgf", "cannot be read"),
        (f"a={bad}", "line 3, column 14"),
    ):
        with pytest.raises(WavelaneError, match=hint):
            load_grammars(GrammarConfig(paths=(entry,)))


def _samples(file: str) -> bytes:
    """linear16 at 16 kHz."""
    return b"".join(block.data for block in PcmFile(str(DATA / file), sample_rate=16_000).blocks(1.0))
