"""LiveKit Agents' Deepgram plugin: ``deepgram_livekit.py v1|v2|recorded URL KEY PCM``, PCM linear16 at 16 kHz."""

import asyncio
import json
import sys
from pathlib import Path

import aiohttp
from livekit import rtc
from livekit.plugins import deepgram

RATE = 16_000
PIECE = 3_200


def frames(audio):
    for at in range(0, len(audio), PIECE):
        piece = audio[at : at + PIECE]
        yield rtc.AudioFrame(data=piece, sample_rate=RATE, num_channels=1, samples_per_channel=len(piece) // 2)


def show(event):
    best = event.alternatives[0] if event.alternatives else None
    print(json.dumps({"event": event.type.value, "text": best and best.text, "start": best and best.start_time}))


async def main(kind, url, key, audio):
    async with aiohttp.ClientSession() as session:
        if kind == "v2":
            engine = deepgram.STTv2(api_key=key, http_session=session, base_url=f"{url}/v2/listen")
        else:
            base = url.replace("ws", "http", 1) if kind == "recorded" else url
            engine = deepgram.STT(api_key=key, http_session=session, base_url=f"{base}/v1/listen")
        if kind == "recorded":
            show(await engine.recognize(list(frames(audio))))
            return
        async with engine.stream() as stream:
            for frame in frames(audio):
                stream.push_frame(frame)
            stream.end_input()
            async for event in stream:
                show(event)


if __name__ == "__main__":
    *arguments, file = sys.argv[1:]
    asyncio.run(main(*arguments, Path(file).read_bytes()))
