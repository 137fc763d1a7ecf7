"""What sherpa-onnx's online-websocket-client-decode-file.py does: samples, Done, results until Done!.

python sherpa_file.py URL FILE.wav [KEY]
"""

import asyncio
import json
import sys
import wave

import numpy as np
import websockets


async def receive_results(socket: websockets.ClientConnection) -> None:
    async for message in socket:
        print(json.dumps({"done": True} if message == "Done!" else json.loads(message)))
        if message == "Done!":
            return


async def main(url: str, path: str, key: str = "") -> None:
    with wave.open(path) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768
    headers = {"Authorization": f"Bearer {key}"} if key else None
    async with websockets.connect(url, additional_headers=headers) as socket:
        results = asyncio.create_task(receive_results(socket))
        for start in range(0, len(samples), 8000):
            await socket.send(samples[start : start + 8000].tobytes())
            await asyncio.sleep(0.01)
        await socket.send("Done")
        await results


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
