import io
import random

import pytest
import sentencepiece

from wavelane.errors import WavelaneError
from wavelane.lm.spelling import Speller

SENTENCES = (
    "the quick brown fox jumps over the lazy dog",
    "pack my box with five dozen liquor jugs",
    "how vexingly quick daft zebras jump",
    "turn left onto the next street and order a large coffee",
    "the street is quick to turn and the coffee is brown",
)


@pytest.mark.parametrize(("kind", "agreement"), [("bpe", 1.0), ("unigram", 0.9)])
def test_words_are_cut_as_the_tokenizer_cuts_them(kind: str, agreement: float) -> None:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 5),
        model_writer=model,
        vocab_size=50,
        model_type=kind,
        minloglevel=2,
        num_threads=1,
    )
    tokenizer = sentencepiece.SentencePieceProcessor()
    tokenizer.LoadFromSerializedProto(model.getvalue())
    speller = Speller(tokenizer.id_to_piece(list(range(tokenizer.get_piece_size()))))
    letters = random.Random(1)
    words = [word for sentence in SENTENCES for word in sentence.split()]
    words += ["".join(letters.choices("etaoinshrdlu", k=letters.randint(1, 9))) for _ in range(300)]
    same = [speller.spell(word) == tuple(tokenizer.encode(word)) for word in words]
    assert sum(same) >= agreement * len(same)


def test_alternatives_spell_the_same_word_the_most_probable_first() -> None:
    pieces = ("▁a", "ab", "▁ab", "▁", "a", "b")
    speller = Speller(pieces)
    spelled = speller.alternatives("ab", 9)
    assert {"".join(pieces[index] for index in way) for way in spelled} == {"▁ab"}
    assert len(spelled) == len(set(spelled)) == 4
    assert spelled[0] == (2,)


def test_specials_and_unused_ids_spell_nothing() -> None:
    speller = Speller(("<unk>", "", "▁", "<", "a", "<0x41>", "a"))
    assert speller.spell("<unk>") is None
    with pytest.raises(WavelaneError, match="no piece has 'unk>'"):
        speller.check(["a <", "<unk>"])
    assert speller.spell("a <") == (2, 4, 2, 3)
    assert speller.spell("") == ()
