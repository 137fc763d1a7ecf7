"""Train a streaming FastConformer CTC model, all lookaheads at once, from any native checkpoint.

    python -m wavelane_training.train RUN --data STORE... --base wavelane-en-small --minutes 90 [--workers 2]
        [--device cuda]

RUN is the run's folder. A run that was interrupted, or is to go on, is started again with the same command: weights,
optimiser state and the number of hours heard are taken from ``RUN/last.pt``. The learning rate falls to zero over
``--minutes``, by cosine. ``touch RUN/stop`` ends it early, with a checkpoint.

Workers are processes of one thread each that average their gradients once a step: unlike the threads of one process
they never wait for each other inside an operation, which matters on cores that others use too.
"""

import json
import math
import os
import random
import time
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn
from torch.nn import functional

from wavelane.lm.spelling import speller
from wavelane.model.embedded import DEFAULT
from wavelane_training.augment import Augment, Strength
from wavelane_training.batches import Batch, collate, epoch, examples
from wavelane_training.checkpoints import Checkpoint, Checkpoints, starting_point
from wavelane_training.network import Network
from wavelane_training.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Of one training run."""

    run: Path
    data: tuple[Path, ...]
    base: str
    minutes: float
    weights: dict[str, float]
    """Times that a corpus is heard in one pass."""
    noise: Path | None
    seconds: float
    """Of audio in each worker's batch."""
    rate: float
    """Largest learning rate."""
    warmup: int
    """Steps."""
    decay: float
    """Of weights, by AdamW."""
    lookaheads: tuple[tuple[int, float], ...]
    """Each lookahead with its share of the steps."""
    keep_minutes: float
    """Between the checkpoints that are kept, for averaging."""
    device: str
    workers: int
    agreement: float
    """Weight of the disagreement between two variants of an utterance; 0: each is heard once."""
    seed: int


def learning_rate(step: int, warmup: int, part: float, largest: float) -> float:
    """Linear warm-up over steps, and a cosine from ``largest`` to zero over the ``part`` of the time that has gone."""
    return largest * min(1.0, (step + 1) / warmup) * 0.5 * (1 + math.cos(math.pi * min(1.0, part)))


def ctc_loss(network: Network, batch: Batch, lookahead: int, device: str, agreement: float = 0.0) -> torch.Tensor:
    """Mean loss of a piece.

    Args:
        network: in training.
        batch: with two variants of each utterance (:func:`wavelane_training.batches.collate`) if there is an agreement.
        lookahead: encoder frames.
        device: that computes.
        agreement: weight of how far the two variants' outputs are apart, each the other's teacher: consistency-
            regularised CTC (Yao et al., arXiv:2410.05101).
    """
    with torch.autocast(device, torch.bfloat16):
        scores, frames = network(batch.features.to(device), batch.lengths.to(device), lookahead)
    total = functional.ctc_loss(
        scores.transpose(0, 1),
        batch.targets.to(device),
        frames,
        batch.target_lengths.to(device),
        blank=network.config.blank,
        reduction="sum",
        zero_infinity=True,
    )
    if agreement:
        one, two = scores.chunk(2)
        heard = torch.arange(scores.shape[1], device=scores.device) < frames[: len(one), None].to(scores.device)
        apart = functional.kl_div(one, two.detach(), reduction="none", log_target=True)
        apart = apart + functional.kl_div(two, one.detach(), reduction="none", log_target=True)
        total = total + agreement * apart.sum(-1).masked_select(heard).sum()
    return total / batch.target_lengths.sum()


class Trainer:
    """One worker of a run.

    Args:
        options: of the run.
        rank: of the worker; the first one writes.
    """

    def __init__(self, options: Options, rank: int) -> None:
        self._options, self._rank = options, rank
        seed = options.seed + rank + 1_000 * int(time.time())
        self._rng = random.Random(seed)
        config, weights = starting_point(options.base)
        self._network = Network(config).to(options.device)
        self._network.load(weights)
        self._checkpoints = Checkpoints(options.run, config, options.keep_minutes * 60)
        self._optimiser = adamw(self._network, options.rate, options.decay)
        self._state = self._checkpoints.last() or Checkpoint()
        if self._state.weights:
            self._network.load_state_dict(self._state.weights)
            self._optimiser.load_state_dict(self._state.optimiser)
        stores = [Store(path, config.features.n_mels) for path in options.data]
        self._examples = examples(stores, speller(config.vocabulary))
        if not any(options.weights.get(example.utterance.corpus, 1.0) > 0 for example in self._examples):
            raise click.ClickException(
                "there is no utterance to train on: all are weighted 0, cannot be spelled in the model's pieces, are "
                "longer than 20 s or too short for their text"
            )
        noise = np.load(options.noise, mmap_mode="r") if options.noise else None
        strength = Strength(mel_masks=2, seconds_per_mask=2.0) if options.agreement else Strength()
        self._augment = Augment(noise, config.features.log_guard, np.random.default_rng(seed % 2**32), strength)
        self._say(data=len(self._examples), hours=round(sum(e.utterance.frames for e in self._examples) / 360_000, 2))

    def run(self) -> None:
        """Train until the time is over or somebody asks to stop."""
        options, network = self._options, self._network
        begin, first = time.time(), self._state.step
        lookaheads, shares = zip(*options.lookaheads, strict=True)
        network.train()
        heard, spent, mean = 0.0, time.process_time(), 0.0
        while True:
            views = 2 if options.agreement else 1
            for chosen in epoch(self._examples, options.weights, options.seconds / views, self._rng):
                part = (time.time() - begin) / (60 * options.minutes)
                rate = learning_rate(self._state.step - first, options.warmup, part, options.rate)
                batch = collate(chosen, self._augment, views)
                lookahead = self._rng.choices(lookaheads, shares)[0]
                loss = ctc_loss(network, batch, lookahead, options.device, options.agreement)
                self._optimiser.zero_grad(set_to_none=True)
                torch.autograd.backward(loss)
                enough = self._averaged(part >= 1 or (options.run / "stop").exists())
                apply_gradients(self._optimiser, rate)
                seconds = int(batch.lengths.sum()) / 100
                self._state.step += 1
                self._state.hours += options.workers * seconds / 3600
                heard += seconds
                mean = loss.item() if not mean else 0.98 * mean + 0.02 * loss.item()
                if self._state.step % 50 == 0:
                    speed = heard / (time.process_time() - spent)
                    self._say(loss=round(mean, 3), rate=f"{rate:.1e}", times_real_time_per_core=round(speed))
                if enough or (self._rank == 0 and self._checkpoints.due()):
                    self._save(mean)
                if enough:
                    return

    def _averaged(self, stop: bool) -> bool:
        """Average the gradients of all workers; whether any of them wants to stop."""
        if self._options.workers == 1:
            return stop
        gradients = [p.grad for p in self._network.parameters() if p.grad is not None]
        flat = torch.cat([*(gradient.flatten() for gradient in gradients), torch.tensor([float(stop)])])
        dist.all_reduce(flat)
        flat /= self._options.workers
        position = 0
        for gradient in gradients:
            gradient.copy_(flat[position : position + gradient.numel()].view_as(gradient))
            position += gradient.numel()
        return bool(flat[-1] > 0)

    def _save(self, loss: float) -> None:
        if self._rank == 0:
            self._state.weights = self._network.state_dict()
            self._state.optimiser = self._optimiser.state_dict()
            self._state.loss = loss
            self._checkpoints.save(self._state)

    def _say(self, **values: object) -> None:
        if self._rank == 0:
            line = {"time": time.strftime("%H:%M:%S"), "step": self._state.step, "heard": round(self._state.hours, 2)}
            print(json.dumps(line | values), flush=True)


def adamw(network: Network, rate: float, decay: float) -> torch.optim.AdamW:
    """The optimiser of all that is not frozen; only matrices decay."""
    matrices = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
    vectors = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), fused=True)


def apply_gradients(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """A step at this learning rate, with gradients clipped to a norm of 1; none where they are not finite."""
    for group in optimiser.param_groups:
        group["lr"] = rate
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    if torch.isfinite(torch.nn.utils.clip_grad_norm_(parameters, 1.0)):
        optimiser.step()


def work(rank: int, options: Options, port: int) -> None:
    """What a worker process does."""
    if options.workers > 1:
        torch.set_num_threads(1)
        address = f"tcp://127.0.0.1:{port}"
        dist.init_process_group("gloo", init_method=address, rank=rank, world_size=options.workers)
    Trainer(options, rank).run()


def _shares(values: tuple[str, ...]) -> dict[str, float]:
    return {name: float(share) for name, share in (value.split("=", 1) for value in values)}


@click.command()
@click.argument("run", type=click.Path(file_okay=False, path_type=Path))
@click.option("--data", multiple=True, required=True, type=click.Path(exists=True, path_type=Path), help="A store.")
@click.option("--base", default=DEFAULT, show_default=True, help="Model to start from: embedded, or a native folder.")
@click.option("--minutes", type=float, required=True, help="After which the learning rate is zero.")
@click.option("--weight", multiple=True, metavar="CORPUS=TIMES", help="How often a corpus is heard in one pass.")
@click.option("--noise", type=click.Path(exists=True, path_type=Path), help="Log-mels of noise (.npy).")
@click.option("--seconds", default=40.0, show_default=True, help="Of audio in a worker's batch, all views counted.")
@click.option("--rate", default=8e-4, show_default=True, help="Largest learning rate.")
@click.option("--warmup", default=50, show_default=True, help="Steps.")
@click.option("--decay", default=1e-2, show_default=True, help="Of weights.")
@click.option("--lookahead", multiple=True, metavar="FRAMES=SHARE", default=["13=.35", "6=.35", "1=.2", "0=.1"])
@click.option("--keep-minutes", default=4.0, show_default=True, help="Between checkpoints.")
@click.option("--device", default="cpu", type=click.Choice(["cpu", "cuda"]))
@click.option("--workers", default=1, show_default=True, help="Processes; on a CPU, one for each core.")
@click.option(
    "--agreement",
    default=0.0,
    show_default=True,
    help="Hear two variants of each utterance in a batch, and weigh their disagreement; for example 0.2.",
)
@click.option("--seed", default=0, help="With the time, so that a run that goes on hears something new.")
def main(run: Path, weight: tuple[str, ...], lookahead: tuple[str, ...], **values: object) -> None:
    """Train in the folder RUN."""
    if values["device"] == "cuda" and values["workers"] != 1:
        raise click.UsageError("--workers: processes of a CPU; a GPU is one worker's")
    run.mkdir(parents=True, exist_ok=True)
    (run / "stop").unlink(missing_ok=True)
    shares = tuple((int(frames), share) for frames, share in _shares(lookahead).items())
    options = Options(run=run, weights=_shares(weight), lookaheads=shares, **values)  # type: ignore[arg-type]
    port = 20_000 + os.getpid() % 20_000
    if options.workers == 1:
        work(0, options, port)
    else:
        spawn(work, (options, port), options.workers)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
