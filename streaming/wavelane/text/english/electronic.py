"""E-mail addresses and web addresses that are spelled out: john.smith@example.com, www.example.org/news."""

from wavelane.text.cursor import Cursor, Piece, Span
from wavelane.text.english.numbers import DIGITS, SMALL, below_hundred

TOP = {
    "com", "org", "net", "edu", "gov", "mil", "int", "info", "biz", "io", "ai", "co", "app", "dev", "tv",
    "me", "us", "uk", "ca", "au", "nz", "ie", "in", "de", "fr", "es", "it", "nl", "be", "ch", "at", "se",
    "no", "dk", "fi", "pl", "eu", "jp", "cn", "kr", "br", "mx", "ru", "za", "xyz", "online", "shop", "store",
    "tech", "cloud", "health", "blog", "news",
}  # fmt: skip
"""Domains that end an address; others when they are spelled letter by letter."""
_PROVIDERS = {
    "gmail", "outlook", "hotmail", "yahoo", "icloud", "aol", "proton", "protonmail", "msn", "gmx", "live",
    "fastmail", "zoho",
}  # fmt: skip
_SEPARATORS = {"dot": ".", "period": ".", "underscore": "_", "dash": "-", "hyphen": "-", "plus": "+"}
_NEVER_LOCAL = {
    "look", "looking", "looked", "us", "me", "you", "them", "him", "it", "is", "are", "was", "be", "found",
    "find", "visit", "available", "online", "page", "site", "website", "here", "there", "out", "up", "go",
    "one", "order", "shop", "book", "work", "working", "works", "meet", "store", "email", "mail", "address",
    "app", "now", "more", "today", "and", "or",
}  # fmt: skip
_MAIL = {"email", "mail", "e-mail", "address", "contact", "write", "send", "reach", "emails", "is"}
_LETTERS = set("abcdefghijklmnopqrstuvwxyz")


def electronic(words: Cursor) -> Span | None:
    """An e-mail address or a web address that begins at the cursor's start, or None."""
    return _mail(words) or _web(words)


def _label(words: Cursor, at: int) -> tuple[str, int, bool]:
    """A word, or spelled letters and digits, as (text, index behind, whether spelled)."""
    text, end = "", at
    while True:
        word = words.at(end)
        if len(word) == 1 and (word in _LETTERS or word.isdigit()):
            text += word
        elif word in DIGITS:
            text += str(DIGITS[word])
        elif text and word in SMALL and (two := below_hundred(words, end)) is not None:
            text, end = text + str(two[0]), two[1]
            continue
        else:
            break
        end += 1
    if text:
        # "g mail", "n vidia": a letter and a word, where a point follows.
        word = words.at(end)
        if (
            end - at == 1
            and text not in "aio"
            and word.isalpha()
            and word not in _SEPARATORS
            and words.at(end + 1) == "dot"
            and word != "at"
        ):
            return text + word, end + 1, False
        return text, end, True
    word = words.at(at)
    plain = word.replace("'", "").replace("-", "")
    if not plain.isalnum() or word in _SEPARATORS or word in ("at", "slash", "colon"):
        return "", at, False
    return word.replace("'", ""), at + 1, False


def _local(words: Cursor) -> tuple[str, int, bool]:
    """What stands before "at", as (text, index behind, whether it can be nothing else)."""
    text, end, sure = _label(words, words.start)
    following = words.at(end)
    joined = text in _LETTERS - set("aio") and len(following) > 1 and following not in _SEPARATORS
    if joined and words.at(end + 1) == "at":
        text, end = text + following, end + 1  # "j smith at"
    while text and (sign := _SEPARATORS.get(words.at(end), "")):
        more, behind, _ = _label(words, end + 1)
        if not more:
            break
        text, end, sure = text + sign + more, behind, True
    return text, end, sure


def _domain(words: Cursor, at: int, *, sure: bool) -> tuple[str, int] | None:
    """Labels with dots, the last one a top level domain, as (text, index behind)."""
    first, end, _ = _label(words, at)
    if not first:
        return None
    text, found = first, None
    while (sign := words.at(end)) in ("dot", "dash", "hyphen"):
        label, behind, spelled = _label(words, end + 1)
        if not label:
            break
        if spelled and label not in TOP and not (sure or len(label) <= 3):
            break
        if not spelled and label not in TOP and words.at(behind) not in ("dot", "dash", "hyphen"):
            break
        text, end = f"{text}{_SEPARATORS[sign]}{label}", behind
        if sign == "dot" and (label in TOP or spelled):
            found = text, end
    return found if found and (found[0].rsplit(".", 1)[-1] in TOP or not found[0].split(".")[0].isdigit()) else None


def _mail(words: Cursor) -> Span | None:
    text, end, sure = _local(words)
    if not text or words.at(end) != "at":
        return None
    domain = _domain(words, end + 1, sure=True)
    if domain is None:
        return None
    if not sure:
        told = any(words.before(distance) in _MAIL for distance in range(1, 6))
        if text in _NEVER_LOCAL and not (told and domain[0].split(".")[0] in _PROVIDERS):
            return None
    count = domain[1] - words.start
    return Span(count, (Piece(f"{text}@{domain[0]}", count),))


def _web(words: Cursor) -> Span | None:
    at = words.start
    text, end = "", at
    for scheme in ("https", "http"):
        spelled = all(words.at(at + index) == letter for index, letter in enumerate(scheme))
        length = len(scheme) if spelled else 1 if words.at(at) == scheme else 0
        if length and [words.at(at + length + index) for index in range(3)] == ["colon", "slash", "slash"]:
            text, end = f"{scheme}://", at + length + 3
            break
    if words.at(end) == "www" and words.at(end + 1) == "dot":
        text, end = f"{text}www.", end + 2
    elif all(words.at(end + index) == letter for index, letter in enumerate(("w", "w", "w", "dot"))):
        text, end = f"{text}www.", end + 4
    domain = _domain(words, end, sure=bool(text))
    if domain is None:
        return None
    if not text and domain[0].split(".")[0] in ("the", "a", "an"):
        return None
    text, end = text + domain[0], domain[1]
    while words.at(end) in ("slash", "dot", "dash", "underscore"):
        sign = {"slash": "/", "dot": ".", "dash": "-", "underscore": "_"}[words.at(end)]
        label, behind, _ = _label(words, end + 1)
        if not label or (sign != "/" and "/" not in text.split("//")[-1]):
            break
        text, end = f"{text}{sign}{label}", behind
    return Span(end - at, (Piece(text, end - at),))
