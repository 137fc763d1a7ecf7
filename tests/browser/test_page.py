"""The page against the real server: words from the microphone and from files, through kills and changes."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.async_api import Page, WebSocket, expect

from support.page import COMMANDS, Mortal, OpenPage, decode, transcribe, write_wav
from support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def start_microphone(page: Page) -> None:
    await page.get_by_role("button", name="Start microphone").click()
    await expect(page.locator("#state")).to_have_text(re.compile("Listening|Hearing speech"))


async def texts(page: Page) -> list[str]:
    """The finals on the page, without what stands beside them."""
    return await page.locator("#finals .text").all_text_contents()


async def download(page: Page, button: str) -> str:
    async with page.expect_download() as started:
        await page.get_by_role("button", name=button).click()
    path = await (await started.value).path()
    return await asyncio.to_thread(path.read_text)


async def words(page: Page) -> list[str]:
    return " ".join(await texts(page)).split()


async def watch_text(page: Page) -> None:
    """Note in the page which texts stood there as partials and as finals, and in what order."""
    await page.evaluate(
        """() => {
          window.seen = [];
          const note = () => {
            for (const kind of ["partials", "finals"])
              for (const node of document.querySelectorAll(`#${kind} .text`))
                if (!window.seen.some((one) => one[0] === kind && one[1] === node.textContent))
                  window.seen.push([kind, node.textContent]);
          };
          const all = {subtree: true, childList: true, characterData: true};
          new MutationObserver(note).observe(document.querySelector("#scroll"), all);
        }"""
    )


def similar(got: list[str], expected: list[str]) -> float:
    """1 minus the word error rate."""
    distance = np.arange(len(expected) + 1)
    for index, word in enumerate(got, 1):
        row = [index]
        for column, other in enumerate(expected, 1):
            row.append(min(row[-1] + 1, distance[column] + 1, distance[column - 1] + (word != other)))
        distance = np.array(row)
    return 1 - int(distance[-1]) / len(expected)


async def test_spoken_words_appear_as_partials_and_then_as_finals(
    page: OpenPage, server: Server, tmp_path: Path
) -> None:
    expected = transcribe(server.http, COMMANDS)
    assert len(expected) >= 3
    view = await page(server.http, microphone=write_wav(tmp_path / "mic.wav", 1.0, decode(COMMANDS), 30.0))
    await watch_text(view)
    await start_microphone(view)
    await expect(view.locator("#partials .text")).not_to_have_count(0)
    await expect(view.locator("#finals .text")).not_to_have_count(0)
    await expect(view.locator("#latency")).to_have_text(re.compile(r"^\d+ ms$"))
    await expect(view.locator("#final-delay")).to_have_text(re.compile(r"^\d+ ms$"))
    await expect(view.locator("#lag")).to_have_text(re.compile(r"^\d+ ms$"))
    await expect(view.locator("#rate")).to_have_text(re.compile(r"^(44\.1|48) kHz$"))
    await expect(view.locator("#processed")).to_have_text(re.compile("^0:0[6-9]"))
    assert int((await view.locator("#latency").inner_text()).split()[0]) < 5_000
    # The pause that ends an utterance is part of the delay of its final.
    assert 500 < int((await view.locator("#final-delay").inner_text()).split()[0]) < 6_000

    await view.get_by_role("button", name="Stop").click()
    await expect(view.locator("#state")).to_have_text("Ready")
    await expect(view.locator("#partials .text")).to_have_count(0)
    assert similar(await words(view), expected) >= 0.5
    seen = await view.evaluate("window.seen")
    first = next(text for kind, text in seen if kind == "finals")
    before = [text for kind, text in seen[: seen.index(["finals", first])] if kind == "partials"]
    assert any(first.startswith(text) for text in before)
    title = await view.locator("#finals .word").first.get_attribute("title")
    assert title is not None
    assert re.fullmatch(r"\d+ % sure, \d+\.\d\d–\d+\.\d\d s", title)


async def test_what_is_said_last_is_written_when_stopped_in_the_middle(
    page: OpenPage, server: Server, tmp_path: Path
) -> None:
    view = await page(server.http, microphone=write_wav(tmp_path / "mic.wav", 0.5, decode(COMMANDS), 30.0))
    await start_microphone(view)
    await expect(view.locator("#partials .text")).to_have_text(re.compile(r"\w"))
    read = " ".join(await view.locator("#scroll .text").all_inner_texts()).split()
    await view.get_by_role("button", name="Stop").click()
    await expect(view.locator("#state")).to_have_text("Ready")
    assert set(read) & set(await words(view))
    assert await view.locator(".unconfirmed").count() == 0


async def test_files_are_chosen_and_dropped_and_leave_as_text_and_subtitles(page: OpenPage, server: Server) -> None:
    expected = transcribe(server.http, COMMANDS)
    view = await page(server.http)
    async with view.expect_file_chooser() as chooser:
        await view.get_by_role("button", name="Open audio file").click()
    await (await chooser.value).set_files(COMMANDS)
    await expect(view.locator(".source")).to_have_text("commands.flac")
    await expect(view.locator("#state")).to_have_text("Ready")
    await expect(view.locator("#finals .text").first).to_be_visible()
    assert await words(view) == expected

    await view.evaluate(
        """async (bytes) => {
          const files = new DataTransfer();
          files.items.add(new File([new Uint8Array(bytes)], "dropped <b>.flac"));
          files.items.add(new File([], "nothing.wav"));
          dispatchEvent(new DragEvent("drop", {dataTransfer: files, cancelable: true, bubbles: true}));
        }""",
        list(COMMANDS.read_bytes()),
    )
    await expect(view.locator("#notice")).to_contain_text("“nothing.wav” is empty")
    assert await words(view) == expected * 2
    assert await view.locator(".source").all_text_contents() == ["commands.flac", "dropped <b>.flac"]
    await expect(view.locator("#speed")).to_have_text(re.compile(r"^\d+\.\d×$"))

    assert (await download(view, "Download as text")).split() == expected * 2
    lines = (await download(view, "Download as SRT")).splitlines()
    assert lines[0] == "1"
    assert re.fullmatch(r"00:00:0\d,\d{3} --> 00:00:0\d,\d{3}", lines[1])
    await view.get_by_role("button", name="Clear").click()
    await expect(view.locator("#finals *")).to_have_count(0)
    await expect(view.get_by_text("Speak, and read along.")).to_be_visible()


async def test_a_file_that_is_played_is_transcribed_at_its_own_pace(page: OpenPage, server: Server) -> None:
    expected = transcribe(server.http, COMMANDS)
    view = await page(server.http)
    await view.get_by_label("Play files while transcribing").check()
    clock = asyncio.get_running_loop().time
    began = clock()
    await view.locator("#file").set_input_files(COMMANDS)
    await expect(view.locator("#state")).to_have_text("Transcribing")
    await expect(view.locator("#latency")).to_have_text(re.compile(r"^\d+ ms$"))
    await expect(view.locator("#state")).to_have_text("Ready")
    assert clock() - began > 4.0, "the recording takes 5.1 s"
    assert await words(view) == expected


async def test_a_killed_server_costs_no_words(page: OpenPage, mortal: Mortal, tmp_path: Path) -> None:
    speech = decode(COMMANDS)
    expected = transcribe(mortal.http, COMMANDS)
    microphone = write_wav(tmp_path / "mic.wav", 0.5, speech, 0.5, speech, 60.0)
    view = await page(mortal.http, microphone=microphone, network_faults=True)
    await start_microphone(view)
    # Killed while an utterance is open: its audio has to be recognised again by the next server.
    partial = view.locator("#partials .text")
    await expect(partial).to_have_text(re.compile(r"\w"))
    mortal.kill()
    await expect(view.locator("#state")).to_have_text("Reconnecting")
    await expect(view.locator("#waiting")).to_contain_text("The connection was lost.")
    assert await partial.inner_text(), "what was read stays"
    # The recording is spoken a second time meanwhile.
    await expect(view.locator("#waiting")).to_contain_text(
        re.compile(r"Your speech is kept and will be sent: (9|1\d) of")
    )
    mortal.start()
    await expect(view.locator("#state")).to_have_text(re.compile("Listening|Hearing speech"), timeout=30_000)
    await expect(view.locator("#waiting")).to_be_hidden()
    await expect(view.locator("#processed")).to_have_text(re.compile(r"^0:(1[1-9]|[2-5]\d)$"))
    await view.get_by_role("button", name="Stop").click()
    await expect(view.locator("#state")).to_have_text("Ready")
    got = await words(view)
    twice = [word for word in expected if got.count(word) >= 2]
    assert len(twice) >= len(expected) / 2, got
    assert similar(got, expected * 2) >= 0.5
    assert await view.locator(".gap, .unconfirmed").count() == 0


async def test_a_lookahead_is_chosen_before_and_changed_during_a_session(
    page: OpenPage, server: Server, tmp_path: Path
) -> None:
    view = await page(server.http, microphone=write_wav(tmp_path / "mic.wav", 30.0))
    sent: list[Any] = []

    def watch(socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: isinstance(frame, str) and sent.append(json.loads(frame)))

    view.on("websocket", watch)
    await expect(view.get_by_role("radio", name="560 ms")).to_be_checked()
    await view.get_by_role("radio", name="160 ms").check()
    async with view.expect_websocket() as opened:
        await start_microphone(view)
    assert sent[0]["lookahead"] == 1
    assert sent[0]["vad"] == {"kind": "webrtc"}
    async with (await opened.value).expect_event("framereceived", lambda frame: "configured" in frame) as answer:
        await view.get_by_role("radio", name="1.12 s").check()
    assert sent[1:] == [{"type": "reconfigure", "lookahead": 13}]
    assert json.loads(await answer.value)["config"]["lookahead"] == 13
    await expect(view.locator("#notice")).to_be_hidden()


async def test_mute_finishes_the_sentence_and_sends_nothing(page: OpenPage, server: Server, tmp_path: Path) -> None:
    view = await page(server.http, microphone=write_wav(tmp_path / "mic.wav", 0.5, decode(COMMANDS), 20.0))
    frames: list[str | bytes] = []
    view.on("websocket", lambda socket: socket.on("framesent", lambda frame: frames.append(frame)))
    await start_microphone(view)
    await expect(view.locator("#partials .text")).not_to_have_count(0)
    mute = view.get_by_role("button", name="Mute")
    await mute.click()
    await expect(view.locator("#state")).to_have_text("Muted")
    await expect(mute).to_have_attribute("aria-pressed", "true")
    await expect(view.locator("#finals .text")).not_to_have_count(0)
    assert '{"type":"flush"}' in frames
    await asyncio.sleep(0.2)
    count = len(frames)
    await asyncio.sleep(0.5)
    assert len(frames) == count
    await mute.click()
    await expect(view.locator("#state")).to_have_text(re.compile("Listening|Hearing speech"))
    await asyncio.sleep(0.3)
    assert len(frames) > count
