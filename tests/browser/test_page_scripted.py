"""The page against scripted servers and missing microphones: what the real ones do only on a bad day."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, WebSocketRoute, expect

from support.page import COMMANDS, OpenPage, write_wav
from support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODEL = {"name": "m", "languages": ["en", "de", "auto"], "lookaheads": [6, 0], "default_lookahead": 6, "head": "ctc"}
CONFIG = {"encoding": "container", "sample_rate": 16000, "language": "en", "lookahead": 6, "vad": {"kind": "webrtc"}}
READY = {"type": "ready", "version": 1, "session": "s", "clock_rate": 16000, "config": CONFIG, "model": MODEL}


def final(text: str, *confidences: float) -> dict[str, Any]:
    """A final whose words last a second each."""
    words = [
        {"text": word, "start": index * 16000, "end": (index + 1) * 16000, "confidence": confidence}
        for index, (word, confidence) in enumerate(zip(text.split(), confidences, strict=True))
    ]
    return {
        "type": "final",
        "channel": 0,
        "utterance": 0,
        "alternatives": [{"text": text, "confidence": 0.9, "words": words}],
        "start": 0,
        "end": len(words) * 16000,
        "processed": len(words) * 16000,
        "lag_ms": 0,
        "reason": "end",
    }


async def scripted(view: Page, *, configured: list[dict[str, Any]], ended: list[dict[str, Any]]) -> list[str]:
    """Answer `configure` and `end` with these messages; gives the control messages that came."""
    controls: list[str] = []

    def connect(socket: WebSocketRoute) -> None:
        async def answer(message: str | bytes) -> None:
            if isinstance(message, bytes):
                return
            controls.append(message)
            kind = json.loads(message)["type"]
            for event in configured if kind == "configure" else ended if kind == "end" else []:
                socket.send(json.dumps(event))
            if kind == "end":
                await socket.close(code=1000)

        socket.on_message(answer)

    await view.route_web_socket(re.compile("/v1/stream$"), connect)
    return controls


async def send_file(view: Page, tmp_path: Path) -> None:
    await view.locator("#file").set_input_files(write_wav(tmp_path / "any.wav", 1.0))
    await expect(view.locator(".source")).to_have_text("any.wav")


async def test_text_is_never_markup(page: OpenPage, server: Server, tmp_path: Path) -> None:
    view = await page(server.http)
    evil = "<img/src=x/onerror=console.error(1)> &amp; <b>"
    closed = {"type": "closed", "received": 16000}
    await scripted(view, configured=[READY], ended=[final(evil, 0.9, 0.6, 0.2), closed])
    await send_file(view, tmp_path)
    await expect(view.locator("#finals .text")).to_have_text(evil)
    assert await view.locator("#finals img, #finals b").count() == 0


async def test_confidence_shows_without_colour_and_in_words(page: OpenPage, server: Server, tmp_path: Path) -> None:
    view = await page(server.http)
    closed = {"type": "closed", "received": 16000}
    await scripted(view, configured=[READY], ended=[final("sure maybe hardly", 0.95, 0.6, 0.2), closed])
    await send_file(view, tmp_path)
    words = view.locator("#finals .word")
    await expect(words).to_have_count(3)
    line = "(node) => ['Line', 'Style'].map((part) => getComputedStyle(node)['textDecoration' + part]).join(' ')"
    lines = [await word.evaluate(line) for word in await words.all()]
    assert lines == ["none solid", "underline dotted", "underline wavy"]
    await words.nth(2).click()
    await expect(view.locator("#detail")).to_have_text("“hardly” 20 % sure, 2.00–3.00 s")


async def test_a_refusal_is_shown_in_the_servers_words_and_not_repeated(
    page: OpenPage, server: Server, tmp_path: Path
) -> None:
    view = await page(server.http)
    refusal = {"type": "error", "code": "invalid_audio", "message": "the container is corrupt", "fatal": True}
    connections: list[WebSocketRoute] = []

    def connect(socket: WebSocketRoute) -> None:
        connections.append(socket)

        async def answer(message: str | bytes) -> None:
            if isinstance(message, str) and "configure" in message:
                socket.send(json.dumps(READY))
            elif isinstance(message, bytes):
                socket.send(json.dumps(refusal))
                await socket.close(code=4422)

        socket.on_message(answer)

    await view.route_web_socket(re.compile("/v1/stream$"), connect)
    await send_file(view, tmp_path)
    await expect(view.get_by_role("alert")).to_contain_text("The container is corrupt.")
    await expect(view.locator("#state")).to_have_text("Ready")
    assert len(connections) == 1
    await view.get_by_role("button", name="Dismiss").click()
    await expect(view.locator("#notice")).to_be_hidden()


async def test_languages_are_offered_when_there_are_several(page: OpenPage, server: Server, tmp_path: Path) -> None:
    view = await page("about:blank")
    listed = {"object": "list", "data": [{"id": "m", **MODEL}]}
    await view.route("**/v1/models", lambda route: route.fulfill(json=listed))
    controls = await scripted(view, configured=[READY], ended=[{"type": "closed", "received": 0}])
    await view.goto(server.http)
    language = view.get_by_label("Language")
    await expect(language.locator("option")).to_have_text(["English", "German", "Found by itself"])
    await language.select_option("de")
    await send_file(view, tmp_path)
    await expect(view.locator("#state")).to_have_text("Ready")
    configure = json.loads(controls[0])
    assert (configure["language"], configure["encoding"], "sample_rate" in configure) == ("de", "container", False)


@pytest.mark.parametrize(("languages", "offered"), [(["en"], True), (["en", "de"], False)])
async def test_text_is_written_where_there_are_rules(
    page: OpenPage, server: Server, tmp_path: Path, languages: list[str], offered: bool
) -> None:
    view = await page(server.http)
    ready = READY | {"model": MODEL | {"languages": languages}}
    controls = await scripted(view, configured=[ready], ended=[{"type": "closed", "received": 0}])
    await send_file(view, tmp_path)
    await expect(view.locator("#written")).to_be_visible(visible=offered)
    assert "text" not in json.loads(controls[0])
    if offered:
        await view.locator("#written").check()
        before = len(controls)
        await view.locator("#file").set_input_files(write_wav(tmp_path / "other.wav", 1.0))
        await expect(view.locator(".source")).to_have_count(2)
        text = {"itn": True, "punctuation": True, "capitals": True, "verbatim": False}
        configured = [json.loads(control) for control in controls[before:]]
        assert configured[0]["text"] == text


async def test_a_full_server_is_told_and_tried_again(page: OpenPage, server: Server, tmp_path: Path) -> None:
    view = await page(server.http, network_faults=True)
    attempts: list[int] = []
    full = {"type": "error", "code": "overloaded", "message": "all 8 lanes are in use", "fatal": True}
    closed = {"type": "closed", "received": 0}

    def connect(socket: WebSocketRoute) -> None:
        attempts.append(1)

        async def answer(message: str | bytes) -> None:
            if isinstance(message, bytes):
                return
            if len(attempts) == 1:
                socket.send(json.dumps(full))
                await socket.close(code=1013)
            elif '"configure"' in message:
                socket.send(json.dumps(READY))
            elif '"end"' in message:
                socket.send(json.dumps(final("at last", 0.9, 0.9)))
                socket.send(json.dumps(closed))
                await socket.close(code=1000)

        socket.on_message(answer)

    await view.route_web_socket(re.compile("/v1/stream$"), connect)
    await send_file(view, tmp_path)
    await expect(view.locator("#waiting")).to_contain_text("All 8 lanes are in use.")
    await expect(view.locator("#finals .text")).to_have_text("at last")
    assert len(attempts) == 2


async def test_a_refused_microphone_is_explained(page: OpenPage, server: Server) -> None:
    view = await page(server.http, allow=False)
    await view.get_by_role("button", name="Start microphone").click()
    await expect(view.get_by_role("alert")).to_contain_text("The microphone is blocked for this page.")
    await expect(view.get_by_role("button", name="Start microphone")).to_be_enabled()


async def test_an_insecure_page_says_where_the_microphone_works(page: OpenPage, server: Server) -> None:
    view = await page(server.http.replace("127.0.0.1", "wavelane.test"))
    await view.get_by_role("button", name="Start microphone").click()
    await expect(view.get_by_role("alert")).to_contain_text("Open it over HTTPS")
    await view.locator("#file").set_input_files(COMMANDS)
    await expect(view.locator("#finals .text")).not_to_have_count(0)
    await view.get_by_role("button", name="Copy").click()
    await expect(view.get_by_role("button", name="Copied")).to_be_visible()
