"""The client without ``async``: what its event loop leaves behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from wavelane_client import connect_sync, sync


async def test_tasks_that_outlive_the_stream_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """As gRPC's do, now and then."""
    left: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def leaves_a_task(*arguments: Any, **options: Any) -> AsyncIterator[object]:
        left.append(asyncio.create_task(asyncio.sleep(3_600)))
        yield object()

    monkeypatch.setattr(sync, "connect", leaves_a_task)
    with connect_sync("grpc://127.0.0.1:1"):
        assert not left[0].done()
    assert left[0].cancelled()
