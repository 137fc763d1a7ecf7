"""Train what sets punctuation and capitals (``wavelane.text.english``) on text, and measure it.

    python -m wavelane_training.marks train --text books.txt dialogs.txt --out streaming/wavelane/text/english
    python -m wavelane_training.marks measure --text held_out.txt

A text file has a paragraph or an utterance a line, with its punctuation and capitals. ``train`` writes ``marks.npz``
(the network) and ``names.txt`` (words that are written with a capital within sentences). ``measure`` takes marks and
capitals away and puts them back: precision, recall and F1 of each mark, and the share of words whose capitals are
right, with perfect words, and without pauses or with a reader's (``--pauses``).
"""

import argparse
import collections
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from wavelane.events import CLOCK_RATE, Word
from wavelane.text.english.punctuation import (
    BEFORE,
    BEHIND,
    KNOWN_FROM,
    LONGEST,
    MARKS,
    NO_WORD,
    OPENING,
    PAUSE,
    SUFFIXES,
    identity,
)
from wavelane.text.formatter import Formatter, Style
from wavelane.text.options import TextOptions
from wavelane.text.replace import key_of

KEPT_OUT = 1_500
"""Lines that are not trained on."""
BATCH = 4_096
MISSED = 0.4
"""Stops that the network does not see when it has only words to go by."""
READER = {
    False: (0.118, 0.359, 0.28, 0.125, 0.055, 0.015, 0.023, 0.011, 0.005, 0.002, 0.005, 0.002),
    True: (0.022, 0.0, 0.045, 0.089, 0.088, 0.112, 0.133, 0.155, 0.112, 0.111, 0.089, 0.044),
}
"""How often one reader's gaps without and with a mark last 0, 1, 2 and so on frames of 80 ms (LJSpeech, 613 gaps; what
the weight of a pause was fitted to)."""
SHORT = {
    "mr",
    "mrs",
    "ms",
    "dr",
    "st",
    "prof",
    "rev",
    "gen",
    "col",
    "capt",
    "sen",
    "rep",
    "hon",
    "jr",
    "sr",
    "no",
    "vs",
}
SEPARATORS = re.compile(r"[\u2014\u2013]|--|\.\.\.|\u2026|\u2e3a")


def words_of(line: str) -> list[tuple[str, str]]:
    """A line as (word, mark behind it); a colon and the like count as commas, an exclamation mark as a full stop."""
    line = line.replace("\u2060", "").replace("\u2019", "'").replace("\u2018", "'").replace("\u00a0", " ")
    line = SEPARATORS.sub(" , ", line)
    out: list[tuple[str, str]] = []
    for token in line.split():
        bare = token.strip("\"'()[]*_\u201c\u201d")
        core = bare.strip(".,?!;:\"'()[]\u201c\u201d")
        tail = token[token.rfind(core) + len(core) :] if core else token
        mark = "?" if "?" in tail else "." if re.search(r"[.!]", tail) else "," if re.search(r"[,;:]", tail) else ""
        if not core or not re.search(r"\w", core):
            if out and mark and not out[-1][1]:
                out[-1] = (out[-1][0], mark)
            continue
        if mark == "." and (core.lower() in SHORT or (re.fullmatch(r"(?:[A-Za-z]\.)*[A-Za-z]", core) and core != "I")):
            mark = ""
        out.append((core, mark))
    return out


def lines(paths: list[Path]) -> Iterator[list[tuple[str, str]]]:
    """Lines of all files that end as sentences do."""
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            words = words_of(line)
            if len(words) > 1 and words[-1][1] in (".", "?"):
                yield words


def examples(
    texts: list[list[tuple[str, str]]], known: dict[str, int], missed: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Every gap of the lines, their ends included: rows of words and the length of the sentence [n, 10], marks [n].

    A share ``missed`` of the stops does not begin a sentence anew, as when the network itself did not see them.
    """
    dice = random.Random(0)
    rows, marks = [], []
    for line in texts:
        words = [identity(key_of(word), known) for word, _ in line]
        padded = [NO_WORD] * BEFORE + words + [NO_WORD] * BEHIND
        opening, length = [NO_WORD] * OPENING, 0
        for index, (_, mark) in enumerate(line):
            if length < OPENING:
                opening[length] = words[index]
            length += 1
            rows.append([*padded[index + 1 : index + 1 + BEFORE + BEHIND], *opening, min(length, LONGEST)])
            marks.append(MARKS.index(mark))
            if mark in (".", "?") and dice.random() >= missed:
                opening, length = [NO_WORD] * OPENING, 0
    return torch.tensor(rows), torch.tensor(marks)


class Network(torch.nn.Module):
    """What :mod:`wavelane.text.english.punctuation` computes."""

    def __init__(self, words: int, size: int = 32, hidden: int = 64) -> None:
        super().__init__()
        self.words = torch.nn.Embedding(words, size)
        self.lengths = torch.nn.Embedding(LONGEST + 1, 8)
        self.hidden = torch.nn.Linear(size * (BEFORE + BEHIND + OPENING) + 8, hidden)
        self.out = torch.nn.Linear(hidden, len(MARKS))
        self.dropout = torch.nn.Dropout(0.1)
        torch.nn.init.normal_(self.words.weight, 0.0, 0.1)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Scores [n, marks] of rows [n, 10]."""
        inputs = torch.cat([self.words(rows[:, :-1]).flatten(1), self.lengths(rows[:, -1])], dim=1)
        scores: torch.Tensor = self.out(self.dropout(torch.relu(self.hidden(self.dropout(inputs)))))
        return scores


def train_marks(paths: list[Path], vocabulary: int, epochs: int) -> tuple[Network, dict[str, int]]:
    """Cross-entropy over all gaps, AdamW on one cycle; prints loss and accuracy on lines that were kept out."""
    texts = list(lines(paths))
    order = np.random.default_rng(0).permutation(len(texts))
    counts = collections.Counter(key_of(word) for index in order[KEPT_OUT:] for word, _ in texts[index])
    known = {word: KNOWN_FROM + index for index, (word, _) in enumerate(counts.most_common(vocabulary))}
    inputs, targets = examples([texts[index] for index in order[KEPT_OUT:]], known, MISSED)
    checks, wanted = examples([texts[index] for index in order[:KEPT_OUT]], known)
    print(f"{len(targets):,} gaps", {mark: int((targets == i).sum()) for i, mark in enumerate(MARKS)})
    torch.manual_seed(0)
    model = Network(KNOWN_FROM + len(known) + SUFFIXES)
    optimiser = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=1e-2)
    steps = epochs * -(-len(targets) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    for epoch in range(epochs):
        total = 0.0
        for chosen in torch.split(torch.randperm(len(targets)), BATCH):
            loss = torch.nn.functional.cross_entropy(model(inputs[chosen]), targets[chosen])
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
            total += float(loss.detach()) * len(chosen)
        with torch.no_grad():
            right = (model.eval()(checks).argmax(dim=1) == wanted).float().mean()
        model.train()
        print(
            f"epoch {epoch + 1}: loss {total / len(targets):.4f}, right on lines kept out {float(right):.4f}",
            flush=True,
        )
    return model.eval(), known


def store(model: Network, known: dict[str, int], path: Path) -> None:
    """Write the network: embeddings in 8 bit, the rest in 16."""
    weights = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    scale = np.float32(np.abs(weights["words.weight"]).max() / 127)
    np.savez_compressed(
        path,
        words=np.array("\n".join(known)),
        embeddings=np.round(weights["words.weight"] / scale).astype(np.int8),
        scale=scale,
        lengths=weights["lengths.weight"].astype(np.float16),
        hidden=weights["hidden.weight"].astype(np.float16),
        hidden_bias=weights["hidden.bias"].astype(np.float16),
        out=weights["out.weight"].astype(np.float16),
        out_bias=weights["out.bias"].astype(np.float16),
    )


def train_names(paths: list[Path], least: int, share: float) -> list[str]:
    """Words that nearly always have a capital where no sentence begins, in their most frequent form."""
    seen: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for line in lines(paths):
        opens = True
        for word, mark in line:
            form = word.removesuffix("'s")
            if not opens and re.fullmatch(r"[A-Za-z'-]+", form):
                seen[key_of(form)][form] += 1
            # Quoted speech opens with a capital behind a comma.
            opens = mark != ""
    names = []
    for key, forms in seen.items():
        total = forms.total()
        form, _ = forms.most_common(1)[0]
        capital = total - sum(count for name, count in forms.items() if name == name.lower())
        if len(key) > 1 and form != key and capital >= least and capital / total >= share and not key.startswith("i'"):
            names.append(form)
    return sorted(names)


def measure(paths: list[Path], *, pauses: bool) -> dict[str, object]:
    """Figures of the formatter itself on texts whose marks and capitals were taken away.

    With ``pauses``, gaps between words last as a reader's did, drawn at random; otherwise as long as says nothing.
    """
    dice = random.Random(0)
    style = Style.of(TextOptions(punctuation=True, capitals=True), ("a",))
    assert style is not None
    hits, said, true = collections.Counter[str](), collections.Counter[str](), collections.Counter[str]()
    cased = upper = found = right = 0
    for line in lines(paths):
        heard, at = [], 0
        for word, mark in line:
            heard.append(Word(text=word.lower(), start=at, end=at + 4_000, confidence=1.0))
            weights = READER[mark != ""]
            gap = 0.08 * dice.choices(range(len(weights)), weights)[0] if pauses else PAUSE
            at += 4_000 + round(gap * CLOCK_RATE)
        (shown,) = Formatter(style).final(heard, cut=False)
        for index, ((word, mark), got) in enumerate(zip(line, shown.words, strict=True)):
            put = got.text[-1:] if got.text[-1:] in MARKS else ""
            # The last mark of a line is given away by the end: only its kind counts.
            if index + 1 < len(line) or mark == "?" or put == "?":
                hits[mark] += put == mark
                said[put] += 1
                true[mark] += 1
            text = got.text.rstrip(".,?")
            right += text == word
            cased += 1
            upper += word[:1].isupper()
            found += word[:1].isupper() and text[:1].isupper()
    report: dict[str, object] = {"words": cased}
    for mark in MARKS[1:]:
        precision, recall = hits[mark] / max(1, said[mark]), hits[mark] / max(1, true[mark])
        f1 = 2 * precision * recall / max(1e-9, precision + recall)
        report[mark] = {"precision": round(precision, 3), "recall": round(recall, 3), "f1": round(f1, 3)}
    report["case accuracy"] = round(right / cased, 4)
    report["capitals found"] = round(found / max(1, upper), 3)
    return report


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "measure"])
    parser.add_argument("--text", nargs="+", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="folder for marks.npz and names.txt")
    parser.add_argument("--pauses", action="store_true", help="measure with pauses like a reader's")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--vocabulary", type=int, default=6_000, help="words with an embedding of their own")
    arguments = parser.parse_args()
    if arguments.what == "measure":
        for path in arguments.text:
            print(path.name, json.dumps(measure([path], pauses=arguments.pauses)))
        return
    if arguments.out is None:
        parser.error("train needs --out")
    model, known = train_marks(arguments.text, arguments.vocabulary, arguments.epochs)
    store(model, known, arguments.out / "marks.npz")
    names = train_names(arguments.text, least=4, share=0.95)
    (arguments.out / "names.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    print(f"{len(names)} names")


if __name__ == "__main__":
    main()
