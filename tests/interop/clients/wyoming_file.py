"""What Home Assistant does with the official client: describe, then for each file transcribe, audio, transcript.

python wyoming_file.py HOST PORT TRANSCRIBE as JSON FILE.wav...
"""

import asyncio
import json
import sys
import wave

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import wav_to_chunks
from wyoming.client import AsyncTcpClient
from wyoming.event import Event
from wyoming.info import Describe, Info


async def main(host: str, port: str, transcribe: str, *paths: str) -> None:
    async with AsyncTcpClient(host, int(port), connect_timeout=5, read_timeout=20) as client:
        await client.write_event(Describe().event())
        tell(info := await client.read_event())
        assert info is not None
        assert Info.from_event(info).asr
        for path in paths:
            await client.write_event(Transcribe(**json.loads(transcribe)).event())
            with wave.open(path) as file:
                for chunk in wav_to_chunks(file, 1024, start_event=True, stop_event=True):
                    await client.write_event(chunk.event())
            while (event := await client.read_event()) is not None:
                tell(event)
                if event.type == "transcript-stop":
                    break
                if Transcript.is_type(event.type):
                    assert Transcript.from_event(event).text is not None
            else:
                break


def tell(event: Event | None) -> None:
    assert event is not None
    print(json.dumps(event.to_dict()))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
