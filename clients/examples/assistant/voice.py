"""Spoken replies: the WAV that a synthesiser's command writes is played while it comes, and can be stopped."""

import asyncio
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

BLOCK_SECONDS = 0.05
"""What is handed to the loudspeaker at a time: a reply stops within one."""


class VoiceError(Exception):
    """The synthesiser or the loudspeaker failed; says how."""


class Loudspeaker(Protocol):
    """Where 16-bit samples go; called in a thread of its own."""

    def open(self, sample_rate: int, channels: int) -> None:
        """Begin. Raises VoiceError."""

    def write(self, pcm: bytes) -> None:
        """Play; waits while earlier samples are played."""

    def close(self, *, drop: bool) -> None:
        """Play the rest, or with ``drop`` be silent at once."""


class SoundCard:
    """The system's default output, through PortAudio."""

    def __init__(self) -> None:
        try:
            import sounddevice
        except (ImportError, OSError):
            raise SystemExit(
                "playing replies needs sounddevice and PortAudio: pip install 'wavelane[mic]' and "
                "apt-get install libportaudio2; or read them: --speak print"
            ) from None
        self._sounddevice: Any = sounddevice
        self._output: Any = None

    def open(self, sample_rate: int, channels: int) -> None:
        """As :class:`Loudspeaker`."""
        form = {"samplerate": sample_rate, "channels": channels, "dtype": "int16", "latency": BLOCK_SECONDS}
        try:
            self._output = self._sounddevice.RawOutputStream(**form)
            self._output.start()
        except self._sounddevice.PortAudioError as error:
            raise VoiceError(f"no loudspeaker: {error}") from None

    def write(self, pcm: bytes) -> None:
        """As :class:`Loudspeaker`."""
        self._output.write(pcm)

    def close(self, *, drop: bool) -> None:
        """As :class:`Loudspeaker`."""
        if drop:
            self._output.abort()
        else:
            self._output.stop()
        self._output.close()


class Recorder:
    """A WAV file that takes samples at the pace at which a loudspeaker would play them."""

    def __init__(self, path: str) -> None:
        try:
            Path(path).touch()
        except OSError as error:
            raise SystemExit(f"cannot write {path}: {error.strerror}") from None
        self._path = path
        self._file: wave.Wave_write | None = None
        self._played = 0.0

    def open(self, sample_rate: int, channels: int) -> None:
        """As :class:`Loudspeaker`."""
        if self._file is None:
            self._file = wave.open(self._path, "wb")  # noqa: SIM115 - open for all replies
            self._file.setparams((channels, 2, sample_rate, 0, "NONE", ""))
        self._played = time.monotonic()

    def write(self, pcm: bytes) -> None:
        """As :class:`Loudspeaker`."""
        assert self._file is not None
        self._file.writeframes(pcm)
        self._played += len(pcm) / (2 * self._file.getnchannels() * self._file.getframerate())
        time.sleep(max(0.0, self._played - time.monotonic()))

    def close(self, *, drop: bool) -> None:
        """As :class:`Loudspeaker`."""


class Voice:
    """Says text through a synthesiser.

    Args:
        command: writes a WAV of 16-bit samples to standard output; ``{text}`` in it stands for the text, which comes on
            standard input too. ``print`` says nothing.
        loudspeaker: makes what plays it, where there is anything to play.

    Raises:
        SystemExit: the synthesiser or the loudspeaker is missing; says what to install.
    """

    def __init__(self, command: str, loudspeaker: Callable[[], Loudspeaker]) -> None:
        self._command = [] if command == "print" else shlex.split(command)
        if self._command and shutil.which(self._command[0]) is None:
            raise SystemExit(
                f"the synthesiser {self._command[0]} is not installed: `apt-get install espeak-ng`, name another one "
                "with --speak 'COMMAND {text}', or read the replies: --speak print"
            )
        self._loudspeaker = loudspeaker() if self._command else None
        self._busy = threading.Lock()

    async def say(self, text: str, first_sample: Callable[[], None]) -> None:
        """Speak to the end, or until cancelled; calls ``first_sample`` when the loudspeaker gets the first one.

        Raises:
            VoiceError: the synthesiser or the loudspeaker failed.
        """
        if self._loudspeaker is None:
            first_sample()
            return
        loop, stop = asyncio.get_running_loop(), threading.Event()
        try:
            await asyncio.to_thread(
                self._play, text, self._loudspeaker, stop, lambda: loop.call_soon_threadsafe(first_sample)
            )
        finally:
            stop.set()

    def _play(
        self, text: str, loudspeaker: Loudspeaker, stop: threading.Event, first_sample: Callable[[], object]
    ) -> None:
        command = [part.replace("{text}", text) for part in self._command]
        # Files, not pipes: a synthesiser may leave its input unread and say much.
        with self._busy, tempfile.TemporaryFile() as words, tempfile.TemporaryFile() as complaints:
            words.write(text.encode())
            words.seek(0)
            with subprocess.Popen(command, stdin=words, stdout=subprocess.PIPE, stderr=complaints) as process:
                try:
                    assert process.stdout is not None
                    with wave.open(process.stdout) as wav:
                        loudspeaker.open(wav.getframerate(), wav.getnchannels())
                        block = round(BLOCK_SECONDS * wav.getframerate())
                        pcm = wav.readframes(block)
                        if pcm and not stop.is_set():
                            first_sample()
                        while pcm and not stop.is_set():
                            loudspeaker.write(pcm)
                            pcm = wav.readframes(block)
                        loudspeaker.close(drop=stop.is_set())
                except (EOFError, wave.Error) as error:
                    process.wait()
                    complaints.seek(0)
                    said = complaints.read().decode(errors="replace").strip()
                    raise VoiceError(f"{command[0]} wrote no WAV ({said or error})") from None
                finally:
                    process.kill()
