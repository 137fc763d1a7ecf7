"""What Google's and Riva's configurations have in common, with messages that are made to take long."""

from typing import Any

import pytest

from support.rpcfuzz import HOST
from wavelane.errors import LONGEST_MESSAGE, ErrorCode, WavelaneError
from wavelane_server.adapters.google import recording as google
from wavelane_server.adapters.google.messages import RecognitionConfig
from wavelane_server.adapters.recognition import MOST_CONFIG_BYTES, Asked, check_known
from wavelane_server.adapters.riva import recording as riva


def test_a_phrase_is_searched_for_class_tokens_in_one_pass() -> None:
    asked = Asked()
    asked.favour([("${" * 300_000, 0)])
    assert len(asked.values["hotwords"]) == 1


@pytest.mark.parametrize(("recording", "audio"), [(google, b"\x12\x03\x0a\x01x"), (riva, b"\x12\x01x")])
def test_a_recordings_configuration_has_a_size(recording: Any, audio: bytes) -> None:
    empty_context = b"\x32\0"
    config = empty_context * (MOST_CONFIG_BYTES // 2 + 1)
    with pytest.raises(WavelaneError, match="a configuration of 1048578 bytes is larger") as refused:
        recording.ask(b"\x0a\x82\x80\x40" + config + audio, HOST)
    assert refused.value.code is ErrorCode.MESSAGE_TOO_BIG


def test_there_is_an_end_to_phrases() -> None:
    with pytest.raises(WavelaneError, match="more than 100000 phrases"):
        Asked().favour([("a", 0)] * 100_001)


def test_unknown_fields_are_named_and_any_number_of_them_is_one_short_sentence() -> None:
    field = b"\xc0\x3e\x01"  # number 1000, a varint
    for count, named in ((2, "know: 1000, 1000;"), (1_000, "1000;"), (300_000, "too many to name")):
        with pytest.raises(WavelaneError, match=named) as refused:
            check_known(RecognitionConfig.FromString(field * count), {})
        assert len(refused.value.message) < LONGEST_MESSAGE
