"""Sentences to a store of synthetic speech.

    python -m wavelane_training.synthesise STORE SENTENCES... --limit 20000 [--voice espeak-ng --voice flite]
        [--command 'piper -m x.onnx -f {output} {text}']

SENTENCES are text files with one sentence a line, as ``sentences.py`` writes them. Each is spoken once, by a voice
drawn for it.
"""

import random
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np

from wavelane.audio.resample import Resampler
from wavelane.model.embedded import DEFAULT
from wavelane.work import Samples
from wavelane_training.checkpoints import starting_point
from wavelane_training.recordings import read_audio, trim
from wavelane_training.store import FrontEnd, StoreWriter
from wavelane_training.voices import VOICES, Command, Voice, installed

_SHORTEST = 0.25
"""Seconds of sound below which a synthesiser is taken to have failed."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A sentence that was spoken."""

    samples: Samples
    text: str
    speaker: str


class Speaker:
    """Speaks sentences; a class so that worker processes can be sent it.

    Args:
        voices: to draw from.
        rate: of the samples.
        seed: of everything that is drawn, together with the sentence's number.
    """

    def __init__(self, voices: Sequence[Voice], rate: int, seed: int) -> None:
        self._voices, self._rate, self._seed = list(voices), rate, seed

    def __call__(self, numbered: tuple[int, str]) -> Spoken | None:
        """None where a synthesiser fails, which it does on some words."""
        number, text = numbered
        rng = random.Random(f"{self._seed} {number}")
        voice = rng.choice(self._voices)
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "speech.wav"
            try:
                speaker = voice.speak(text, output, rng)
                samples = read_audio(output, self._rate)
            except Exception:  # whatever the synthesisers of others raise
                return None
        # Another length of the vocal tract: pitch, formants and speed move together, up to a fifth.
        resampler = Resampler(round(self._rate * rng.uniform(0.82, 1.2) / 100) * 100, self._rate)
        samples = trim(np.concatenate([resampler.push(samples), resampler.flush()]), self._rate)
        return Spoken(samples, text, f"{voice.name} {speaker}") if len(samples) > _SHORTEST * self._rate else None


def speak(
    sentences: Sequence[str], voices: Sequence[Voice], rate: int, processes: int, seed: int
) -> Iterator[Spoken | None]:
    """Each sentence by a voice drawn for it, in order; None where a synthesiser failed."""
    # The parent has threads (torch's, a server's): a fork of it may hang.
    with get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(Speaker(voices, rate, seed), enumerate(sentences), 16)


@click.command()
@click.argument("output", type=click.Path(path_type=Path))
@click.argument("sentences", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--limit", type=int, help="Sentences, drawn from all.")
@click.option("--voice", "names", type=click.Choice(list(VOICES)), multiple=True, help="Those installed by default.")
@click.option("--command", "commands", multiple=True, help="Another synthesiser, with {text} and {output}.")
@click.option("--corpus", default="synthetic", show_default=True, help="Name of the corpus in the store.")
@click.option("--base", default=DEFAULT, show_default=True, help="Model whose front end is used.")
@click.option("--processes", default=2, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(
    output: Path,
    sentences: tuple[Path, ...],
    limit: int | None,
    names: tuple[str, ...],
    commands: tuple[str, ...],
    corpus: str,
    base: str,
    processes: int,
    seed: int,
) -> None:
    """Write the store OUTPUT of the SENTENCES, spoken."""
    voices: list[Voice] = [VOICES[name]() for name in names] or installed()
    voices += [Command(shlex.split(command)) for command in commands]
    missing = [voice.name for voice in voices if not voice.available()]
    if missing:
        raise click.ClickException(f"not installed: {', '.join(missing)}")
    if not voices:
        raise click.ClickException(f"no synthesiser is installed; install one of {', '.join(VOICES)} or give --command")
    texts = [line for path in sentences for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    random.Random(seed).shuffle(texts)
    spec = starting_point(base)[0].features
    front_end = FrontEnd(spec)
    failed = 0
    with StoreWriter(output) as store:
        for spoken in speak(texts[:limit], voices, spec.sample_rate, processes, seed):
            if spoken is None:
                failed += 1
            else:
                store.add(front_end(spoken.samples), spoken.text, corpus, spoken.speaker)
        print(f"{store.hours:.2f} h, {failed} sentences failed")


if __name__ == "__main__":
    main()
