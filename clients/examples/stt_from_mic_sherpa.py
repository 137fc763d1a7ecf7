"""Words as you speak them, over the streaming protocol of sherpa-onnx. Ctrl-C ends.

python clients/examples/stt_from_mic_sherpa.py [ws://127.0.0.1:8080/sherpa]
"""

import asyncio
import json
import sys

import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from wavelane.audio.resample import Resampler
from wavelane_client import WavelaneError
from wavelane_client.mic import Microphone


async def main(url: str = "ws://127.0.0.1:8080/sherpa") -> None:
    """Send the default microphone's audio, and print what is heard: each partial over the one before."""
    microphone = Microphone()
    resampler = Resampler(microphone.sample_rate, 16_000)
    async with connect(url) as socket:

        async def speak() -> None:
            async for block in microphone.blocks():
                samples = np.frombuffer(block.data, "<i2").astype(np.float32) / np.float32(32_768)
                await socket.send(resampler.push(samples).tobytes())

        async def hear() -> None:
            async for message in socket:
                result = json.loads(message)
                over = result["is_final"] and result["text"]
                print(f"\r\033[K{result['text']}", end="\n" if over else "", flush=True)

        await asyncio.gather(speak(), hear())


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        print()
    except (OSError, WavelaneError, WebSocketException) as error:
        sys.exit(str(error))
