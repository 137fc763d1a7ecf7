"""Recordings to a store of log-mels.

    python -m wavelane_training.prepare STORE MANIFEST... [--rooms FOLDER] [--copies 1]
    python -m wavelane_training.prepare --noise noise.npy FOLDER

A manifest is that of ``evaluate.py``, with ``speaker`` where it is known. Silence at both ends is cut to a tenth and a
fifth of a second. Recordings shorter than ``--join`` seconds are also joined to strings of up to seven by one speaker,
with short pauses: single words alone teach a model to stop after one. With ``--copies``, every recording comes again
through a channel: a room, a telephone, or Opus at a low rate; with ``--revoice`` in another voice before, and then not
always through a channel.
"""

from collections import defaultdict
from multiprocessing import Pool
from pathlib import Path

import click
import numpy as np

from wavelane.model.embedded import DEFAULT
from wavelane.spec import FeatureSpec
from wavelane.work import Samples
from wavelane_training.channels import Channel, revoiced
from wavelane_training.checkpoints import starting_point
from wavelane_training.recordings import PEAK, Recording, read_audio, read_manifests, trim
from wavelane_training.store import FrontEnd, StoreWriter

_LONGEST_NOISE = 60
_REVOICED_THROUGH_CHANNEL = 0.6
"""Part of the copies in another voice."""


def joined(takes: list[tuple[Samples, str]], rng: np.random.Generator, rate: int) -> tuple[Samples, str]:
    """Two to seven takes of one speaker after each other, with pauses of up to a fifth of a second."""
    chosen = [takes[i] for i in rng.integers(len(takes), size=int(rng.integers(2, 8)))]
    parts = []
    for samples, _ in chosen:
        heard = np.flatnonzero(np.abs(samples) > 0.05 * PEAK)
        first, last = (int(heard[0]), int(heard[-1])) if len(heard) else (0, len(samples))
        parts += [samples[max(0, first - rate // 10) : last + rate // 10]]
        parts += [np.zeros(int(rng.integers(rate // 5)), np.float32)]
    return np.concatenate(parts), " ".join(text for _, text in chosen)


class _Read:
    """Reads one recording; a class so that worker processes can be sent it."""

    def __init__(self, rate: int) -> None:
        self._rate = rate

    def __call__(self, recording: Recording) -> Samples:
        return trim(read_audio(recording.path, self._rate), self._rate)


def noise_mels(folder: Path, spec: FeatureSpec) -> np.ndarray[tuple[int, int], np.dtype[np.float16]]:
    """Log-mels [F, mels] of every recording under a folder, at equal level, short ones repeated to 12 s."""
    front_end, found = FrontEnd(spec), []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in (".wav", ".flac", ".opus", ".ogg", ".mp3"):
            samples = read_audio(path, spec.sample_rate)[: _LONGEST_NOISE * spec.sample_rate]
            level = float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0
            if level > 1e-4:
                mels = front_end(samples * (0.1 / level))
                found += [mels] * max(1, 1_200 // max(1, len(mels)))
    return np.concatenate(found)


@click.command()
@click.argument("output", type=click.Path(path_type=Path))
@click.argument("sources", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--noise", is_flag=True, help="OUTPUT is an .npy file of the noise in the folder SOURCES.")
@click.option("--base", default=DEFAULT, show_default=True, help="Model whose front end is used.")
@click.option("--longest", default=20.0, show_default=True, help="Seconds; longer recordings are left out.")
@click.option("--join", default=1.3, show_default=True, help="Seconds; shorter recordings are joined to strings too.")
@click.option("--copies", default=0, show_default=True, help="Of every recording, through random channels.")
@click.option("--revoice", is_flag=True, help="Copies are resampled: higher or lower, faster or slower.")
@click.option("--rooms", type=click.Path(exists=True, path_type=Path), help="Folder of impulse responses.")
@click.option("--processes", default=2, show_default=True)
@click.option("--seed", default=1)
def main(
    output: Path,
    sources: tuple[Path, ...],
    noise: bool,
    base: str,
    longest: float,
    join: float,
    copies: int,
    revoice: bool,
    rooms: Path | None,
    processes: int,
    seed: int,
) -> None:
    """Write the store OUTPUT of the manifests SOURCES."""
    spec = starting_point(base)[0].features
    if noise:
        np.save(output, noise_mels(sources[0], spec))
        return
    rate, rng, front_end = spec.sample_rate, np.random.default_rng(seed), FrontEnd(spec)
    channel = Channel(rooms, rate, rng)
    short: dict[str, list[tuple[Samples, str]]] = defaultdict(list)
    chosen = [recording for recording in read_manifests(sources) if recording.seconds <= longest]
    with StoreWriter(output) as store, Pool(processes) as pool:
        for recording, samples in zip(chosen, pool.imap(_Read(rate), chosen, 16), strict=True):
            said = recording.text, recording.corpus, recording.speaker
            store.add(front_end(samples), *said)
            for _ in range(copies):
                heard = revoiced(samples, rate, rng) if revoice else samples
                direct = revoice and rng.random() >= _REVOICED_THROUGH_CHANNEL
                store.add(front_end(heard if direct else channel(heard)), *said)
            if recording.speaker and len(samples) < join * rate:
                short[f"{recording.corpus} {recording.speaker}"].append((samples, recording.text))
        for name, takes in short.items():
            corpus, speaker = name.split(" ", 1)
            for _ in range(len(takes) // 2 if len(takes) >= 4 else 0):
                samples, text = joined(takes, rng, rate)
                store.add(front_end(samples), text, corpus, speaker)
        print(f"{store.hours:.2f} h")


if __name__ == "__main__":
    main()
