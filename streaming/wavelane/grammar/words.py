"""How words are written where grammars and recognised text meet."""

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*'?")
_APOSTROPHES = str.maketrans({"\N{RIGHT SINGLE QUOTATION MARK}": "'", "\N{MODIFIER LETTER APOSTROPHE}": "'"})


def split_words(text: str) -> list[str]:
    """Spoken words: lower case, letters, digits and inner apostrophes; anything else parts words or is dropped.

    "Double-shot, please!" is "double shot please" in a grammar and in what a model wrote alike.
    """
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold().translate(_APOSTROPHES))
