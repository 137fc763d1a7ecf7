"""assemblyai's streaming client: python assemblyai_v3.py WS_URL KEY FILE JSON

Prints every event. JSON: ``parameters`` of the session, ``seconds`` of silence at the end, ``update`` parameters to set
before the audio, ``messages`` (force, keepalive) after the audio, ``wait`` the turns to wait for before the end,
``alive`` to stay without the closing handshake.
"""

import json
import sys
import threading

import av
from assemblyai.streaming.v3 import (
    StreamingClient,
    StreamingClientOptions,
    StreamingEvents,
    StreamingParameters,
    StreamingSessionParameters,
)

TIMEOUT_S = 20


def pcm(path: str, rate: int) -> bytes:
    """16-bit samples of a recording, mono."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
    with av.open(path) as container:
        frames = [frame for block in container.decode(audio=0) for frame in resampler.resample(block)]
        frames += resampler.resample(None)
    return b"".join(frame.to_ndarray().tobytes() for frame in frames)


def main(url: str, key: str, path: str, plan: str) -> None:
    """Run one client."""
    values = json.loads(plan)
    parameters = {"sample_rate": 16_000, **values.get("parameters", {})}
    rate = parameters["sample_rate"]
    options = StreamingClientOptions(api_key=key, api_host=url, connect_timeout=10, terminate_timeout=TIMEOUT_S)
    client = StreamingClient(options)
    turns, over = threading.Semaphore(0), threading.Event()

    def show(_client: StreamingClient, event: object) -> None:
        said = event.model_dump(mode="json") if hasattr(event, "model_dump") else {"type": "Raised"}
        if said["type"] == "Raised":
            said |= {"message": str(event), "code": event.code}
            over.set()
        print(json.dumps(said), flush=True)
        if said.get("end_of_turn"):
            turns.release()

    for event in StreamingEvents:
        client.on(event, show)
    client.connect(StreamingParameters(**parameters))
    if not over.is_set():
        if "update" in values:
            client.set_params(StreamingSessionParameters(**values["update"]))
        audio = pcm(path, rate) + bytes(2 * int(rate * values.get("seconds", 0)))
        size = rate // 10 * 2
        client.stream(audio[at : at + size] for at in range(0, len(audio), size))
        for message in values.get("messages", ()):
            getattr(client, {"force": "force_endpoint", "keepalive": "keep_alive"}[message])()
        for _ in range(values.get("wait", 0)):
            if not turns.acquire(timeout=TIMEOUT_S):
                sys.exit("a turn is missing")
    client.disconnect(terminate=not over.is_set())


if __name__ == "__main__":
    main(*sys.argv[1:])
