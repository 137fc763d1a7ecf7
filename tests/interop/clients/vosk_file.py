"""What vosk-server's test.py does: config, 0.2 s of a WAV file, an answer, and so on to the answer to eof.

python vosk_file.py URL FILE.wav [CONFIG as JSON] [KEY]
"""

import asyncio
import json
import sys
import wave

import websockets


async def main(url: str, path: str, config: str = "{}", key: str = "") -> None:
    headers = {"Authorization": f"Bearer {key}"} if key else None
    async with websockets.connect(url, additional_headers=headers) as socket:
        with wave.open(path) as file:
            rate = file.getframerate()
            await socket.send(json.dumps({"config": {"sample_rate": rate, **json.loads(config)}}))
            while data := file.readframes(rate // 5):
                await socket.send(data)
                tell(await socket.recv())
        await socket.send('{"eof" : 1}')
        tell(await socket.recv())


def tell(message: str | bytes) -> None:
    print(json.dumps({"raw": message, "json": json.loads(message)}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
