"""Products for a query as it was heard: close in sound, whatever became of the borders of words.

A recogniser that mishears "wool blanket" may write "willank it". So each term of the catalogue (a word of a name, a
colour, material or brand) is looked for anywhere in the query, which is written as one string of coarse sounds; what
counts is the smallest edit distance of the term to any piece of it (Sellers, 1980).
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

VOWELS = frozenset("aeiouy")
SIMILAR = (("ph", "f"), ("ck", "k"), ("c", "k"), ("q", "k"), ("z", "s"))
"""Letters that stand for much the same sound."""
CARRIERS = {"a", "an", "the", "some", "please", "show", "me", "find", "i", "am", "i'm", "looking", "look", "for"}
CARRIERS |= {"search", "do", "you", "have", "is", "there", "want", "need", "dollars"}
"""Words that say that something is looked for, not what."""
LIMIT = re.compile(r"(?:under|below|less than|up to) \$?(\d+)(?: dollars)?")
"""With the option ``itn`` a spoken number arrives in figures."""
LEAST = 0.8
"""Score below which nothing was found: a word of four letters that is all there has 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """Something to buy."""

    name: str
    brand: str
    category: str
    colour: str
    material: str
    price: int
    """Dollars."""


class Catalogue:
    """What there is, and the search in it.

    Args:
        products: all of them.
    """

    def __init__(self, products: Iterable[Product]) -> None:
        self.products = list(products)

    def hotwords(self) -> list[str]:
        """What a recogniser should expect to hear."""
        fields = ((p.name, p.colour, p.material, p.brand) for p in self.products)
        return list(dict.fromkeys(field.lower() for four in fields for field in four))

    def find(self, query: str) -> list[Product]:
        """The products that a query may mean, best first; all of them for one that says nothing.

        Args:
            query: words as they were heard, or the beginning of them.
        """
        limit = LIMIT.search(query.lower())
        products = [p for p in self.products if limit is None or p.price <= int(limit[1])]
        words = LIMIT.sub(" ", query.lower()).split()
        heard = sounds(" ".join(word for word in words if word not in CARRIERS))
        if not heard:
            return products
        closeness = {term: _closeness(sounds(term), heard) for p in products for term in _terms(p)}
        score = {p.name: _score(p, closeness) for p in products}
        best = max(score.values(), default=0.0)
        found = [p for p in products if score[p.name] >= max(LEAST, 0.6 * best)]
        return sorted(found, key=lambda p: -score[p.name])


def sounds(text: str) -> str:
    """Letters that sound alike written alike, without spaces and doubles: ``Coffee pot`` as ``kofepot``."""
    text = re.sub(r"[^a-z]", "", text.lower())
    for letters, sound in SIMILAR:
        text = text.replace(letters, sound)
    return re.sub(r"(.)\1", r"\1", text)


def _terms(product: Product) -> dict[str, float]:
    """What a product may be asked for by, and what it is worth."""
    words = product.name.lower().split()
    fields = {product.colour: 0.6, product.material: 0.5, product.brand.lower(): 0.6}
    return fields | {word: 1 / math.sqrt(len(words)) for word in words}


def _score(product: Product, closeness: dict[str, float]) -> float:
    """Long terms that are close count most: short ones are found anywhere."""
    return sum(worth * closeness[term] * math.sqrt(len(term)) for term, worth in _terms(product).items())


def _closeness(term: str, heard: str) -> float:
    """1 where a term is in what was heard, 0 where half of it or more would have to be changed."""
    row = [0.0] * (len(heard) + 1)
    for position, letter in enumerate(term, 1):
        above, row = row, [float(position)]
        for column, other in enumerate(heard):
            row.append(min(above[column] + _change(letter, other), above[column + 1] + 1, row[-1] + 1))
    return max(0.0, 1 - 2 * min(row) / len(term))


def _change(letter: str, other: str) -> float:
    if letter == other:
        return 0.0
    return 0.5 if letter in VOWELS and other in VOWELS else 1.0
