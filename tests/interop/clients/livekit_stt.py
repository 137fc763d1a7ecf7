"""LiveKit Agents' plugins: ``livekit_stt.py SERVICE URL KEY PCM``, PCM linear16 at 16 kHz."""

import asyncio
import json
import sys
from pathlib import Path

import aiohttp
from livekit import rtc
from livekit.agents.utils import http_context
from livekit.plugins import assemblyai, deepgram, nvidia, openai

RATE = 16_000
PIECE = 3_200
RECORDED = ("deepgram_recorded", "openai_file")


def make(service, url, key, session):
    socket = url.replace("http", "ws", 1)
    match service:
        case "riva":
            return nvidia.STT(server=url, use_ssl=False, api_key=key)
        case "deepgram_v1":
            return deepgram.STT(api_key=key, http_session=session, base_url=f"{socket}/v1/listen")
        case "deepgram_recorded":
            return deepgram.STT(api_key=key, http_session=session, base_url=f"{url}/v1/listen")
        case "deepgram_v2":
            return deepgram.STTv2(api_key=key, http_session=session, base_url=f"{socket}/v2/listen")
        case "openai" | "openai_file":
            return openai.STT(api_key=key, base_url=f"{url}/v1", use_realtime=service == "openai")
        case "assemblyai":
            return assemblyai.STT(api_key=key, base_url=socket, http_session=session)
    raise SystemExit(f"unknown service {service}")


def frames(audio):
    for at in range(0, len(audio), PIECE):
        piece = audio[at : at + PIECE]
        yield rtc.AudioFrame(data=piece, sample_rate=RATE, num_channels=1, samples_per_channel=len(piece) // 2)


def show(event):
    best = event.alternatives[0] if event.alternatives else None
    times = {"start": best.start_time, "end": best.end_time} if best else {}
    print(json.dumps({"event": event.type.value, "text": best and best.text, **times}), flush=True)


async def main(service, url, key, audio):
    async with aiohttp.ClientSession() as session, http_context.open():
        engine = make(service, url, key, session)
        if service in RECORDED:
            show(await engine.recognize(list(frames(audio))))
            return
        async with engine.stream() as stream:
            for frame in frames(audio):
                stream.push_frame(frame)
            # The session of OpenAI's plugin goes on after its audio.
            if service != "openai":
                stream.end_input()
            async for event in stream:
                show(event)
                if service == "openai" and event.type.value == "recognition_usage":
                    break


if __name__ == "__main__":
    *arguments, file = sys.argv[1:]
    asyncio.run(main(*arguments, Path(file).read_bytes()))
