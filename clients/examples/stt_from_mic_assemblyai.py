"""Words as you speak them, with AssemblyAI's own client (pip install assemblyai). Ctrl-C ends.

python clients/examples/stt_from_mic_assemblyai.py [ws://127.0.0.1:8080]
"""

import asyncio
import os
import sys

from assemblyai.streaming.v3 import (
    AsyncStreamingClient,
    StreamingClientOptions,
    StreamingError,
    StreamingEvents,
    StreamingParameters,
    TurnEvent,
)

from wavelane_client import WavelaneError
from wavelane_client.mic import Microphone


async def main(url: str = "ws://127.0.0.1:8080") -> None:
    """Send the default microphone's audio, and print what is heard: each turn over what was known of it before."""
    microphone = Microphone()
    client = AsyncStreamingClient(
        StreamingClientOptions(api_key=os.environ.get("WAVELANE_API_KEY", "none"), api_host=url)
    )
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def fail(_: AsyncStreamingClient, error: StreamingError) -> None:
        if not over.done():
            over.set_exception(error)

    client.on(StreamingEvents.Turn, show)
    client.on(StreamingEvents.Error, fail)
    await client.connect(StreamingParameters.model_validate({"sample_rate": microphone.sample_rate}))

    async def speak() -> None:
        async for block in microphone.blocks():
            await client.stream(block.data)

    speaking = asyncio.create_task(speak())
    try:
        await asyncio.wait((speaking, over), return_when=asyncio.FIRST_COMPLETED)
        (speaking if speaking.done() else over).result()
    finally:
        speaking.cancel()
        await client.disconnect(terminate=not over.done())


def show(_: AsyncStreamingClient, turn: TurnEvent) -> None:
    """The words so far, or a turn that is over."""
    text = " ".join(word.text for word in turn.words)
    print(f"\r\033[K{text}", end="\n" if turn.end_of_turn and text else "", flush=True)


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        print()
    except (OSError, WavelaneError, StreamingError) as error:
        sys.exit(str(error))
