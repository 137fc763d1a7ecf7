"""openai's client for files: ``openai_files.py HTTP_URL KEY FILE QUESTIONS``.

QUESTIONS is a JSON list of fields for ``transcriptions.create``. Prints each answer, event of a stream, or error.
"""

import json
import sys
from pathlib import Path

from openai import APIStatusError, OpenAI


def main(url: str, key: str, path: str, questions: str) -> None:
    """Run the client."""
    with OpenAI(api_key=key, base_url=f"{url}/v1", max_retries=0) as client:
        for fields in json.loads(questions):
            try:
                answer = client.audio.transcriptions.create(file=Path(path), **fields)
            except APIStatusError as error:
                known = {"status": error.status_code, "code": error.code, "param": error.param, "type": error.type}
                print(json.dumps({"raised": type(error).__name__, "message": error.message, **known}))
            else:
                for event in answer if fields.get("stream") else [answer]:
                    print(json.dumps(event.to_dict(warnings=False)))


if __name__ == "__main__":
    main(*sys.argv[1:])
