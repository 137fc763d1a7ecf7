"""What the load generator says: utterances with their reference text, decoded once to 16-bit PCM at 16 kHz."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files

import numpy as np

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import CLOCK_RATE
from wavelane_client.file import BYTES_PER_SAMPLE, PcmFile
from wavelane_client.manifest import read_manifest

DEMO_TEXT = "go left right up down zero one four five seven eight"
"""What is said in the bundled recording (``data/README.md``)."""
PAUSE_SECONDS = 0.5
"""Silence between the utterances of a long session."""
BYTES_PER_SECOND = CLOCK_RATE * BYTES_PER_SAMPLE
CONVERSATION = 0.4
"""Part of the time that one party of a conversation speaks; ITU-T P.59 measured 39 %."""
TURN_UTTERANCES = (1, 3)
"""Fewest and most utterances of one turn."""
TURN_PAUSE_SECONDS = (0.2, 0.8)
"""Shortest and longest pause between the utterances of a turn."""
GAP_SPREAD = (0.4, 1.6)
"""How long the other party speaks, as a factor of what the wanted share asks for."""
LEAST_GAP_SECONDS = 0.3
"""Shortest time that the other party speaks."""
_BACKGROUND_SECONDS = 10
_BACKGROUND_LEVEL = 16.0
"""Standard deviation of the noise between turns, in 16-bit steps: 66 dB below full scale, a quiet room."""


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

    All packets of a session are of one length but the last one, as those of a microphone are: where more follows, an
    utterance goes on with silence to the end of its last packet.

    Args:
        utterances: at least one.
        packet_ms: length of a packet (ms).
    """

    def __init__(self, utterances: Sequence[Utterance], packet_ms: int) -> None:
        self.utterances = utterances
        self._size = max(1, CLOCK_RATE * packet_ms // 1000) * BYTES_PER_SAMPLE
        self._packets = [self._cut(utterance.pcm) for utterance in utterances]
        self._whole = [[*packets[:-1], packets[-1].ljust(self._size, b"\0")] for packets in self._packets]
        pause = round(PAUSE_SECONDS * CLOCK_RATE) * BYTES_PER_SAMPLE
        self._pause = [bytes(self._size)] * -(-pause // self._size)
        noise = np.random.default_rng(0).normal(0.0, _BACKGROUND_LEVEL, _BACKGROUND_SECONDS * CLOCK_RATE)
        packets = self._cut(noise.round().astype("<i2").tobytes())
        self._background = [packet for packet in packets if len(packet) == self._size]

    def script(self, rng: random.Random, session_seconds: float | None, speech_share: float | None = None) -> Script:
        """What a session says.

        Args:
            rng: every choice.
            session_seconds: as many utterances as fill it, at least one; None: a random one.
            speech_share: part of the time that is speech, as in a conversation (:meth:`conversation`); None: speech
                that goes on.
        """
        if speech_share is not None:
            return self.conversation(rng, session_seconds or 0.0, speech_share)
        packets: list[bytes] = []
        texts: list[str | None] = []
        index = -1
        length = 0.0
        while not texts or (session_seconds is not None and length < session_seconds):
            if texts:
                packets[-1] = self._whole[index][-1]
                packets += self._pause
            index = rng.randrange(len(self.utterances))
            packets += self._packets[index]
            texts.append(self.utterances[index].text)
            # All are of one length but the last.
            length = ((len(packets) - 1) * self._size + len(packets[-1])) / BYTES_PER_SECOND
        known = [text for text in texts if text is not None]
        return Script(packets, " ".join(known) if len(known) == len(texts) else None)

    def conversation(self, rng: random.Random, session_seconds: float, speech_share: float) -> Script:
        """One party of a conversation: turns of some utterances, and low noise while the other one speaks.

        It listens first and ends with a turn. The gaps follow what was said, so that ``speech_share`` holds for every
        session that is some turns long.
        """
        packets: list[bytes] = []
        texts: list[str | None] = []
        spoken = silent = 0.0
        while not texts or spoken + silent < session_seconds:
            turn: list[bytes] = []
            paused = 0.0
            for number in range(rng.randint(*TURN_UTTERANCES)):
                if number:
                    pause = self._noise(rng, rng.uniform(*TURN_PAUSE_SECONDS))
                    turn += pause
                    paused += _seconds(pause)
                index = rng.randrange(len(self.utterances))
                turn += self._whole[index]
                texts.append(self.utterances[index].text)
            spoken += _seconds(turn) - paused
            silent += paused
            owed = max(0.0, spoken * (1 - speech_share) / speech_share - silent)
            gap = self._noise(rng, max(LEAST_GAP_SECONDS, owed * rng.uniform(*GAP_SPREAD)))
            silent += _seconds(gap)
            packets += [*gap, *turn]
        packets[-1] = self._packets[index][-1]
        known = [text for text in texts if text is not None]
        return Script(packets, " ".join(known) if len(known) == len(texts) else None)

    def tail(self, rng: random.Random, session_seconds: float | None, speech_share: float | None = None) -> Script:
        """A script from a random packet on: sessions that start together do not end together."""
        script = self.script(rng, session_seconds, speech_share)
        return Script(script.packets[rng.randrange(len(script.packets)) :], None)

    def _noise(self, rng: random.Random, seconds: float) -> list[bytes]:
        """Background noise, in whole packets."""
        count = round(seconds * BYTES_PER_SECOND / self._size)
        start = rng.randrange(len(self._background))
        return [self._background[(start + index) % len(self._background)] for index in range(count)]

    def _cut(self, pcm: bytes) -> list[bytes]:
        return [pcm[at : at + self._size] for at in range(0, len(pcm), self._size)]


def _seconds(packets: Sequence[bytes]) -> float:
    return sum(map(len, packets)) / BYTES_PER_SECOND


def load_corpus(manifest: str | None, audio: Sequence[str]) -> list[Utterance]:
    """Decode a manifest, audio files, or the bundled recording when neither is given.

    Args:
        manifest: JSON lines with ``audio_filepath`` (relative to the manifest, or absolute) and ``text``.
        audio: files without reference text.

    Raises:
        WavelaneError: INVALID_AUDIO for a file that does not decode, INVALID_CONFIG for a broken manifest.
    """
    entries = [(str(entry.path), entry.text) for entry in (read_manifest(manifest) if manifest else ())]
    entries += [(path, None) for path in audio]
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
