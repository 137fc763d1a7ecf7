"""Word error rate of a model, streamed exactly as it is served, by corpus.

    python training/evaluate.py MANIFEST [--model NAME_OR_PATH] [--lookahead 6 --lookahead 0] [--json OUT]

A manifest has one JSON object a line: ``audio_filepath`` (relative to the manifest), ``text`` (lines without text are
left out) and optionally ``corpus``. Greedy search, batch size 1, no language model. Words are compared in lower case,
without punctuation, as they stand: no numbers or spellings are made equal.
"""

import json
import re
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import click
import jiwer
import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from wavelane.decode.words import WordBuilder
from wavelane.model.base import LoadedModel
from wavelane.model.checkpoint import load_model
from wavelane.model.embedded import DEFAULT, EMBEDDED, embedded_path
from wavelane.model.offline import transcribe_tokens
from wavelane.work import Samples


@dataclass(frozen=True, slots=True)
class Score:
    """Errors of one group of utterances."""

    corpus: str
    lookahead: int
    utterances: int
    words: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def wer(self) -> float:
        """Word error rate (%)."""
        return 100.0 * (self.substitutions + self.deletions + self.insertions) / max(self.words, 1)


def read_audio(path: Path, rate: int = 16_000) -> Samples:
    """Decode any audio file to mono float32 samples at ``rate``."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
    with av.open(str(path)) as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    frames.extend(resampler.resample(None))
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])


def normalise(text: str) -> str:
    """Lower case, letters, digits and apostrophes only."""
    return " ".join(re.sub(r"[^\w' ]", " ", text.lower()).split())


def transcribe(loaded: LoadedModel, samples: Samples, lookahead: int, head: str | None) -> str:
    """Text of a whole file, streamed."""
    builder = WordBuilder(loaded.spec.vocabulary, loaded.spec.frame_samples)
    for token in transcribe_tokens(loaded, samples, lookahead=lookahead, head=head):
        builder.add(token, base=0)
    return builder.text


def score(corpus: str, lookahead: int, pairs: list[tuple[str, str]]) -> Score:
    """Count errors over (reference, hypothesis) pairs."""
    result = jiwer.process_words([pair[0] for pair in pairs], [pair[1] for pair in pairs])
    words = result.hits + result.substitutions + result.deletions
    return Score(corpus, lookahead, len(pairs), words, result.substitutions, result.deletions, result.insertions)


@click.command()
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--model", default=DEFAULT, show_default=True, help="Embedded model, .nemo archive or model folder.")
@click.option("--lookahead", "lookaheads", type=int, multiple=True, help="May be given more than once.")
@click.option("--head", type=click.Choice(["ctc", "rnnt"]), help="Decoder; the model's preferred one by default.")
@click.option("--limit", type=int, help="Take only the first utterances of each corpus.")
@click.option("--threads", type=int, default=2, show_default=True)
@click.option("--json", "output", type=click.Path(path_type=Path), help="Write scores and hypotheses here.")
def main(
    manifest: Path,
    model: str,
    lookaheads: tuple[int, ...],
    head: str | None,
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

    pairs: dict[tuple[str, int], list[tuple[str, str]]] = defaultdict(list)
    hypotheses = []
    for line in track(lines, console=Console(stderr=True)):
        samples = read_audio(manifest.parent / line["audio_filepath"], loaded.spec.features.sample_rate)
        for lookahead in lookaheads:
            reference = normalise(line["text"])
            hypothesis = normalise(transcribe(loaded, samples, lookahead, head))
            pairs[line["corpus"], lookahead].append((reference, hypothesis))
            pairs["all", lookahead].append((reference, hypothesis))
            hypotheses.append(
                {
                    "audio_filepath": line["audio_filepath"],
                    "lookahead": lookahead,
                    "reference": reference,
                    "hypothesis": hypothesis,
                }
            )

    scores = [score(corpus, lookahead, group) for (corpus, lookahead), group in sorted(pairs.items())]
    table = Table("corpus", "lookahead", "utterances", "words", "WER %", "sub", "del", "ins", title=loaded.spec.name)
    for row in scores:
        counts = (row.substitutions, row.deletions, row.insertions)
        table.add_row(
            row.corpus, str(row.lookahead), str(row.utterances), str(row.words), f"{row.wer:.1f}", *map(str, counts)
        )
    Console().print(table)
    if output:
        rows = [asdict(row) | {"wer": round(row.wer, 2)} for row in scores]
        output.write_text(json.dumps({"model": loaded.spec.name, "scores": rows, "hypotheses": hypotheses}, indent=1))


if __name__ == "__main__":
    main()
