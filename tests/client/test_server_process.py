"""A server of one's own ends with whoever started it, in whatever way that ends."""

import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from support.waiting import wait_until

OWNER = """
import asyncio
from wavelane_client.server_process import ServerProcess

async def main():
    async with ServerProcess(arguments=("--log-level", "warning")) as server:
        print(server.http_url, server.pid, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


def gone(pid: int) -> bool:
    """It is no process any more, or one that its new parent has yet to reap."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_it_ends_with_its_owner(name: str) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        url, pid = owner.stdout.readline().split()
        assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
        owner.send_signal(getattr(signal, name))
        owner.wait(10)
    wait_until(lambda: gone(int(pid)))
