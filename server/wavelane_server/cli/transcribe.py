"""``wavelane transcribe``: files, standard input or the microphone through a running server."""

import asyncio
import shutil
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import CLOCK_RATE, AudioIssue, Final, Partial
from wavelane.lm.folder import read_hotwords
from wavelane_client.client import DEFAULT_GRPC_URL, DEFAULT_URL
from wavelane_client.file import STDIN, Block, PcmFile, RawFile, duration_of
from wavelane_client.formats import to_json_line, to_srt, to_text, to_vtt
from wavelane_client.messages import ServerEvent
from wavelane_client.pacing import paced
from wavelane_client.transcribe import transcribe
from wavelane_server.cli.lookahead import lookahead_of
from wavelane_server.cli.text import replacements_of, text_of

LIVE_BLOCK_SECONDS = 0.1
FAST_BLOCK_SECONDS = 0.25
ENDINGS = {"text": "txt", "jsonl": "jsonl", "srt": "srt", "vtt": "vtt"}
PROBLEMS = {
    "clipping": "the audio is too loud and clipped",
    "no_signal": "there is no sound at all: is the microphone muted?",
    "too_quiet": "the speech is very quiet",
}
"""What people are told of a problem of the audio, on the standard error."""
WHOLE = {"srt": to_srt, "vtt": to_vtt}
"""Formats that are written when all finals are known."""
_OPTIONS = ("lookahead", "language", "channel", "lm", "hotwords", "grammar", "profile")
"""Options of the session that flags have as they are."""
EXIT_FAILED, EXIT_NO_SERVER, EXIT_INTERRUPTED = 1, 2, 130


def channel_of(value: str) -> int | str:
    """A channel's index, ``mix`` or ``separate``."""
    if value in ("mix", "separate"):
        return value
    if not value.isdigit():
        raise click.BadParameter(f"{value!r} is neither a channel counted from 0 nor mix nor separate")
    return int(value)


def grammar_of(value: str) -> str:
    """The text of a grammar's file, or the name of one that the server has."""
    if not value.endswith((".jsgf", ".gram")):
        return value
    try:
        return Path(value).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{value} cannot be read: {error}") from None


def hotwords_of(value: str) -> list[dict[str, Any]]:
    """The phrases of a file, one a line, each with its boost."""
    try:
        return [{"phrase": phrase, "boost": boost} for phrase, boost in read_hotwords(Path(value))]
    except WavelaneError as error:
        raise click.BadParameter(error.message) from None


@dataclass
class Output:
    """Where one source's events go."""

    format: str
    partials: bool
    label_channels: bool
    write: Callable[[str], object]
    terminal: bool
    """Partials overwrite each other on the last line of a terminal."""
    file: str | None = None
    """Named in JSON lines."""
    finals: list[Final] = field(default_factory=list)

    def event(self, event: ServerEvent) -> None:
        """Write what the format shows of an event as it arrives."""
        if isinstance(event, Final):
            self.finals.append(event)
        if self.format == "jsonl":
            if self.partials or not isinstance(event, Partial):
                self.write(to_json_line(event, **({"file": self.file} if self.file else {})) + "\n")
        elif self.format == "text":
            if isinstance(event, Final):
                clear = "\r\x1b[2K" if self.terminal and self.partials else ""
                self.write(clear + to_text([event], label_channels=self.label_channels))
                if event.intent is not None:
                    slots = "".join(f" {name}={value!r}" for name, value in event.intent.slots.items())
                    self.write(f"→ {event.intent.name}{slots} ({event.intent.score:.2f})\n")
            elif isinstance(event, Partial) and self.partials and event.text:
                self.write(self._partial(event.text))
            elif isinstance(event, AudioIssue) and event.active and event.problem in PROBLEMS:
                where = f" (channel {event.channel})" if self.label_channels else ""
                click.echo(f"wavelane: {PROBLEMS[event.problem]}{where}, at {event.at / CLOCK_RATE:.1f} s", err=True)

    def close(self) -> None:
        """Write the formats that need all finals."""
        if self.format in WHOLE:
            self.write(WHOLE[self.format](self.finals, label_channels=self.label_channels))

    def _partial(self, text: str) -> str:
        if not self.terminal:
            return f"~ {text}\n"
        width = max(20, shutil.get_terminal_size().columns - 1)
        return f"\r\x1b[2K\x1b[90m{text[-width:]}\x1b[0m"


@click.command("transcribe")
@click.argument("files", nargs=-1, metavar="FILE...")
@click.option("--mic", is_flag=True, help="Recognise the microphone until Ctrl-C instead of files.")
@click.option("--device", help="Input device for --mic: number or part of its name.")
@click.option("--url", help=f"Address of the server. [default: {DEFAULT_URL}; with --grpc: {DEFAULT_GRPC_URL}]")
@click.option("--grpc", "use_grpc", is_flag=True, help="Speak gRPC instead of WebSocket.")
@click.option(
    "--realtime", is_flag=True, help="Send files at the pace they play, not as fast as the server takes them."
)
@click.option(
    "--output",
    "output_format",
    type=click.Choice(list(ENDINGS)),
    default="text",
    show_default=True,
    help="What is written.",
)
@click.option(
    "--output-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write one file for each input here instead of to standard output.",
)
@click.option("--partials", is_flag=True, help="Show hypotheses in progress too (text, jsonl).")
@click.option(
    "--lookahead",
    type=lookahead_of,
    help="Encoder frames (80 ms) awaited before one is recognised; one of the model's, or auto.",
)
@click.option("--language", help="Language code, or auto, for models of several languages.")
@click.option("--vad", type=click.Choice(["webrtc", "silero", "off"]), help="How speech is told from silence.")
@click.option(
    "--channel", type=channel_of, metavar="N|mix|separate", help="Which channel of several: an index, mix, or separate."
)
@click.option(
    "--text",
    type=text_of,
    metavar="LIST",
    help="How text is written: itn (figures), punctuation, capitals, mask (profanity), fluent (no fillers), or all.",
)
@click.option(
    "--replace", multiple=True, metavar="HEARD=WRITTEN", help="What is written for a phrase that is heard; repeatable."
)
@click.option("--beam", type=click.IntRange(2, 64), help="Search with so many hypotheses, instead of greedily.")
@click.option("--lm", metavar="NAME", help="Language model of the server, or off.")
@click.option(
    "--hotwords",
    type=hotwords_of,
    metavar="FILE",
    help="Phrases to favour, one a line; a boost may follow a tab.",
)
@click.option(
    "--grammar",
    type=grammar_of,
    metavar="FILE|NAME",
    help="What may be said, and what it means: a JSGF file, or a grammar of the server by name.",
)
@click.option("--profile", metavar="KEY", help="Key of a user's profile that the server keeps.")
@click.option("--raw", is_flag=True, help="Send the file's bytes undecoded, for the server to decode.")
@click.option(
    "--encoding",
    type=click.Choice(["container", "linear16", "float32", "mulaw", "alaw"]),
    default="container",
    show_default=True,
    help="With --raw: what the bytes are.",
)
@click.option(
    "--sample-rate", type=int, default=16_000, show_default=True, help="With --raw: of headerless audio (Hz)."
)
@click.option("--channels", type=int, default=1, show_default=True, help="With --raw: of headerless audio.")
@click.pass_context
def command(ctx: click.Context, /, **flags: Any) -> None:
    """Recognise FILES (anything FFmpeg reads; - is standard input) or the microphone.

    Needs a running server (`wavelane serve`). Exits with 1 when a file failed, and with 2 when no server answers.
    """
    files: tuple[str, ...] = flags["files"]
    _check(files, flags)
    url = flags["url"] or (DEFAULT_GRPC_URL if flags["use_grpc"] else DEFAULT_URL)
    options = {name: flags[name] for name in _OPTIONS if flags[name] is not None}
    if flags["vad"]:
        options["vad"] = {"kind": flags["vad"]}
    if flags["beam"]:
        options["decoding"] = {"method": "beam", "beam": flags["beam"]}
    text = {**(flags["text"] or {}), **({"replace": replacements_of(flags["replace"])} if flags["replace"] else {})}
    if text:
        options["text"] = text
    if not flags["partials"]:
        options["partials"] = False
    failed = False
    for file in files or (None,):
        try:
            asyncio.run(_run(url, file, options, flags, several=len(files) > 1))
        except WavelaneError as error:
            failed = True
            click.echo(f"wavelane: {f'{file}: ' if file else ''}{error.message}", err=True)
            if error.code is ErrorCode.UNAVAILABLE:
                ctx.exit(EXIT_NO_SERVER)
        except KeyboardInterrupt:
            ctx.exit(EXIT_INTERRUPTED)
        except BrokenPipeError:  # the reader of a pipe has seen enough
            sys.stderr.close()
            ctx.exit(EXIT_FAILED)
    if failed:
        ctx.exit(EXIT_FAILED)


def _check(files: tuple[str, ...], flags: dict[str, Any]) -> None:
    if flags["mic"] == bool(files):
        raise click.UsageError("give either files (or - for standard input) or --mic")
    if files.count(STDIN) > 1:
        raise click.UsageError("standard input can be read once only")
    if flags["use_grpc"] and flags["url"] and not flags["url"].startswith(("grpc://", "grpcs://")):
        raise click.UsageError("--grpc needs an address like grpc://HOST:PORT; leave --grpc out for others")
    if flags["device"] is not None and not flags["mic"]:
        raise click.UsageError("--device is for --mic")
    if flags["partials"] and flags["output_format"] in WHOLE:
        raise click.UsageError("subtitles have no partials: leave --partials out, or choose --output text or jsonl")
    if len(files) > 1 and flags["output_format"] in WHOLE and not flags["output_dir"]:
        raise click.UsageError("subtitles of several files need --output-dir")
    if flags["output_dir"] and len({_stem(file) for file in files}) < len(files):
        raise click.UsageError("two of the files would write the same file in --output-dir: they share a name")


async def _run(url: str, file: str | None, options: dict[str, Any], flags: dict[str, Any], *, several: bool) -> None:
    source: PcmFile | RawFile | None = None
    if file is None:
        from wavelane_client.mic import Microphone

        microphone = Microphone(flags["device"])
        click.echo(f"Listening to {microphone.name}; Ctrl-C ends.", err=True)
        described = microphone.options
        blocks = _until_interrupted(microphone.blocks())
    else:
        source = _source(file, flags)
        seconds = LIVE_BLOCK_SECONDS if flags["realtime"] else FAST_BLOCK_SECONDS
        described = source.options
        blocks = paced(source.blocks(seconds), realtime=flags["realtime"])
    handle = None
    try:
        if flags["output_dir"]:
            handle = _create(flags["output_dir"], file, flags["output_format"])
        output = Output(
            format=flags["output_format"],
            partials=flags["partials"],
            label_channels=flags["channel"] == "separate",
            write=handle.write if handle else _print,
            terminal=handle is None and sys.stdout.isatty(),
            file=file if several else None,
        )
        if several and handle is None and output.format == "text":
            click.echo(f"==> {file} <==")
        try:
            async with aclosing(blocks):
                await transcribe(url, blocks, {**described, **options}, output.event)
        finally:
            output.close()
    finally:
        if handle:
            handle.close()
        if source:
            source.close()


def _source(file: str, flags: dict[str, Any]) -> PcmFile | RawFile:
    if not flags["raw"]:
        return PcmFile(file)
    duration = duration_of(file) if flags["realtime"] and flags["encoding"] == "container" else None
    return RawFile(
        file,
        encoding=flags["encoding"],
        sample_rate=flags["sample_rate"],
        channels=flags["channels"],
        duration=duration,
    )


def _create(folder: Path, file: str | None, output_format: str) -> Any:
    path = folder / f"{_stem(file)}.{ENDINGS[output_format]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, f"cannot write {path}: {error.strerror}") from None


def _stem(file: str | None) -> str:
    return "microphone" if file is None else "stdin" if file == STDIN else Path(file).stem


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


async def _until_interrupted(blocks: AsyncIterator[Block]) -> AsyncGenerator[Block, None]:
    """Ends at Ctrl-C, so that what was said gets its finals; a second Ctrl-C stops the program."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    previous = signal.getsignal(signal.SIGINT)

    def interrupted(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, previous)
        loop.call_soon_threadsafe(stop.set)

    signal.signal(signal.SIGINT, interrupted)
    stopped = asyncio.ensure_future(stop.wait())
    try:
        while not stop.is_set():
            following = asyncio.ensure_future(anext(blocks))
            await asyncio.wait([following, stopped], return_when=asyncio.FIRST_COMPLETED)
            if not following.done():
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                return
            yield following.result()
    finally:
        stopped.cancel()
        signal.signal(signal.SIGINT, previous)
