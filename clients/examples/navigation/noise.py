"""How many commands are understood in the noise of a car: ``python -m examples.navigation.noise MANIFEST``.

The manifest has recordings of commands with intent and slots. Road noise is added at several signal-to-noise ratios,
and all are sent to a server of its own (or ``--url``) with the grammar of the map around the car. `wavelane eval` does
the work; further flags are passed on to it, as ``--option audio.noise_suppression=off``.

The noise is synthesised, not recorded: what a car's cabin at constant speed sounds like to a first approximation.
"""

import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from examples.navigation.commands import SUPPRESSION, grammar
from examples.navigation.gazetteer import BRACKENFORD, START, read_town
from examples.navigation.journey import Journey

RATE = 16_000
ENGINE_HZ = 45.0
"""Ignition of four cylinders at 1,350 revolutions a minute."""
RATIOS = (20.0, 15.0, 10.0, 5.0, 0.0)


def road_noise(seconds: float, seed: int = 0) -> NDArray[np.float64]:
    """The noise of a car that drives: [seconds * 16,000] samples, full scale is 1, rms 0.1.

    A sum of brown noise (wind and body, power falling with 6 dB an octave above 30 Hz), tyres on asphalt (noise around
    800 Hz, 12 dB below), and the engine with eight harmonics, 10 dB below, whose speed wanders by a few per cent.
    """
    rng = np.random.default_rng(seed)
    count = round(seconds * RATE)
    hertz = np.fft.rfftfreq(count, 1 / RATE)

    def shaped(gain: NDArray[np.float64]) -> NDArray[np.float64]:
        return _of_power(np.fft.irfft(np.fft.rfft(rng.standard_normal(count)) * gain, count), 1.0)

    brown = shaped(np.where(hertz > 30, 30 / np.maximum(hertz, 30), 0.0))
    tyres = shaped(np.exp(-0.5 * (np.log2(np.maximum(hertz, 1) / 800) / 0.7) ** 2))
    each_second = rng.normal(1, 0.03, count // RATE + 2)
    speed = np.interp(np.arange(count) / RATE, np.arange(len(each_second)), each_second)
    turn = 2 * np.pi * ENGINE_HZ * np.cumsum(speed) / RATE
    engine = _of_power(np.sum([np.sin(k * turn) / k for k in range(1, 9)], axis=0), 1.0)
    return _of_power(brown + 10 ** (-12 / 20) * tyres + 10 ** (-10 / 20) * engine, 0.1)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False))
@click.option("--snr", "ratios", type=float, multiple=True, default=RATIOS, show_default=True, help="In dB.")
@click.option("--url", help="Of a running server.")
@click.argument("flags", nargs=-1, type=click.UNPROCESSED)
def main(manifest: str, ratios: tuple[float, ...], url: str | None, flags: tuple[str, ...]) -> None:
    """Count the commands of MANIFEST that are understood, as they are and in road noise.

    FLAGS go to `wavelane eval`.
    """
    with tempfile.TemporaryDirectory() as folder:
        noise, rules = Path(folder, "road.wav"), Path(folder, "car.jsgf")
        with wave.open(str(noise), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes((32_767 * road_noise(60)).astype("<i2").tobytes())
        rules.write_text(grammar(Journey(read_town(BRACKENFORD), START).around), encoding="utf-8")
        command = [sys.executable, "-m", "wavelane_server", "eval", manifest, "--noise", str(noise)]
        command += ["--option", f"grammar=@{rules}", "--option", f"audio.noise_suppression={SUPPRESSION}"]
        command += ["--normalizer", "basic", *(["--url", url] if url else ["--serve", ""])]
        for condition in ("clean", *(f"snr:{ratio:g}" for ratio in ratios)):
            command += ["--condition", condition]
        sys.exit(subprocess.run([*command, *flags], check=False).returncode)


def _of_power(samples: NDArray[np.float64], rms: float) -> NDArray[np.float64]:
    return samples * float(rms / np.sqrt(np.mean(samples**2)))


if __name__ == "__main__":
    main()
