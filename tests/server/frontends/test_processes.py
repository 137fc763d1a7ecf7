"""`wavelane serve --frontends N`: who dies takes only what was its own along, and is back in seconds."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from support.server import Server, start_server
from support.serving import pieces, text_of
from support.streamclients import GrpcClient, WsClient
from support.waiting import until
from wavelane_server.frontends import supervisor
from wavelane_server.loading import load_config

MODEL = "wavelane-en-small"
ARGUMENTS = ["--frontends", "2", "--engine-threads", "1", "--server-engine-timeout-s", "2", "--max-sessions", "32"]

PATIENT = "100"
"""How long (s) a server waits for its sessions: who ends before has not waited for them, however slow it is."""


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    server = start_server(ARGUMENTS)
    yield server
    assert server.stop() == 0


@pytest.fixture
def own() -> Iterator[Server]:
    """A server that the test may end."""
    server = start_server([*ARGUMENTS, "--limits-drain-timeout-s", PATIENT])
    yield server
    if server.process.poll() is None:
        server.process.kill()
        server.process.wait()


def pid(server: Server, name: str) -> int:
    """The process of this name that was started last."""
    started = [line for line in server.before + server.log if line["event"] == "process started"]
    return next(int(str(line["pid"])) for line in reversed(started) if line["process"] == name)


def alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def maps(server: Server, name: str) -> str:
    """Files that a process has in memory."""
    return Path(f"/proc/{pid(server, name)}/maps").read_text()


def connections(number: int) -> set[int]:
    """Local ports of the other ends of a process's TCP connections."""
    inodes = set()
    for link in Path(f"/proc/{number}/fd").iterdir():
        with suppress(OSError):
            inodes.update(re.findall(r"socket:\[(\d+)\]", os.readlink(link)))  # noqa: PTH115
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[2].split(":")[1], 16) for row in rows if row[9] in inodes}


def port_of(address: str) -> int:
    return int(address.rsplit(":", 1)[1])


async def client_of(server: Server, name: str) -> WsClient:
    """A session of the front end of this name: the kernel chooses, so others are tried and let go."""
    for _ in range(100):
        client = await WsClient.open(port_of(server.http))
        if client.socket.local_address[1] in connections(pid(server, name)):
            return client
        client.vanish()
    raise AssertionError("the kernel never chose this front end")


async def scrape(server: Server) -> dict[tuple[str, str, str], float]:
    """Value by name, process and other labels."""
    async with httpx.AsyncClient(base_url=server.http, trust_env=False) as http:
        text = (await http.get("/metrics")).text
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            match = re.fullmatch(r"(\w+)\{(.*)\} (\S+)", line)
            assert match is not None, line
            labels = dict(re.findall(r'(\w+)="([^"]*)"', match[2]))
            process = labels.pop("process")
            key = (match[1], process, ",".join(f"{name}={value}" for name, value in sorted(labels.items())))
            assert key not in found
            found[key] = float(match[3])
    return found


async def readiness(server: Server) -> set[tuple[int, str]]:
    """What the front ends say, asked through many connections."""
    answers = set()
    for _ in range(12):
        async with httpx.AsyncClient(base_url=server.http, trust_env=False) as http:
            answer = await http.get("/readyz")
            answers.add((answer.status_code, answer.json().get("reason", "ready")))
    return answers


async def ready_again(server: Server) -> None:
    async with asyncio.timeout(60):
        while await readiness(server) != {(200, "ready")}:  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def lanes(server: Server) -> float:
    return (await scrape(server))[("wavelane_lanes", "engine", "")]


async def no_lanes(server: Server) -> None:
    async with asyncio.timeout(10):
        while await lanes(server):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def transcribe(client: WsClient, speech: bytes) -> str:
    await client.configure()
    for piece in pieces(speech, 3200):
        await client.audio(piece)
    await client.end()
    return text_of(await client.rest())


async def test_every_front_end_serves_and_metrics_are_of_all_processes(running: Server, speech: bytes) -> None:
    before = await scrape(running)
    texts = [await transcribe(await client_of(running, name), speech) for name in ("frontend-0", "frontend-1")]
    assert texts[0] == texts[1] != ""
    for _ in range(3):  # whoever answers
        after = await scrape(running)
        for name in ("frontend-0", "frontend-1"):
            key = ("wavelane_sessions_opened_total", name, "")
            assert after[key] - before[key] == 1
            assert after[("wavelane_audio_received_seconds_total", name, "")] >= 3.6
            assert ("wavelane_lanes", name, "") not in after
        assert after[("wavelane_lanes_limit", "engine", "")] == 32
        assert after[("wavelane_batch_rows_count", "engine", "")] > before[("wavelane_batch_rows_count", "engine", "")]
        assert ("wavelane_sessions", "engine", "") not in after
        assert after[("process_resident_memory_bytes", "engine", "")] > 50e6


async def test_one_engine_counts_the_lanes_of_all_front_ends(running: Server) -> None:
    await no_lanes(running)
    clients = [await client_of(running, f"frontend-{number % 2}") for number in range(4)]
    for client in clients:
        await client.configure()
    assert await lanes(running) == 4
    for client in clients:
        client.vanish()
    await no_lanes(running)


def test_front_ends_never_load_torch(running: Server) -> None:
    assert "libtorch" not in maps(running, "frontend-0")
    assert "libtorch" in maps(running, "engine")


@asynccontextmanager
async def _speaking(server: Server, name: str, speech: bytes) -> AsyncIterator[WsClient]:
    """A session in progress, half of whose audio was sent."""
    client = await client_of(server, name)
    await client.configure()
    await client.audio(speech[: len(speech) // 4 * 2])
    yield client


async def _finish(client: WsClient, speech: bytes) -> str:
    await client.audio(speech[len(speech) // 4 * 2 :])
    await client.end()
    return text_of(await client.rest())


async def test_a_front_end_that_is_killed_takes_its_own_sessions_along(running: Server, speech: bytes) -> None:
    alone = await transcribe(await client_of(running, "frontend-1"), speech)
    victim = pid(running, "frontend-0")
    async with (
        _speaking(running, "frontend-1", speech) as living,
        _speaking(running, "frontend-0", speech) as dying,
        _speaking(running, "frontend-0", speech),
    ):
        assert await lanes(running) == 3
        os.kill(victim, signal.SIGKILL)
        await dying.rest()
        assert dying.close_code == 1006
        async with asyncio.timeout(10):
            while await lanes(running) != 1:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert await _finish(living, speech) == alone
        assert living.close_code == 1000
    await until(lambda: any(line["event"] == "front end gone" for line in running.log))
    gone = next(line for line in running.log if line["event"] == "front end gone")
    assert gone["lanes_freed"] == 2
    await until(lambda: pid(running, "frontend-0") != victim)
    async with asyncio.timeout(30):
        while not connections(pid(running, "frontend-0")):
            with suppress(httpx.HTTPError):
                await readiness(running)
            await asyncio.sleep(0.05)
    await ready_again(running)
    assert await transcribe(await client_of(running, "frontend-0"), speech) == alone
    restarts = ("wavelane_process_restarts_total", "supervisor", "child=frontend-0")
    assert (await scrape(running))[restarts] == 1
    await no_lanes(running)


async def broken(clients: list[Any], seconds: float) -> None:
    """All sessions end with an error, and none hangs."""
    async with asyncio.timeout(seconds):
        for client in clients:
            events = await client.rest()
            fatal = next(event for event in events if event["type"] == "error")
            assert (fatal["code"].lower().removeprefix("error_code_"), fatal["fatal"]) == ("internal", True)
            assert "the engine process of this server" in fatal["message"]
            assert events[-1]["type"] == "closed"
            assert client.status in (1011, "INTERNAL")


async def grpc_health(server: Server) -> int:
    async with grpc.aio.insecure_channel(server.grpc, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        stub = health_pb2_grpc.HealthStub(channel)  # type: ignore[no-untyped-call]
        status: int = (await stub.Check(health_pb2.HealthCheckRequest())).status
        return status


async def grpc_health_says(server: Server, status: int) -> None:
    async with asyncio.timeout(15):
        while await grpc_health(server) != status:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSTOP"])
async def test_an_engine_that_dies_or_stops(running: Server, speech: bytes, name: str) -> None:
    victim = pid(running, "engine")
    clients: list[Any] = [await client_of(running, f"frontend-{number}") for number in range(2)]
    clients.append(await GrpcClient.open(port_of(running.grpc)))
    for client in clients:
        await client.configure()
        await client.audio(speech[:32_000])
    await asyncio.sleep(0.5)
    for client in clients:
        await client.audio(speech[32_000:])
    os.kill(victim, signal.Signals[name])
    # The health service follows within half a second, and a new engine takes seconds: looked at all the while.
    refuses = asyncio.create_task(grpc_health_says(running, health_pb2.HealthCheckResponse.NOT_SERVING))
    await broken(clients, 12.0)
    assert all(status == 503 and reason.startswith("stuck") for status, reason in await readiness(running))
    await refuses
    async with httpx.AsyncClient(base_url=running.http, trust_env=False) as http:
        refusal = await http.post("/v1/audio/transcriptions", files={"file": b"RIFF"})
        assert (refusal.status_code, refusal.json()["error"]["code"]) == (503, "overloaded")
        assert (await http.get("/livez")).status_code == 200
    await ready_again(running)
    assert pid(running, "engine") != victim
    assert not alive(victim)
    assert await transcribe(await client_of(running, "frontend-0"), speech)
    assert await transcribe(await client_of(running, "frontend-1"), speech)
    await no_lanes(running)


async def test_a_front_end_that_hangs_is_replaced(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor, "FRONT_END_TIMEOUT_S", 2.0)
    config = load_config(flags={"server.port": 0, "server.grpc": False, "server.frontends": 1, "engine.threads": 1})
    running = supervisor.Supervisor(config)
    await running.start(asyncio.Event())
    try:
        (front_end,) = running._front_ends
        assert front_end.process is not None
        hung = front_end.process.pid
        os.kill(hung, signal.SIGSTOP)
        await until(
            lambda: front_end.process is not None and front_end.process.pid != hung and front_end.ready.is_set()
        )
        assert not alive(hung)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.http_port}", trust_env=False) as http:
            assert (await http.get("/readyz")).status_code == 200
    finally:
        await running.stop()
    # Where the log goes depends on what other tests of this process have set up.
    assert "hangs and is killed" in "".join((*capfd.readouterr(), caplog.text))


async def test_a_signal_lets_sessions_finish(own: Server, speech: bytes) -> None:
    clients: list[Any] = [await client_of(own, f"frontend-{number}") for number in range(2)]
    clients.append(await GrpcClient.open(port_of(own.grpc)))
    for client in clients:
        await client.configure()
        await client.audio(speech)
    processes = [pid(own, name) for name in ("engine", "frontend-0", "frontend-1")]
    # As a terminal and some init systems do, to every process.
    for number in (own.process.pid, *processes):
        os.kill(number, signal.SIGTERM)
    await asyncio.sleep(0.5)
    assert own.process.poll() is None
    for client in clients:
        await client.end()
        assert text_of(await client.rest())
        assert client.status in (1000, "OK")
    assert await asyncio.to_thread(own.process.wait, 30) == 0
    assert not any(map(alive, processes))
    own.follower.join()
    assert own.log[-1]["event"] == "stopped"
    assert not [line for line in own.log if line.get("level") in ("error", "critical")]


async def test_a_second_interrupt_ends_everything_at_once(own: Server) -> None:
    client = await client_of(own, "frontend-1")
    await client.configure()
    processes = [pid(own, name) for name in ("engine", "frontend-0", "frontend-1")]
    own.process.send_signal(signal.SIGINT)
    await asyncio.sleep(0.3)
    assert own.process.poll() is None
    own.process.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(own.process.wait, 30) == 130
    await until(lambda: not any(map(alive, processes)))
    await client.rest()


async def test_nothing_outlives_the_supervisor(own: Server) -> None:
    processes = [pid(own, name) for name in ("engine", "frontend-0", "frontend-1")]
    own.process.kill()
    await until(lambda: not any(map(alive, processes)))


def refused(*arguments: str) -> str:
    """What a server that does not start says."""
    result = subprocess.run(
        [
            *(sys.executable, "-m", "wavelane_server", "serve", "--frontends", "1", "--server-log-format", "json"),
            *("--port", "0", "--grpc-port", "0", *arguments),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    return last


def test_what_cannot_start_says_why(running: Server) -> None:
    said = refused("--port", str(port_of(running.http)))
    assert "cannot be bound: Address already in use; choose another one with --port" in said
    assert "choose another one with --grpc-port" in refused("--grpc-port", str(port_of(running.grpc)))
    assert "there is no model 'wavelane-en-smal'" in refused("--model", "wavelane-en-smal")


def test_ready_says_how_many(running: Server) -> None:
    assert (running.log[0]["frontends"], running.log[0]["model"], running.log[0]["lanes"]) == (2, MODEL, 32)
