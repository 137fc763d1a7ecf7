"""The words of a recording, with AssemblyAI's own client (pip install assemblyai).

python clients/examples/stt_from_file_assemblyai.py talk.flac [ws://127.0.0.1:8080]
"""

import os
import sys
from collections.abc import Iterator

import av
from assemblyai.streaming.v3 import (
    StreamingClient,
    StreamingClientOptions,
    StreamingError,
    StreamingEvents,
    StreamingParameters,
    TurnEvent,
)

RATE = 16_000


def main(path: str, url: str = "ws://127.0.0.1:8080") -> None:
    """Send a file of any audio format, and print each turn with its times."""
    key = os.environ.get("WAVELANE_API_KEY", "none")
    client = StreamingClient(StreamingClientOptions(api_key=key, api_host=url, terminate_timeout=3600))
    errors: list[StreamingError] = []
    client.on(StreamingEvents.Turn, show)
    client.on(StreamingEvents.Error, lambda _, error: errors.append(error))
    client.connect(StreamingParameters.model_validate({"sample_rate": RATE}))
    try:
        client.stream(samples(path))
    finally:
        client.disconnect(terminate=True)
    if errors:
        raise errors[0]


def samples(path: str) -> Iterator[bytes]:
    """16-bit samples, mono: this client streams no files."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(path) as file:
        for frame in (*file.decode(audio=0), None):
            for block in resampler.resample(frame):
                yield block.to_ndarray().tobytes()


def show(_: StreamingClient, turn: TurnEvent) -> None:
    """A turn that is over."""
    if turn.end_of_turn and turn.words:
        print(f"[{turn.words[0].start / 1000:.2f}-{turn.words[-1].end / 1000:.2f}] {turn.transcript}", flush=True)


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (OSError, av.FFmpegError, StreamingError) as error:
        sys.exit(str(error))
