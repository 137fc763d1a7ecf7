"""What a session held is free when it is over, without waiting for Python's collector of cycles."""

import asyncio
import gc
import weakref
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from support.serving import pieces
from wavelane_server.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

Connect = Callable[..., Coroutine[Any, Any, Any]]


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("over", ["end", "vanish", "idle"])
async def test_a_session_that_is_over_is_free(connect: Connect, service: Service, speech: bytes, over: str) -> None:
    client = await connect()
    await client.configure()
    (live,) = service.recognizer.live
    held = [weakref.ref(live), weakref.ref(live._session)]
    del live
    for piece in pieces(speech, 3200):
        await client.audio(piece)
    if over == "vanish":
        client.vanish()
    elif over == "end":
        await client.end()
        await client.rest()
    else:
        await client.rest()
    async with asyncio.timeout(60):
        while any(reference() is not None for reference in held):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
