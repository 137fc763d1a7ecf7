"""The client without ``async``: the same class surface, driven by an event loop in a thread of its own.

with connect_sync(sample_rate=16_000) as stream:
    stream.send(pcm)
    stream.end()
    for event in stream:
        ...
"""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from wavelane_client.client import DEFAULT_URL, Stream, connect
from wavelane_client.messages import Ready, ServerEvent

T = TypeVar("T")


class SyncStream:
    """One recognition session. Made by :func:`connect_sync`; may be sent to and iterated from different threads."""

    def __init__(self, stream: Stream, loop: asyncio.AbstractEventLoop) -> None:
        self._stream = stream
        self._loop = loop

    @property
    def ready(self) -> Ready:
        """The server's answer to the configuration."""
        return self._stream.ready

    def send(self, audio: bytes) -> None:
        """As :meth:`Stream.send`."""
        self._run(self._stream.send(audio))

    def flush(self) -> None:
        """As :meth:`Stream.flush`."""
        self._run(self._stream.flush())

    def end(self) -> None:
        """As :meth:`Stream.end`."""
        self._run(self._stream.end())

    def keepalive(self) -> None:
        """As :meth:`Stream.keepalive`."""
        self._run(self._stream.keepalive())

    def reconfigure(self, **options: Any) -> None:
        """As :meth:`Stream.reconfigure`."""
        self._run(self._stream.reconfigure(**options))

    def correct(self, utterance: int, was: str, should_be: str, *, channel: int = 0) -> None:
        """As :meth:`Stream.correct`."""
        self._run(self._stream.correct(utterance, was, should_be, channel=channel))

    def __iter__(self) -> Iterator[ServerEvent]:
        return self

    def __next__(self) -> ServerEvent:
        try:
            return self._run(self._stream.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None

    def _run(self, action: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(action, self._loop).result()


@contextmanager
def connect_sync(
    url: str = DEFAULT_URL, *, api_key: str | None = None, open_timeout: float = 10.0, **options: Any
) -> Iterator[SyncStream]:
    """Open a session; arguments and errors as in :func:`wavelane_client.client.connect`."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="wavelane-client", daemon=True)
    thread.start()

    def run(action: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(action, loop).result()

    try:
        context = connect(url, api_key=api_key, open_timeout=open_timeout, **options)
        stream = run(context.__aenter__())
        try:
            yield SyncStream(stream, loop)
        finally:
            run(context.__aexit__(None, None, None))
    finally:
        run(_settle())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _settle() -> None:
    """End what still runs on the loop, as ``asyncio.run`` does: gRPC's calls have tasks of their own, which may outlive
    them by a turn."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
