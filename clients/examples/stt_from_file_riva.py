"""The words of a recording, with NVIDIA Riva's own client (pip install nvidia-riva-client).

python clients/examples/stt_from_file_riva.py talk.flac [127.0.0.1:50051]
"""

import sys

import grpc
from riva.client import ASRService, AudioEncoding, Auth, RecognitionConfig, StreamingRecognitionConfig

from wavelane_client import WavelaneError
from wavelane_client.file import PcmFile


def main(path: str, address: str = "127.0.0.1:50051") -> None:
    """Send a file of any audio format, and print each utterance with its times."""
    audio = PcmFile(path, mono=True)
    config = RecognitionConfig(
        encoding=AudioEncoding.LINEAR_PCM,
        sample_rate_hertz=audio.sample_rate,
        language_code="en-US",
        enable_word_time_offsets=True,
    )
    service = ASRService(Auth(uri=address))
    pieces = (block.data for block in audio.blocks(0.1))
    for response in service.streaming_response_generator(pieces, StreamingRecognitionConfig(config=config)):
        for result in response.results:
            best = result.alternatives[0]
            start, end = best.words[0].start_time, best.words[-1].end_time
            print(f"[{start / 1000:.2f}-{end / 1000:.2f}] {best.transcript.strip()}")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (OSError, WavelaneError, grpc.RpcError) as error:
        sys.exit(str(error))
