"""Words as you speak them, over the protocol of vosk-server. Ctrl-C ends.

python clients/examples/stt_from_mic_vosk.py [ws://127.0.0.1:8080]
"""

import asyncio
import json
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from wavelane_client import WavelaneError
from wavelane_client.mic import Microphone


async def main(url: str = "ws://127.0.0.1:8080") -> None:
    """Send the default microphone's audio, and print what is heard: each partial over the one before."""
    microphone = Microphone()
    async with connect(url) as socket:
        await socket.send(json.dumps({"config": {"sample_rate": microphone.sample_rate}}))
        async for block in microphone.blocks():
            await socket.send(block.data)
            answer = json.loads(await socket.recv())
            text = answer.get("text", answer.get("partial"))
            print(f"\r\033[K{text}", end="\n" if answer.get("text") else "", flush=True)


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        print()
    except (OSError, WavelaneError, WebSocketException) as error:
        sys.exit(str(error))
