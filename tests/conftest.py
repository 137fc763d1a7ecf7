import os
import signal
from collections.abc import Iterator

import pytest

# Tests step small batches beside servers of their own: a second thread would mostly wait for the first.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What runs in the background of a shell ignores it, and so would the programs that are to be interrupted here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

from support.server import Server, start_server

PORTS = ["--vosk-port", "0", "--sherpa-port", "0", "--wyoming-port", "0"]


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One server with the embedded model for all tests that leave it as they found it."""
    running = start_server(PORTS)
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session", params=[0, 1, 2], ids="{} front ends".format)
def any_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of one process, and servers with front ends in processes of their own: nobody can tell them apart."""
    if not request.param:
        yield request.getfixturevalue("server")
        return
    running = start_server([*PORTS, "--frontends", str(request.param)])
    yield running
    assert running.stop() == 0
