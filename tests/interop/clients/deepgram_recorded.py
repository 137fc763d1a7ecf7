"""deepgram-sdk on POST /v1/listen: ``deepgram_recorded.py URL KEY FILE OPTIONS``. Prints the answer, or the error."""

import json
import sys
from pathlib import Path

from deepgram import DeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.environment import DeepgramClientEnvironment


def main(url, key, file, options):
    environment = DeepgramClientEnvironment(base=url, production=url, agent=url, agent_rest=url)
    client = DeepgramClient(api_key=key, environment=environment)
    try:
        answer = client.listen.v1.media.transcribe_file(request=Path(file).read_bytes(), **json.loads(options))
    except ApiError as error:
        print(json.dumps({"class": "ApiError", "status": error.status_code, "body": error.body}))
    else:
        print(json.dumps({"class": type(answer).__name__, **json.loads(answer.json(exclude_none=True))}))


if __name__ == "__main__":
    main(*sys.argv[1:])
