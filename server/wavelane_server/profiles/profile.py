"""What the server keeps of one user, with consent: hotwords and replacements."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.grammar.words import split_words
from wavelane.session.options import Hotword, HotwordOption, describe
from wavelane.text.replace import check

ID_PATTERN = r"^[A-Za-z0-9_-]{8,128}$"
"""Of a profile's key. There is no other secret to it: use long random ones."""


def _checked(phrases: dict[str, str]) -> dict[str, str]:
    check(phrases)
    return phrases


class Vocabulary(BaseModel):
    """What a profile adds to a session, and what a client may store."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    consent: Literal[True]
    """The user agrees that this is stored. Nothing is stored without."""
    hotwords: tuple[HotwordOption, ...] = ()
    """Phrases to favour, as a session's option of this name."""
    replace: Annotated[dict[str, str], AfterValidator(_checked)] = {}
    """What is written for a phrase that is heard, as a session's ``text.replace``."""


class Profile(Vocabulary):
    """A stored vocabulary."""

    created: datetime
    updated: datetime


class Correction(BaseModel):
    """What was written wrongly in an utterance, and what it should be."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    channel: Annotated[int, Field(ge=0, le=7)] = 0
    """Channel of the utterance."""
    utterance: Annotated[int, Field(ge=0)]
    """Number of the utterance."""
    was: Annotated[str, Field(min_length=1, max_length=200)]
    """Words of its final, as they were written."""
    should_be: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    """What was said, as it should be written."""


def parse_vocabulary(values: object) -> Vocabulary:
    """Read what a client wants to be stored.

    Raises:
        WavelaneError: INVALID_CONFIG, naming every fault.
    """
    if isinstance(values, Mapping) and values.get("consent") is not True:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG,
            "consent: a profile is stored only with its user's consent: ask for it, and send consent: true",
        )
    try:
        return Vocabulary.model_validate(values)
    except ValidationError as error:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, describe(error)) from None


def parse_correction(values: object) -> Correction:
    """Read a client's ``correct`` message.

    Raises:
        WavelaneError: INVALID_MESSAGE, naming every fault.
    """
    try:
        return Correction.model_validate(values)
    except ValidationError as error:
        raise WavelaneError(ErrorCode.INVALID_MESSAGE, f"correct: {describe(error)}") from None


def now() -> datetime:
    """The time to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def corrected(vocabulary: Vocabulary, correction: Correction) -> Vocabulary:
    """With what a correction teaches: what should have been heard is favoured, and written for what was.

    Raises:
        WavelaneError: INVALID_CONFIG where that is more than a vocabulary may hold.
    """
    hotwords = with_hotword(vocabulary.hotwords, correction)
    replace = with_replacement(vocabulary.replace, correction)
    values = vocabulary.model_dump() | {"hotwords": hotwords, "replace": replace}
    try:
        return type(vocabulary).model_validate(values)
    except ValidationError as error:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, describe(error)) from None


def with_hotword(hotwords: Sequence[Hotword], correction: Correction) -> tuple[Hotword, ...]:
    """Hotwords with the correction's, unless the words are those that were heard, or are favoured already."""
    phrase = " ".join(correction.should_be.split())
    if same(phrase) == same(correction.was) or any(same(word.phrase) == same(phrase) for word in hotwords):
        return tuple(hotwords)
    return (*hotwords, Hotword(phrase=phrase))


def with_replacement(replace: Mapping[str, str], correction: Correction) -> dict[str, str]:
    """Replacements with the correction's in place of another for the same words."""
    was, should_be = (" ".join(text.split()) for text in (correction.was, correction.should_be))
    return {phrase: text for phrase, text in replace.items() if same(phrase) != same(was)} | {was: should_be}


def same(phrase: str) -> tuple[str, ...]:
    """What two phrases have in common that are the same words."""
    return tuple(split_words(phrase)) or (phrase.casefold(),)


def merged(values: Mapping[str, Any], vocabulary: Vocabulary) -> dict[str, Any]:
    """Options as a client gave them, with a vocabulary's behind them: the client's own come first."""
    merged: dict[str, Any] = dict(values)
    hotwords = values.get("hotwords") or ()
    if isinstance(hotwords, Sequence) and not isinstance(hotwords, str) and vocabulary.hotwords:
        known = {same(_phrase(word)) for word in hotwords}
        more = [word.model_dump() for word in vocabulary.hotwords if same(word.phrase) not in known]
        merged["hotwords"] = [*hotwords, *more]
    text = values.get("text") or {}
    if isinstance(text, Mapping) and vocabulary.replace:
        own = text.get("replace") or {}
        if isinstance(own, Mapping):
            known = {same(str(phrase)) for phrase in own}
            more_text = {phrase: to for phrase, to in vocabulary.replace.items() if same(phrase) not in known}
            merged["text"] = {**text, "replace": {**own, **more_text}}
    return merged


def _phrase(word: object) -> str:
    return str(word.get("phrase")) if isinstance(word, Mapping) else str(word)
