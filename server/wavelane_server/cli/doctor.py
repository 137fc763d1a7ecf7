"""``wavelane doctor``: what was found here, and what is missing for which feature."""

import json

import click

from wavelane.errors import WavelaneError
from wavelane_server.doctor import as_json, capacity, examine
from wavelane_server.loading import load_config


@click.command()
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")
@click.option("--measure", is_flag=True, help="Load the model that would be served, and time its steps (seconds).")
@click.pass_context
def command(ctx: click.Context, json_wanted: bool, measure: bool) -> None:
    """Say what was found on this machine, and what is missing for which feature.

    The model and the engine's settings are those of `wavelane serve`: from the file that WAVELANE_CONFIG names and from
    the environment.
    """
    findings = examine()
    if measure:
        try:
            findings += capacity(load_config())
        except WavelaneError as error:
            click.echo(f"wavelane: {error.message}", err=True)
            ctx.exit(1)
    if json_wanted:
        click.echo(json.dumps(as_json(findings), indent=2))
        return
    width = max(len(finding.name) for finding in findings)
    area = ""
    signs = {"ok": click.style("✓", fg="green"), "missing": click.style("✗", fg="red"), "info": "·"}
    for finding in findings:
        if finding.area != area:
            area = finding.area
            click.secho(area, bold=True)
        click.echo(f"  {signs[finding.status]} {finding.name:{width}}  {finding.detail}")
        if finding.fix:
            click.echo(f"    {'':{width}}  → {finding.fix}")
