"""``wavelane figures``: what this machine carries, as README.md shows it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import click

from wavelane.errors import WavelaneError
from wavelane_client.load.corpus import CONVERSATION
from wavelane_client.load.figures import FULL, LOOKAHEADS, QUICK, measure_figures, to_markdown


@click.command("figures")
@click.option("--quick", is_flag=True, help="A minute or two instead of ten: rough figures.")
@click.option("--manifest", type=click.Path(exists=True, dir_okay=False), help="JSON lines: audio_filepath, text.")
@click.option("--model", help="Another model than the embedded one: a path, or a name on the hub.")
@click.option("--frontends", type=click.IntRange(0), help="Of the server: processes that carry its sockets.")
@click.option("--lookahead", "lookaheads", type=int, multiple=True, help="Measured, may be repeated.  [default: 6, 0]")
@click.option("--conversation", is_flag=True, help="Sessions are one party of a conversation: 40 % speech in turns.")
@click.option(
    "--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write everything measured here."
)
@click.option(
    "--markdown", "markdown_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the tables here too."
)
@click.pass_context
def command(ctx: click.Context, /, **flags: Any) -> None:
    """Start a server and measure it: streams sustained, latencies at parts of that load, memory, time to ready, WER.

    Nothing else should run on the machine meanwhile.
    """
    given = {"--model": flags["model"], "--frontends": flags["frontends"]}
    arguments = tuple(str(part) for flag in given.items() if flag[1] is not None for part in flag)
    try:
        figures = asyncio.run(
            measure_figures(
                QUICK if flags["quick"] else FULL,
                flags["manifest"],
                lambda line: click.echo(line, err=True),
                arguments,
                flags["lookaheads"] or LOOKAHEADS,
                CONVERSATION if flags["conversation"] else None,
            )
        )
        for path, text in (
            (flags["json_path"], json.dumps(figures, indent=2) + "\n"),
            (flags["markdown_path"], to_markdown(figures)),
        ):
            if path is not None:
                path.write_text(text, encoding="utf-8")
    except WavelaneError as error:
        click.echo(f"wavelane: {error.message}", err=True)
        ctx.exit(1)
    except OSError as error:
        click.echo(f"wavelane: cannot write {error.filename}: {error.strerror}", err=True)
        ctx.exit(1)
    except KeyboardInterrupt:
        ctx.exit(130)
    click.echo(to_markdown(figures), nl=False)
