"""Who may use a server from a browser: those with its API key, and pages of origins that it allows."""

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from support.page import COMMANDS, OpenPage, decode, write_wav
from support.server import Server, start_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = "k-0123456789"
WEB = Path(__file__).parents[2] / "server" / "wavelane_server" / "web"


class _Elsewhere(SimpleHTTPRequestHandler):
    """A site with an empty page and the client's modules."""

    def do_GET(self) -> None:
        if self.path.startswith("/client/"):
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><link rel=icon href=data:,>")
        return None

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[int]:
    """Port of a site that has nothing to do with the server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Elsewhere, directory=str(WEB))) as site:
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        yield site.server_port
        site.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def friend(elsewhere: int) -> str:
    """The site's origin that the server allows."""
    return f"http://localhost:{elsewhere}"


@pytest.fixture(scope="module")
def locked(friend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that wants a key, and lets pages of another origin in."""
    keys = tmp_path_factory.mktemp("keys") / "keys.txt"
    keys.write_text(f"{KEY}\n")
    server = start_server(["--auth-keys-file", str(keys), "--server-allowed-origins", f'["{friend}"]'])
    yield server
    assert server.stop() == 0


async def test_the_page_asks_for_a_key_and_keeps_it_for_the_tab(page: OpenPage, locked: Server) -> None:
    view = await page(locked.http, network_faults=True)
    field = view.get_by_label("API key")
    await expect(field).to_be_visible()
    files = view.locator("#file")
    await files.set_input_files(COMMANDS)
    notice = view.get_by_role("alert")
    await expect(notice).to_contain_text("This server asks for an API key: enter it in the settings.")
    await field.fill("another")
    await files.set_input_files(COMMANDS)
    await expect(notice).to_contain_text("This server does not know the API key that was sent.")
    await field.fill(KEY)
    await field.blur()
    await expect(view.locator("#model")).not_to_be_empty()
    await view.reload()
    await expect(view.locator("#model")).not_to_be_empty()
    await files.set_input_files(COMMANDS)
    await expect(view.locator("#finals .text").first).to_have_text(re.compile(r"\w"))
    await expect(notice).to_be_hidden()


async def test_a_page_of_another_origin_hears_the_microphone(
    page: OpenPage, locked: Server, friend: str, tmp_path: Path
) -> None:
    view = await page(friend, microphone=write_wav(tmp_path / "mic.wav", 0.3, decode(COMMANDS), 20.0))
    text = await view.evaluate(
        """async ([server, apiKey]) => {
          const { Microphone, connect } = await import(`${server}/client/index.js`);
          const microphone = await Microphone.open();
          const stream = await connect(server, {sample_rate: microphone.sampleRate}, {apiKey});
          const words = [];
          stream.on("final", ({alternatives}) => words.push(alternatives[0].text));
          await microphone.start(({samples}) => void stream.send(samples));
          while (!words.some(Boolean)) await new Promise((resolve) => setTimeout(resolve, 50));
          await microphone.close();
          stream.end();
          await stream.done;
          return words.join(" ");
        }""",
        [locked.http, KEY],
    )
    assert re.match(r"\w", text)


async def test_other_pages_are_told_why_they_get_nothing(
    page: OpenPage, locked: Server, friend: str, elsewhere: int
) -> None:
    fails = """async ([server, apiKey]) => {
      const { connect } = await import("/client/index.js");
      return connect(server, {}, {apiKey}).then(() => "", ({code, message}) => `${code}: ${message}`);
    }"""
    stranger = f"http://127.0.0.1:{elsewhere}"
    view = await page(stranger, network_faults=True)
    told = await view.evaluate(fails, [locked.http, KEY])
    assert told.startswith(f"unavailable: The server answers, but does not let pages from {stranger} in")
    await view.goto(friend)
    told = await view.evaluate(fails, [locked.http, "another"])
    assert told == "unauthenticated: This server does not know the API key that was sent."
