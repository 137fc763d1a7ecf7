"""The page of the car in a browser: three commands are spoken, the second while there is no network."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import WebSocket, expect

from support.example import running_example
from support.page import OpenPage, decode, write_wav

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser]
RECORDINGS = Path(__file__).parents[1] / "data" / "examples"
# What stood on the page for a moment.
NOTE = """() => {
  window.seen = [];
  new MutationObserver(() => {
    const heard = document.querySelector("#heard");
    seen.push([heard.className ? "partial" : "final", heard.textContent]);
    for (const place of document.querySelectorAll("#map .named")) seen.push(["named", place.textContent]);
  }).observe(document.body, {subtree: true, childList: true, attributes: true});
}"""


@pytest.fixture(scope="module")
def car() -> Iterator[str]:
    with running_example("navigation", "--names", "45") as url:
        yield url


def grammars(received: list[str | bytes]) -> list[str]:
    """What might be said, as the server confirmed it."""
    messages = [json.loads(frame) for frame in received]
    return [message["config"]["grammar"] for message in messages if message["type"] in ("ready", "configured")]


async def test_the_map_follows_what_is_spoken_and_no_command_is_lost_in_a_tunnel(
    page: OpenPage, car: str, tmp_path: Path
) -> None:
    spoken = [decode(RECORDINGS / f"nav_{number}.opus") for number in ("09", "12", "22")]
    microphone = write_wav(tmp_path / "mic.wav", 0.5, spoken[0], 1.6, spoken[1], 1.6, spoken[2], 60.0)
    view = await page(car, microphone=microphone, network_faults=True)
    sockets: list[WebSocket] = []
    received: list[str | bytes] = []

    def watch(socket: WebSocket) -> None:
        sockets.append(socket)
        socket.on("framereceived", lambda frame: received.append(frame))

    view.on("websocket", watch)
    log, status = view.locator("#log li"), view.locator("#status")
    await view.evaluate(NOTE)
    await view.get_by_role("button", name="Start microphone").click()
    await expect(log).to_have_count(1)
    seen = await view.evaluate("window.seen")
    assert any(text.startswith("navigate to") for kind, text in seen if kind == "partial"), seen
    assert ["named", "Golden Anchor"] in seen[: seen.index(["final", "navigate to the golden anchor"])], seen
    await expect(view.locator("#map .goal")).to_have_text("Golden Anchor")
    await expect(view.locator("#answer")).to_have_text("To Golden Anchor: 1.4 km, 2 min.")
    assert len(str(await view.locator("#route").get_attribute("points")).split()) > 5

    await view.get_by_role("button", name="Cut the network").click()
    await expect(status).to_have_text(re.compile("^No network"))
    heard = await log.count()
    await asyncio.sleep(0.3)
    assert await log.count() == heard, "nothing is heard in the tunnel"
    await expect(status).to_have_text("Listening")
    await expect(log).to_have_count(3)
    said = await log.evaluate_all("(entries) => entries.map((entry) => entry.dataset.intent)")
    assert said == ["climate", "add_stop", "navigate"]
    await expect(view.locator("#goals")).to_have_text(re.compile("^Riverside Charging → Golden Anchor, 2.8 km"))
    await expect(view.locator("#climate")).to_have_text("21 °C")

    # Elsewhere, other names may be said.
    assert "lakeside cinema" not in grammars(received)[-1]
    async with sockets[-1].expect_event("framereceived", lambda frame: '"configured"' in frame):
        await view.locator("#map").click(position={"x": 100, "y": 200})
    assert "lakeside cinema" in grammars(received)[-1]
    await expect(view.locator("#vocabulary")).to_contain_text("45 names around, from")
    await view.get_by_role("button", name="Stop microphone").click()
    await expect(status).to_have_text("Ready")
