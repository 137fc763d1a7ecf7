"""Listening sockets."""

import socket

from wavelane.errors import ErrorCode, WavelaneError

BACKLOG = 2048
"""Connections that the kernel holds until they are accepted; a burst of clients must not see resets."""


def bind(host: str, port: int, flag: str) -> socket.socket:
    """A listening socket.

    Raises:
        WavelaneError: INVALID_CONFIG, naming the port and the flag that changes it.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG, f"the address {host!r} cannot be bound: {error.strerror} (--host)"
        ) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG,
            f"port {port} of {host} cannot be bound: {error.strerror}; choose another one with --{flag}, or 0 for any",
        ) from None
    return listener
