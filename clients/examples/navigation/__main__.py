"""Navigation in a car by voice: ``python -m examples.navigation``; see README.md."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import click

from examples.hosting import serve_page, wavelane_server
from examples.navigation.app import make_app
from examples.navigation.commands import taken_extras
from examples.navigation.gazetteer import BRACKENFORD, START, Position, read_town
from examples.navigation.journey import Journey
from examples.navigation.tunnel import Tunnel
from wavelane_client import DEFAULT_URL, WavelaneError


@click.command()
@click.option("--url", help=f"Of a running server, as {DEFAULT_URL}; without it one is started.")
@click.option("--port", type=click.IntRange(1, 65_535), default=8090, show_default=True, help="Of the page.")
@click.option("--map", "extract", type=click.Path(exists=True, dir_okay=False), default=BRACKENFORD, help="OSM XML.")
@click.option("--at", nargs=2, type=float, help="Where the car is: latitude and longitude; else amid the map.")
@click.option("--names", type=click.IntRange(1), default=150, show_default=True, help="Of the map that may be said.")
def main(url: str | None, port: int, extract: str, at: Position | None, names: int) -> None:
    """Drive through a town by voice."""
    try:
        town = read_town(Path(extract))
        start = at or (START if Path(extract) == BRACKENFORD else town.middle)
        asyncio.run(_run(url, port, Journey(town, start, names)))
    except (WavelaneError, OSError, ValueError, SyntaxError) as error:  # a ParseError of XML is a SyntaxError
        raise click.ClickException(str(error)) from None


async def _run(url: str | None, port: int, journey: Journey) -> None:
    async with wavelane_server(url, port) as server:
        address = urlsplit(server)
        if address.scheme != "http" or address.hostname is None:
            raise click.UsageError(f"--url {server}: the tunnel passes plain HTTP only, as http://HOST:PORT")
        tunnel = Tunnel(address.hostname, address.port or 80)
        async with tunnel.listen():
            extras = await taken_extras(server, journey.around)
            await serve_page(make_app(journey, tunnel, extras), port)


if __name__ == "__main__":
    main()
