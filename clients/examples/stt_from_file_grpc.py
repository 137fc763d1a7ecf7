"""The words of a recording, over gRPC.

python clients/examples/stt_from_file_grpc.py talk.flac [grpc://127.0.0.1:50051]
"""

import sys
from pathlib import Path

from wavelane_client import DEFAULT_GRPC_URL, Final, WavelaneError, connect_sync, seconds


def main(path: str, url: str = DEFAULT_GRPC_URL) -> None:
    """Send a file of any audio format, and print each utterance with its times."""
    with Path(path).open("rb") as file, connect_sync(url, encoding="container") as stream:
        while data := file.read(65_536):
            stream.send(data)
        stream.end()
        for event in stream:
            if isinstance(event, Final) and event.text:
                print(f"[{seconds(event.start):.2f}-{seconds(event.end):.2f}] {event.text}")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (OSError, WavelaneError) as error:
        sys.exit(str(error))
