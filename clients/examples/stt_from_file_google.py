"""The words of a recording, with Google's own client (pip install google-cloud-speech).

python clients/examples/stt_from_file_google.py talk.flac [127.0.0.1:50051]
"""

import sys
from typing import Any

import grpc
from google.api_core.exceptions import GoogleAPICallError
from google.cloud.speech_v1 import (
    RecognitionConfig,
    SpeechClient,
    StreamingRecognitionConfig,
    StreamingRecognizeRequest,
)
from google.cloud.speech_v1.services.speech.transports import SpeechGrpcTransport

from wavelane_client import WavelaneError
from wavelane_client.file import PcmFile


def main(path: str, address: str = "127.0.0.1:50051") -> None:
    """Send a file of any audio format, and print each utterance with its times."""
    audio = PcmFile(path, sample_rate=16_000, mono=True)
    config = RecognitionConfig(
        encoding=RecognitionConfig.AudioEncoding.LINEAR16,
        sample_rate_hertz=audio.sample_rate,
        language_code="en-US",
        enable_word_time_offsets=True,
    )
    requests = (StreamingRecognizeRequest(audio_content=block.data) for block in audio.blocks(0.1))
    with grpc.insecure_channel(address) as channel:
        # Its annotations are those of the client without helpers and wrappers.
        client: Any = SpeechClient(transport=SpeechGrpcTransport(channel=channel))
        for response in client.streaming_recognize(StreamingRecognitionConfig(config=config), requests):
            for result in response.results:
                best = result.alternatives[0]
                start, end = best.words[0].start_time, best.words[-1].end_time
                print(f"[{start.total_seconds():.2f}-{end.total_seconds():.2f}] {best.transcript.strip()}")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (OSError, WavelaneError, GoogleAPICallError) as error:
        sys.exit(str(error))
