"""The page of the shop in a browser: results while one speaks, and while one types."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from support.example import running_example
from support.page import OpenPage, decode, write_wav

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser]
RECORDINGS = Path(__file__).parents[1] / "data" / "examples"
NOTE = """() => {
  window.seen = [];
  new MutationObserver(() => {
    const query = document.querySelector("#query");
    const names = [...document.querySelectorAll("#products strong")].map((name) => name.textContent);
    seen.push({tentative: query.className !== "", query: query.value, names});
  }).observe(document.body, {subtree: true, childList: true, attributes: true});
}"""


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    with running_example("shop") as url:
        yield url


async def test_products_are_found_while_one_speaks_and_while_one_types(
    page: OpenPage, shop: str, tmp_path: Path
) -> None:
    microphone = write_wav(tmp_path / "mic.wav", 0.5, decode(RECORDINGS / "shop_08.opus"), 60.0)
    view = await page(shop, microphone=microphone)
    names = view.locator("#products strong")
    await expect(names).to_have_count(42)
    await view.get_by_role("searchbox").fill("coffee")
    await expect(names).to_have_text(["Coffee machine", "Coffee grinder"])

    await view.evaluate(NOTE)
    await view.get_by_role("button", name="Speak").click()
    await view.wait_for_function("seen.some((one) => one.tentative) && !seen.at(-1).tentative")
    await expect(names.first).to_have_text("Winter jacket")
    await view.get_by_role("button", name="Stop").click()
    await expect(view.get_by_role("button", name="Speak")).to_be_visible()
    seen = await view.evaluate("window.seen")
    first = next(index for index, one in enumerate(seen) if one["tentative"])
    final = next(index for index, one in enumerate(seen[first:], first) if not one["tentative"])
    # Its beginning has found products before the query was over.
    assert any("Winter jacket" in one["names"] for one in seen[first:final]), seen[first:final]
