"""LiveKit Agents' plugins: ``frameworks_livekit.py openai|openai_file|assemblyai URL KEY PCM``, linear16 at 16 kHz."""

import asyncio
import json
import sys
from pathlib import Path

import aiohttp
from livekit import rtc
from livekit.agents.utils import http_context
from livekit.plugins import assemblyai, openai

RATE = 16_000
PIECE = 3_200


def frames(audio):
    for at in range(0, len(audio), PIECE):
        piece = audio[at : at + PIECE]
        yield rtc.AudioFrame(data=piece, sample_rate=RATE, num_channels=1, samples_per_channel=len(piece) // 2)


def show(event):
    best = event.alternatives[0] if event.alternatives else None
    print(json.dumps({"event": event.type.value, "text": best and best.text}), flush=True)


def make(kind, url, key, session):
    if kind == "assemblyai":
        return assemblyai.STT(api_key=key, base_url=url.replace("http", "ws", 1), http_session=session)
    return openai.STT(api_key=key, base_url=f"{url}/v1", use_realtime=kind == "openai")


async def main(kind, url, key, audio):
    async with aiohttp.ClientSession() as session, http_context.open():
        engine = make(kind, url, key, session)
        if kind == "openai_file":
            show(await engine.recognize(list(frames(audio))))
            return
        async with engine.stream() as stream:
            for frame in frames(audio):
                stream.push_frame(frame)
            if kind == "assemblyai":
                stream.end_input()
            async for event in stream:
                show(event)
                # The session of this plugin goes on after its audio.
                if kind == "openai" and event.type.value == "recognition_usage":
                    break


if __name__ == "__main__":
    *arguments, file = sys.argv[1:]
    asyncio.run(main(*arguments, Path(file).read_bytes()))
