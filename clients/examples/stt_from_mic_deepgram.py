"""Words as you speak them, with Deepgram's own client (pip install deepgram-sdk). Ctrl-C ends.

python clients/examples/stt_from_mic_deepgram.py [ws://127.0.0.1:8080]
"""

import asyncio
import os
import sys

from deepgram import AsyncDeepgramClient, DeepgramClientEnvironment
from deepgram.core.api_error import ApiError

from wavelane_client import WavelaneError
from wavelane_client.mic import Microphone


async def main(url: str = "ws://127.0.0.1:8080") -> None:
    """Send the default microphone's audio, and print what is heard: each interim result over the one before."""
    environment = DeepgramClientEnvironment(base=url, production=url, agent=url, agent_rest=url)
    client = AsyncDeepgramClient(api_key=os.environ.get("WAVELANE_API_KEY", "none"), environment=environment)
    microphone = Microphone()
    async with client.listen.v1.connect(
        model="nova-3", encoding="linear16", sample_rate=microphone.sample_rate, interim_results="true"
    ) as socket:

        async def speak() -> None:
            async for block in microphone.blocks():
                await socket.send_media(block.data)

        async def hear() -> None:
            async for message in socket:
                if message.type == "Results" and (text := message.channel.alternatives[0].transcript):
                    print(f"\r\033[K{text}", end="\n" if message.is_final else "", flush=True)

        await asyncio.gather(speak(), hear())


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        print()
    except (OSError, WavelaneError, ApiError) as error:
        sys.exit(str(error))
