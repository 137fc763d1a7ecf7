"""A recording through a real WebSocket at real-time pace, shown live on a terminal or as plain lines."""

import time
from collections.abc import Callable
from contextlib import aclosing, nullcontext
from importlib.resources import as_file, files
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from wavelane.events import CLOCK_RATE, Closed, Final, Partial
from wavelane_client.file import PcmFile
from wavelane_client.messages import Ready, ServerEvent, seconds
from wavelane_client.pacing import paced
from wavelane_client.transcribe import transcribe

BLOCK_SECONDS = 0.1
SHOWN_FINALS = 15


class Demo:
    """What was heard so far, and how late it came.

    Args:
        console: where it is shown.
        clock: the time (s); tests bring their own.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.perf_counter) -> None:
        self.console = console
        self.first_word: float | None = None
        """From the first audio to the first word shown (s)."""
        self._clock = clock
        self._opened = 0.0
        self._finals: list[tuple[Final, float]] = []
        """Each with the time from its last word to its arrival (s)."""
        self._partial: Partial | None = None
        self._lag = 0.0
        self._live: Live | None = None
        self._last_line = ""

    async def run(self, url: str, options: dict[str, Any], audio: str | None = None) -> None:
        """Stream a file, or the bundled recording.

        Raises:
            WavelaneError: like :func:`wavelane_client.transcribe.transcribe`.
        """
        with nullcontext(audio) if audio else as_file(files("wavelane_client") / "data" / "demo.opus") as path:
            source = PcmFile(str(path))
            terminal = self.console.is_terminal
            self._live = Live(console=self.console, refresh_per_second=12, transient=True) if terminal else None
            try:
                with self._live or nullcontext():
                    async with aclosing(paced(source.blocks(BLOCK_SECONDS), realtime=True)) as blocks:
                        await transcribe(url, blocks, {**source.options, **options}, self.event)
            finally:
                source.close()
        if terminal:
            self.console.print(self.view())

    def event(self, event: ServerEvent) -> None:
        """Take what the server said."""
        now = self._clock()
        match event:
            case Ready():
                self._opened = now
            case Partial(text=text) if text:
                self._partial = event
                self._lag = self._behind(now, event.processed)
                self._word(now)
                self._line(f"  {text}")
            case Final(text=text):
                self._partial = None
                if text:
                    last_word = event.words[-1].end if event.words else event.end
                    self._finals.append((event, self._behind(now, last_word)))
                    self._word(now)
                    self._line(f"{_span(event)} {text}")
            case Closed():
                self._partial = None
            case _:
                return
        if self._live is not None:
            self._live.update(self.view())

    def view(self) -> Group:
        """The terminal's picture: finals with their times, the partial in grey, the figures."""
        lines = [_final_line(final) for final, _ in self._finals[-SHOWN_FINALS:]]
        if self._partial is not None:
            stable, rest = self._partial.text[: self._partial.stable], self._partial.text[self._partial.stable :]
            start = f"[{_clock_text(self._partial.start)}–  …  ] "
            lines.append(Text.assemble((start, "bright_black"), (stable, "grey70"), (rest, "bright_black")))
        lines += [Text(), Text(self.figures(), style="cyan")]
        return Group(*lines)

    def figures(self) -> str:
        """Latencies in a line."""
        parts = []
        if self.first_word is not None:
            parts.append(f"first word {self.first_word:.2f} s")
        if self._partial is not None:
            parts.append(f"partial {1000 * self._lag:.0f} ms behind the speaker")
        if self._finals:
            delays = [delay for _, delay in self._finals]
            parts.append(f"finals {sum(delays) / len(delays):.2f} s after the last word")
        return " · ".join(parts) or "listening …"

    def _behind(self, now: float, at: int) -> float:
        """Time since the sample was spoken: the recording plays from the moment the session opened."""
        return now - self._opened - at / CLOCK_RATE

    def _word(self, now: float) -> None:
        if self.first_word is None:
            self.first_word = now - self._opened

    def _line(self, text: str) -> None:
        """Plain output: a line for each change."""
        if self._live is None and text != self._last_line:
            self._last_line = text
            self.console.print(text, highlight=False, markup=False, soft_wrap=True)


def _span(final: Final) -> str:
    words = final.words
    start, end = (words[0].start, words[-1].end) if words else (final.start, final.end)
    return f"[{_clock_text(start)}–{_clock_text(end)}]"


def _final_line(final: Final) -> Text:
    return Text.assemble((f"{_span(final)} ", "green"), (final.text, "bold"))


def _clock_text(ticks: int) -> str:
    tenths = round(10 * seconds(ticks))
    return f"{tenths // 600:02d}:{tenths % 600 // 10:02d}.{tenths % 10}"
