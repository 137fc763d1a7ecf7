"""``wavelane doctor``: what was found here, and what is missing for which feature."""

import json

import click

from wavelane_server.doctor import as_json, examine


@click.command()
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")
def command(json_wanted: bool) -> None:
    """Say what was found on this machine, and what is missing for which feature."""
    findings = examine()
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
