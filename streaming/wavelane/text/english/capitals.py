"""Capitals: at the beginning of a sentence, of "I", and of names."""

_NAMES: dict[str, str] = {}


def cased(text: str, key: str, *, opens: bool) -> str:
    """A lower-case word with its capitals.

    Args:
        text: the word.
        key: the word without punctuation.
        opens: it begins a sentence.
    """
    if key == "i" or key.startswith("i'"):
        return text.replace("i", "I", 1)
    name = _NAMES.get(key)
    if name is not None:
        return text.replace(key, name, 1)
    return text[:1].upper() + text[1:] if opens else text
