"""What the edge costs: WebSocket, protocol, speech detection, framing, without the model.

    python benchmarks/edge.py --sessions 1000 [--seconds 20] [--json OUT]

A front end process as ``wavelane serve --frontends`` starts it has a core of its own. It reaches an engine that answers
at once; that, and the clients, run on the other cores. Audio is real speech with pauses, in real time.
"""

import asyncio
import json
import multiprocessing
import os
import shutil
import socket
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import numpy as np
from edgeload import Counts, Plan, cut, generate, joined
from edgestub import StubEngine

from wavelane.audio.decoder import decode_bytes
from wavelane.audio.resample import Resampler
from wavelane.measure import percentile
from wavelane.spec import FeatureSpec, ModelSpec
from wavelane_client.load.machine import describe_machine
from wavelane_server.frontends.control import Channel, Word, pack_config
from wavelane_server.frontends.host import EngineHost
from wavelane_server.loading import load_config
from wavelane_server.transport.listen import reserve

SPEECH = Path(__file__).parents[1] / "tests" / "data" / "speech"
_AUDIO = ("wavelane_audio_received_seconds_total", "")

SILENCE_S = 1.0
"""Silence after each recording: long enough to end an utterance."""

SPEC = ModelSpec(
    name="stub",
    features=FeatureSpec(n_mels=80),
    lookaheads=(13, 6, 1, 0),
    default_lookahead=6,
    left_context=70,
    vocabulary=tuple("\u2581" + "word"[: 1 + number % 4] + "s" * (number % 3) for number in range(256)),
    heads=("ctc",),
)


def recordings() -> list[bytes]:
    """Real speech, linear16 at 16 kHz, with pauses; each begins with another one."""
    parts = []
    for file in sorted(SPEECH.glob("libri_*.opus")):
        rate, block = decode_bytes(file.read_bytes())
        resampler = Resampler(rate)
        samples = np.concatenate([resampler.push(block[0]), resampler.flush()])
        parts.append((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return [joined(parts[first:] + parts[:first], SILENCE_S) for first in range(len(parts))]


class FrontEnd:
    """A front end process over a stub of the engine, which lives on this event loop.

    Args:
        core: that it has to itself.
        lanes: of the engine.
        settings: of the server, by dotted name.
    """

    def __init__(self, core: int, lanes: int, settings: dict[str, object]) -> None:
        self._core = core
        self._lanes = lanes
        self._port = reserve("127.0.0.1", 0, "port")
        self.port: int = self._port.getsockname()[1]
        flags = {"server.port": self.port, "server.grpc": False, "server.log_level": "warning", **settings}
        self._config = load_config(flags={**flags, "limits.max_connections": lanes + 64})
        self._folder = Path(tempfile.mkdtemp(prefix="wavelane-edge-"))
        self._host = EngineHost()
        self.stub = StubEngine(SPEC, lanes, self._host.sink)
        self.pid = 0

    async def __aenter__(self) -> "FrontEnd":
        path = self._folder / "engine"
        await self._host.start(self.stub, path)  # type: ignore[arg-type]  # it has all that a host asks for
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "wavelane_server.frontends", str(theirs.fileno())), pass_fds=(theirs.fileno(),)
            )
        self.pid = self._process.pid
        os.sched_setaffinity(self.pid, {self._core})
        self._channel = await Channel.of(ours)
        self._channel.say(Word.BEGIN, role="frontend", config=pack_config(self._config), socket=str(path))
        self._channel.say(Word.ENGINE)
        lines = self._channel.hear()
        async for line in lines:
            if line.word is Word.FAILED:
                raise RuntimeError(line.values["message"])
            if line.word is Word.READY:
                break
        self._listener = asyncio.create_task(self._listen())
        return self

    async def _listen(self) -> None:
        async for line in self._channel.hear():
            if line.word is Word.METRICS:
                self._answer.set_result(line.values["families"])

    async def metrics(self) -> dict[tuple[str, str], float]:
        """Values by name of the sample and upper bound of its bucket (or nothing)."""
        self._answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._channel.say(Word.REPORT, id=0)
        return {
            (name, labels.get("le", "")): value
            for family in await self._answer
            for name, labels, value in family["samples"]
        }

    def cpu_s(self) -> float:
        """Time on a core so far (s)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def __aexit__(self, *_: object) -> None:
        self._listener.cancel()
        self._channel.close()
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._host.stop()
        self._port.close()
        shutil.rmtree(self._folder)


async def measure(core: int, plan_of: dict[str, Any], settings: dict[str, object]) -> dict[str, Any]:
    """One load on one front end; figures by name."""
    loop = asyncio.get_running_loop()
    audio = [cut(recording, plan_of["packet_ms"]) for recording in recordings()]
    async with FrontEnd(core, plan_of["sessions"] + 16, settings) as front:
        plan = Plan(port=front.port, **plan_of)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            load = loop.run_in_executor(pool, generate, plan, audio)
            await asyncio.sleep(plan.ramp_s + plan.warm_s + 1.0)
            before, cpu_before, chunks = await front.metrics(), front.cpu_s(), front.stub.chunks
            at = loop.time()
            await asyncio.sleep(plan.seconds - 2.0)
            seconds = loop.time() - at
            cpu = front.cpu_s() - cpu_before
            after, chunks = await front.metrics(), front.stub.chunks - chunks
            counts: Counts = await load
    audio_s = after[_AUDIO] - before[_AUDIO]
    # What the front end took, which is less than what was sent where it, or this machine, does not keep up.
    packets = audio_s * 1000 / plan.packet_ms
    delays = {
        float(bound): value - before[(name, bound)]
        for (name, bound), value in after.items()
        if name == "wavelane_event_loop_delay_seconds_bucket"
    }
    return {
        "sessions": plan.sessions,
        "packet_ms": plan.packet_ms,
        "packets_sent_per_s": round(counts.packets / plan.seconds),
        "packets_taken_per_s": round(packets / seconds),
        "messages_out_per_s": round(counts.messages / plan.seconds),
        "chunks_per_s": round(chunks / seconds),
        "cpu_share": round(cpu / seconds, 3),
        "us_per_packet": round(1e6 * cpu / max(1.0, packets), 1),
        "loop_delay_p50_ms": _quantile(delays, 0.5),
        "loop_delay_p99_ms": _quantile(delays, 0.99),
        "answer_p50_ms": round(1000 * (percentile(counts.delays, 0.5) or 0), 1),
        "answer_p99_ms": round(1000 * (percentile(counts.delays, 0.99) or 0), 1),
        "generator_late": round(counts.late / max(1, counts.packets), 4),
        "lost": counts.lost,
    }


def _quantile(buckets: dict[float, float], q: float) -> float | None:
    """Upper bound (ms) of the bucket that holds a quantile."""
    total = buckets.get(float("inf"), 0)
    for bound, count in sorted(buckets.items()):
        if total and count >= q * total:
            return 1000 * bound
    return None


@click.command()
@click.option("--sessions", default="1000", show_default=True, help="Sessions at once; several loads with commas.")
@click.option("--packet-ms", default=100, show_default=True, help="Length of a packet.")
@click.option("--seconds", default=12.0, show_default=True, type=click.FloatRange(4), help="Time measured.")
@click.option("--vad", default="webrtc", type=click.Choice(["webrtc", "off"]), show_default=True)
@click.option("--lookahead", default=6, show_default=True)
@click.option("--words/--no-words", default=True, show_default=True, help="Words with times in the events.")
@click.option("--core", default=0, show_default=True, help="The front end's core; everything else takes the others.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures there.")
def main(
    sessions: str,
    packet_ms: int,
    seconds: float,
    vad: str,
    lookahead: int,
    words: bool,
    core: int,
    json_path: Path | None,
) -> None:
    """Measure one front end at each load."""
    others = os.sched_getaffinity(0) - {core}
    os.sched_setaffinity(0, others or {core})
    figures = []
    for count in map(int, sessions.split(",")):
        plan = {
            "sessions": count,
            "packet_ms": packet_ms,
            "ramp_s": max(2.0, count / 200),
            "warm_s": 3.0,
            "seconds": seconds,
            "options": {"vad": {"kind": vad}, "lookahead": lookahead, "words": words},
        }
        figures.append(asyncio.run(measure(core, plan, {})))
        click.echo(json.dumps(figures[-1]))
    if json_path is not None:
        json_path.write_text(json.dumps({"machine": describe_machine(), "edge": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
