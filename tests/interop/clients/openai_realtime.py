"""openai's Realtime client: ``openai_realtime.py async|sync HTTP_URL KEY AUDIO PLAN``, AUDIO as the session's format.

Prints every event. PLAN is JSON: ``session`` for session.update, ``before`` and ``after`` events around the audio,
``until`` the type of the event to stop at and ``count`` how many of them.
"""

import asyncio
import base64
import json
import sys
from pathlib import Path

from openai import AsyncOpenAI, OpenAI

PIECE = 4_800


def messages(audio: bytes, plan: dict) -> list[dict]:
    """All that the client sends."""
    sent = list(plan.get("before", ()))
    if "session" in plan:
        sent.append({"type": "session.update", "session": plan["session"], "event_id": "mine"})
    for at in range(0, len(audio), PIECE):
        block = base64.b64encode(audio[at : at + PIECE]).decode()
        sent.append({"type": "input_audio_buffer.append", "audio": block})
    return sent + list(plan.get("after", ()))


def over(event, plan: dict, left: list[int]) -> bool:
    """Print an event; whether it was the last to wait for."""
    print(json.dumps(event.to_dict(warnings=False)), flush=True)
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


def main(kind: str, url: str, key: str, path: str, plan: str) -> None:
    """Run one client."""
    values = json.loads(plan)
    sent = messages(Path(path).read_bytes(), values)
    if kind == "sync":
        synchronous(url, key, sent, values)
    else:
        asyncio.run(asynchronous(url, key, sent, values))


if __name__ == "__main__":
    main(*sys.argv[1:])
