"""Headless Chromium with a microphone that plays a file, and a server that may be killed."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from support.page import Faults, Mortal, OpenPage

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--host-resolver-rules=MAP wavelane.test 127.0.0.1",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what drives a browser."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and "page" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


@pytest.fixture
def mortal() -> Iterator[Mortal]:
    """A server of the test's own."""
    server = Mortal()
    try:
        yield server
    finally:
        server.kill()


Launch = Callable[[tuple[str, ...]], Awaitable[Browser]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def launch() -> AsyncIterator[Launch]:
    """Gives a browser with these flags; one for all tests of a module that want the same."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.fail("the browser tests need Chromium: `make test` installs it, or `apt-get install chromium` does")
    expect.set_options(timeout=15_000)  # for machines that do other things besides
    browsers: dict[tuple[str, ...], Browser] = {}
    async with async_playwright() as playwright:

        async def launch_one(flags: tuple[str, ...]) -> Browser:
            if flags not in browsers:
                arguments = [*FLAGS, *flags]
                browsers[flags] = await playwright.chromium.launch(executable_path=chromium, args=arguments)
            return browsers[flags]

        yield launch_one
        for browser in browsers.values():
            await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(launch: Launch) -> AsyncIterator[OpenPage]:
    """Opens pages; afterwards fails if one of them logged an error or broke its content security policy."""
    faults = Faults()
    async with AsyncExitStack() as stack:

        async def open_page(
            url: str,
            *,
            microphone: Path | None = None,
            allow: bool = True,
            network_faults: bool = False,
            **options: Any,
        ) -> Page:
            flags = ["--use-fake-ui-for-media-stream"] if allow else []
            flags += [f"--use-file-for-fake-audio-capture={microphone}%noloop"] if microphone else []
            browser = await launch(tuple(flags))
            context = await browser.new_context(**options)
            stack.push_async_callback(context.close)
            page = await context.new_page()
            faults.watch(page)
            if not network_faults:
                stack.callback(lambda: faults.errors.extend(faults.network))
            await page.add_init_script(
                "addEventListener('securitypolicyviolation',"
                " (event) => console.error('policy: ' + event.violatedDirective + ' ' + event.blockedURI))"
            )
            await page.goto(url)
            return page

        yield open_page
    assert faults.errors == []
