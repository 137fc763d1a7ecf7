"""From text and recordings to batches."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from wavelane.grammar import Grammar
from wavelane.lm.spelling import Speller
from wavelane_training.augment import Augment
from wavelane_training.batches import Example, collate, epoch, examples
from wavelane_training.channels import Channel, coded, convolve, revoiced, simulated_room
from wavelane_training.prepare import main as prepare
from wavelane_training.prepare import trim
from wavelane_training.sentences import drawn, sentences_of, spoken
from wavelane_training.sentences import main as sentences
from wavelane_training.store import Store, StoreWriter
from wavelane_training.synthesise import main as synthesise
from wavelane_training.voices import Command

RECIPE = Path(__file__).parents[2] / "training"
SPEECH = Path(__file__).parents[1] / "data" / "speech"
SPELLER = Speller(["<unk>", "▁", *"abcdefghijklmnopqrstuvwxyz'"])


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Call me at 10:30!", "call me at ten thirty"),
        ("It's £3.50, OK?", "it's three pounds and fifty pence ok"),
        ("$1 or $0.25 at 9:00", "one dollar or twenty five cents at nine o'clock"),
        ("In 1984, the 2nd of 1,200", "in nineteen eighty four the second of twelve hundred"),
        ("room 007 — 50% of 15", "room zero zero seven fifty percent of fifteen"),
        ("'quoted' rock'n'roll", "quoted rock'n'roll"),
    ],
)
def test_text_is_written_as_it_is_said(written: str, said: str) -> None:
    assert spoken(written) == said


def test_sentences_of_a_text_have_words_enough() -> None:
    assert list(sentences_of("Go on. Stop.\nTurn left at the light; then right.", 2, 5)) == [
        "go on",
        "turn left at the light",
        "then right",
    ]


@pytest.mark.parametrize("path", sorted((RECIPE / "grammars").glob("*.jsgf")), ids=lambda path: path.stem)
def test_grammars_say_much_that_can_be_spelled(path: Path) -> None:
    lines = drawn(Grammar.parse(path.read_text()), 200, seed=3)
    assert len(set(lines)) == 200
    assert all(SPELLER.spell(line) for line in lines)
    assert lines == drawn(Grammar.parse(path.read_text()), 200, seed=3)


def test_corpora_and_grammars_become_sentences(tmp_path: Path) -> None:
    (tmp_path / "clinc.json").write_text(json.dumps({"train": [["book a table", "x"], ["Where's my $5?", "y"]]}))
    snips = {"Play": [{"data": [{"text": "play "}, {"text": "the blues", "entity": "genre"}]}]}
    (tmp_path / "train_play.json").write_text(json.dumps(snips))
    (tmp_path / "data").mkdir()
    talk = [{"utterances": [{"speaker": "USER", "text": "Hi there. One latte please."}]}]
    (tmp_path / "data" / "talk.json").write_text(json.dumps(talk))
    (tmp_path / "metadata.csv").write_text("LJ1|In 1984|in nineteen eighty four\n")
    (tmp_path / "mine.txt").write_text("Open the door\nOpen the door\nShut\n")
    named = {
        "clinc": "clinc.json",
        "snips": ".",
        "taskmaster": ".",
        "ljspeech": "metadata.csv",
        "plain": "mine.txt",
    }
    arguments = [part for kind, name in named.items() for part in ("--corpus", f"{kind}:{tmp_path / name}")]
    grammar = f"{RECIPE / 'grammars' / 'digits.jsgf'}=7"
    result = CliRunner().invoke(sentences, [str(tmp_path / "out.txt"), *arguments, "--grammar", grammar])
    assert result.exit_code == 0, result.output
    lines = (tmp_path / "out.txt").read_text().splitlines()
    assert len(lines) == 7 + 7
    assert {
        "book a table",
        "where's my five dollars",
        "play the blues",
        "hi there",
        "one latte please",
        "in nineteen eighty four",
        "open the door",
    } < set(lines)
    assert CliRunner().invoke(sentences, [str(tmp_path / "out.txt"), "--corpus", "mine.txt"]).exit_code == 2


def filled(path: Path, frames: list[int], text: str = "go") -> Store:
    with StoreWriter(path) as writer:
        for number, count in enumerate(frames):
            writer.add(np.full((count, 80), -number, np.float16), text, f"corpus{number % 2}", "s")
    return Store(path, 80)


def test_a_store_gives_back_what_was_added(tmp_path: Path) -> None:
    store = filled(tmp_path, [30, 50])
    assert [utterance.frames for utterance in store.utterances] == [30, 50]
    assert (store.mels(store.utterances[1]) == -1).all()
    assert store.mels(store.utterances[1]).shape == (50, 80)


def test_an_interrupted_store_is_not_taken_for_whole(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), StoreWriter(tmp_path):
        raise RuntimeError
    assert not (tmp_path / "index.jsonl").exists()


def test_examples_have_room_for_their_pieces(tmp_path: Path) -> None:
    store = filled(tmp_path, [30, 60, 2_001], text="gone")
    assert [example.utterance.frames for example in examples([store], SPELLER)] == [60]
    assert not examples([filled(tmp_path / "odd", [60], text="né")], SPELLER)


def test_a_pass_holds_every_example_as_often_as_weighted(tmp_path: Path) -> None:
    found = examples([filled(tmp_path, list(range(60, 160)))], SPELLER)
    batches = list(epoch(found, {"corpus1": 2.0}, 5.0, random.Random(0)))
    heard = [example for batch in batches for example in batch]
    assert len(heard) == 50 + 2 * 50
    assert {id(example) for example in heard} == {id(example) for example in found}
    for batch in batches:
        assert len(batch) == 1 or len(batch) * (max(e.utterance.frames for e in batch) + 32) <= 500
    assert not list(epoch(found, {"corpus0": 0.0, "corpus1": 0.0}, 5.0, random.Random(0)))


def test_a_batch_is_padded_with_zeros(tmp_path: Path) -> None:
    found = examples([filled(tmp_path, [80, 90], text="to go")], SPELLER)
    batch = collate(found, Augment(None, 2.0**-24, np.random.default_rng(0)))
    assert batch.features.shape[1] == int(batch.lengths.max())
    for row, length in zip(batch.features, batch.lengths, strict=True):
        assert not row[int(length) :].any()
    assert batch.target_lengths.tolist() == [len(example.pieces) for example in found]
    assert tuple(batch.targets.tolist()) == found[0].pieces + found[1].pieces
    assert isinstance(found[0], Example)


def test_recordings_become_a_store(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in (SPEECH / "manifest.jsonl").read_text().splitlines()]
    manifest = tmp_path / "manifest.jsonl"
    said = [{"audio_filepath": str(SPEECH / line["audio_filepath"]), "text": line["text"]} for line in lines[:2]]
    manifest.write_text("".join(json.dumps(line) + "\n" for line in said))
    result = CliRunner().invoke(prepare, [str(tmp_path / "store"), str(manifest), "--copies", "1", "--processes", "1"])
    assert result.exit_code == 0, result.output
    store = Store(tmp_path / "store", 80)
    assert len(store.utterances) == 4
    assert store.utterances[0].text == store.utterances[1].text
    result = CliRunner().invoke(prepare, [str(tmp_path / "noise.npy"), str(SPEECH), "--noise"])
    assert result.exit_code == 0, result.output
    assert np.load(tmp_path / "noise.npy").shape[1] == 80


def test_another_voice_is_longer_or_shorter_and_higher_or_lower() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000).astype(np.float32)
    lengths = []
    for seed in range(8):
        heard = revoiced(tone, 16_000, np.random.default_rng(seed))
        lengths.append(len(heard))
        pitch = np.abs(np.fft.rfft(heard)).argmax() * 16_000 / len(heard)
        assert pitch * len(heard) == pytest.approx(440 * len(tone), rel=0.01), "as many periods as before"
    assert min(lengths) >= 32_000 / 1.21
    assert max(lengths) <= 32_000 / 0.83
    assert len(set(lengths)) > 4


def test_silence_is_cut_at_the_ends() -> None:
    samples = np.zeros(48_000, np.float32)
    samples[16_000:32_000] = 0.1
    cut = trim(samples, 16_000)
    assert abs(len(cut) - (16_000 + 1_600 + 3_200)) <= 2
    assert cut.max() == pytest.approx(0.6)
    assert not trim(np.zeros(100, np.float32), 16_000).any()


def test_channels_keep_length_and_sound() -> None:
    rng = np.random.default_rng(0)
    tone = (0.5 * np.sin(np.arange(16_000) * 2 * np.pi * 440 / 16_000)).astype(np.float32)
    for coder in (("wav", "pcm_mulaw", 8_000, None), ("ogg", "libopus", 16_000, 16_000)):
        heard = coded(tone, 16_000, *coder)
        assert len(heard) == len(tone)
        spectrum = np.abs(np.fft.rfft(heard[2_000:-2_000]))
        assert abs(int(spectrum.argmax()) / len(heard[2_000:-2_000]) * 16_000 - 440) < 3
    assert np.allclose(convolve(tone, np.array([0, 1, 0], np.float32)), tone, atol=1e-5)
    room = simulated_room(0.3, 0.5, 16_000, rng)
    assert float((room[1:] ** 2).sum()) == pytest.approx(0.5, rel=0.05)
    channel = Channel(None, 16_000, rng)
    for _ in range(6):
        assert len(channel(tone)) == len(tone)


def test_any_command_can_speak(tmp_path: Path) -> None:
    """A synthesiser that says the same whatever it is given; the sentences keep their own texts."""
    (tmp_path / "lines.txt").write_text("go on\nstop now\n")
    runner = CliRunner()
    arguments = [str(tmp_path / "store"), str(tmp_path / "lines.txt"), "--processes", "1"]
    speaker = f"cp {SPEECH / 'commands.flac'} {{output}}"
    assert Command(speaker.split()).command("x", tmp_path / "y.wav", random.Random())[0][-1] == str(tmp_path / "y.wav")
    result = runner.invoke(synthesise, [*arguments, "--command", speaker])
    assert result.exit_code == 0, result.output
    assert {utterance.text for utterance in Store(tmp_path / "store", 80).utterances} == {"go on", "stop now"}
    result = runner.invoke(synthesise, [*arguments, "--command", "no-such-synthesiser {output}", "--voice", "flite"])
    assert result.exit_code == 1 or "failed" in result.output
