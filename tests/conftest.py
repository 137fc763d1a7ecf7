from collections.abc import Iterator

import pytest

from support.server import Server, start_server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One server with the embedded model for all tests that leave it as they found it."""
    running = start_server()
    yield running
    assert running.stop() == 0
