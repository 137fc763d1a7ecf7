"""What a protocol cannot do without, where the server's operator has other defaults."""

import pytest

from wavelane.session.options import SessionOptions, parse_options
from wavelane_server.adapters.base import Configure
from wavelane_server.adapters.deepgram import LISTEN_V1, LISTEN_V2
from wavelane_server.adapters.handshake import Handshake, WebSocketProtocol
from wavelane_server.adapters.sherpa import PROTOCOL as SHERPA

SILENT = SessionOptions(words=False, partials=False)


@pytest.mark.parametrize(
    ("protocol", "query", "partials"),
    [
        (LISTEN_V1, (), False),
        (LISTEN_V1, (("interim_results", "true"),), True),
        (LISTEN_V2, (("model", "flux-general-en"),), True),
        (SHERPA, (), False),
    ],
)
def test_words_are_there_for_protocols_made_of_them(
    protocol: WebSocketProtocol, query: tuple[tuple[str, str], ...], partials: bool
) -> None:
    (command,) = protocol.adapter(Handshake(headers={}, query=query)).begin()
    assert isinstance(command, Configure)
    options = parse_options(command.values, base=SILENT)
    assert (options.words, options.partials) == (True, partials)
