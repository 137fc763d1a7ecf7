import gzip
from pathlib import Path

from wavelane.lm.spelling import Speller
from wavelane.lm.text import read_sentences

LETTERS = tuple("abcdefghijklmnopqrstuvwxyz'")
SMALL = Speller(("▁", *LETTERS))
CASED = Speller(("▁", *LETTERS, *"ABCDEFGHIJKLMNOPQRSTUVWXYZ,."))


def test_text_is_written_as_the_recogniser_writes(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("“Don’t go,” he said.\n\n  A well-known place —  Ünder 12 trees \n(So it is!)\n'tis fine\n")
    small = read_sentences([path], SMALL)
    assert small.words == [["don't", "go", "he", "said"], ["so", "it", "is"], ["tis", "fine"]]
    assert (small.skipped, small.example) == (1, "ünder")
    cased = read_sentences([path], CASED)
    assert cased.words[0] == ["Don't", "go,", "he", "said."]
    assert read_sentences([path], None).words[0] == ["“Don’t", "go,”", "he", "said."]


def test_zipped_text_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.txt.gz"
    path.write_bytes(gzip.compress(b"one two\n"))
    assert read_sentences([path], SMALL).words == [["one", "two"]]
