"""``wavelane profile``: what a server keeps of a user, stored, shown and erased."""

import json
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import click
import httpx

from wavelane_client.transport import authorization

DEFAULT = "http://127.0.0.1:8080"


@click.group("profile")
def command() -> None:
    """Store, show and erase users' profiles on a running server. Whoever knows a KEY can do so: keep it secret.

    A server with API keys takes that of WAVELANE_API_KEY.
    """


def _with_server(function: Callable[..., None]) -> Callable[..., None]:
    return click.option("--url", default=DEFAULT, show_default=True, help="Address of the server.")(function)


@command.command()
@click.argument("key")
@_with_server
def show(key: str, url: str) -> None:
    """Print all that is stored under KEY, as JSON."""
    click.echo(json.dumps(_ask("GET", key, url).json(), indent=1, ensure_ascii=False))


@command.command()
@click.argument("key")
@click.argument("file", type=click.File("r", encoding="utf-8"))
@click.option("--consent", is_flag=True, help="The user agrees that this is stored.")
@_with_server
def store(key: str, file: Any, consent: bool, url: str) -> None:
    """Store FILE under KEY: JSON with hotwords and replace, - for standard input."""
    try:
        values = json.load(file)
    except ValueError as error:
        raise click.BadParameter(f"{file.name} is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise click.BadParameter(f"{file.name} is no JSON object")
    kept = {name: value for name, value in values.items() if name not in ("created", "updated", "consent")}
    _ask("PUT", key, url, {**kept, "consent": consent})


@command.command()
@click.argument("key")
@_with_server
def erase(key: str, url: str) -> None:
    """Erase everything that is stored under KEY."""
    _ask("DELETE", key, url)


def _ask(method: str, key: str, url: str, body: dict[str, Any] | None = None) -> httpx.Response:
    address = f"{url.rstrip('/')}/v1/profiles/{quote(key, safe='')}"
    try:
        answer = httpx.request(method, address, json=body, headers=authorization(None), timeout=30.0)
    except httpx.HTTPError as error:
        click.echo(f"error: no server at {url} ({error}): start one with `wavelane serve`, or give its --url", err=True)
        sys.exit(2)
    if answer.is_error:
        try:
            message = answer.json()["error"]["message"]
        except (ValueError, KeyError, TypeError):
            message = f"{answer.status_code} {answer.reason_phrase}"
        click.echo(f"error: {message}", err=True)
        sys.exit(1)
    return answer
