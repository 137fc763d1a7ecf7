"""Only who has a key of the server's is served, over every transport."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import pytest_asyncio
from click.testing import CliRunner
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_client import connect
from wavelane_protos.wavelane.v1 import asr_pb2 as pb
from wavelane_protos.wavelane.v1 import asr_pb2_grpc as pb_grpc
from wavelane_server.auth import Keys
from wavelane_server.cli.profile import command as profile
from wavelane_server.config import AuthConfig
from wavelane_server.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = "k3y-of-a-friend"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(
    serve: Callable[..., Coroutine[Any, Any, Service]], tmp_path_factory: pytest.TempPathFactory
) -> Service:
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(f"# of friends\nanother\n{KEY}\n")
    return await serve(auth__keys_file=keys)


async def test_websocket(guarded: Service) -> None:
    url = f"ws://127.0.0.1:{guarded.http_port}/v1/stream"
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {KEY}"}):
        with pytest.raises(InvalidStatus) as refused:
            await open_websocket(url, additional_headers=headers)
        assert refused.value.response.status_code == 401
        assert refused.value.response.headers["WWW-Authenticate"] == "Bearer"
        assert b"unauthenticated" in refused.value.response.body
    async with open_websocket(url, additional_headers={"Authorization": f"Bearer {KEY}"}) as socket:
        await socket.send('{"type":"configure"}')
        assert '"ready"' in str(await socket.recv())


async def test_the_command_line_takes_it_from_the_environment(
    guarded: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown() -> str:
        url = f"http://127.0.0.1:{guarded.http_port}"
        return CliRunner().invoke(profile, ["show", "nobody-0123", "--url", url]).output

    assert "API key" in await asyncio.to_thread(shown)
    monkeypatch.setenv("WAVELANE_API_KEY", KEY)
    assert "API key" not in await asyncio.to_thread(shown)


async def test_browsers_send_it_as_a_subprotocol(guarded: Service) -> None:
    url = f"ws://127.0.0.1:{guarded.http_port}/v1/stream"
    offered = [Subprotocol("wavelane"), Subprotocol(f"token.{KEY}")]
    async with open_websocket(url, subprotocols=offered) as socket:
        assert socket.subprotocol == "wavelane"


@pytest.mark.parametrize("scheme", ["ws", "grpc"])
async def test_our_client_sends_it(guarded: Service, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"{scheme}://127.0.0.1:{guarded.http_port if scheme == 'ws' else guarded.grpc_port}"
    with pytest.raises(WavelaneError) as refused:
        async with connect(url):
            pass
    assert refused.value.code is ErrorCode.UNAUTHENTICATED
    async with connect(url, api_key=KEY) as stream:
        assert stream.ready.version == 1
    monkeypatch.setenv("WAVELANE_API_KEY", KEY)
    async with connect(url) as stream:
        assert stream.ready.version == 1


async def test_http(guarded: Service) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{guarded.http_port}") as client:
        assert (await client.get("/readyz")).status_code == 200
        refused = await client.get("/v1/models")
        assert refused.status_code == 401
        assert refused.json()["error"]["code"] == "unauthenticated"
        assert (await client.get("/v1/models", headers={"Authorization": f"Bearer {KEY}"})).status_code == 200


async def test_grpc(guarded: Service) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{guarded.grpc_port}") as channel:
        stub = pb_grpc.SpeechRecognizerStub(channel)  # type: ignore[no-untyped-call]
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Stream().read()
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert ("wavelane-error-code", "unauthenticated") in tuple(refused.value.trailing_metadata() or ())
        call = stub.Stream(metadata=(("authorization", f"Bearer {KEY}"),))
        await call.write(pb.StreamRequest(configure=pb.Configure()))
        assert (await call.read()).ready.version == 1
        call.cancel()


async def test_keys_are_checked_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(WavelaneError, match=r"auth\.keys_file"):
        Keys(AuthConfig(keys_file=tmp_path / "none"))
    (tmp_path / "empty").write_text("# nobody\n\n")
    with pytest.raises(WavelaneError, match="nobody could connect"):
        Keys(AuthConfig(keys_file=tmp_path / "empty"))


async def test_an_open_server_takes_any_key() -> None:
    Keys(AuthConfig()).check(None)
    Keys(AuthConfig()).check("any")


async def test_a_key_with_odd_characters_is_only_wrong(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(KEY)
    for key in ("\udcff", "schlüssel", "", None):
        with pytest.raises(WavelaneError) as refused:
            Keys(AuthConfig(keys_file=tmp_path / "keys")).check(key)
        assert refused.value.code is ErrorCode.UNAUTHENTICATED


async def test_a_file_as_windows_editors_write_it(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(f"{KEY}\r\n".encode("utf-8-sig"))
    Keys(AuthConfig(keys_file=tmp_path / "keys")).check(KEY)
