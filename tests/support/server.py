"""A real `wavelane serve` in a process of its own, on free ports."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Server:
    """A running server."""

    process: subprocess.Popen[str]
    http: str
    """http://host:port"""
    grpc: str
    """host:port"""
    log: list[dict[str, object]] = field(default_factory=list)
    """What it logged, one object a line; grows while it runs."""
    before: list[dict[str, object]] = field(default_factory=list)
    """What it logged before it was ready."""
    follower: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.follower = threading.Thread(target=_follow, args=(self,), daemon=True)
        self.follower.start()

    @property
    def ws(self) -> str:
        """ws://host:port"""
        return self.http.replace("http", "ws", 1)

    def port(self, protocol: str) -> int:
        """Of a protocol that has one of its own."""
        return int(str(self.log[0][protocol]).rsplit(":", 1)[1])

    def stop(self, timeout: float = 20.0) -> int:
        """SIGTERM; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.follower.join()
        return status


def start_server(arguments: Sequence[str] = (), environment: dict[str, str] | None = None) -> Server:
    """Start a server and wait until it is ready."""
    process = subprocess.Popen(
        [
            sys.executable,
            *("-m", "wavelane_server", "serve", "--port", "0", "--grpc-port", "0"),
            *("--server-log-format", "json", *arguments),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        record = _record(line)
        if record.get("event") == "ready":
            before = [_record(line) for line in said[:-1]]
            return Server(process, str(record["http"]), str(record["grpc"]), log=[record], before=before)
    raise RuntimeError(f"the server ended with {process.wait()}:\n{''.join(said)}")


def _follow(server: Server) -> None:
    assert server.process.stdout is not None
    with server.process.stdout as lines:
        for line in lines:
            server.log.append(_record(line))


def _record(line: str) -> dict[str, object]:
    try:
        record = json.loads(line)
    except ValueError:
        return {"event": line.rstrip()}
    return record if isinstance(record, dict) else {"event": line.rstrip()}
