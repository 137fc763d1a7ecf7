"""What a beam costs: processor time of native steps with every row searched, beside greedy steps of the same audio.

    python benchmarks/search.py AUDIO... [--beam 4 --beam 8] [--rows 32] [--lookahead 6] [--precision int8] [--lm NAME]
        [--json OUT]

Rows say the files one after the other, each from another place on, so that speech and silence are mixed as they are.
"""

import itertools
import json
import time
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from wavelane.audio.decoder import decode_bytes
from wavelane.audio.limits import DecoderLimits
from wavelane.audio.resample import Resampler
from wavelane.engine.batching import Batch, Pending
from wavelane.engine.native_runner import NativeRunner
from wavelane.engine.slots import Slot
from wavelane.model.base import LoadedModel
from wavelane.model.checkpoint import load_model
from wavelane.model.embedded import DEFAULT, EMBEDDED, embedded_path
from wavelane.model.offline import chunks
from wavelane.work import Decoding, FusionRequest, Samples
from wavelane_server.config import LmConfig
from wavelane_server.language_models import with_language_models


def read(path: Path) -> Samples:
    """Any audio file, mono at 16 kHz."""
    rate, block = decode_bytes(path.read_bytes(), DecoderLimits())
    resampler = Resampler(rate)
    return np.concatenate([resampler.push(block.mean(axis=0, dtype=np.float32)), resampler.flush()])


def step_ms(
    loaded: LoadedModel, audio: Samples, rows: int, lookahead: int, precision: str, decoding: Decoding | None
) -> float:
    """Processor time (ms) of a step of so many rows: the mean over all audio."""
    runner = NativeRunner(loaded, loaded.spec.heads[0], rows, precision, 1, rows)
    streams = [
        chunks(loaded.spec, np.roll(audio, row * len(audio) // rows), lookahead, decoding) for row in range(rows)
    ]
    spent = []
    for number, step in enumerate(zip(*streams, strict=True)):
        pending = [Pending(Slot(row, 0), chunk, number, 0.0, 0.0, 0.0) for row, chunk in enumerate(step)]
        begin = time.process_time()
        runner.collect(runner.launch(Batch(lookahead, tuple(pending), rows)))
        spent.append(time.process_time() - begin)
    return float(np.mean(spent[1:])) * 1000


@click.command()
@click.argument("audio", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--model", default=DEFAULT, show_default=True, help="Embedded model, .nemo archive or model folder.")
@click.option("--beam", "beams", type=int, multiple=True, default=(4, 8, 16), show_default=True)
@click.option("--rows", type=int, default=32, show_default=True)
@click.option("--lookahead", "lookaheads", type=int, multiple=True, default=(6, 0), show_default=True)
@click.option("--precision", type=click.Choice(["int8", "bf16", "fp32"]), default="int8", show_default=True)
@click.option("--lm", help="Language model of those that the model's folder brings; left out: none.")
@click.option("--json", "output", type=click.Path(path_type=Path), help="Write the figures here.")
def main(
    audio: tuple[Path, ...],
    model: str,
    beams: tuple[int, ...],
    rows: int,
    lookaheads: tuple[int, ...],
    precision: str,
    lm: str | None,
    output: Path | None,
) -> None:
    """Print what a step costs."""
    path = embedded_path() if model in EMBEDDED else Path(model)
    loaded = with_language_models(load_model(path), LmConfig(), path)
    fusion = None if lm is None else FusionRequest(lm=lm)
    samples = np.concatenate([read(path) for path in audio])
    table = Table("lookahead", "beam", "ms a step", "of greedy")
    figures = []
    for lookahead in lookaheads:
        greedy = step_ms(loaded, samples, rows, lookahead, precision, None)
        for beam in itertools.chain([0], beams):
            decoding = Decoding(beam=beam, fusion=fusion) if beam else None
            spent = step_ms(loaded, samples, rows, lookahead, precision, decoding) if beam else greedy
            table.add_row(str(lookahead), str(beam or "greedy"), f"{spent:.2f}", f"{spent / greedy:.2f}")
            figures.append(
                {"lookahead": lookahead, "beam": beam, "rows": rows, "ms": spent, "of_greedy": spent / greedy}
            )
    Console().print(table)
    if output:
        output.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
