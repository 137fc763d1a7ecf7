"""Our utterances as turns: what is final of them, and their words."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from wavelane.events import Final, Partial, Word
from wavelane_server.adapters.base import milliseconds


def partial_turn(event: Partial, order: int, *, whole: bool) -> dict[str, Any]:
    """A turn in progress, whose words are all listed.

    Args:
        event: the utterance.
        order: number of the turn.
        whole: the transcript has all words too, and not those alone that will not change.
    """
    words, final = [], []
    end = 0
    for word in event.words:
        end += len(word.text)
        # A word is complete when something that stays comes after it.
        stays = end < event.stable
        words.append(_word(word, final=stays))
        if stays:
            final.append(word.text)
        end += 1
    return _turn(order, event.text if whole else " ".join(final), words, ended=False, formatted=False)


def final_turns(event: Final, order: int, *, formatted: bool, twice: bool) -> list[dict[str, Any]]:
    """A turn that is over.

    Args:
        event: the utterance.
        order: number of the turn.
        formatted: its text is written with punctuation and figures.
        twice: it comes as it was spoken first.
    """
    best = event.alternatives[0]
    written = _turn(order, best.text, [_word(word, final=True) for word in best.words], ended=True, formatted=formatted)
    if not (formatted and twice):
        return [written]
    spoken = best.spoken or best.text
    words = [_word(word, final=True) for word in _as_spoken(best.words, spoken)]
    return [_turn(order, spoken, words, ended=True, formatted=False), written]


def _as_spoken(words: Sequence[Word], spoken: str) -> Sequence[Word]:
    """Words as they were heard, with the times of those written; as written where one stands for several."""
    heard = spoken.split()
    if len(heard) != len(words):
        return words
    return [replace(word, text=text) for word, text in zip(words, heard, strict=True)]


def _word(word: Word, *, final: bool) -> dict[str, Any]:
    return {
        "text": word.text,
        "start": milliseconds(word.start),
        "end": milliseconds(word.end),
        "confidence": word.confidence,
        "word_is_final": final,
    }


def _turn(order: int, transcript: str, words: list[dict[str, Any]], *, ended: bool, formatted: bool) -> dict[str, Any]:
    return {
        "type": "Turn",
        "turn_order": order,
        "turn_is_formatted": formatted,
        "end_of_turn": ended,
        "transcript": transcript,
        # Silence alone ends a turn: nothing is known before.
        "end_of_turn_confidence": 1.0 if ended else 0.0,
        "words": words,
    }
