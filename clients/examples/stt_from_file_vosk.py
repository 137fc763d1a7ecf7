"""The words of a recording, over the protocol of vosk-server.

python clients/examples/stt_from_file_vosk.py talk.flac [ws://127.0.0.1:8080]
"""

import json
import sys

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from wavelane_client import WavelaneError
from wavelane_client.file import PcmFile


def main(path: str, url: str = "ws://127.0.0.1:8080") -> None:
    """Send a file of any audio format, and print each utterance with its times."""
    audio = PcmFile(path, mono=True)
    with connect(url) as socket:
        socket.send(json.dumps({"config": {"sample_rate": audio.sample_rate}}))
        for block in audio.blocks(0.2):
            socket.send(block.data)
            show(socket.recv())
        socket.send('{"eof" : 1}')
        show(socket.recv())


def show(answer: str | bytes) -> None:
    """An answer is an utterance, or a part of one, which may still change."""
    utterance = json.loads(answer)
    if words := utterance.get("result"):
        print(f"[{words[0]['start']:.2f}-{words[-1]['end']:.2f}] {utterance['text']}")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (OSError, WavelaneError, WebSocketException) as error:
        sys.exit(str(error))
