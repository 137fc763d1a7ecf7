"""Words as you speak them, with NVIDIA Riva's own client (pip install nvidia-riva-client). Ctrl-C ends.

python clients/examples/stt_from_mic_riva.py [127.0.0.1:50051]
"""

import asyncio
import sys
from collections.abc import AsyncIterator

import grpc
from riva.client import ASRService, AudioEncoding, Auth, RecognitionConfig, StreamingRecognitionConfig
from riva.client.proto.riva_asr_pb2 import StreamingRecognizeRequest

from wavelane_client import WavelaneError
from wavelane_client.mic import Microphone


async def main(address: str = "127.0.0.1:50051") -> None:
    """Send the default microphone's audio, and print what is heard: each interim result over the one before."""
    microphone = Microphone()
    config = RecognitionConfig(
        encoding=AudioEncoding.LINEAR_PCM, sample_rate_hertz=microphone.sample_rate, language_code="en-US"
    )

    async def requests() -> AsyncIterator[StreamingRecognizeRequest]:
        yield StreamingRecognizeRequest(
            streaming_config=StreamingRecognitionConfig(config=config, interim_results=True)
        )
        async for block in microphone.blocks():
            yield StreamingRecognizeRequest(audio_content=block.data)

    service = ASRService(Auth(uri=address, use_aio=True))
    async for response in service.stub.StreamingRecognize(requests()):
        for result in response.results:
            text = result.alternatives[0].transcript.strip()
            print(f"\r\033[K{text}", end="\n" if result.is_final else "", flush=True)


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        print()
    except (OSError, WavelaneError, grpc.RpcError) as error:
        sys.exit(str(error))
