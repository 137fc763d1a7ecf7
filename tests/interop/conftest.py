"""One real server for all protocols, guarded by a key; the vendors' own clients run against it in subprocesses."""

import json
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from support.server import Server, start_server
from wavelane.audio.decoder import decode_bytes
from wavelane.audio.limits import DecoderLimits
from wavelane.audio.resample import Resampler
from wavelane_client import Final, connect_sync

CLIENTS = Path(__file__).parent / "clients"
NODE = Path(__file__).parent / "node"
SPEECH = Path(__file__).parents[1] / "data" / "speech"
CLIENT_SECONDS = 60
KEY = "k3y-of-a-friend"


@pytest.fixture(scope="session")
def interop_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server in a process of its own, with default settings and the one API key of :func:`key`."""
    keys = tmp_path_factory.mktemp("interop") / "keys"
    keys.write_text(f"{KEY}\n")
    server = start_server(["--auth-keys-file", str(keys), "--engine-threads", "1"])
    yield server
    server.stop()


@pytest.fixture(scope="session")
def key() -> str:
    """The API key that the server knows."""
    return KEY


@pytest.fixture(scope="session")
def speech_path() -> Callable[[str], Path]:
    """Path of a recording of tests/data/speech by its name."""
    return lambda name: SPEECH / name


@pytest.fixture(scope="session")
def native_words(interop_server: Server) -> Callable[..., list[str]]:
    """The words that the native protocol hears in a recording; options as of a session. Asked once for each.

    The recording is a name in tests/data/speech, or a path.
    """

    @cache
    def heard(name: str | Path, options: str) -> tuple[str, ...]:
        values = {"encoding": "container", **json.loads(options)}
        with connect_sync(interop_server.ws, api_key=KEY, **values) as stream:
            stream.send((SPEECH / name).read_bytes())
            stream.end()
            finals = [event for event in stream if isinstance(event, Final)]
        return tuple(word for final in finals for word in final.text.split())

    def words(name: str | Path, **options: Any) -> list[str]:
        found = heard(name, json.dumps(options, sort_keys=True))
        assert found, f"the native protocol hears nothing in {name}"
        return list(found)

    return words


@pytest.fixture(scope="session")
def linear16(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Recordings of tests/data/speech as raw 16-bit samples at 16 kHz, interleaved where there are several."""
    folder = tmp_path_factory.mktemp("linear16")

    def samples(name: str) -> NDArray[np.float32]:
        rate, block = decode_bytes((SPEECH / name).read_bytes(), DecoderLimits())
        resampler = Resampler(rate)
        return np.concatenate([resampler.push(block[0]), resampler.flush()])

    def write(*names: str) -> Path:
        path = folder / "-".join(names)
        if not path.exists():
            channels = [samples(name) for name in names]
            length = max(map(len, channels))
            padded = np.stack([np.pad(channel, (0, length - len(channel))) for channel in channels], axis=1)
            path.write_bytes((np.clip(padded, -1, 1) * 32767).astype("<i2").tobytes())
        return path

    return write


@pytest.fixture(scope="session")
def wav(linear16: Callable[..., Path]) -> Callable[..., Path]:
    """Recordings of tests/data/speech as WAV files of 16-bit samples at 16 kHz, one channel for each name."""

    def write(*names: str) -> Path:
        samples = linear16(*names)
        path = samples.with_name(f"{samples.name}.wav")
        if not path.exists():
            with wave.open(str(path), "wb") as file:
                file.setparams((len(names), 2, 16_000, 0, "NONE", ""))
                file.writeframes(samples.read_bytes())
        return path

    return write


@pytest.fixture(scope="session")
def frameworks_python() -> str:
    """The interpreter that has the voice frameworks: `make test-frameworks` makes it."""
    path = Path(__file__).parents[2] / ".venv-frameworks" / "bin" / "python"
    assert path.exists(), f"{path} is not there: run make test-frameworks"
    return str(path)


@pytest.fixture(scope="session")
def run_client() -> Callable[..., list[dict[str, Any]]]:
    """Runs a script of tests/interop/clients with arguments; the JSON lines that it prints.

    Those for node are in tests/interop/node. ``python`` is the interpreter, this one unless another environment has
    the client.
    """

    def run(script: str, *arguments: object, python: str = sys.executable) -> list[dict[str, Any]]:
        program = ["node", str(NODE / script)] if script.endswith(".mjs") else [python, str(CLIENTS / script)]
        done = subprocess.run(
            [*program, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=CLIENT_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{script} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run
