"""assemblyai's streaming client: ``assemblyai_v3.py WS_URL KEY AUDIO PLAN``, AUDIO as the session's encoding.

Prints every event. PLAN is JSON: ``parameters`` of the session, ``update`` parameters to set before the audio,
``messages`` (force_endpoint, keep_alive) behind it, ``wait`` the turns to wait for before the end.
"""

import json
import sys
import threading
from pathlib import Path

from assemblyai.streaming.v3 import (
    StreamingClient,
    StreamingClientOptions,
    StreamingEvents,
    StreamingParameters,
    StreamingSessionParameters,
)

TIMEOUT_S = 20
PIECE = 3_200


def main(url: str, key: str, path: str, plan: str) -> None:
    """Run one client."""
    values = json.loads(plan)
    parameters = {"sample_rate": 16_000, **values.get("parameters", {})}
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
        audio = Path(path).read_bytes()
        client.stream(audio[at : at + PIECE] for at in range(0, len(audio), PIECE))
        for message in values.get("messages", ()):
            getattr(client, message)()
        for _ in range(values.get("wait", 0)):
            if not turns.acquire(timeout=TIMEOUT_S):
                sys.exit("a turn is missing")
    client.disconnect(terminate=not over.is_set())


if __name__ == "__main__":
    main(*sys.argv[1:])
