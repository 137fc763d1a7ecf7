"""`wavelane serve` as a process: start, signals, ports and models that are not there."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from support.server import Server, start_server
from support.serving import text_of
from support.streamclients import GrpcClient, WsClient

PATIENT = "100"
"""How long (s) a server waits for its sessions: who ends before has not waited for them, however slow it is."""
SERVE = [sys.executable, "-m", "wavelane_server", "serve", "--server-log-format", "json"]


@pytest.fixture
def running() -> Iterator[Server]:
    server = start_server(["--engine-threads", "1", "--limits-drain-timeout-s", PATIENT])
    yield server
    if server.process.poll() is None:
        server.stop()


def port_of(server: Server) -> int:
    return int(server.http.rsplit(":", 1)[1])


def test_ready_says_where(running: Server) -> None:
    ready = running.log[0]
    assert ready["model"] == "wavelane-en-small"
    answer = httpx.get(running.http + "/readyz", trust_env=False)
    assert answer.json()["status"] == "ready"
    assert answer.json()["refusing"] is False
    assert running.stop() == 0
    assert running.log[-1]["event"] == "stopped"


async def test_a_signal_lets_sessions_finish(running: Server, speech: bytes) -> None:
    websocket = await WsClient.open(port_of(running))
    call = await GrpcClient.open(int(running.grpc.rsplit(":", 1)[1]))
    for client in (websocket, call):
        await client.configure()
        await client.audio(speech)
    running.process.send_signal(signal.SIGTERM)
    await asyncio.sleep(0.2)
    assert running.process.poll() is None
    for client in (websocket, call):
        await client.end()
        assert text_of(await client.rest())
    assert (websocket.status, call.status) == (1000, "OK")
    assert await asyncio.to_thread(running.process.wait, 30) == 0


async def test_logs_hold_neither_audio_nor_text(running: Server, speech: bytes) -> None:
    client = await WsClient.open(port_of(running))
    ready = await client.configure()
    await client.audio(speech)
    await client.end()
    words = text_of(await client.rest()).split()
    await asyncio.to_thread(running.stop)
    lines = [json.dumps(line) for line in running.log]
    mine = [line for line in lines if ready["session"] in line]
    assert len(mine) == 2
    assert any('"audio_seconds": 3.6' in line for line in mine)
    for word in words:
        assert not any(f" {word} " in line or f'"{word}' in line for line in lines if len(word) > 4)


async def test_a_second_interrupt_exits_at_once(running: Server) -> None:
    client = await WsClient.open(port_of(running))
    await client.configure()
    running.process.send_signal(signal.SIGINT)
    await asyncio.sleep(0.3)
    assert running.process.poll() is None
    running.process.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(running.process.wait, 30) == 130
    await client.rest()


def refused(*arguments: str, **environment: str) -> str:
    """What a server that does not start says."""
    result = subprocess.run(
        [*SERVE, "--port", "0", "--grpc-port", "0", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )
    assert result.returncode == 1, result.stderr
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert "Traceback" not in result.stderr
    return last


@pytest.mark.parametrize(("flag", "other"), [("--port", "--grpc-port"), ("--grpc-port", "--port")])
def test_a_port_in_use(flag: str, other: str) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        said = refused(flag, str(port), other, "0")
    assert f"port {port} of 127.0.0.1 cannot be bound: Address already in use; choose another one with {flag}" in said


def test_an_address_of_another_machine() -> None:
    assert "port 0 of 192.0.2.1 cannot be bound" in refused("--host", "192.0.2.1")


def test_a_model_that_does_not_exist() -> None:
    said = refused("--model", "wavelane-en-smal")
    assert "there is no model 'wavelane-en-smal': did you mean 'wavelane-en-small'?" in said


def test_a_model_from_a_hub_that_is_out_of_reach(tmp_path: os.PathLike[str]) -> None:
    said = refused("--model", "some/model", HF_HUB_OFFLINE="1", HF_HUB_CACHE=str(tmp_path))
    assert f"some/model is not in the cache {tmp_path}, and the hub is out of reach" in said
    assert "wavelane models pull" in said
