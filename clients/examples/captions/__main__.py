"""Live captions of a microphone or a recording: in the terminal, in SRT and VTT files, and on a page for OBS.

python -m examples.captions --port 8090 --srt talk.srt
python -m examples.captions --file talk.flac --fast --srt talk.srt --vtt talk.vtt
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from examples.captions.page import Board, serving
from wavelane_client import DEFAULT_URL, Final, Partial, ServerEvent, WavelaneError, seconds
from wavelane_client.file import Block, PcmFile
from wavelane_client.formats import CUE_LINES, to_srt, to_vtt, wrap
from wavelane_client.mic import Microphone
from wavelane_client.pacing import paced
from wavelane_client.server_process import ServerProcess
from wavelane_client.transcribe import transcribe

BLOCK_SECONDS = 0.1
GREY, PLAIN, CLEAR = "\033[90m", "\033[0m", "\r\033[K"


class Captions:
    """What was said so far, wherever it is to be seen.

    Args:
        board: of the page.
        files: to be kept up to date, each with what makes its text.
    """

    def __init__(self, board: Board, files: Sequence[tuple[Path, Callable[[list[Final]], str]]]) -> None:
        self.finals: list[Final] = []
        self._board = board
        self._files = files
        self._terminal = sys.stdout.isatty()
        self.save()

    def event(self, event: ServerEvent) -> None:
        """Take what the server said."""
        match event:
            case Partial(text=text):
                self._board.show(self.lines(event))
                if self._terminal and text:
                    print(f"{CLEAR}{GREY}{wrap(text.split())[-1]}{PLAIN}", end="", flush=True)
            case Final(text=text):
                if text:
                    self.finals.append(event)
                    self.save()
                    minutes, rest = divmod(seconds(event.start), 60)
                    print(f"{CLEAR * self._terminal}[{minutes:02.0f}:{rest:04.1f}] {text}", flush=True)
                self._board.show(self.lines())

    def lines(self, partial: Partial | None = None) -> list[tuple[str, str]]:
        """The last two lines, each as what is certain and what may still change. An utterance begins a new line."""
        lines = [(line, "") for final in self.finals[-CUE_LINES:] for line in wrap(final.text.split())]
        if partial is not None:
            certain = partial.stable
            for line in wrap(partial.text.split()):
                lines.append((line[:certain], line[certain:]))
                certain = max(0, certain - len(line) - 1)
        return lines[-CUE_LINES:]

    def save(self) -> None:
        """Write the files: whole at any moment, whatever happens next."""
        for path, render in self._files:
            new = path.with_name(f"{path.name}.new")
            new.write_text(render(self.finals), encoding="utf-8")
            new.replace(path)


async def until(stop: asyncio.Event, blocks: AsyncIterator[Block]) -> AsyncIterator[Block]:
    """Audio until Ctrl-C."""
    async for block in blocks:
        if stop.is_set():
            break
        yield block


async def run(arguments: argparse.Namespace) -> None:
    """Caption until Ctrl-C or the end of the recording."""
    files = [(path, render) for path, render in ((arguments.srt, to_srt), (arguments.vtt, to_vtt)) if path]
    source: PcmFile | Microphone
    if arguments.file:
        source = PcmFile(arguments.file, mono=True)
        blocks: AsyncIterator[Block] = paced(source.blocks(BLOCK_SECONDS), realtime=not arguments.fast)
    else:
        source = Microphone(arguments.device, block_seconds=BLOCK_SECONDS)
        blocks = source.blocks()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def interrupt(*_: object) -> None:  # the last words are awaited; a second Ctrl-C does not wait
        signal.signal(signal.SIGINT, signal.default_int_handler)
        loop.call_soon_threadsafe(stop.set)

    signal.signal(signal.SIGINT, interrupt)
    options: dict[str, Any] = dict(source.options)
    if not arguments.plain:
        options["text"] = {"punctuation": True, "capitals": True}
    async with AsyncExitStack() as stack:
        url = arguments.url or (await stack.enter_async_context(ServerProcess())).url
        board = Board()
        if arguments.port is not None:
            print(f"page: {await stack.enter_async_context(serving(board, arguments.port))}", flush=True)
        await transcribe(url, until(stop, blocks), options, Captions(board, files).event)
    if isinstance(source, Microphone) and source.dropped:
        print(f"{source.dropped * BLOCK_SECONDS:.1f} s of audio were lost: the server is too slow", file=sys.stderr)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help=f"of a running server, as {DEFAULT_URL}; without it one is started")
    parser.add_argument("--file", help="a recording in place of the microphone, at the pace of speech")
    parser.add_argument("--fast", action="store_true", help="with --file: as fast as the server takes it")
    parser.add_argument("--device", help="microphone by number or part of its name")
    parser.add_argument("--srt", type=Path, help="write SubRip subtitles")
    parser.add_argument("--vtt", type=Path, help="write WebVTT subtitles")
    parser.add_argument("--port", type=int, help="serve the page for OBS here; 0 takes a free port")
    parser.add_argument(
        "--plain", action="store_true", help="words as the model writes them: no punctuation of English"
    )
    arguments = parser.parse_args()
    if arguments.fast and not arguments.file:
        parser.error("--fast needs --file: a microphone has the pace of its speaker")
    try:
        asyncio.run(run(arguments))
    except KeyboardInterrupt:
        sys.exit(130)
    except (OSError, WavelaneError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
