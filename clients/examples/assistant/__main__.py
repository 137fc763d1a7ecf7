"""A voice assistant: hears you through Wavelane over gRPC, understands you by a grammar, and answers aloud.

python -m examples.assistant                     say "hey computer, what time is it"
python -m examples.assistant --push-to-talk      press Enter, then speak
"""

import argparse
import asyncio
import functools
import re
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from examples.assistant.skills import Skills
from examples.assistant.voice import Recorder, SoundCard, Voice, VoiceError
from wavelane_client import (
    CLOCK_RATE,
    DEFAULT_GRPC_URL,
    Closed,
    Final,
    Flushed,
    Partial,
    SpeechStarted,
    SpeechStopped,
    Stream,
    WavelaneError,
    connect,
)
from wavelane_client.file import Block, PcmFile
from wavelane_client.mic import Microphone
from wavelane_client.pacing import paced
from wavelane_client.server_process import ServerProcess

BLOCK_SECONDS = 0.05
FOLLOW_UP_SECONDS = 8.0
"""After a reply one may go on without the wake phrase for so long."""
KEEPALIVE_SECONDS = 10.0
SILENCE_MS = 400
"""A command is over after so much silence; less answers sooner, and interrupts who pauses."""

show = functools.partial(print, flush=True)


class Assistant:
    """One conversation. ``hear`` takes what the server says, ``listen`` sends it what the microphone hears."""

    def __init__(self, stream: Stream, voice: Voice, *, push_to_talk: bool, barge_in: bool) -> None:
        self.stream = stream
        self.voice = voice
        self.skills = Skills(announce=self.say)
        self.push_to_talk = push_to_talk
        self.barge_in = barge_in
        self.pressed = False
        self.user_speaks = False
        self.awake_until = 0.0
        self.reply: asyncio.Task[None] | None = None
        self.sent = 0.0
        self.arrivals: deque[tuple[float, float]] = deque(maxlen=2400)
        """Seconds of audio sent, and when they were: from a time in the stream to the time on the clock."""

    async def listen(self, blocks: AsyncIterator[Block]) -> None:
        """Send audio while somebody may be speaking to us."""
        last = time.monotonic()
        async for block in blocks:
            now = time.monotonic()
            if self.pressed if self.push_to_talk else self.barge_in or self.reply is None:
                await self.stream.send(block.data)
                self.sent += block.seconds
                self.arrivals.append((self.sent, now))
                last = now
            elif now - last > KEEPALIVE_SECONDS:
                await self.stream.keepalive()
                last = now
        await self.stream.end()

    async def press(self) -> None:
        """Enter: be quiet and listen; once more: what I said is complete."""
        if self.pressed:
            await self.stream.flush()
        else:
            self.pressed = True
            self.hush()
            show("listening ...")

    async def hear(self) -> None:
        """Act on events until the stream is over and all is said."""
        async for event in self.stream:
            match event:
                case SpeechStarted():
                    self.user_speaks = True
                    self.hush()
                case SpeechStopped():
                    self.user_speaks = False
                case Partial(text=text) if text and sys.stdout.isatty():
                    show(f"\033[K\033[90m{text}\033[0m", end="\r")
                case Final():
                    if sys.stdout.isatty():
                        show("\033[K", end="")
                    self.turn(event)
                case Flushed() | Closed():
                    self.pressed = False
        if self.reply is not None:
            await self.reply

    def turn(self, final: Final) -> None:
        """An utterance is over: understand, act, answer."""
        heard = time.monotonic()
        addressed, self.pressed = self.pressed, False
        if addressed:
            self.user_speaks = False  # the detector is told of no silence: the audio ends here
        intent = final.intent
        if intent is None:
            if addressed:
                self.say("I did not understand.")
            return
        spoken_at = self.clock(final.start)
        if not (addressed or "wake" in intent.slots or spoken_at < self.awake_until):
            return
        slots = ", ".join(f"{name}={value}" for name, value in intent.slots.items())
        show(f"you:     {final.text}\n         {intent.name}({slots}), score {intent.score:.2f}")
        self.awake_until = heard + FOLLOW_UP_SECONDS
        end = self.clock(final.words[-1].end if final.words else final.end)
        if answer := self.skills.answer(intent):
            self.say(answer, end, heard)

    def say(self, text: str, end_of_speech: float | None = None, final: float | None = None) -> None:
        """Answer, in place of what is being said. Times (s) are for the latency."""
        self.hush()
        show(f"reply:   {text}")
        if self.user_speaks:
            show("         (not spoken: you are speaking)")
        else:
            self.reply = asyncio.create_task(self.speak(text, end_of_speech, final))

    async def speak(self, text: str, end_of_speech: float | None, final: float | None) -> None:
        """Speak to the end, or until cancelled."""

        def first_sample() -> None:
            if end_of_speech is not None and final is not None:
                hearing, answering = final - end_of_speech, time.monotonic() - final
                total = f"{hearing + answering:.2f} s from the last word to the first sample of the reply"
                show(f"latency: {total} ({hearing:.2f} s to the final, {answering:.2f} s to speak)")

        try:
            await self.voice.say(text, first_sample)
        except VoiceError as error:
            show(f"         (not spoken: {error})")
        self.reply = None
        self.awake_until = time.monotonic() + FOLLOW_UP_SECONDS

    def hush(self) -> None:
        """Stop speaking."""
        if self.reply is not None:
            self.reply.cancel()
            self.reply = None
            self.awake_until = time.monotonic() + FOLLOW_UP_SECONDS
            show("         (stopped)")

    def clock(self, ticks: int) -> float:
        """When a sample of the stream was spoken."""
        at = ticks / CLOCK_RATE
        for sent, when in self.arrivals:
            if sent >= at:
                return when - (sent - at)
        return time.monotonic()


def grammar_of(wake: str) -> str:
    """What may be said, with this wake phrase."""
    text = (Path(__file__).parent / "assistant.jsgf").read_text()
    return re.sub(r"(?<=<wake_phrase> = )[^;]+", wake, text)


@asynccontextmanager
async def server(url: str | None) -> AsyncIterator[str]:
    """The address of the server: the one given, or that of a new one which ends with this program."""
    if url is not None:
        yield url
    else:
        async with ServerProcess() as process:
            yield process.grpc_url


async def run(arguments: argparse.Namespace) -> None:
    """One conversation, until Ctrl-C or the end of the recording."""
    voice = Voice(arguments.speak, lambda: Recorder(arguments.speaker) if arguments.speaker else SoundCard())
    source: PcmFile | Microphone
    blocks: AsyncIterator[Block]
    if arguments.file:
        source = PcmFile(arguments.file, mono=True)
        blocks = paced(source.blocks(BLOCK_SECONDS), realtime=True)
    else:
        source = Microphone(arguments.device, block_seconds=BLOCK_SECONDS)
        blocks = source.blocks()
    options: dict[str, Any] = {
        "grammar": grammar_of(arguments.wake),
        "endpoint": {"silence_ms": SILENCE_MS},
        **source.options,
    }
    async with server(arguments.url) as url, connect(url, **options) as stream:
        assistant = Assistant(stream, voice, push_to_talk=arguments.push_to_talk, barge_in=not arguments.no_barge_in)
        show("Press Enter, then speak." if arguments.push_to_talk else f'Say "{arguments.wake}, what can you do".')
        if arguments.push_to_talk:
            loop = asyncio.get_running_loop()
            threading.Thread(target=watch_enter, args=(loop, assistant), daemon=True).start()
        await asyncio.gather(assistant.listen(blocks), assistant.hear())


def watch_enter(loop: asyncio.AbstractEventLoop, assistant: Assistant) -> None:
    """The key Enter, in a thread: reading a terminal waits."""
    for _ in sys.stdin:
        asyncio.run_coroutine_threadsafe(assistant.press(), loop)


def wake_phrase(text: str) -> str:
    """Words as they are spoken."""
    if not re.fullmatch(r"[A-Za-z']+( [A-Za-z']+)*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no phrase: write words of letters, as they are spoken")
    return text.lower()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help=f"of a running server, as {DEFAULT_GRPC_URL}; without it one is started")
    parser.add_argument("--file", help="a recording in place of the microphone, at the pace of speech")
    parser.add_argument("--device", help="microphone by number or part of its name")
    parser.add_argument(
        "--push-to-talk", action="store_true", help="Enter, not the wake phrase, says that you will speak"
    )
    parser.add_argument("--wake", type=wake_phrase, default="hey computer", help="the wake phrase (%(default)s)")
    parser.add_argument("--no-barge-in", action="store_true", help="do not listen while a reply is spoken")
    parser.add_argument("--speak", default="espeak-ng --stdout -- {text}", help="synthesiser, or print (%(default)s)")
    parser.add_argument("--speaker", help="record replies in this WAV file instead of playing them")
    try:
        asyncio.run(run(parser.parse_args()))
    except KeyboardInterrupt:
        show()
    except WavelaneError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
