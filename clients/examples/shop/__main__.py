"""Shop search by voice: ``python -m examples.shop``; see README.md."""

import asyncio
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from examples.hosting import serve_page, wavelane_server
from examples.shop.search import Catalogue, Product
from wavelane_client import DEFAULT_URL, WavelaneError
from wavelane_client.transport import API_KEY

HERE = Path(__file__).parent
BOOST = 3
"""Of the hotwords: who talks to a shop says little else, so that false alarms cost less than misses."""


def session_options(catalogue: Catalogue) -> dict[str, Any]:
    """Options of a session that expects the catalogue's words; a beam makes most of hotwords."""
    return {
        "hotwords": [{"phrase": phrase, "boost": BOOST} for phrase in catalogue.hotwords()],
        "decoding": {"method": "beam"},
        "text": {"itn": True},
    }


def make_app(catalogue: Catalogue, server: str) -> Starlette:
    """The page, and what it asks of the shop."""

    async def setup(_: Request) -> JSONResponse:
        return JSONResponse(
            {"server": server, "apiKey": os.environ.get(API_KEY), "options": session_options(catalogue)}
        )

    async def search(request: Request) -> JSONResponse:
        return JSONResponse([asdict(product) for product in catalogue.find(request.query_params.get("q", ""))])

    page = StaticFiles(directory=HERE / "page", html=True)
    return Starlette(routes=[Route("/setup", setup), Route("/search", search), Mount("/", page)])


@click.command()
@click.option("--url", help=f"Of a running server, as {DEFAULT_URL}; without it one is started.")
@click.option("--port", type=click.IntRange(1, 65_535), default=8091, show_default=True, help="Of the page.")
@click.option(
    "--catalogue",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=HERE / "catalogue.json",
    help="Products as JSON, with the fields of the one that is used otherwise.",
)
def main(url: str | None, port: int, catalogue: Path) -> None:
    """Search a shop by voice."""
    try:
        products = [Product(**product) for product in json.loads(catalogue.read_text(encoding="utf-8"))]
        asyncio.run(_run(url, port, Catalogue(products)))
    except (WavelaneError, OSError, ValueError, TypeError) as error:
        raise click.ClickException(str(error)) from None


async def _run(url: str | None, port: int, catalogue: Catalogue) -> None:
    async with wavelane_server(url, port) as server:
        await serve_page(make_app(catalogue, server), port)


if __name__ == "__main__":
    main()
