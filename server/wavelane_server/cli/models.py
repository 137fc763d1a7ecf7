"""``wavelane models``: find, fetch, inspect, convert and verify checkpoints."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from wavelane.errors import WavelaneError
from wavelane.model.embedded import EMBEDDED, embedded_path
from wavelane.model.pipelines import PIPELINES
from wavelane.spec import ModelSpec
from wavelane_server.config import ModelConfig
from wavelane_server.models import Located, cached, locate

Command = TypeVar("Command", bound=Callable[..., Any])

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _hub_options(command: Command) -> Command:
    """Where hub models come from and go to."""
    cache = click.option(
        "--cache-dir",
        type=click.Path(path_type=Path),
        envvar="WAVELANE_MODEL__CACHE_DIR",
        help="Folder for hub models.",
    )
    revision = click.option("--revision", help="Branch, tag or commit of a hub model.")
    return cache(revision(command))


@click.group()
def command() -> None:
    """List, fetch, inspect, convert and verify models.

    A MODEL is `embedded`, a .nemo file, a folder, or a name on the Hugging Face hub (owner/name).
    """


@command.command("list")
@click.option(
    "--cache-dir", type=click.Path(path_type=Path), envvar="WAVELANE_MODEL__CACHE_DIR", help="Folder for hub models."
)
@_json
def list_models(cache_dir: Path | None, as_json: bool) -> None:
    """Models on this machine: embedded ones, and those fetched from the hub."""
    from wavelane.model.checkpoint import inspect_model

    rows = []
    found = [(name, embedded_path(name), EMBEDDED[name]) for name in EMBEDDED]
    found += [(name, path, "") for name, path in cached(ModelConfig(cache_dir=cache_dir))]
    for name, path, about in found:
        try:
            spec = inspect_model(path, name=name)
            about = about or f"{'/'.join(spec.heads)}, lookaheads {', '.join(map(str, spec.lookaheads))}"
        except WavelaneError as error:
            about = f"cannot be served: {error.message}"
        rows.append({"name": name, "path": str(path), "about": about})
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        click.echo(f"{row['name']:{width}}  {row['about']}\n{'':{width}}  {row['path']}")


@command.command()
@click.argument("model")
@_hub_options
def pull(model: str, revision: str | None, cache_dir: Path | None) -> None:
    """Fetch MODEL from the hub into the cache, and print where it is."""
    located = _locate(model, revision, cache_dir)
    if str(located.path) in PIPELINES:
        from wavelane.model.checkpoint import load_model

        load_model(located.path)  # its library fetches what is missing, and says where to
    click.echo(located.path)


@command.command()
@click.argument("model")
@_hub_options
@_json
def info(model: str, revision: str | None, cache_dir: Path | None, as_json: bool) -> None:
    """Say what MODEL is: size, heads, lookaheads, languages, features."""
    from wavelane.model.checkpoint import load_model

    located = _locate(model, revision, cache_dir)
    facts = _facts(load_model(located.path, name=located.name).spec) | {"path": str(located.path)}
    if as_json:
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        click.echo(f"{name:{width}}  {', '.join(map(str, value)) if isinstance(value, list) else value}")


@command.command()
@click.argument("model")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--dtype", type=click.Choice(["fp32", "fp16", "bf16"]), help="Store weights so; default: as they are.")
@click.option("--name", help="Name that the copy is served as; default: the model's own.")
@click.option(
    "--default-lookahead", type=int, help="Lookahead of sessions that ask for none; default: the model's own."
)
@_hub_options
def convert(
    model: str,
    folder: Path,
    dtype: str | None,
    name: str | None,
    default_lookahead: int | None,
    revision: str | None,
    cache_dir: Path | None,
) -> None:
    """Write MODEL to FOLDER in the native format (config.json and model.safetensors)."""
    import torch

    from wavelane.model.checkpoint import convert_model

    dtypes = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16, None: None}
    located = _locate(model, revision, cache_dir)
    spec = convert_model(
        located.path, folder, dtype=dtypes[dtype], name=name or located.name, default_lookahead=default_lookahead
    )
    size = sum(path.stat().st_size for path in folder.iterdir())
    click.echo(f"{spec.name} written to {folder} ({size / 1e6:.1f} MB)")


@command.command()
@click.argument("checkpoint")
@click.option("--wav", required=True, type=click.Path(path_type=Path), help="Audio that the reference streamed; mono.")
@click.option("--reference", required=True, type=click.Path(path_type=Path), help="What it gave (.npz).")
@click.option("--lookahead", required=True, type=int, help="Lookahead that it streamed with (encoder frames).")
@_hub_options
@_json
def verify(
    checkpoint: str,
    wav: Path,
    reference: Path,
    lookahead: int,
    revision: str | None,
    cache_dir: Path | None,
    as_json: bool,
) -> None:
    """Compare what CHECKPOINT gives here with a reference; exit 1 past the tolerances."""
    from wavelane.model.verify import verify as compare

    report = compare(_locate(checkpoint, revision, cache_dir).path, wav, reference, lookahead)
    if as_json:
        rows = [
            {"array": row.array, "difference": row.difference, "tolerance": row.tolerance, "ok": row.ok}
            for row in report.comparisons
        ]
        summary = {"model": report.model, "lookahead": lookahead, "ok": report.ok, "extra_steps": report.extra_steps}
        click.echo(json.dumps(summary | {"arrays": rows}, indent=2))
    else:
        worst = report.worst()
        width = max((len(row.kind) for row in worst), default=0)
        for row in worst:
            verdict = "ok" if row.ok else "FAILED" if row.found is not None else "FAILED: missing here"
            click.echo(
                f"{row.kind:{width}}  largest difference {row.difference:.3g} (at most {row.tolerance:g})  {verdict}"
            )
        if report.extra_steps:
            click.echo(f"{report.extra_steps} steps more than the reference  FAILED")
    sys.exit(0 if report.ok else 1)


def _locate(model: str, revision: str | None, cache_dir: Path | None) -> Located:
    return locate(ModelConfig(path=model, revision=revision, cache_dir=cache_dir))


def _facts(spec: ModelSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "parameters": spec.parameters,
        "heads": list(spec.heads),
        "lookaheads": list(spec.lookaheads),
        "default_lookahead": spec.default_lookahead,
        "lookahead_ms": [
            1000 * (frames + 1) * spec.frame_samples // spec.features.sample_rate for frames in spec.lookaheads
        ],
        "left_context": spec.left_context,
        "languages": list(spec.prompts) or list(spec.languages),
        "vocabulary": len(spec.vocabulary),
        "sample_rate": spec.features.sample_rate,
        "mels": spec.features.n_mels,
    }
