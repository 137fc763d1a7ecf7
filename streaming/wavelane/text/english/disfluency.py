"""Sounds of hesitation and stammered words, which nobody wants to read."""

FILLERS = frozenset({"um", "umm", "uh", "uhm", "uhh", "er", "erm", "hmm", "hm", "mm", "mmm", "mhm", "ah", "eh"})
STAMMERED = frozenset({
    "the", "i", "to", "of", "and", "in", "is", "it", "we", "you", "he", "she", "they", "my", "for", "with", "on", "at",
    "was", "but", "if", "this", "an", "as", "or", "be", "are", "have", "there", "what",
    "i'm", "it's", "we're",
    "they're", "your", "our", "his", "their", "from", "by", "when", "where", "how", "can", "will", "would",
    "just", "because",
})  # fmt: skip
"""Words that mean nothing when they are said twice; "that that", "had had", "very very" and "no no" may."""


def left_out(key: str, previous: str) -> bool:
    """Whether a word is left out, behind the word that was kept last."""
    return key in FILLERS or (key == previous and key in STAMMERED)
