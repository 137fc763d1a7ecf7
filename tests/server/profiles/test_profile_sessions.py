"""Profiles through real sockets, with 0, 1 and 2 front ends: stored, used, corrected, exported, erased."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from support.server import Server, start_server
from wavelane.errors import ErrorCode, WavelaneError
from wavelane_client import Corrected, Failed, Final, connect
from wavelane_server.cli.profile import command

DATA = Path(__file__).parents[2] / "data" / "speech"
SETTINGS = {"consent": True, "hotwords": [{"phrase": "left", "boost": 1.0}], "replace": {"five": "FIVE"}}


@pytest.fixture(scope="module", params=[0, 1, 2], ids="{} front ends".format)
def keeping(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Servers that keep profiles."""
    folder = tmp_path_factory.mktemp("profiles")
    running = start_server(["--frontends", str(request.param), "--profiles-folder", str(folder)])
    yield running
    assert running.stop() == 0


def profile_url(server: Server, key: str) -> str:
    return f"{server.http}/v1/profiles/{key}"


async def text_of(url: str, **options: Any) -> str:
    texts = []
    async with connect(url, encoding="container", endpoint={"silence_ms": 1500}, **options) as stream:
        await stream.send((DATA / "commands.flac").read_bytes())
        await stream.end()
        async for event in stream:
            assert not isinstance(event, Failed), event
            texts += [event.text] if isinstance(event, Final) else []
    return " ".join(texts)


@pytest.mark.parametrize("transport", ["websocket", "grpc"])
async def test_from_consent_to_erasure(keeping: Server, transport: str) -> None:
    url = keeping.ws if transport == "websocket" else f"grpc://{keeping.grpc}"
    key = f"{transport}-0123456789"
    async with httpx.AsyncClient() as http:
        address = profile_url(keeping, key)
        refused = await http.put(address, json={**SETTINGS, "consent": False})
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_config")
        assert (await http.get(address)).status_code == 404
        stored = await http.put(address, json=SETTINGS)
        assert stored.status_code == 200
        assert stored.json()["replace"] == {"five": "FIVE"}

        plain = await text_of(url)
        assert "five" in plain
        assert "FIVE" in await text_of(url, profile=key)
        assert await text_of(url) == plain

        async with connect(url, encoding="container", profile=key, endpoint={"silence_ms": 1500}) as stream:
            assert [word["phrase"] for word in stream.ready.config["hotwords"]] == ["left"]
            await stream.send((DATA / "commands.flac").read_bytes())
            await stream.flush()
            told: list[Any] = []
            async for event in stream:
                if isinstance(event, Final) and "zero" in event.text:
                    await stream.correct(event.utterance, "zero", "Nero")
                    await stream.correct(event.utterance, "banana", "orange")
                    await stream.correct(99, "zero", "one")
                if isinstance(event, Corrected | Failed):
                    told.append(event)
                    if len(told) == 3:
                        await stream.end()
        assert told[0] == Corrected(channel=0, utterance=told[0].utterance, hotword=True, stored=True)
        assert [event.code for event in told[1:]] == [ErrorCode.INVALID_MESSAGE] * 2

        exported = (await http.get(address)).json()
        assert exported["replace"] == {"five": "FIVE", "zero": "Nero"}
        assert [word["phrase"] for word in exported["hotwords"]] == ["left", "Nero"]
        later = await text_of(url, profile=key)
        assert "zero" not in later.split()
        assert await text_of(url) == plain

        assert (await http.delete(address)).status_code == 204
        assert (await http.delete(address)).status_code == 404
    with pytest.raises(WavelaneError) as raised:
        async with connect(url, profile=key):
            pass
    assert raised.value.code is ErrorCode.PROFILE_NOT_FOUND


async def test_a_correction_without_a_profile_counts_for_its_session_alone(keeping: Server) -> None:
    audio = (DATA / "commands.flac").read_bytes()
    async with connect(keeping.ws, encoding="container", endpoint={"silence_ms": 1500}) as stream:
        await stream.send(audio)
        await stream.flush()
        async for event in stream:
            if isinstance(event, Final) and "zero" in event.text:
                await stream.correct(event.utterance, "zero", "oh")
            if isinstance(event, Corrected):
                assert not event.stored
                assert stream.ready.config["text"]["replace"] == {}
                await stream.end()
    assert "zero" in await text_of(keeping.ws)


async def test_bodies_that_are_no_profiles(keeping: Server) -> None:
    async with httpx.AsyncClient() as http:
        for body, status in ((b"{", 400), (b"[]", 400), (b"x" * 1_100_000, 413)):
            answer = await http.put(profile_url(keeping, "key-0123456789"), content=body)
            assert answer.status_code == status
        assert (await http.get(profile_url(keeping, "short"))).status_code == 400


async def test_a_server_without_a_folder_keeps_none(server: Server) -> None:
    async with httpx.AsyncClient() as http:
        answer = await http.put(profile_url(server, "key-0123456789"), json=SETTINGS)
    assert answer.status_code == 400
    assert "profiles.folder" in answer.json()["error"]["message"]
    with pytest.raises(WavelaneError, match=r"profiles\.folder"):
        async with connect(server.ws, profile="key-0123456789"):
            pass


def test_the_command(keeping: Server, tmp_path: Path) -> None:
    file = tmp_path / "me.json"
    file.write_text(json.dumps({"hotwords": ["Nguyen"], "replace": {"win": "Nguyen"}}))

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(command, [*arguments, "--url", keeping.http])
        return result.exit_code, result.output

    status, output = run("store", "cli-key-0123", str(file))
    assert (status, "consent" in output) == (1, True)
    assert run("store", "cli-key-0123", str(file), "--consent") == (0, "")
    status, output = run("show", "cli-key-0123")
    assert status == 0
    file.write_text(output)
    assert json.loads(output)["replace"] == {"win": "Nguyen"}
    # What was exported can be stored elsewhere.
    assert run("store", "cli-key-4567", str(file), "--consent") == (0, "")
    for key in ("cli-key-0123", "cli-key-4567"):
        assert run("erase", key) == (0, "")
        assert run("show", key)[0] == 1
