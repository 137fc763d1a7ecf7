"""One peer in a process of its own: a request per line in, an answer per line out (JSON).

python worker.py sherpa_peer|nemo_peer

Requests: ``{"do": "version"}``; ``{"do": "saturated"|"paced", ...}`` with the fields that ``harness.py`` and the peer's
``make`` read. An answer is ``{"ok": ...}`` or ``{"error": ...}``.
"""

import importlib
import json
import os
import sys
import warnings

import harness


def main():
    """Answer requests until the input ends."""
    # What libraries print must not meet the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    peer = importlib.import_module(sys.argv[1])
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "version":
                answer = {"ok": peer.version()}
            else:
                answer = {"ok": harness.run(getattr(harness, request["do"]), peer.make, request)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
