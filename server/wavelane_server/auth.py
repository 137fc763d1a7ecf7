"""API keys: who may use the server."""

import hashlib
import hmac

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_server.config import AuthConfig

COMMENT = "#"


class Keys:
    """The keys that a server knows; without any it is open to everybody who reaches it.

    Args:
        config: names the file.

    Raises:
        WavelaneError: INVALID_CONFIG where the file cannot be read or has no key.
    """

    def __init__(self, config: AuthConfig) -> None:
        self._known: list[bytes] = []
        if config.keys_file is None:
            return
        try:
            lines = [line.strip() for line in config.keys_file.read_text("utf-8-sig").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG, f"the API keys cannot be read (setting auth.keys_file): {error}"
            ) from None
        self._known = [_digest(line) for line in lines if line and not line.startswith(COMMENT)]
        if not self._known:
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG,
                f"{config.keys_file} has no API key, and nobody could connect (setting auth.keys_file): write one a "
                "line, or leave the setting out to serve everybody",
            )

    def check(self, key: str | None) -> None:
        """Let a client in.

        Raises:
            WavelaneError: UNAUTHENTICATED.
        """
        if not self._known:
            return
        if not key:
            raise WavelaneError(
                ErrorCode.UNAUTHENTICATED, "this server asks for an API key: send it as Authorization: Bearer KEY"
            )
        given = _digest(key)
        # All are compared, so that the time taken says nothing.
        if sum(hmac.compare_digest(given, known) for known in self._known) == 0:
            raise WavelaneError(ErrorCode.UNAUTHENTICATED, "this server does not know the API key that was sent")


def _digest(key: str) -> bytes:
    """Of one length, whatever the key's."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
