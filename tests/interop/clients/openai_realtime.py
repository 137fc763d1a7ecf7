"""openai's Realtime client: python openai_realtime.py HTTP_URL KEY FILE RATE JSON [sync]

Prints every event. JSON: ``session`` for session.update, ``before`` events to send first, ``commits`` that end the audio,
``seconds`` of silence at the end, ``until`` the type of the event to stop at and ``count`` how many of them.
"""

import asyncio
import base64
import json
import sys

import av
from openai import AsyncOpenAI, OpenAI


def pcm(path: str, rate: int) -> bytes:
    """16-bit samples of a recording, mono."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
    with av.open(path) as container:
        frames = [frame for block in container.decode(audio=0) for frame in resampler.resample(block)]
        frames += resampler.resample(None)
    return b"".join(frame.to_ndarray().tobytes() for frame in frames)


def messages(path: str, rate: int, plan: dict) -> list[dict]:
    """All that the client sends."""
    sent = list(plan.get("before", ()))
    if "session" in plan:
        sent.append({"type": "session.update", "session": plan["session"], "event_id": "mine"})
    audio = pcm(path, rate) + bytes(2 * int(rate * plan.get("seconds", 0)))
    size = rate // 10 * 2
    for at in range(0, len(audio), size):
        block = base64.b64encode(audio[at : at + size]).decode()
        sent.append({"type": "input_audio_buffer.append", "audio": block})
    return sent + [{"type": "input_audio_buffer.commit"}] * plan.get("commits", 0)


def over(event, plan: dict, left: list[int]) -> bool:
    """Print an event; whether it was the last to wait for."""
    print(event.to_json(indent=None), flush=True)
    left[0] -= event.type == plan["until"]
    return left[0] == 0


async def asynchronous(url: str, key: str, sent: list[dict], plan: dict) -> None:
    """With the asynchronous client."""
    async with (
        AsyncOpenAI(api_key=key, base_url=f"{url}/v1") as client,
        client.realtime.connect(extra_query={"intent": "transcription"}) as connection,
    ):
        left = [plan.get("count", 1)]

        async def speak() -> None:
            for message in sent:
                await connection.send(message)

        speaking = asyncio.create_task(speak())
        async for event in connection:
            if over(event, plan, left):
                break
        speaking.cancel()


def synchronous(url: str, key: str, sent: list[dict], plan: dict) -> None:
    """With the synchronous client."""
    with (
        OpenAI(api_key=key, base_url=f"{url}/v1") as client,
        client.realtime.connect(extra_query={"intent": "transcription"}) as connection,
    ):
        left = [plan.get("count", 1)]
        for message in sent:
            connection.send(message)
        for event in connection:
            if over(event, plan, left):
                break


def main(url: str, key: str, path: str, rate: str, plan: str, kind: str = "async") -> None:
    """Run one client."""
    values = json.loads(plan)
    sent = messages(path, int(rate), values)
    if kind == "sync":
        synchronous(url, key, sent, values)
    else:
        asyncio.run(asynchronous(url, key, sent, values))


if __name__ == "__main__":
    main(*sys.argv[1:])
