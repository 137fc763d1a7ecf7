"""Listening sockets."""

import socket

from wavelane.errors import ErrorCode, WavelaneError

BACKLOG = 2048
"""Connections that the kernel holds until they are accepted; a burst of clients must not see resets."""


def bind(host: str, port: int, flag: str, *, shared: bool = False) -> socket.socket:
    """A listening socket.

    Args:
        host: address.
        port: 0 takes a free one.
        flag: changes the port.
        shared: other processes listen on the port too, see :func:`reserve`.

    Raises:
        WavelaneError: INVALID_CONFIG, naming the port and the flag that changes it.
    """
    listener = _bound(host, port, flag, shared=shared)
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def reserve(host: str, port: int, flag: str) -> socket.socket:
    """A socket that holds a port for processes of ours to share (SO_REUSEPORT); it does not listen itself.

    Raises:
        WavelaneError: INVALID_CONFIG, naming the port and the flag that changes it; also where somebody else shares it.
    """
    if port:
        bind(host, port, flag).close()
    return _bound(host, port, flag, shared=True)


def _bound(host: str, port: int, flag: str, *, shared: bool) -> socket.socket:
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
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG,
            f"port {port} of {host} cannot be bound: {error.strerror}; choose another one with --{flag}, or 0 for any",
        ) from None
    return listener
