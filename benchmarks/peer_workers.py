"""Wavelane's side of the peers: their processes, their exports, and the configurations in which they are measured."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.measure import Point

SCRIPTS = Path(__file__).parent / "peers"
LONGEST_BATCH = 32
"""Most rows of a step of a peer in real time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A way to run a peer."""

    peer: Literal["sherpa", "nemo"]
    precision: str
    processes: int
    threads: int
    """Of each process."""
    batch: int
    """Rows of a step of each process."""


def setups(cores: int, quick: bool) -> tuple[Setup, ...]:
    """Configurations that are measured: for each peer its best ones, with one process and with one for each core."""
    many = {"processes": cores, "threads": 1}
    one = {"processes": 1, "threads": cores}
    best = (
        Setup(peer="sherpa", precision="int8", batch=8, **many),
        Setup(peer="sherpa", precision="int8", batch=8, **one),
        Setup(peer="nemo", precision="bf16", batch=32, **one),
    )
    if quick:
        return best
    return (
        *best,
        Setup(peer="sherpa", precision="fp32", batch=8, **many),
        Setup(peer="sherpa", precision="fp32", batch=8, **one),
        Setup(peer="nemo", precision="bf16", batch=8, **one),
        Setup(peer="nemo", precision="fp32", batch=32, **one),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What all sides run: one model at one lookahead."""

    name: str
    """Of the model, in the report."""
    nemo: Path
    export: Path | None
    """Folder of the export for sherpa-onnx; None where there is none."""
    lookahead: int
    chunk_ms: float
    audio: Path
    """``.npy`` [streams, samples]."""


class Worker:
    """A peer in a process of its own.

    Args:
        peer: which.
        python: interpreter of the peers' environment.
        environment: of the process.
        log: what the peer prints goes there.

    Raises:
        WavelaneError: INTERNAL, the process does not answer.
    """

    def __init__(self, peer: str, python: Path, environment: Mapping[str, str], log: Path) -> None:
        with log.open("w") as output:
            self._process = subprocess.Popen(
                [str(python), str(SCRIPTS / "worker.py"), f"{peer}_peer"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                env=dict(environment),
            )
        self._log = log
        try:
            self.version = str(self.ask({"do": "version"}))
        except WavelaneError:
            self.close()
            raise

    def measure(
        self, setup: Setup, subject: Subject, seconds: float, warm_up: float, count: int | None = None
    ) -> Point:
        """A saturated point, or one of ``count`` streams in real time."""
        batch = setup.batch if count is None else LONGEST_BATCH
        fields: dict[str, Any] = self.ask(
            {
                "do": "saturated" if count is None else "paced",
                "nemo": str(subject.nemo),
                "export": str(subject.export),
                "lookahead": subject.lookahead,
                "chunk_ms": subject.chunk_ms,
                "precision": setup.precision,
                "processes": setup.processes,
                "threads": setup.threads,
                "batch": batch,
                "seconds": seconds,
                "warm_up": warm_up,
                "audio": str(subject.audio),
            }
            | ({} if count is None else {"count": count})
        )
        return Point(
            kind="saturated" if count is None else "paced",
            engine=self.version,
            model=subject.name,
            precision=setup.precision,
            lookahead=subject.lookahead,
            chunk_ms=subject.chunk_ms,
            batch=setup.batch if count is None else None,
            processes=setup.processes,
            threads=setup.threads,
            **fields,
        )

    def ask(self, request: Mapping[str, Any]) -> Any:
        """An answer. Raises INTERNAL with what the peer says went wrong."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise WavelaneError(
                ErrorCode.INTERNAL, f"a peer ended without an answer; what it printed is in {self._log}"
            )
        answer = json.loads(line)
        if "error" in answer:
            raise WavelaneError(ErrorCode.INTERNAL, f"a peer failed: {answer['error']} ({self._log})")
        return answer["ok"]

    def close(self) -> None:
        """End the process."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


@contextmanager
def workers(python: Path, environment: Mapping[str, str], logs: Path) -> Iterator[dict[str, Worker]]:
    """Both peers, ended in the end."""
    found: dict[str, Worker] = {}
    try:
        for peer in ("sherpa", "nemo"):
            found[peer] = Worker(peer, python, environment, logs / f"{peer}.log")
        yield found
    finally:
        for worker in found.values():
            worker.close()


def export(python: Path, nemo: Path, folder: Path, lookahead: int, environment: Mapping[str, str], log: Path) -> None:
    """Export a model for sherpa-onnx, if that was not done before.

    Raises:
        WavelaneError: INTERNAL, it failed.
    """
    if (folder / "export.json").exists():
        return
    with log.open("w") as output:
        code = subprocess.run(
            [str(python), str(SCRIPTS / "export.py"), str(nemo), str(folder), str(lookahead)],
            stdout=output,
            stderr=output,
            env=dict(environment),
            check=False,
        ).returncode
    if code:
        raise WavelaneError(ErrorCode.INTERNAL, f"the export of {nemo.name} failed; what it printed is in {log}")
