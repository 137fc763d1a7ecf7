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
ROOT = Path(__file__).parents[2]
WEB = ROOT / "server" / "wavelane_server" / "web"
EXAMPLE = ROOT / "clients" / "js" / "examples" / "stt_from_mic.html"


class _Elsewhere(SimpleHTTPRequestHandler):
    """A site with an example of the client, and its modules."""

    def translate_path(self, path: str) -> str:
        return str(EXAMPLE) if path.startswith(f"/{EXAMPLE.name}") else super().translate_path(path)

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


async def test_the_example_hears_the_microphone_from_another_origin(
    page: OpenPage, locked: Server, friend: str, tmp_path: Path
) -> None:
    microphone = write_wav(tmp_path / "mic.wav", 0.3, decode(COMMANDS), 20.0)
    view = await page(f"{friend}/{EXAMPLE.name}?server={locked.http}&key={KEY}", microphone=microphone)
    await view.get_by_role("button", name="Start").click()
    await expect(view.locator("#partial")).to_have_text(re.compile(r"\w"))
    # What is said last is written when it is stopped in the middle.
    await view.get_by_role("button", name="Stop").click()
    await expect(view.get_by_role("button", name="Start")).to_be_enabled()
    await expect(view.locator("#finals")).to_have_text(re.compile(r"\w"))
    await expect(view.locator("#partial")).to_be_empty()
    await expect(view.get_by_role("status")).to_be_empty()


async def test_the_example_says_why_it_hears_nothing(page: OpenPage, locked: Server, friend: str) -> None:
    view = await page(f"{friend}/{EXAMPLE.name}?server={locked.http}&key=another", network_faults=True)
    await view.get_by_role("button", name="Start").click()
    await expect(view.get_by_role("status")).to_have_text("This server does not know the API key that was sent.")
    await expect(view.get_by_role("button", name="Start")).to_be_enabled()


async def test_other_pages_are_told_why_they_get_nothing(page: OpenPage, locked: Server, elsewhere: int) -> None:
    fails = """async ([server, apiKey]) => {
      const { connect } = await import("/client/index.js");
      return connect(server, {}, {apiKey}).then(() => "", ({code, message}) => `${code}: ${message}`);
    }"""
    stranger = f"http://127.0.0.1:{elsewhere}"
    view = await page(f"{stranger}/icon.svg", network_faults=True)
    told = await view.evaluate(fails, [locked.http, KEY])
    assert told.startswith(f"unavailable: The server answers, but does not let pages from {stranger} in")
