"""What one session knows of its user: the profile, and what the user corrects."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import Final
from wavelane.grammar.words import split_words
from wavelane.lm.spelling import speller
from wavelane.session.options import SessionOptions
from wavelane.spec import ModelSpec
from wavelane_server.profiles.profile import (
    Correction,
    Vocabulary,
    corrected,
    merged,
    parse_correction,
    with_hotword,
    with_replacement,
)
from wavelane_server.profiles.store import ProfileStore

REMEMBERED = 64
"""Finals of a session that may be corrected; older ones may not."""


class Personal:
    """The personal side of one session. Keeps nothing beyond it but what goes to the profile.

    Args:
        spec: of the model.
        key: of the profile; None without.
        vocabulary: of the profile, as it was when the session began.
        store: of profiles.
    """

    def __init__(
        self,
        spec: ModelSpec,
        key: str | None = None,
        vocabulary: Vocabulary | None = None,
        store: ProfileStore | None = None,
    ) -> None:
        self._spec = spec
        self._key = key
        self._store = store
        self._vocabulary = vocabulary
        self._finals: deque[tuple[int, int, list[str]]] = deque(maxlen=REMEMBERED)

    def applied(self, values: Mapping[str, Any], options: SessionOptions, *, whole: bool) -> dict[str, Any]:
        """A client's options with the user's vocabulary.

        Args:
            values: as the client gave them.
            options: that they make.
            whole: of a session that begins; else only what is in ``values`` changes.
        """
        vocabulary = self._vocabulary
        if vocabulary is None:
            return dict(values)
        hotwords = tuple(word for word in vocabulary.hotwords if self._favours(word.phrase, options))
        replace = vocabulary.replace
        if not whole:
            text = values.get("text")
            hotwords = hotwords if "hotwords" in values else ()
            replace = replace if isinstance(text, Mapping) and "replace" in text else {}
        return merged(values, vocabulary.model_copy(update={"hotwords": hotwords, "replace": replace}))

    def heard(self, final: Final) -> None:
        """Remember a final, for it may be corrected."""
        texts = [text for text in (final.text, final.alternatives[0].spoken) if text]
        if texts:
            known = [f" {' '.join(split_words(text))} " for text in texts]
            self._finals.append((final.channel, final.utterance, known))

    def correct(self, values: object, options: SessionOptions) -> tuple[Correction, dict[str, Any]]:
        """Check a correction.

        Returns:
            the correction, and the options that it changes.

        Raises:
            WavelaneError: INVALID_MESSAGE: it does not fit what was heard.
        """
        correction = parse_correction(values)
        was = " ".join(split_words(correction.was))
        texts = [
            text
            for channel, utterance, known in self._finals
            if (channel, utterance) == (correction.channel, correction.utterance)
            for text in known
        ]
        if not texts:
            raise WavelaneError(
                ErrorCode.INVALID_MESSAGE,
                f"correct: utterance {correction.utterance} of channel {correction.channel} is none of the last "
                f"{REMEMBERED} with text; correct it sooner",
            )
        if not was or not any(f" {was} " in text for text in texts):
            raise WavelaneError(
                ErrorCode.INVALID_MESSAGE,
                f"correct: the text of utterance {correction.utterance} has no {correction.was!r}; give words of its "
                "final as they were written",
            )
        changes: dict[str, Any] = {"text": {"replace": with_replacement(options.text.replace, correction)}}
        hotwords = with_hotword(options.hotwords, correction)
        if len(hotwords) > len(options.hotwords) and self._favours(hotwords[-1].phrase, options):
            changes["hotwords"] = [word.model_dump() for word in hotwords]
        return correction, changes

    async def keep(self, correction: Correction) -> bool:
        """Store a correction with the profile; False without one.

        Raises:
            WavelaneError: INVALID_CONFIG past a limit, PROFILE_NOT_FOUND if the profile was erased meanwhile.
        """
        if self._store is None or self._key is None:
            return False
        self._vocabulary = await self._store.change(self._key, lambda known: corrected(known, correction))
        return True

    def _favours(self, phrase: str, options: SessionOptions) -> bool:
        """Whether the search can favour a phrase: there is one, no grammar says all, and the model can spell it."""
        if self._spec.max_beam == 0 or (options.grammar is not None and self._spec.constrained):
            return False
        try:
            speller(self._spec.vocabulary).check([phrase])
        except WavelaneError:
            return False
        return True
