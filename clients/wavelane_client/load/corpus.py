"""What the load generator says: utterances with their reference text, decoded once to 16-bit PCM at 16 kHz."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import CLOCK_RATE
from wavelane_client.file import BYTES_PER_SAMPLE, PcmFile

DEMO_TEXT = "go left right up down zero one four five seven eight"
"""What is said in the bundled recording (``data/README.md``)."""
PAUSE_SECONDS = 0.5
"""Silence between the utterances of a long session."""
BYTES_PER_SECOND = CLOCK_RATE * BYTES_PER_SAMPLE


@dataclass(frozen=True, slots=True)
class Utterance:
    """One recording."""

    name: str
    pcm: bytes
    """Mono, 16 bit, little-endian, 16 kHz."""
    text: str | None
    """What is said in it, where that is known."""

    @property
    def seconds(self) -> float:
        """How long it plays."""
        return len(self.pcm) / BYTES_PER_SECOND


@dataclass(frozen=True, slots=True)
class Script:
    """What one session sends."""

    packets: Sequence[bytes]
    text: str | None
    """Reference of the whole; None when any part has none, or when the session starts inside an utterance."""


class Corpus:
    """Utterances, cut into packets once for all sessions.

    Args:
        utterances: at least one.
        packet_ms: length of a packet (ms).
    """

    def __init__(self, utterances: Sequence[Utterance], packet_ms: int) -> None:
        self.utterances = utterances
        self._size = max(1, CLOCK_RATE * packet_ms // 1000) * BYTES_PER_SAMPLE
        self._packets = [self._cut(utterance.pcm) for utterance in utterances]
        self._pause = self._cut(bytes(round(PAUSE_SECONDS * CLOCK_RATE) * BYTES_PER_SAMPLE))

    def script(self, rng: random.Random, session_seconds: float | None) -> Script:
        """A random utterance, or as many as fill ``session_seconds`` (at least one)."""
        packets: list[bytes] = []
        texts: list[str | None] = []
        length = 0
        while not texts or (session_seconds is not None and length < session_seconds * BYTES_PER_SECOND):
            index = rng.randrange(len(self.utterances))
            more = [*(self._pause if texts else ()), *self._packets[index]]
            packets += more
            length += sum(map(len, more))
            texts.append(self.utterances[index].text)
        known = [text for text in texts if text is not None]
        return Script(packets, " ".join(known) if len(known) == len(texts) else None)

    def tail(self, rng: random.Random, session_seconds: float | None) -> Script:
        """A script from a random packet on: sessions that start together do not end together."""
        script = self.script(rng, session_seconds)
        return Script(script.packets[rng.randrange(len(script.packets)) :], None)

    def _cut(self, pcm: bytes) -> list[bytes]:
        return [pcm[at : at + self._size] for at in range(0, len(pcm), self._size)]


def load_corpus(manifest: str | None, audio: Sequence[str]) -> list[Utterance]:
    """Decode a manifest, audio files, or the bundled recording when neither is given.

    Args:
        manifest: JSON lines with ``audio_filepath`` (relative to the manifest, or absolute) and ``text``.
        audio: files without reference text.

    Raises:
        WavelaneError: INVALID_AUDIO for a file that does not decode, INVALID_CONFIG for a broken manifest.
    """
    entries = [*(_read_manifest(manifest) if manifest else ()), *((path, None) for path in audio)]
    if entries:
        return [Utterance(path, decode(path), text) for path, text in entries]
    with as_file(files("wavelane_client") / "data" / "demo.opus") as path:
        return [Utterance("demo.opus", decode(str(path)), DEMO_TEXT)]


def decode(path: str) -> bytes:
    """A whole file as mono 16-bit PCM at 16 kHz. Raises INVALID_AUDIO."""
    file = PcmFile(path, sample_rate=CLOCK_RATE, mono=True)
    try:
        pcm = b"".join(block.data for block in file.blocks(1.0))
    finally:
        file.close()
    if not pcm:
        raise WavelaneError(ErrorCode.INVALID_AUDIO, f"{path} holds no samples")
    return pcm


def _read_manifest(manifest: str) -> Iterator[tuple[str, str | None]]:
    folder = Path(manifest).parent
    try:
        lines = Path(manifest).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, f"cannot read the manifest {manifest}: {error}") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            path, text = str(entry["audio_filepath"]), entry.get("text")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG,
                f'{manifest}, line {number}: every line is {{"audio_filepath": PATH, "text": WORDS}}',
            ) from None
        yield str(folder / path), None if text is None else str(text)
