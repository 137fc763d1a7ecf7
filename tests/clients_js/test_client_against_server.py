"""The client in TypeScript against a real server."""

from pathlib import Path

from support.node import run_node_tests
from support.page import COMMANDS, decode
from support.server import Server


def test_the_client_hears_what_the_server_says(server: Server, tmp_path: Path) -> None:
    pcm = tmp_path / "commands.pcm"
    pcm.write_bytes(decode(COMMANDS).tobytes())
    live = sorted((Path(__file__).parent / "live").glob("*.test.mjs"))
    assert live
    run_node_tests(live, {"TEST_SERVER": server.ws, "TEST_SPEECH": str(pcm)})
