"""What a stream needs of its connection; :mod:`.websocket` and :mod:`.grpc` provide it."""

import os
from collections.abc import Mapping
from typing import Any, Literal, Protocol

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_client.messages import ServerEvent

Command = Literal["configure", "reconfigure", "flush", "end", "keepalive", "correct"]
"""Control messages of a client, by their name on the wire."""


API_KEY = "WAVELANE_API_KEY"
"""Environment variable with the key for servers that ask for one."""


class DisconnectedError(Exception):
    """The connection is gone; what the server said about it comes out of :meth:`Transport.receive`."""


class Transport(Protocol):
    """One connection that carries one session."""

    async def send_audio(self, audio: bytes) -> None:
        """Send audio; waits while the connection's buffer is full. Raises DisconnectedError."""

    async def send(self, command: Command, options: Mapping[str, Any]) -> None:
        """Send a control message. Raises DisconnectedError, or WavelaneError for options that cannot be expressed."""

    async def receive(self) -> ServerEvent | None:
        """The next event; None after the server has closed the connection in good order.

        Raises:
            WavelaneError: the connection broke or was closed with an error.
        """

    async def close(self) -> None:
        """Let go of the connection, at once if the session still runs."""


def authorization(api_key: str | None) -> dict[str, str]:
    """HTTP headers, or gRPC metadata, with an API key: this one, or the environment's; none where there is none."""
    key = api_key or os.environ.get(API_KEY)
    return {"authorization": f"Bearer {key}"} if key else {}


def no_server(url: str, detail: str) -> WavelaneError:
    """The error of an address at which nothing answers."""
    return WavelaneError(
        ErrorCode.UNAVAILABLE, f"no server at {url} ({detail}): start one with `wavelane serve`, or give its --url"
    )


def connection_lost(url: str, detail: str) -> WavelaneError:
    """The error of a connection that broke before the session was closed."""
    return WavelaneError(
        ErrorCode.UNAVAILABLE,
        f"the connection to {url} was lost before the session ended ({detail}): what was final is kept; "
        "open a new session for the rest of the audio",
    )
