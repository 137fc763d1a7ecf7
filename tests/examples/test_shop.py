"""The shop without its page: what a query finds, as it is written and as it is heard."""

import asyncio
import json
from pathlib import Path

import pytest

from examples.shop.__main__ import HERE, session_options
from examples.shop.search import Catalogue, Product, sounds
from support.page import decode
from support.server import Server
from wavelane_client import Final, connect

RECORDINGS = Path(__file__).parents[1] / "data" / "examples"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue(Product(**product) for product in json.loads((HERE / "catalogue.json").read_text()))


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("coffee machine", "Coffee machine"),
        ("Do you have a digital camera?", "Digital camera"),
        ("willank it", "Wool blanket"),
        ("blueun shoes", "Trail running shoes"),
        ("yellowain jack it", "Rain jacket"),
        ("red shirt", "Flannel shirt"),
        ("a lamp in green", "Reading lamp"),
        ("clocks by sonoro", "Alarm clock"),
    ],
)
def test_what_is_meant_comes_first_whatever_was_heard(catalogue: Catalogue, query: str, first: str) -> None:
    assert catalogue.find(query)[0].name == first


def test_every_product_is_found_by_its_name_and_by_half_of_it(catalogue: Catalogue) -> None:
    for product in catalogue.products:
        assert catalogue.find(product.name)[0] == product
        assert product in catalogue.find(product.name[: max(4, len(product.name) // 2)]), product.name


def test_a_limit_of_price_is_kept(catalogue: Catalogue) -> None:
    cheap = [product for product in catalogue.products if product.price <= 30]
    assert catalogue.find("show me something under $30") == []
    assert catalogue.find("show me some under $30 please") == cheap
    assert [product.name for product in catalogue.find("a lamp for less than $60")] == ["Desk lamp"]


@pytest.mark.parametrize("query", ["", "show me the", "do you have some please"])
def test_who_asks_for_nothing_sees_all(catalogue: Catalogue, query: str) -> None:
    assert catalogue.find(query) == catalogue.products


def test_what_there_is_not_is_not_found(catalogue: Catalogue) -> None:
    assert catalogue.find("xyz") == []


def test_sounds_that_are_alike_are_written_alike() -> None:
    assert sounds("Coffee pot") == sounds("kofe pot") == "kofepot"


async def test_spoken_queries_find_what_they_name(server: Server, catalogue: Catalogue) -> None:
    lines = [json.loads(line) for line in (RECORDINGS / "shop_queries.jsonl").read_text().splitlines()]
    hearing = session_options(catalogue)

    async def hear(recording: str, **options: object) -> str:
        async with connect(server.ws, **options) as stream:
            await stream.send(decode(RECORDINGS / recording).tobytes())
            await stream.end()
            return " ".join([event.text async for event in stream if isinstance(event, Final)])

    async def found(**options: object) -> list[bool]:
        texts = await asyncio.gather(*(hear(line["audio_filepath"], **options) for line in lines))
        return [
            line["product"] in [product.name for product in catalogue.find(text)[:1]]
            for line, text in zip(lines, texts, strict=True)
        ]

    with_hotwords, without = await found(**hearing), await found()
    assert sum(with_hotwords) >= 8
    assert sum(with_hotwords) > sum(without)
