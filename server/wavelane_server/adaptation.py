"""A recogniser that knows a domain, from text alone: a folder with a base model, a language model and hotwords."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.grammar import Grammar
from wavelane.lm.estimate import estimate
from wavelane.lm.folder import FILE, LmSource, read_folder, read_hotwords, write_folder
from wavelane.lm.mix import mix
from wavelane.lm.ngram import NgramModel
from wavelane.lm.spelling import Speller, speller
from wavelane.lm.store import read_lm, write_compact
from wavelane.lm.text import Sentences, read_sentences, take
from wavelane.model.checkpoint import convert_model, inspect_model
from wavelane.model.checkpoint.native import FORMAT, WEIGHTS, load_native, save_native
from wavelane.model.weights import Weights
from wavelane_server.config import ModelConfig
from wavelane_server.models import locate

if TYPE_CHECKING:
    from wavelane_training.finetune import FineTuning, Tuned

LM_FILE, HOTWORDS_FILE = "domain.safetensors", "hotwords.txt"
LM_NAME = "domain"

_RARE_PIECES = 3
"""Words that take so many pieces were rare where the tokenizer was trained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a domain is made of."""

    texts: tuple[Path, ...] = ()
    """Sentences, one a line."""
    grammars: tuple[Path, ...] = ()
    """JSGF; sentences are drawn from each."""
    base: str = "embedded"
    name: str | None = None
    """What the model is served as; None: the name of its folder."""
    general: Path | None = None
    """Language model for all else that is said; None: the base's own, where it has one."""
    domain_share: float = 0.8
    """Of the mixture of the domain's and the general language model."""
    order: int = 5
    sentences: int = 20_000
    """Drawn from each grammar, at most."""
    weight: float | None = None
    """Of the language model. This and the next two: None takes what the base has for its own, fitted to it."""
    word_bonus: float | None = None
    blank_penalty: float | None = None
    hotwords: Path | None = None
    """Phrases to favour; None: the domain's rare words."""
    rare_words: int = 500
    """Rare words of the domain that are favoured, at most, where no hotwords are given."""
    rare_boost: float = 1.0
    seed: int = 0
    tuning: "FineTuning | None" = None
    """How the weights learn the domain, by synthetic speech; None: they stay those of the base."""


@dataclass(frozen=True, slots=True)
class Adapted:
    """What came of it."""

    folder: Path
    sentences: int
    skipped: int
    """Sentences with a word that the base cannot write, such as :attr:`example`."""
    example: str
    ngrams: tuple[int, ...]
    """n-grams of each order in the language model."""
    mixed: bool
    """A general language model is part of it."""
    hotwords: int
    tuned: "Tuned | None" = None
    """What came of the fine-tune, where there was one."""


def adapt(recipe: Recipe, folder: Path, say: Callable[[str], None] = lambda _: None) -> Adapted:
    """Write a model's folder that :func:`wavelane_server.models.locate` and the server take.

    Args:
        recipe: what the domain is made of.
        folder: to write to; made when it does not exist.
        say: takes lines of progress.

    Raises:
        WavelaneError: the base cannot be served or trained, a file cannot be read, there is no sentence, or no voice
            to speak it.
    """
    located = locate(ModelConfig(path=recipe.base))
    if folder.resolve() == located.path.resolve():
        raise WavelaneError(ErrorCode.INVALID_CONFIG, f"--out {folder} is the base itself; choose another folder")
    vocabulary = inspect_model(located.path, name=located.name).vocabulary
    if not vocabulary:
        raise WavelaneError(
            ErrorCode.MODEL_UNSUPPORTED, f"{recipe.base} has no tokenizer, so that it cannot learn words"
        )
    spelling = speller(vocabulary)
    found = _sentences(recipe, spelling)
    if not found.words:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, "there is no sentence to learn from: give --text or --grammar")
    rows = [[vocabulary[index] for index in spelling.spell(" ".join(words)) or ()] for words in found.words]
    lm = estimate(rows, recipe.order)
    general = _general(recipe, located.path)
    if general is not None:
        lm = mix(lm, general, recipe.domain_share)
    phrases = _hotwords(recipe, found.words, spelling)
    _copy(located.path, folder, recipe.name or folder.resolve().name)
    write_compact(lm, folder / LM_FILE)
    (folder / HOTWORDS_FILE).write_text(
        "".join(f"{phrase}\t{boost:g}\n" for phrase, boost in phrases), encoding="utf-8"
    )
    models = {LM_NAME: _source(recipe, located.path, folder / LM_FILE)}
    prior = read_folder(located.path).prior  # copied with the rest
    write_folder(folder, models, LM_NAME, HOTWORDS_FILE, None if prior is None else prior.name)
    tuned = None if recipe.tuning is None else _tune(folder, [" ".join(w) for w in found.words], recipe.tuning, say)
    return Adapted(folder, len(rows), found.skipped, found.example, lm.counts, general is not None, len(phrases), tuned)


def _tune(folder: Path, sentences: Sequence[str], tuning: "FineTuning", say: Callable[[str], None]) -> "Tuned":
    """Let the weights in the folder learn the sentences.

    Corrections of word times and confidences stay those of the base: the encoder's lower layers do, and a model
    without any is off by far more than one that moved a little.
    """
    from wavelane_training.finetune import fine_tune

    config, weights = load_native(folder)
    stored = {name: weights.read(name) for name in weights.names()}
    tuned = fine_tune(config, stored, sentences, tuning, say)
    # The file may be a link to the base's own.
    (folder / WEIGHTS).unlink()
    save_native(config, Weights.of(tuned.weights), folder, torch.float16)
    return tuned


def _sentences(recipe: Recipe, spelling: Speller) -> Sentences:
    found = read_sentences(recipe.texts, spelling)
    for path in recipe.grammars:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise WavelaneError(ErrorCode.INVALID_CONFIG, f"the grammar {path} cannot be read: {error}") from None
        for sentence in Grammar.parse(text).sentences(recipe.sentences, recipe.seed):
            take(sentence, spelling, found)
    return found


def _general(recipe: Recipe, base: Path) -> NgramModel | None:
    """The language model for what is not of the domain."""
    if recipe.general is not None:
        return read_lm(recipe.general)
    brought = read_folder(base).models
    return read_lm(next(iter(brought.values())).path) if brought else None


def _source(recipe: Recipe, base: Path, path: Path) -> LmSource:
    """How the language model is used."""
    fitted = next(iter(read_folder(base).models.values()), LmSource(path=path))
    asked = {"weight": recipe.weight, "word_bonus": recipe.word_bonus, "blank_penalty": recipe.blank_penalty}
    return replace(fitted, path=path, **{name: value for name, value in asked.items() if value is not None})


def _hotwords(recipe: Recipe, sentences: Sequence[Sequence[str]], spelling: Speller) -> tuple[tuple[str, float], ...]:
    """The phrases given, or the domain's rare words, the most frequent ones first."""
    if recipe.hotwords is not None:
        phrases = read_hotwords(recipe.hotwords)
        spelling.check(phrase for phrase, _ in phrases)
        return phrases
    counts = Counter(word for words in sentences for word in words)
    rare = [word for word, _ in counts.most_common() if len(spelling.spell_word(word) or ()) >= _RARE_PIECES]
    return tuple((word, recipe.rare_boost) for word in rare[: recipe.rare_words])


def _copy(base: Path, folder: Path, name: str) -> None:
    """The base under its new name; the weights are the same file where the file system can."""
    if not base.is_dir():
        convert_model(base, folder, name=name)
        return
    folder.mkdir(parents=True, exist_ok=True)
    brought = {
        FILE,
        *(source.path.name for source in read_folder(base).models.values()),
        HOTWORDS_FILE,
        "MODEL_CARD.md",
    }
    for file in sorted(base.iterdir()):
        target = folder / file.name
        if not file.is_file() or file.name in brought:
            continue
        target.unlink(missing_ok=True)
        if file.suffix == ".safetensors":
            _link(file.resolve(), target)
        else:
            shutil.copyfile(file, target)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if config.get("format") == FORMAT:
        config["model"]["name"] = name
        (folder / "config.json").write_text(json.dumps(config, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        # Another file system, or one without links.
        shutil.copyfile(source, target)
