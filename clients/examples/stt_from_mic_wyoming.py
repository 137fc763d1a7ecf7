"""Words as you speak them, over Wyoming (wavelane serve --wyoming-port 10300; pip install wyoming). Ctrl-C ends.

python clients/examples/stt_from_mic_wyoming.py [tcp://127.0.0.1:10300]
"""

import asyncio
import sys

from wyoming.asr import Transcribe, TranscriptChunk
from wyoming.audio import AudioChunk, AudioStart
from wyoming.client import AsyncClient
from wyoming.error import Error

from wavelane_client import WavelaneError
from wavelane_client.mic import Microphone


async def main(url: str = "tcp://127.0.0.1:10300") -> None:
    """Send the default microphone's audio, and print words as soon as they will not change any more."""
    microphone = Microphone()
    rate, width, channels = microphone.sample_rate, 2, 1
    async with AsyncClient.from_uri(url) as client:
        await client.write_event(Transcribe().event())
        await client.write_event(AudioStart(rate, width, channels).event())

        async def speak() -> None:
            async for block in microphone.blocks():
                await client.write_event(AudioChunk(rate, width, channels, block.data).event())

        async def hear() -> None:
            while event := await client.read_event():
                if Error.is_type(event.type):
                    sys.exit(Error.from_event(event).text)
                if TranscriptChunk.is_type(event.type):
                    print(TranscriptChunk.from_event(event).text, end="", flush=True)

        await asyncio.gather(speak(), hear())


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        print()
    except (OSError, WavelaneError) as error:
        sys.exit(str(error))
