"""Words as you speak them, over the native protocol (WebSocket). Ctrl-C ends.

python clients/examples/stt_from_mic_native.py [ws://127.0.0.1:8080]
"""

import asyncio
import sys

from wavelane_client import DEFAULT_URL, Final, Partial, WavelaneError, connect
from wavelane_client.mic import Microphone


async def main(url: str = DEFAULT_URL) -> None:
    """Send the default microphone's audio, and print what is heard: each partial over the one before."""
    microphone = Microphone()
    async with connect(url, encoding="linear16", sample_rate=microphone.sample_rate) as stream:

        async def speak() -> None:
            async for block in microphone.blocks():
                await stream.send(block.data)

        async def hear() -> None:
            async for event in stream:
                if isinstance(event, Partial | Final):
                    over = isinstance(event, Final) and event.text
                    print(f"\r\033[K{event.text}", end="\n" if over else "", flush=True)

        await asyncio.gather(speak(), hear())


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        print()
    except WavelaneError as error:
        sys.exit(str(error))
