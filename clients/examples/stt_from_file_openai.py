"""The words of a recording, with OpenAI's own client (pip install openai).

python clients/examples/stt_from_file_openai.py talk.flac [http://127.0.0.1:8080]
"""

import os
import sys
from pathlib import Path

from openai import APIError, OpenAI


def main(path: str, url: str = "http://127.0.0.1:8080") -> None:
    """Send a file of any audio format, and print its words while they are recognised."""
    client = OpenAI(api_key=os.environ.get("WAVELANE_API_KEY", "none"), base_url=f"{url}/v1")
    stream = client.audio.transcriptions.create(file=Path(path), model="gpt-4o-transcribe", stream=True)
    for event in stream:
        if event.type == "transcript.text.delta":
            print(event.delta, end="", flush=True)
    print()


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (OSError, APIError) as error:
        sys.exit(str(error))
