"""A short fine-tune on a domain that is known by its sentences alone.

The domain's sentences, and some of general English, are spoken by the voices at hand. A tenth of each is kept apart:
the loss on the domain's says when to stop, that on the others (the guard, with real recordings where some are given)
how far from the base the weights may go. The lower layers stay as they are: they hear, and synthetic voices have
nothing to teach them.
"""

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.lm.spelling import speller
from wavelane.model.config import ModelConfig
from wavelane_training.augment import Augment, Strength
from wavelane_training.batches import Example, collate, epoch, examples
from wavelane_training.network import Network
from wavelane_training.noise import noise_of
from wavelane_training.recordings import read_audio, read_manifests, trim
from wavelane_training.store import FrontEnd, Store, StoreWriter
from wavelane_training.synthesise import speak
from wavelane_training.train import adamw, apply_gradients, ctc_loss, learning_rate
from wavelane_training.voices import Voice, installed

DOMAIN, GUARD = "domain", "guard"
_KEPT_APART = 0.1
_MOST_APART = 200
"""Utterances that a loss is measured on, at most."""
_GUARD_SHARE = 0.3
"""Of the audio that is trained on."""
_BATCH_SECONDS = 40.0
_WARMUP = 20
_SHARES = (1.0, 0.75, 0.5, 0.25, 0.1)
"""Of the way from the base to what was learned; the first one that forgets nothing is taken."""
_NOISE_FRAMES = 60_000
_MOST_VOICES = 200
"""Utterances that babble is made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuning:
    """How a domain is learned."""

    minutes: float = 10.0
    """At most, speaking not included."""
    sentences: int = 2_000
    """Of the domain, spoken."""
    rate: float = 2e-4
    """Largest learning rate."""
    frozen_layers: int | None = None
    """Layers from below that stay as they are, with what comes before them; None: half of them."""
    guards: tuple[Path, ...] = ()
    """Manifests of real recordings of anything."""
    guard_sentences: int = 400
    """Of general English, spoken beside the domain's."""
    forgetting: float = 0.01
    """How much larger the guard's loss may become, as a part of it."""
    patience: int = 5
    """Looks without a better loss after which it ends."""
    look_every: int = 25
    """Steps between looks."""
    processes: int = 2
    """That speak."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Losses:
    """CTC loss of a piece on what was kept apart."""

    domain: float
    guard: float

    def __str__(self) -> str:
        return f"domain {self.domain:.3f}, guard {self.guard:.3f}"


@dataclass(frozen=True, slots=True)
class Tuned:
    """What came of it."""

    weights: dict[str, Tensor]
    before: Losses
    after: Losses
    steps: int
    """Up to these weights; 0: the base's own, because none were better without forgetting."""
    hours: float
    """Of the domain, spoken."""


def fine_tune(
    config: ModelConfig,
    weights: dict[str, Tensor],
    sentences: Sequence[str],
    options: FineTuning,
    say: Callable[[str], None] = lambda _: None,
    voices: Sequence[Voice] | None = None,
) -> Tuned:
    """Teach a model sentences by synthetic speech.

    Args:
        config, weights: of the base.
        sentences: of the domain, in words that it can write.
        options: how.
        say: takes lines of progress.
        voices: that speak; None: all that are installed.

    Raises:
        WavelaneError: MODEL_UNSUPPORTED: the base is of a kind that is not trained; INVALID_CONFIG: no voice is
            installed, a guard cannot be read, or there is too little to learn from.
    """
    try:
        network = Network(config)
    except ValueError as error:
        raise WavelaneError(ErrorCode.MODEL_UNSUPPORTED, str(error)) from None
    network.load(weights)
    voices = installed() if voices is None else voices
    if not voices:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG,
            "no synthesiser is installed: pip install 'wavelane[voices]', or install espeak-ng or flite",
        )
    with TemporaryDirectory() as folder:
        path = Path(folder)
        hours = _speak(path, config, sentences, options, voices)
        say(f"spoke {hours:.2f} h of the domain in the voices of {', '.join(voice.name for voice in voices)}")
        found = examples([Store(path, config.features.n_mels)], speller(config.vocabulary))
        return _Tuner(network, config, found, options).run(hours, say)


class _Tuner:
    def __init__(self, network: Network, config: ModelConfig, found: Sequence[Example], options: FineTuning) -> None:
        self._network, self._options = network, options
        self._lookaheads = config.lookaheads
        self._random = random.Random(options.seed)
        self._train: list[Example] = []
        self._apart: dict[str, list[Example]] = {}
        for corpus in (DOMAIN, GUARD):
            those = [example for example in found if example.utterance.corpus == corpus]
            self._random.shuffle(those)
            count = min(math.ceil(len(those) * _KEPT_APART), _MOST_APART)
            if len(those) < 2:
                raise WavelaneError(ErrorCode.INVALID_CONFIG, f"too little speech of the {corpus} to learn from")
            self._apart[corpus] = those[:count]
            self._train += those[count:]
        generator = np.random.default_rng(options.seed)
        voices = [example.store.mels(example.utterance) for example in self._train[:_MOST_VOICES]]
        noise = noise_of(voices, _NOISE_FRAMES, generator)
        self._augment = Augment(noise, config.features.log_guard, generator, Strength(noisy=0.6, snr=(3.0, 25.0)))
        network.freeze(len(network.encoder.layers) // 2 if options.frozen_layers is None else options.frozen_layers)
        self._optimiser = adamw(network, options.rate, decay=1e-2)

    def run(self, hours: float, say: Callable[[str], None]) -> Tuned:
        options, network = self._options, self._network
        before = self._look()
        say(f"before: {before}")
        base, least = _copy(network), before.domain
        tuned, tuned_at, worse = base, 0, 0
        begin = time.monotonic()
        network.train()
        for step, batch in enumerate(self._batches(), 1):
            part = (time.monotonic() - begin) / (60 * options.minutes)
            if part >= 1 or worse >= options.patience:
                break
            loss = ctc_loss(network, collate(batch, self._augment), self._random.choice(self._lookaheads), "cpu")
            self._optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            apply_gradients(self._optimiser, learning_rate(step - 1, _WARMUP, part, options.rate))
            if step % options.look_every == 0:
                now = self._look()
                say(f"step {step}: {now}")
                worse += 1
                if now.domain < least:
                    least, tuned, tuned_at, worse = now.domain, _copy(network), step, 0
        allowed = before.guard * (1 + options.forgetting)
        for share in _SHARES if tuned_at else ():
            # Between the base and what it became lies what knows the domain and has not forgotten the rest
            # (Wortsman et al., arXiv:2109.01903).
            mean = {name: value + share * (tuned[name] - value) for name, value in base.items()}
            network.load_state_dict(mean)
            after = self._look()
            say(f"{share:.0%} of the way: {after}")
            if after.domain < before.domain and after.guard <= allowed:
                return Tuned(mean, before, after, tuned_at, hours)
        return Tuned(base, before, before, 0, hours)

    def _batches(self) -> Iterator[list[Example]]:
        """Without end; the guard has its share of the audio whatever the sizes of the two."""
        frames = dict.fromkeys((DOMAIN, GUARD), 0)
        for example in self._train:
            frames[example.utterance.corpus] += example.utterance.frames
        share = _GUARD_SHARE / (1 - _GUARD_SHARE) * frames[DOMAIN] / max(frames[GUARD], 1)
        while True:
            yield from epoch(self._train, {GUARD: share}, _BATCH_SECONDS, self._random)

    def _look(self) -> Losses:
        network = self._network
        network.eval()
        with torch.inference_mode():
            means = [self._mean(self._apart[corpus]) for corpus in (DOMAIN, GUARD)]
        network.train()
        return Losses(*means)

    def _mean(self, those: Sequence[Example]) -> float:
        total = pieces = 0.0
        for chosen in epoch(those, {}, _BATCH_SECONDS, random.Random(0)):
            batch = collate(chosen, None)
            count = float(batch.target_lengths.sum())
            total += count * float(ctc_loss(self._network, batch, self._lookaheads[0], "cpu"))
            pieces += count
        return total / pieces


def _copy(network: Network) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def _speak(
    path: Path, config: ModelConfig, sentences: Sequence[str], options: FineTuning, voices: Sequence[Voice]
) -> float:
    """Write the domain's sentences and the guard, with the recordings that were given; hours of the domain."""
    front_end, rate = FrontEnd(config.features), config.features.sample_rate
    domain = list(dict.fromkeys(sentences))  # one that is kept apart is not learned
    random.Random(options.seed).shuffle(domain)
    domain = domain[: options.sentences]
    guard = files(__package__).joinpath("guard.txt").read_text(encoding="utf-8").splitlines()
    texts = [*domain, *guard[: options.guard_sentences]]
    frames = 0
    with StoreWriter(path) as store:
        for number, spoken in enumerate(speak(texts, voices, rate, options.processes, options.seed)):
            if spoken is not None:
                mels = front_end(spoken.samples)
                store.add(mels, spoken.text, DOMAIN if number < len(domain) else GUARD, spoken.speaker)
                frames += len(mels) if number < len(domain) else 0
        try:
            for recording in read_manifests(options.guards):
                samples = trim(read_audio(recording.path, rate), rate)
                store.add(front_end(samples), recording.text, GUARD, recording.speaker)
        except (OSError, ValueError, KeyError) as error:
            raise WavelaneError(ErrorCode.INVALID_CONFIG, f"a guard cannot be read: {error}") from None
    return frames * config.features.hop / rate / 3600
