"""What is compared: texts as word error rates are counted on them."""

import re
from collections.abc import Callable
from functools import cache

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_client.load.report import normalise as basic

Normaliser = Callable[[str], str]

NORMALISERS = {
    "whisper": "the English normaliser of Whisper (Radford et al., arXiv:2212.04356), from whisper-normalizer",
    "basic": "lower case, letters, digits and apostrophes only",
    "none": "as it stands, words parted by single spaces",
}
"""Name of each, and what it does."""


@cache
def normaliser(name: str) -> Normaliser:
    """The normaliser of a name.

    Raises:
        WavelaneError: INVALID_CONFIG, there is none of this name, or its library is missing.
    """
    match name:
        case "basic":
            return basic
        case "none":
            return lambda text: " ".join(text.split())
        case "whisper":
            return _whisper()
    raise WavelaneError(
        ErrorCode.INVALID_CONFIG, f"there is no normaliser {name!r}: choose one of {', '.join(NORMALISERS)}"
    )


def spelling(word: str) -> str:
    """A single word for comparing words one by one, where nothing may be joined or written as a number."""
    return re.sub(r"\W", "", basic(word))


def _whisper() -> Normaliser:
    try:
        from whisper_normalizer.english import EnglishTextNormalizer
    except ImportError:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG,
            "the Whisper normaliser needs the extra `load`: pip install 'wavelane[load]'; `basic` needs none",
        ) from None
    whisper = EnglishTextNormalizer()
    return lambda text: str(whisper(text))
