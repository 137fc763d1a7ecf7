"""Word error rate of a model, streamed exactly as it is served, by corpus.

    python -m wavelane_training.evaluate MANIFEST [--model NAME_OR_PATH] [--lookahead 6 --lookahead 0]
        [--backend torch --backend "native int8"] [--beam 8] [--lm PATH [--lm-weight W]] [--json OUT]

A manifest has one JSON object a line: ``audio_filepath`` (relative to the manifest), ``text`` (lines without text are
left out) and optionally ``corpus``. Batch size 1; greedy search without a language model unless asked for. Words are
compared in lower case, without punctuation, as they stand: no numbers or spellings are made equal.
"""

import itertools
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import jiwer
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from wavelane.audio.enhance.chain import whole
from wavelane.audio.enhance.options import AudioOptions
from wavelane.decode.words import WordBuilder
from wavelane.engine.base import StepRunner
from wavelane.engine.batching import Batch, Pending
from wavelane.engine.native_runner import NativeRunner
from wavelane.engine.runner import Runner
from wavelane.engine.slots import Slot
from wavelane.errors import WavelaneError
from wavelane.lm.folder import WEIGHT, WORD_BONUS, LmSource
from wavelane.lm.library import FusionLibrary
from wavelane.model.base import LoadedModel
from wavelane.model.checkpoint import load_model
from wavelane.model.embedded import DEFAULT, EMBEDDED, embedded_path
from wavelane.model.offline import chunks, transcribe_tokens
from wavelane.work import Decoding, FusionRequest, Samples, Token
from wavelane_training.recordings import normalise, read_audio

BACKENDS = ("torch", "native fp32", "native bf16", "native int8")


@dataclass(frozen=True, slots=True)
class Score:
    """Errors of one group of utterances."""

    corpus: str
    lookahead: int
    backend: str
    utterances: int
    words: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def wer(self) -> float:
        """Word error rate (%)."""
        return 100.0 * (self.substitutions + self.deletions + self.insertions) / max(self.words, 1)


Transcriber = Callable[[Samples, int], list[Token]]
"""Pieces of a whole file, streamed at a lookahead."""


def transcriber(loaded: LoadedModel, backend: str, head: str | None, decoding: Decoding | None = None) -> Transcriber:
    """What transcribes with ``torch`` (float32) or with the native library in a precision, say ``native int8``."""
    if backend == "torch" and decoding is None:
        return lambda samples, lookahead: transcribe_tokens(loaded, samples, lookahead=lookahead, head=head)
    head = head or loaded.spec.heads[0]
    runner: StepRunner = (
        Runner(loaded, head, 1)
        if backend == "torch"
        else NativeRunner(loaded, head, 1, backend.removeprefix("native "), 0, 1)
    )

    def transcribe(samples: Samples, lookahead: int) -> list[Token]:
        tokens: list[Token] = []
        for number, chunk in enumerate(chunks(loaded.spec, samples, lookahead, decoding)):
            row = Pending(Slot(0, 0), chunk, number, 0.0, 0.0, 0.0)
            (result,) = runner.collect(runner.launch(Batch(lookahead, (row,), 1)))
            if isinstance(result, WavelaneError):
                raise result
            tokens += result.tokens
        return tokens

    return transcribe


def text_of(loaded: LoadedModel, tokens: list[Token]) -> str:
    """Words of a list of pieces."""
    builder = WordBuilder(loaded.spec.vocabulary, loaded.spec.frame_samples)
    for token in tokens:
        builder.add(token, base=0)
    return builder.text


def score(corpus: str, lookahead: int, backend: str, pairs: list[tuple[str, str]]) -> Score:
    """Count errors over (reference, hypothesis) pairs."""
    result = jiwer.process_words([pair[0] for pair in pairs], [pair[1] for pair in pairs])
    words = result.hits + result.substitutions + result.deletions
    return Score(
        corpus, lookahead, backend, len(pairs), words, result.substitutions, result.deletions, result.insertions
    )


@click.command()
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--model", default=DEFAULT, show_default=True, help="Embedded model, .nemo archive or model folder.")
@click.option("--lookahead", "lookaheads", type=int, multiple=True, help="May be given more than once.")
@click.option("--head", type=click.Choice(["ctc", "rnnt"]), help="Decoder; the model's preferred one by default.")
@click.option(
    "--backend",
    "backends",
    type=click.Choice(BACKENDS),
    multiple=True,
    default=["torch"],
    help="What computes; may be given more than once. torch is float32.",
)
@click.option("--beam", type=int, default=1, show_default=True, help="Hypotheses of a beam search; 1 is greedy.")
@click.option("--lm", type=click.Path(exists=True, path_type=Path), help="Language model whose scores are added.")
@click.option("--lm-weight", type=float, default=WEIGHT, show_default=True, help="Scale of its scores.")
@click.option("--word-bonus", type=float, default=WORD_BONUS, show_default=True, help="Added for every word.")
@click.option(
    "--blank-penalty", type=float, default=0.0, show_default=True, help="Taken from the blank in every frame."
)
@click.option("--limit", type=int, help="Take only the first utterances of each corpus.")
@click.option("--threads", type=int, default=2, show_default=True)
@click.option("--json", "output", type=click.Path(path_type=Path), help="Write scores and hypotheses here.")
def main(
    manifest: Path,
    model: str,
    lookaheads: tuple[int, ...],
    head: str | None,
    backends: tuple[str, ...],
    beam: int,
    lm: Path | None,
    lm_weight: float,
    word_bonus: float,
    blank_penalty: float,
    limit: int | None,
    threads: int,
    output: Path | None,
) -> None:
    """Print the word error rate of each corpus of MANIFEST."""
    torch.set_num_threads(threads)
    loaded = load_model(embedded_path(model) if model in EMBEDDED else model)
    lookaheads = lookaheads or (loaded.spec.default_lookahead,)
    seen: dict[str, int] = defaultdict(int)
    lines = []
    for line in map(json.loads, manifest.read_text(encoding="utf-8").splitlines()):
        corpus = line.setdefault("corpus", manifest.stem)
        seen[corpus] += 1
        if line.get("text") and (limit is None or seen[corpus] <= limit):
            lines.append(line)

    decoding = None
    if lm is not None:
        loaded.fusions = FusionLibrary(
            loaded.spec.vocabulary,
            {"lm": LmSource(path=lm, weight=lm_weight, word_bonus=word_bonus, blank_penalty=blank_penalty)},
        ).fusion
    if beam > 1 or lm is not None:
        fusion = None if lm is None else FusionRequest(lm="lm")
        decoding = Decoding(beam=beam, fusion=fusion)
    transcribers = {backend: transcriber(loaded, backend, head, decoding) for backend in backends}
    pairs: dict[tuple[str, int, str], list[tuple[str, str]]] = defaultdict(list)
    hypotheses = []
    for line in track(lines, console=Console(stderr=True)):
        samples = whole(
            AudioOptions(), read_audio(manifest.parent / line["audio_filepath"], loaded.spec.features.sample_rate)
        )
        for lookahead, backend in itertools.product(lookaheads, backends):
            reference = normalise(line["text"])
            hypothesis = normalise(text_of(loaded, transcribers[backend](samples, lookahead)))
            pairs[line["corpus"], lookahead, backend].append((reference, hypothesis))
            pairs["all", lookahead, backend].append((reference, hypothesis))
            hypotheses.append(
                {
                    "audio_filepath": line["audio_filepath"],
                    "lookahead": lookahead,
                    "backend": backend,
                    "reference": reference,
                    "hypothesis": hypothesis,
                }
            )

    scores = [score(*key, group) for key, group in sorted(pairs.items())]
    table = Table(
        "corpus", "lookahead", "backend", "utterances", "words", "WER %", "sub", "del", "ins", title=loaded.spec.name
    )
    for row in scores:
        counts = (row.substitutions, row.deletions, row.insertions)
        table.add_row(
            row.corpus,
            str(row.lookahead),
            row.backend,
            str(row.utterances),
            str(row.words),
            f"{row.wer:.1f}",
            *map(str, counts),
        )
    Console().print(table)
    if output:
        rows = [asdict(row) | {"wer": round(row.wer, 2)} for row in scores]
        output.write_text(json.dumps({"model": loaded.spec.name, "scores": rows, "hypotheses": hypotheses}, indent=1))


if __name__ == "__main__":
    main()
