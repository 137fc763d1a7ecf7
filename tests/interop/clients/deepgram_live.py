"""deepgram-sdk on /v1/listen: ``deepgram_live.py sync|async URL KEY FILE OPTIONS STEPS``.

OPTIONS is a JSON object for ``connect``. STEPS is a JSON list of what to do after the audio: ``finalize``,
``keep_alive``, ``close``, ``audio`` (the file again), or a number of seconds of silence. Prints the messages.
"""

import asyncio
import json
import sys
import threading
from pathlib import Path

from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment
from websockets.exceptions import InvalidStatus

PIECE = 1_000


def show(message: object) -> None:
    """One line a message, with the class that the client made of it."""
    values = {"class": type(message).__name__, **json.loads(message.json(exclude_none=True))}
    print(json.dumps(values), flush=True)


def blocks(step: object, audio: bytes) -> list[bytes]:
    """Audio of a step."""
    data = bytes(int(step * 32_000)) if isinstance(step, (int, float)) else audio
    return [data[at : at + PIECE] for at in range(0, len(data), PIECE)]


def run_sync(environment: DeepgramClientEnvironment, key: str, audio: bytes, options: dict, steps: list) -> None:
    client = DeepgramClient(api_key=key, environment=environment)
    with client.listen.v1.connect(**options) as socket:
        socket.on(EventType.MESSAGE, show)
        socket.on(EventType.ERROR, lambda error: print(json.dumps({"class": "Error", "error": str(error)})))
        listener = threading.Thread(target=socket.start_listening)
        listener.start()
        for step in ["audio", *steps]:
            if step == "finalize":
                socket.send_finalize()
            elif step == "keep_alive":
                socket.send_keep_alive()
            elif step == "close":
                socket.send_close_stream()
            else:
                for block in blocks(step, audio):
                    socket.send_media(block)
        listener.join()


async def run_async(environment: DeepgramClientEnvironment, key: str, audio: bytes, options: dict, steps: list) -> None:
    client = AsyncDeepgramClient(api_key=key, environment=environment)
    async with client.listen.v1.connect(**options) as socket:
        socket.on(EventType.MESSAGE, show)
        socket.on(EventType.ERROR, lambda error: print(json.dumps({"class": "Error", "error": str(error)})))
        listener = asyncio.create_task(socket.start_listening())
        for step in ["audio", *steps]:
            if step == "finalize":
                await socket.send_finalize()
            elif step == "keep_alive":
                await socket.send_keep_alive()
            elif step == "close":
                await socket.send_close_stream()
            else:
                for block in blocks(step, audio):
                    await socket.send_media(block)
        await listener


def main(kind: str, url: str, key: str, file: str, options: str, steps: str) -> None:
    """Run one conversation."""
    environment = DeepgramClientEnvironment(
        base=url.replace("ws", "http", 1), production=url, agent=url, agent_rest=url.replace("ws", "http", 1)
    )
    arguments = (environment, key, Path(file).read_bytes(), json.loads(options), json.loads(steps))
    try:
        if kind == "sync":
            run_sync(*arguments)
        else:
            asyncio.run(run_async(*arguments))
    except ApiError as error:
        print(json.dumps({"class": "ApiError", "status": error.status_code}))
    except InvalidStatus as error:
        # The SDK's synchronous client lets it through.
        response = error.response
        headers = {name: value for name, value in response.headers.items() if name.lower().startswith("dg-")}
        print(
            json.dumps(
                {"class": "InvalidStatus", "status": response.status_code, **json.loads(response.body), **headers}
            )
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
