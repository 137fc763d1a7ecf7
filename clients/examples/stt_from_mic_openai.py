"""Words as you speak them, with OpenAI's own client (pip install openai). Ctrl-C ends.

python clients/examples/stt_from_mic_openai.py [http://127.0.0.1:8080]
"""

import asyncio
import base64
import os
import sys
from typing import Any

from openai import AsyncOpenAI
from websockets.exceptions import WebSocketException

from wavelane_client import WavelaneError
from wavelane_client.mic import Microphone


async def main(url: str = "http://127.0.0.1:8080") -> None:
    """Send the default microphone's audio, and print what is heard, a line for each turn."""
    client = AsyncOpenAI(api_key=os.environ.get("WAVELANE_API_KEY", "none"), base_url=f"{url}/v1")
    microphone = Microphone()
    async with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        # OpenAI takes 24,000 samples a second alone, and so do the types of its client; here any rate will do.
        form: Any = {"type": "audio/pcm", "rate": microphone.sample_rate}
        await connection.session.update(session={"type": "transcription", "audio": {"input": {"format": form}}})

        async def speak() -> None:
            async for block in microphone.blocks():
                await connection.input_audio_buffer.append(audio=base64.b64encode(block.data).decode())

        async def hear() -> None:
            async for event in connection:
                if event.type == "conversation.item.input_audio_transcription.delta":
                    print(event.delta, end="", flush=True)
                elif event.type == "conversation.item.input_audio_transcription.completed" and event.transcript:
                    print(flush=True)

        await asyncio.gather(speak(), hear())


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        print()
    except (OSError, WavelaneError, WebSocketException) as error:
        sys.exit(str(error))
