"""The page for everybody: keyboard, screen reader, phone, dark mode, contrast, size of targets."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from support.page import COMMANDS, OpenPage, decode, write_wav
from support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}

CONTRAST = """() => {
  const context = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const over = (colours) => {
    context.clearRect(0, 0, 1, 1);
    for (const colour of colours) { context.fillStyle = colour; context.fillRect(0, 0, 1, 1); }
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (rgb) => rgb.map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const faults = [];
  let checked = 0;
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.checkVisibility() || node.closest(".spoken, option, noscript")) continue;
    const grounds = [];
    for (let at = node; at; at = at.parentElement) grounds.unshift(getComputedStyle(at).backgroundColor);
    const ground = over(["white", ...grounds]);
    const ink = over(["white", ...grounds, getComputedStyle(node).color]);
    const [low, high] = [luminance(ground), luminance(ink)].sort((a, b) => a - b);
    const ratio = (high + 0.05) / (low + 0.05);
    checked += 1;
    if (ratio < 4.5) faults.push(`${node.textContent.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return [checked, faults];
}"""


async def send_file(view: Page) -> None:
    await view.locator("#file").set_input_files(COMMANDS)
    await expect(view.locator(".source")).to_have_text("commands.flac")
    await expect(view.locator("#state")).to_have_text("Ready")
    await expect(view.locator("#finals .text")).not_to_have_count(0)


async def test_everything_works_from_the_keyboard(page: OpenPage, server: Server, tmp_path: Path) -> None:
    view = await page(server.http, microphone=write_wav(tmp_path / "mic.wav", 0.5, decode(COMMANDS), 20.0))
    await expect(view.get_by_role("radio", name="560 ms")).to_be_checked()
    await view.keyboard.press("Tab")
    await expect(view.get_by_role("button", name="Start microphone")).to_be_focused()
    await view.keyboard.press("Enter")
    await expect(view.locator("#state")).to_have_text(re.compile("Listening|Hearing speech"))
    stop = view.get_by_role("button", name="Stop")
    await expect(stop).to_be_focused()

    reached = []
    for _ in range(20):
        await view.keyboard.press("Tab")
        focused = view.locator(":focus")
        if not await focused.count():
            break
        reached.append(await focused.evaluate("(node) => node.id || node.name"))
        outline = await focused.evaluate(
            "(node) => [node, node.nextElementSibling].some("
            " (one) => one && getComputedStyle(one).outlineStyle !== 'none')"
        )
        assert outline, f"{reached[-1]} does not show its focus"
    assert reached[:2] == ["mute", "choose"]
    assert {"scroll", "lookahead", "play"} <= set(reached)
    assert not {"vad"} & set(reached), "can't be changed while running, so it is no stop on the way"

    await view.get_by_role("radio", name="560 ms").focus()
    await view.keyboard.press("ArrowRight")
    await expect(view.get_by_role("radio", name="1.12 s")).to_be_checked()
    await stop.focus()
    await view.keyboard.press("Space")
    await expect(view.locator("#state")).to_have_text("Ready")
    await expect(view.get_by_role("button", name="Start microphone")).to_be_focused()


async def test_screen_readers_find_names_and_hear_finals_only(page: OpenPage, server: Server) -> None:
    view = await page(server.http)
    await send_file(view)
    for role, name in [
        ("heading", "Wavelane"),
        ("region", "Audio input"),
        ("button", "Start microphone"),
        ("button", "Open audio file"),
        ("meter", "Input level"),
        ("log", "Finished text"),
        ("button", "Copy"),
        ("button", "Download as text"),
        ("button", "Download as SRT subtitles"),
        ("group", "Lookahead"),
        ("radio", "80 ms"),
        ("combobox", "Speech detection"),
        ("checkbox", "Play files while transcribing"),
    ]:
        await expect(view.get_by_role(role, name=name, exact=True)).to_have_count(1)  # type: ignore[arg-type]
    tree = await view.locator("body").aria_snapshot()
    nameless = re.findall(r"- (?:button|radio|checkbox|combobox|link|textbox)(?:\s*\[.*)?:?\s*$", tree, re.MULTILINE)
    assert nameless == []
    live = "(node) => node.closest('[aria-live], [role=log], [role=status], [role=alert]')?.ariaLive ?? 'none'"
    assert await view.locator("#finals").evaluate(live) == "polite"
    assert await view.locator("#partials").evaluate(live) == "off"
    await expect(view.get_by_role("status")).to_have_text("Ready")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_all_text_has_enough_contrast(page: OpenPage, server: Server, scheme: str) -> None:
    view = await page(server.http, color_scheme=scheme)
    await view.wait_for_selector("#lookaheads input:checked")
    await send_file(view)
    await view.evaluate(
        """() => {
          for (const id of ["notice", "waiting", "latest", "detail"]) document.getElementById(id).hidden = false;
          document.querySelector("#notice p").textContent = document.querySelector("#detail").textContent = "sample";
          document.querySelector("#waiting-reason").textContent = "sample";
          const line = document.querySelector("#finals .utterance").cloneNode(true);
          line.querySelectorAll(".word").forEach((word) => word.style.setProperty("--confidence", "0"));
          document.querySelector("#partials").append(line.cloneNode(true));
          document.querySelector("#finals").append(line);
        }"""
    )
    checked, faults = await view.evaluate(CONTRAST)
    assert checked > 30
    assert faults == []


@pytest.mark.parametrize("width", [320, 390])
async def test_a_phone_shows_it_all_in_reach_of_a_thumb(page: OpenPage, server: Server, width: int) -> None:
    view = await page(server.http, **{**PHONE, "viewport": {"width": width, "height": 700}})
    await view.wait_for_selector("#lookaheads input", state="attached")
    await send_file(view)
    await expect(view.locator("#vad")).to_be_hidden()
    await view.get_by_text("Figures and settings").tap()
    await expect(view.locator("#vad")).to_be_visible()
    # Not `innerWidth`: a phone widens it to what overflows.
    assert await view.evaluate("document.documentElement.scrollWidth") == width
    small = await view.evaluate(
        """(width) => [...document.querySelectorAll("button, select, summary, label")]
          .filter((node) => node.checkVisibility() && !node.querySelector("select") && node.htmlFor !== "vad")
          .map((node) => [node.id || node.textContent, node.getBoundingClientRect()])
          .filter(([, box]) => box.height < 44 || box.width < 44 || box.left < 0 || box.right > width)
          .map(([name, box]) => `${name}: ${box.width} × ${box.height}`)""",
        width,
    )
    assert small == []
    box = await view.get_by_role("button", name="Start microphone").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 700
    assert box["y"] > 500


async def test_nothing_blinks_where_motion_is_unwanted(page: OpenPage, server: Server) -> None:
    view = await page(server.http, reduced_motion="reduce")
    animation = """() => {
      const line = document.createElement("p");
      const text = Object.assign(document.createElement("span"), {className: "text"});
      line.append(text);
      document.querySelector("#partials").append(line);
      const name = getComputedStyle(text, "::after").animationName;
      line.remove();
      return name;
    }"""
    assert await view.evaluate(animation) == "none"
    await view.emulate_media(reduced_motion="no-preference")
    assert await view.evaluate(animation) == "blink"
