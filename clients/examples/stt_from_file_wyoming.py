"""The words of a recording, over Wyoming (wavelane serve --wyoming-port 10300; pip install wyoming).

python clients/examples/stt_from_file_wyoming.py talk.flac [tcp://127.0.0.1:10300]
"""

import asyncio
import sys

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient
from wyoming.error import Error

from wavelane_client import WavelaneError
from wavelane_client.file import PcmFile


async def main(path: str, url: str = "tcp://127.0.0.1:10300") -> None:
    """Send a file of any audio format, and print its transcript."""
    audio = PcmFile(path)
    rate, width, channels = audio.sample_rate, 2, audio.channels
    async with AsyncClient.from_uri(url) as client:
        await client.write_event(Transcribe().event())
        await client.write_event(AudioStart(rate, width, channels).event())
        for block in audio.blocks(0.2):
            await client.write_event(AudioChunk(rate, width, channels, block.data).event())
        await client.write_event(AudioStop().event())
        while event := await client.read_event():
            if Error.is_type(event.type):
                sys.exit(Error.from_event(event).text)
            if Transcript.is_type(event.type):
                print(Transcript.from_event(event).text)
                return


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    try:
        asyncio.run(main(*sys.argv[1:]))
    except (OSError, WavelaneError) as error:
        sys.exit(str(error))
