"""Checkpoints of a run to a model that is served.

    python -m wavelane_training.export RUN OUT [--last 4] [--blend wavelane-en-small] [--name NAME] [--nemo out.nemo]

The weights of the last checkpoints are averaged (Izmailov et al., arXiv:1803.05407), with ``--blend`` half and half
with those of the model that the run began with (Wortsman et al., arXiv:2109.01903), and written in the native format
as float16; with ``--nemo`` also as an archive that NeMo reads. The model in OUT answers at every lookahead of its base.
Its word times and confidences are raw: fit them with ``wavelane calibrate``.
"""

from dataclasses import replace
from pathlib import Path

import click
import torch

from wavelane.bench.export import save_nemo
from wavelane.model.checkpoint import load_model
from wavelane.model.checkpoint.native import load_native, save_native
from wavelane.model.weights import Weights
from wavelane_training.checkpoints import averaged, starting_point


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--last", default=4, show_default=True, help="Checkpoints that are averaged.")
@click.option("--blend", help="Average with this embedded model or native folder, half and half.")
@click.option("--name", help="Of the model; by default that of the base.")
@click.option("--nemo", type=click.Path(path_type=Path), help="Write a NeMo archive too.")
def main(run: Path, output: Path, last: int, blend: str | None, name: str | None, nemo: Path | None) -> None:
    """Average the LAST checkpoints of RUN into the native folder OUTPUT."""
    folders = sorted(run.glob("step-*"))[-last:]
    if not folders:
        raise click.ClickException(f"{run} has no checkpoints; train.py writes them every --keep-minutes")
    models = []
    for folder in folders:
        config, weights = load_native(folder)
        models.append({each: weights.read(each) for each in weights.names()})
    config = replace(config, name=name or config.name)
    tensors = averaged(models)
    if blend is not None:
        other, before = starting_point(blend)
        if other.encoder != config.encoder:
            raise click.ClickException(f"{blend} has another encoder than {run}: their weights have no mean")
        tensors = averaged([tensors, before])
    mean = Weights.of(tensors)
    save_native(config, mean, output, torch.float16)
    if nemo is not None:
        save_nemo(config, mean, nemo)
    loaded = load_model(output)  # refuses a model that could not be served
    print(
        f"{output}: {loaded.spec.name}, {loaded.spec.parameters / 1e6:.1f} M parameters of {len(folders)} checkpoints"
    )


if __name__ == "__main__":
    main()
