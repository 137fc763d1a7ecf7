"""The words of a recording, with Deepgram's own client (pip install deepgram-sdk).

python clients/examples/stt_from_file_deepgram.py talk.flac [ws://127.0.0.1:8080]
"""

import os
import sys
import threading
from pathlib import Path
from typing import Any

from deepgram import DeepgramClient, DeepgramClientEnvironment
from deepgram.core.events import EventType
from websockets.exceptions import WebSocketException


def main(path: str, url: str = "ws://127.0.0.1:8080") -> None:
    """Send a file of any audio format, and print each utterance with its times."""
    environment = DeepgramClientEnvironment(base=url, production=url, agent=url, agent_rest=url)
    client = DeepgramClient(api_key=os.environ.get("WAVELANE_API_KEY", "none"), environment=environment)
    with Path(path).open("rb") as file, client.listen.v1.connect(model="nova-3") as socket:
        socket.on(EventType.MESSAGE, show)
        listener = threading.Thread(target=socket.start_listening)
        listener.start()
        while data := file.read(65_536):
            socket.send_media(data)
        socket.send_close_stream()
        listener.join()


def show(message: Any) -> None:
    """Without interim results, every result is final."""
    if message.type == "Results" and (words := message.channel.alternatives[0].words):
        print(f"[{words[0].start:.2f}-{words[-1].end:.2f}] {message.channel.alternatives[0].transcript}")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (OSError, WebSocketException) as error:
        sys.exit(str(error))
