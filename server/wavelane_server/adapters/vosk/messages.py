"""Texts to a vosk-server client, written as Vosk writes them.

Source: ``src/recognizer.cc`` (the shapes) and ``src/json.h`` (names in alphabetical order, two spaces a level, lists on
one line, six decimals) of alphacep/vosk-api.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from wavelane.events import CLOCK_RATE, Alternative, Word

INDENT = "  "


def partial(text: str, words: Sequence[Word]) -> str:
    """The utterance in progress; its words only where they are asked for."""
    message: dict[str, Any] = {"partial": text}
    if words:
        message["partial_result"] = [_word(word, confidence=True) for word in words]
    return dump(message)


def result(best: Alternative, *, words: bool) -> str:
    """An utterance."""
    message: dict[str, Any] = {"text": best.text}
    if words and best.words:
        message["result"] = [_word(word, confidence=True) for word in best.words]
    return dump(message)


def alternatives(hypotheses: Sequence[Alternative], *, words: bool) -> str:
    """An utterance for a client that asked for alternatives.

    ``confidence`` orders them and is no probability, as theirs: the search's score, a natural logarithm; greedy search
    has none, and gives the confidence.
    """
    entries = []
    for hypothesis in hypotheses:
        score = hypothesis.confidence if hypothesis.score is None else hypothesis.score
        entry: dict[str, Any] = {"confidence": score, "text": hypothesis.text}
        if words and hypothesis.words:
            entry["result"] = [_word(word, confidence=False) for word in hypothesis.words]
        entries.append(entry)
    return dump({"alternatives": entries})


def dump(value: object, pad: str = INDENT) -> str:
    """JSON in their hand."""
    if isinstance(value, float):
        return f"{value:.6f}"
    if isinstance(value, Mapping):
        members = ",\n".join(f'{pad}"{name}" : {dump(value[name], pad + INDENT)}' for name in sorted(value))
        return f"{{\n{members}\n{pad[: -len(INDENT)]}}}"
    if isinstance(value, list):
        return f"[{', '.join(dump(item, pad + INDENT) for item in value)}]"
    return json.dumps(value, ensure_ascii=False)


def _word(word: Word, *, confidence: bool) -> dict[str, Any]:
    values = {"word": word.text, "start": word.start / CLOCK_RATE, "end": word.end / CLOCK_RATE}
    return {**values, "conf": word.confidence} if confidence else values
