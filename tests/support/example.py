"""An example with a page, run as its users run it: one command in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from wavelane_client.server_process import free_port


@contextmanager
def running_example(name: str, *arguments: str) -> Iterator[str]:
    """The address of the page of ``python -m examples.NAME``; afterwards it is ended as by a service manager."""
    port = free_port("127.0.0.1")
    process = subprocess.Popen(
        [sys.executable, "-m", f"examples.{name}", "--port", str(port), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        url = f"http://127.0.0.1:{port}/"
        assert url in said, said + process.stdout.read()
        yield url
        process.terminate()
        assert process.wait(20) == 0
        assert process.stdout.read() == ""
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
