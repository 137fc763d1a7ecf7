"""LiveKit Agents' NVIDIA plugin: ``riva_livekit.py HOST:PORT KEY PCM``, PCM linear16 at 16 kHz."""

import asyncio
import json
import sys
from pathlib import Path

from livekit import rtc
from livekit.plugins import nvidia

RATE = 16_000
PIECE = 3_200


async def main(server, key, audio):
    async with nvidia.STT(server=server, use_ssl=False, api_key=key).stream() as stream:
        for at in range(0, len(audio), PIECE):
            piece = audio[at : at + PIECE]
            count = len(piece) // 2
            stream.push_frame(rtc.AudioFrame(data=piece, sample_rate=RATE, num_channels=1, samples_per_channel=count))
        stream.end_input()
        async for event in stream:
            best = event.alternatives[0] if event.alternatives else None
            print(json.dumps({"event": event.type.value, "text": best and best.text, "end": best and best.end_time}))


if __name__ == "__main__":
    *arguments, file = sys.argv[1:]
    asyncio.run(main(*arguments, Path(file).read_bytes()))
