"""``wavelane demo``: a server, a recording of real speech streamed into it, and the words as they appear."""

import asyncio
import os
import signal
import time
from typing import Any

import click
from rich.console import Console

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_client.demo import Demo
from wavelane_client.server_process import ServerProcess, is_free, next_free_port
from wavelane_server.cli.lookahead import lookahead_of

DEFAULT_PORT, DEFAULT_GRPC_PORT = 8080, 50051
_STARTED = time.perf_counter()


@click.command("demo")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address that the server binds.")
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    help=f"Of HTTP and WebSocket. [default: {DEFAULT_PORT}, or the next free one]",
)
@click.option(
    "--grpc-port", type=click.IntRange(1, 65_535), help=f"Of gRPC. [default: {DEFAULT_GRPC_PORT}, or the next free one]"
)
@click.option("--model", help="Another model than the embedded one: a path, or a name on the hub.")
@click.option(
    "--lookahead", type=lookahead_of, help="Encoder frames (80 ms) awaited before one is recognised, or auto."
)
@click.option("--audio", help="Another recording than the bundled one: any file that FFmpeg reads.")
@click.option("--once", is_flag=True, help="Exit after the recording instead of serving on.")
@click.pass_context
def command(ctx: click.Context, /, **flags: Any) -> None:
    """Start a server, stream a recording of real speech into it as if it were spoken now, and show the words.

    Then keeps serving, for the microphone page in a browser and for other clients, until Ctrl-C.
    """
    console = Console()
    try:
        code = asyncio.run(_demo(console, flags))
    except WavelaneError as error:
        click.echo(f"wavelane: {error.message}", err=True)
        code = 1
    except OSError:  # the terminal, or the reader of a pipe, is gone
        os._exit(1)  # without the flush of standard output that would fail again
    ctx.exit(code)


async def _demo(console: Console, flags: dict[str, Any]) -> int:
    stopping = asyncio.Event()
    port = _port(console, flags["host"], flags["port"], DEFAULT_PORT, "--port")
    grpc_port = _port(console, flags["host"], flags["grpc_port"], DEFAULT_GRPC_PORT, "--grpc-port")
    arguments = ["--log-level", "warning", *(["--model", flags["model"]] if flags["model"] else [])]
    server = ServerProcess(host=flags["host"], port=port, grpc_port=grpc_port, arguments=arguments)
    _on_signals(stopping, server)
    work = asyncio.create_task(_work(console, server, flags, stopping))
    stop = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
    finally:
        for task in (work, stop):
            task.cancel()
        await asyncio.gather(work, stop, return_exceptions=True)
        try:
            if stopping.is_set() and server.running:
                console.print("\nFinishing the sessions in progress … (Ctrl-C again: at once)", style="bright_black")
        except OSError:
            pass  # the terminal is gone
        finally:
            await server.stop()
    return 0


async def _work(console: Console, server: ServerProcess, flags: dict[str, Any], stopping: asyncio.Event) -> None:
    console.print("Starting the server …", style="bright_black")
    await server.start()
    console.print(
        f"Ready in {server.seconds_to_ready:.1f} s. Playing a recording into {server.url}:\n", highlight=False
    )
    demo = Demo(console)
    begun = time.perf_counter()
    await demo.run(server.url, {} if flags["lookahead"] is None else {"lookahead": flags["lookahead"]}, flags["audio"])
    if demo.first_word is not None:
        since_start = begun - _STARTED + demo.first_word
        console.print(
            f"\nFirst word {demo.first_word:.2f} s after the first audio, {since_start:.1f} s after the command.",
            highlight=False,
        )
    if flags["once"]:
        return
    console.print(f"\nNow you: open [bold]{server.http_url}/[/bold] and speak into your microphone.", highlight=False)
    console.print(f"Other clients: wavelane transcribe FILE --url {server.url}. Ctrl-C ends.", highlight=False)
    await server.wait()
    if not stopping.is_set():
        raise WavelaneError(ErrorCode.INTERNAL, f"the server has ended by itself: {server.last_words()}")


def _port(console: Console, host: str, given: int | None, default: int, flag: str) -> int:
    if given is not None:
        if not is_free(host, given):
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG, f"port {given} of {host} is in use: choose another one with {flag}"
            )
        return given
    port = next_free_port(host, default)
    if port != default:
        console.print(f"Port {default} is in use; taking {port}.", style="yellow", highlight=False)
    return port


def _on_signals(stopping: asyncio.Event, server: ServerProcess) -> None:
    """The first Ctrl-C (or hang-up, or SIGTERM) drains, the second one ends everything at once."""
    loop = asyncio.get_running_loop()

    def on_signal(*_: object) -> None:
        if stopping.is_set():
            server.kill()
            os._exit(130)
        loop.call_soon_threadsafe(stopping.set)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # Windows has no SIGHUP
            signal.signal(getattr(signal, name), on_signal)
