"""What Google's and Riva's configurations have in common, with messages that are made to take long."""

import pytest

from wavelane.errors import LONGEST_MESSAGE, WavelaneError
from wavelane_server.adapters.google.messages import RecognitionConfig
from wavelane_server.adapters.recognition import Asked, check_known


def test_a_phrase_is_searched_for_class_tokens_in_one_pass() -> None:
    asked = Asked()
    asked.favour([("${" * 300_000, 0)])
    assert len(asked.values["hotwords"]) == 1


def test_there_is_an_end_to_phrases() -> None:
    with pytest.raises(WavelaneError, match="more than 100000 phrases"):
        Asked().favour([("a", 0)] * 100_001)


def test_unknown_fields_are_named_and_any_number_of_them_is_one_short_sentence() -> None:
    field = b"\xc0\x3e\x01"  # number 1000, a varint
    for count, named in ((2, "know: 1000, 1000;"), (1_000, "1000;"), (300_000, "too many to name")):
        with pytest.raises(WavelaneError, match=named) as refused:
            check_known(RecognitionConfig.FromString(field * count), {})
        assert len(refused.value.message) < LONGEST_MESSAGE
