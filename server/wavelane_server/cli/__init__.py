"""``wavelane``: the command line. Commands are imported when they are called, so that each is as quick as it can be."""

import importlib
import os
import sys

import click

from wavelane import __version__
from wavelane.errors import WavelaneError

COMMANDS = {
    "serve": "Serve recognition over WebSocket, gRPC and HTTP.",
    "transcribe": "Transcribe files or the microphone through a running server.",
    "demo": "Start a server, play a recording into it, and watch the words appear.",
    "adapt": "Teach a recogniser a domain by text alone.",
    "lm": "Build, mix, convert and measure n-gram language models.",
    "grammar": "Check grammars, print their sentences, and see what a text means.",
    "profile": "Store, show and erase users' profiles on a running server.",
    "models": "List, fetch, inspect, convert and verify models.",
    "bench": "Measure the engine alone: throughput, streams in real time, the limit of this machine.",
    "load": "Measure what a server carries: latency, errors and accuracy under load.",
    "eval": "Measure recognition: word errors by set and condition, times, confidence, keywords, latency.",
    "calibrate": "Fit the times and confidences of a model's words to recordings.",
    "figures": "Measure what this machine carries, as the README shows it.",
    "doctor": "Say what was found on this machine, and what is missing for which feature.",
}
"""Name of each command, whose module is ``wavelane_server.cli.<name>`` and holds it as ``command``; short help."""


class _Commands(click.Group):
    """Imports a command when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the order in which they are wanted."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command itself."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"wavelane_server.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Help without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="wavelane")
def wavelane() -> None:
    """Live speech recognition: audio in, words out while they are spoken."""


def main() -> None:
    """Entry point. Errors meant for users are one sentence, not a traceback."""
    # Threads of torch that spin while they wait starve whoever shares the cores; read once, when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        wavelane()
    except WavelaneError as error:
        click.echo(f"error: {error.message}", err=True)
        sys.exit(1)
