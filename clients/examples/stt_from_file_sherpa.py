"""The words of a recording, over the streaming protocol of sherpa-onnx.

python clients/examples/stt_from_file_sherpa.py talk.flac [ws://127.0.0.1:8080/sherpa]
"""

import asyncio
import json
import sys

import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from wavelane_client import WavelaneError
from wavelane_client.file import PcmFile


async def main(path: str, url: str = "ws://127.0.0.1:8080/sherpa") -> None:
    """Send a file of any audio format, and print each utterance with the time of its beginning."""
    audio = PcmFile(path, sample_rate=16_000, mono=True)
    async with connect(url) as socket:

        async def speak() -> None:
            for block in audio.blocks(0.2):
                samples = np.frombuffer(block.data, "<i2").astype(np.float32) / np.float32(32_768)
                await socket.send(samples.tobytes())
            await socket.send("Done")

        async def hear() -> None:
            async for message in socket:
                if message == "Done!":
                    return
                result = json.loads(message)
                if result["is_final"] and result["text"]:
                    print(f"[{result['start_time']:.2f}] {result['text']}")

        await asyncio.gather(speak(), hear())


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    try:
        asyncio.run(main(*sys.argv[1:]))
    except (OSError, WavelaneError, WebSocketException) as error:
        sys.exit(str(error))
