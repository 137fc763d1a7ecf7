"""deepgram-sdk on /v1/listen and /v2/listen: ``deepgram_listen.py sync|async v1|v2 URL KEY FILE OPTIONS STEPS``.

OPTIONS is a JSON object for ``connect``. STEPS is a JSON list of what to do: ``audio`` sends the file, a number so many
seconds of silence (linear16 at 16 kHz), an object is a Configure message, any other text calls the method of the
client that sends that message. Prints the messages that come, each with the client's class for it.
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
from deepgram.listen.v1.types import ListenV1Configure
from deepgram.listen.v2.types import ListenV2Configure
from websockets.exceptions import InvalidStatus

PIECE = 1_000
CONFIGURE = {"v1": ListenV1Configure, "v2": ListenV2Configure}


def show(message):
    print(json.dumps({"class": type(message).__name__, **json.loads(message.json(exclude_none=True))}), flush=True)


def failed(error):
    closed = getattr(error, "rcvd", None)
    print(json.dumps({"class": "closed", "code": closed and closed.code, "reason": closed and closed.reason}))


def calls(version, audio, steps):
    """Names of the client's methods, and their arguments."""
    for step in steps:
        if isinstance(step, dict):
            yield "send_configure", (CONFIGURE[version](**step),)
        elif step == "audio" or isinstance(step, (int, float)):
            data = audio if step == "audio" else bytes(int(step * 32_000))
            for at in range(0, len(data), PIECE):
                yield "send_media", (data[at : at + PIECE],)
        else:
            yield f"send_{step}", ()


def run_sync(environment, key, version, audio, options, steps):
    client = DeepgramClient(api_key=key, environment=environment)
    with getattr(client.listen, version).connect(**options) as socket:
        socket.on(EventType.MESSAGE, show)
        socket.on(EventType.ERROR, failed)
        listener = threading.Thread(target=socket.start_listening)
        listener.start()
        for name, arguments in calls(version, audio, steps):
            getattr(socket, name)(*arguments)
        listener.join()


async def run_async(environment, key, version, audio, options, steps):
    client = AsyncDeepgramClient(api_key=key, environment=environment)
    async with getattr(client.listen, version).connect(**options) as socket:
        socket.on(EventType.MESSAGE, show)
        socket.on(EventType.ERROR, failed)
        listener = asyncio.create_task(socket.start_listening())
        for name, arguments in calls(version, audio, steps):
            await getattr(socket, name)(*arguments)
        await listener


def main(kind, version, url, key, file, options, steps):
    http = url.replace("ws", "http", 1)
    environment = DeepgramClientEnvironment(base=http, production=url, agent=url, agent_rest=http)
    arguments = (environment, key, version, Path(file).read_bytes(), json.loads(options), json.loads(steps))
    try:
        if kind == "sync":
            run_sync(*arguments)
        else:
            asyncio.run(run_async(*arguments))
    except ApiError as error:
        print(json.dumps({"class": "refused", "status": error.status_code}))
    except InvalidStatus as error:
        # The SDK's synchronous client lets it through.
        response = error.response
        headers = {name: value for name, value in response.headers.items() if name.lower().startswith("dg-")}
        body = json.loads(response.body)
        print(json.dumps({"class": "refused", "status": response.status_code, "body": body, "headers": headers}))


if __name__ == "__main__":
    main(*sys.argv[1:])
