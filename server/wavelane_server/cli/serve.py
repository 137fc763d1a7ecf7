"""``wavelane serve``: every setting of the configuration tree is a flag."""

import json
import os
import signal
import sys
import threading
import types
import typing
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click

from wavelane.errors import WavelaneError
from wavelane_server.config import Config
from wavelane_server.grammars import load_grammars
from wavelane_server.loading import load_config
from wavelane_server.settings import Setting, settings, to_toml


class _Serve(click.Command):
    """Help with one list for each section of the configuration tree."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options, by section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                section = parameter.section if isinstance(parameter, _Flag) else "Options"
                sections.setdefault(section, []).append(record)
        for name in ("Options", *(name for name in sections if name != "Options")):
            with formatter.section(name):
                formatter.write_dl(sections[name])


class _Flag(click.Option):
    """The flag of one setting."""

    def __init__(self, setting: Setting) -> None:
        self.section = "[" + ".".join(setting.path[:-1]) + "]"
        self.setting = setting
        default = "none" if setting.default is None else json.dumps(setting.default, default=str)
        names = setting.flags
        if setting.field.annotation is bool:
            names = tuple(f"{name}/--no-{name[2:]}" for name in names)
        kind, metavar = _type(setting.field.annotation)
        super().__init__(
            [*names, setting.name.replace(".", "__")],
            type=kind,
            metavar=metavar,
            default=None,
            help=f"{setting.description.replace('``', '')}  [default: {default}]",
        )


def _type(annotation: Any) -> tuple[Any, str | None]:
    """Type and placeholder of a flag. Only choices are checked here; all else is, where every source is."""
    if annotation is bool:
        return click.BOOL, None
    if get_origin(annotation) is Literal:
        return click.Choice(get_args(annotation)), None
    if get_origin(annotation) in (tuple, dict):
        return click.STRING, "JSON"
    kinds = set(get_args(annotation)) if get_origin(annotation) in (typing.Union, types.UnionType) else {annotation}
    names = {int: "INTEGER", float: "NUMBER", Path: "PATH"}
    return click.STRING, next((name for kind, name in names.items() if not kinds - {kind, type(None)}), None)


def _value(setting: Setting, value: Any) -> Any:
    """Lists and mappings are written as JSON."""
    kind = get_origin(setting.field.annotation)
    if kind not in (tuple, dict):
        return value
    try:
        return json.loads(value)
    except ValueError:
        name = "list" if kind is tuple else "object"
        raise click.BadParameter(f"{setting.flags[0]} takes a JSON {name}, not {value!r}") from None


def _serve(config_file: Path | None, print_config: bool, while_stdin: bool, **flags: Any) -> None:
    """Serve recognition over WebSocket, gRPC and HTTP.

    Settings come from a TOML file, then from the environment (WAVELANE_SECTION__NAME), then from these flags; later
    ones win. Ctrl-C or SIGTERM lets sessions finish and exits with 0; a second Ctrl-C exits at once.
    """
    known = {setting.name.replace(".", "__"): setting for setting in settings()}
    given = {known[name].name: _value(known[name], value) for name, value in flags.items() if value is not None}
    try:
        config: Config = load_config(config_file, given)
        load_grammars(config.grammar)
    except WavelaneError as error:
        click.echo(f"error: {error.message}", err=True)
        sys.exit(2)
    if print_config:
        click.echo(to_toml(config), nl=False)
        return
    from wavelane_server.serve import run

    if while_stdin:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    sys.exit(run(config))


def _end_with_stdin() -> None:
    """Whoever started this server has gone, in whatever way: nobody will end it."""
    with suppress(OSError):  # a terminal that is gone
        while os.read(0, 1):
            pass
    signal.raise_signal(signal.SIGTERM)


command = _Serve(
    "serve",
    callback=_serve,
    help=_serve.__doc__,
    params=[
        click.Option(
            ["--config", "config_file"],
            type=click.Path(path_type=Path),
            help="TOML file with settings (WAVELANE_CONFIG).",
        ),
        click.Option(["--print-config"], is_flag=True, help="Print the effective settings as TOML, and exit."),
        click.Option(
            ["--while-stdin"],
            is_flag=True,
            help="End as by SIGTERM when standard input is closed: with whoever started this server.",
        ),
        *(_Flag(setting) for setting in settings()),
    ],
)
