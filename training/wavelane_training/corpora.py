"""Readers of public text corpora of what people say to machines; each yields raw lines.

| kind | what | licence |
| --- | --- | --- |
| ``clinc`` | ``data/data_full.json`` of clinc/oos-eval | CC BY 3.0 |
| ``snips`` | a clone of sonos/nlu-benchmark | CC0 |
| ``taskmaster`` | a clone of google-research-datasets/Taskmaster | CC BY 4.0 |
| ``ljspeech`` | ``metadata.csv`` of LJSpeech | public domain |
| ``plain`` | any text file | its own |
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def _json(path: Path) -> Any:
    data = path.read_bytes()
    try:
        return json.loads(data.decode("utf-8"))
    except UnicodeDecodeError:  # some files of snips
        return json.loads(data.decode("latin-1"))


def clinc(path: Path) -> Iterator[str]:
    """Queries to an assistant, those in scope and out of it."""
    for queries in _json(path).values():
        for text, _ in queries:
            yield text


def snips(path: Path) -> Iterator[str]:
    """Commands with slots: music, weather, restaurants, books."""
    for file in sorted(path.rglob("*.json")):
        if file.name.startswith(("train_", "validate_")):
            for values in _json(file).values():
                for entry in values if isinstance(values, list) else []:
                    yield "".join(part["text"] for part in entry["data"])


def taskmaster(path: Path) -> Iterator[str]:
    """Both sides of dialogues: coffee, pizza, cars, films, flights."""
    for file in sorted(path.rglob("data/*.json")):
        conversations = _json(file)
        for conversation in conversations if isinstance(conversations, list) else []:
            for utterance in conversation.get("utterances", []):
                yield utterance["text"]


def ljspeech(path: Path) -> Iterator[str]:
    """Sentences of seven books, with numbers written out."""
    for line in path.read_text(encoding="utf-8").splitlines():
        yield line.split("|")[-1]


def plain(path: Path) -> Iterator[str]:
    """The whole file."""
    yield path.read_text(encoding="utf-8")


READERS: dict[str, Callable[[Path], Iterator[str]]] = {
    reader.__name__: reader for reader in (clinc, snips, taskmaster, ljspeech, plain)
}
