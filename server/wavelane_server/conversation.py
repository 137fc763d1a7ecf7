"""The rules of a stream, the same for every protocol and transport: order, limits, time-outs, and how it ends."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import Closed, Failed, Final, Partial
from wavelane_server.adapters.base import (
    Adapter,
    Audio,
    Command,
    Configure,
    Correct,
    End,
    Fail,
    Flush,
    KeepAlive,
    Outgoing,
    Reconfigure,
    Reply,
)
from wavelane_server.bridge import Recognizer
from wavelane_server.live import LiveSession
from wavelane_server.logs import get_logger
from wavelane_server.outbox import Item, Outbox

LATE_S = 0.1
"""An event loop that runs a timer later than this (s) is late itself, and cannot tell which clients are."""

TURN = 8
"""Messages of a client that are worked off before the others have their turn."""

In = TypeVar("In")
Out = TypeVar("Out", contravariant=True)


class VanishedError(Exception):
    """The client is gone: nobody hears what would be said."""


class Link(Protocol[In, Out]):
    """What a transport does for a conversation."""

    def receive(self) -> Awaitable[In | None]:
        """The next message; None when the client has closed its side and still listens.

        Raises:
            VanishedError: the client is gone.
            WavelaneError: INVALID_MESSAGE; nothing more can be understood.
        """

    def send(self, message: Out) -> Awaitable[None]:
        """Hand a message to the socket; waits while the client does not read.

        Raises:
            VanishedError: the client is gone.
        """

    def offer(self, take: Callable[[In], bool]) -> None:
        """Offer messages to ``take`` first, on the spot, when none waits to be received; it says whether it took one.

        A transport may offer some of them, or none.
        """

    @property
    def open_wide(self) -> bool:
        """:meth:`send_now` can be called: the client reads, and nothing waits to be sent."""

    def send_now(self, message: Out) -> None:
        """Hand a message to the socket on the spot."""

    def size(self, message: In) -> int:
        """Bytes of the message's payload."""


class Conversation(Generic[In, Out]):
    """One client's stream from its first message to its last.

    Args:
        recognizer: opens the session.
        link: the transport.
        adapter: the protocol.
        refuse_by_status: a session that cannot be opened is refused by the transport's status alone.
    """

    def __init__(
        self, recognizer: Recognizer, link: Link[In, Out], adapter: Adapter[In, Out], *, refuse_by_status: bool
    ) -> None:
        self._recognizer = recognizer
        self._limits = recognizer.config.limits
        self._metrics = recognizer.metrics
        self._link = link
        self._adapter = adapter
        self._refuse_by_status = refuse_by_status
        self._outbox = Outbox(self._limits.send_buffer, self._hand_over)
        self._live: LiveSession | None = None
        self._over: WavelaneError | None = None
        """A fatal error before there was a session."""
        self._refused = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._fault: asyncio.Future[None] = self._loop.create_future()
        """Holds what went wrong on the spot, on a stack that is not this conversation's."""
        self._heard_at = self._loop.time()
        self._listening = False
        self._idle: asyncio.TimerHandle | None = None

    async def run(self) -> WavelaneError | None:
        """Hold the conversation.

        Returns:
            the fatal error that ended it, for the transport's status; None when all went well.

        Raises:
            VanishedError: there is nobody to tell a status.
        """
        self._watch()
        reader = asyncio.create_task(self._read())
        writer = asyncio.create_task(self._write())
        overflow = asyncio.create_task(self._outbox.overflowed.wait())
        refusal = asyncio.create_task(self._refused.wait())
        tasks: set[asyncio.Future[Any]] = {reader, writer, overflow, refusal, self._fault}
        self._link.offer(self._take)
        done, waiting = set[asyncio.Future[Any]](), set(tasks)
        try:
            while True:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if writer in done:
                    writer.result()
                    return self._failure()
                if overflow in done:
                    raise _slow(f"{self._limits.send_buffer} results wait for it (setting limits.send_buffer)")
                if refusal in done:
                    return self._over
                if reader in done:
                    reader.result()
                if self._fault in done:
                    self._fault.result()
        except WavelaneError as error:
            # The client does not read, so it cannot be told anything but the status.
            if self._live is not None:
                self._live.failure = error
            return error
        except VanishedError:
            raise
        except Exception:
            get_logger().exception("a conversation failed")
            fault = WavelaneError(ErrorCode.INTERNAL, "a fault of the server ended this session; it was logged")
            if self._live is not None:
                self._live.failure = fault
            return fault
        finally:
            if self._idle is not None:
                self._idle.cancel()
                self._idle = None
            for task in tasks:
                task.cancel()
            # Before anything is awaited: a client that leaves just now cancels this as well, and lanes are scarce. A
            # session holds a lot of memory: it is free at once, and not when the collector of cycles comes by.
            if self._live is not None:
                self._live.close()
                self._live = None
            self._outbox.release()
            await asyncio.gather(*tasks, return_exceptions=True)
            tasks.clear()
            del reader, writer, overflow, refusal, done, waiting  # what failed holds this frame

    def _failure(self) -> WavelaneError | None:
        return self._over if self._live is None else self._live.failure

    async def _read(self) -> None:
        link, adapter, limit = self._link, self._adapter, self._limits.max_message_bytes
        for command in adapter.begin():
            await self._obey(command)
        for number in itertools.count(1):
            if number % TURN == 0:
                # Many messages may have come at once, and receiving one that is there already does not yield.
                await asyncio.sleep(0)
            self._heard_at = self._loop.time()
            self._listening = True
            try:
                message = await link.receive()
            except WavelaneError as error:
                self._fail(error)
                return
            self._listening = False
            if self._live is not None:
                await self._live.writable()
            if message is None:
                await self._half_close()
                return
            if link.size(message) > limit:
                self._fail(
                    WavelaneError(
                        ErrorCode.MESSAGE_TOO_BIG,
                        f"a message of {link.size(message)} bytes is larger than the limit of {limit} bytes (setting "
                        "limits.max_message_bytes): send smaller ones, any split of the audio gives the same result",
                    )
                )
            else:
                try:
                    for command in adapter.receive(message):
                        await self._obey(command)
                except WavelaneError as error:
                    self._complain(error)

    def _take(self, message: In) -> bool:
        """Take audio on the spot, while the reader waits for a message and nothing else is to be thought of."""
        live = self._live
        if not self._listening or live is None or self._over is not None or live.failure is not None:
            return False
        size = self._link.size(message)
        if size > self._limits.max_message_bytes or not live.takes_audio(size):
            return False
        try:
            data = self._adapter.audio(message)
            if data is None:
                return False
            live.take_audio(data)
        except Exception as error:
            self._break(error)
        self._heard_at = self._loop.time()
        return True

    def _break(self, error: Exception) -> None:
        if not self._fault.done():
            self._fault.set_exception(error)

    async def _obey(self, command: Command) -> None:
        live = self._live
        if self._over is not None or (live is not None and live.failure is not None):
            return
        if isinstance(command, Audio):
            if live is None:
                self._fail(
                    WavelaneError(
                        ErrorCode.INVALID_MESSAGE,
                        "audio came before the configuration: send configure first, it may be empty",
                    )
                )
            elif live.closed or live.ended:
                self._complain(_invalid("audio after end was ignored: open a new session for it"))
            else:
                await live.receive_audio(command.data)
        elif isinstance(command, KeepAlive):
            pass
        elif isinstance(command, Reply):
            # The client provokes as many as it likes, and has to read them before it is heard again.
            await self._outbox.room()
            self._outbox.put(command)
        elif isinstance(command, Fail):
            self._fail(command.error)
        elif isinstance(command, Configure):
            await self._configure(command)
        elif live is None:
            name = type(command).__name__.lower()
            self._complain(_invalid(f"{name} came before the configuration and was ignored: send configure first"))
        elif live.ended:
            self._complain(_invalid(f"{type(command).__name__.lower()} after end was ignored: open a new session"))
        elif isinstance(command, Reconfigure):
            await live.reconfigure(command.values)
        elif isinstance(command, Correct):
            await live.correct(command.values)
        elif isinstance(command, Flush):
            live.flush()
        elif isinstance(command, End):
            await live.end()

    async def _configure(self, command: Configure) -> None:
        before = self._live
        if before is not None and (before.received or not command.afresh):
            raise _invalid("the session is configured already: reconfigure changes options while it runs")
        try:
            if before is not None:
                self._recognizer.check(command.values)
                # Its lane may be the last one.
                before.close()
                self._live = None
            self._live = await self._recognizer.open(command.values, self._outbox)
            self._live.report_progress = command.progress
        except WavelaneError as error:
            if not command.once and error.code in (
                ErrorCode.INVALID_CONFIG,
                ErrorCode.INVALID_MESSAGE,
                ErrorCode.PROFILE_NOT_FOUND,
            ):
                raise
            self._fail(error)

    async def _half_close(self) -> None:
        if self._live is None:
            self._fail(_invalid("the stream ended before it was configured: send configure first"))
        elif not self._live.ended:
            await self._live.end()

    def _complain(self, error: WavelaneError) -> None:
        self._outbox.put(Failed(code=error.code, message=error.message, fatal=False))

    def _fail(self, error: WavelaneError) -> None:
        if self._live is not None:
            self._live.fail(error)
        elif self._over is None:
            self._over = error
            if self._refuse_by_status:
                self._refused.set()
            else:
                self._outbox.put(Failed(code=error.code, message=error.message, fatal=True))
                self._outbox.put(Closed(received=0))

    async def _write(self) -> None:
        timeout = self._limits.send_timeout_s
        send, get, translate = self._link.send, self._outbox.get, self._messages
        while True:
            item = await get()
            for message in translate(item.event):
                try:
                    async with asyncio.timeout(timeout):
                        await send(message)
                except TimeoutError:
                    raise _slow(f"a result waited {timeout:g} s for it (setting limits.send_timeout_s)") from None
            self._sent(item)
            if isinstance(item.event, Closed):
                return

    def _messages(self, event: Outgoing | Reply) -> Sequence[Out]:
        return (event.message,) if isinstance(event, Reply) else self._adapter.send(event)

    def _hand_over(self, item: Item) -> bool:
        """Send an event on the spot, if the client reads; the last one is the writer's, which ends with it."""
        if isinstance(item.event, Closed) or not self._link.open_wide:
            return False
        try:
            for message in self._messages(item.event):
                self._link.send_now(message)
            self._sent(item)
        except Exception as error:
            self._break(error)
        return True

    def _sent(self, item: Item) -> None:
        """Count what took how long."""
        event, since, timing = item
        if isinstance(event, Partial):
            self._metrics.lag.observe(event.lag_ms / 1000)
            if since is not None:
                self._metrics.partial_latency.observe(time.monotonic() - since)
        elif isinstance(event, Final):
            self._metrics.lag.observe(event.lag_ms / 1000)
            if since is not None:
                now = time.monotonic()
                self._metrics.final_latency.observe(now - since)
                if event.reason in ("flush", "end"):
                    self._metrics.share(since, timing, now)

    def _watch(self) -> None:
        """Close a client that says nothing. One timer a session, not one a message."""
        limit = self._limits.idle_timeout_s
        if self._live is not None and self._live.ended:
            return
        now = self._loop.time()
        # After a standstill of our own, what the client said meanwhile may still wait to be read.
        late = self._idle is not None and now - self._idle.when() > LATE_S
        due = self._heard_at + limit if self._listening and not late else now + limit
        if now < due:
            self._idle = self._loop.call_at(due, self._watch)
            return
        self._fail(
            WavelaneError(
                ErrorCode.IDLE_TIMEOUT,
                f"nothing came from the client for {limit:g} s (setting limits.idle_timeout_s): send keepalive while "
                "there is no audio",
            )
        )


def _invalid(message: str) -> WavelaneError:
    return WavelaneError(ErrorCode.INVALID_MESSAGE, message)


def _slow(what: str) -> WavelaneError:
    return WavelaneError(ErrorCode.SLOW_CLIENT, f"the client does not read its results: {what}")
