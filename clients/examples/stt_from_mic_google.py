"""Words as you speak them, with Google's own client (pip install google-cloud-speech). Ctrl-C ends.

python clients/examples/stt_from_mic_google.py [127.0.0.1:50051]
"""

import asyncio
import sys
from collections.abc import AsyncIterator

import grpc
from google.api_core.exceptions import GoogleAPICallError
from google.cloud.speech_v1 import (
    RecognitionConfig,
    SpeechAsyncClient,
    StreamingRecognitionConfig,
    StreamingRecognizeRequest,
)
from google.cloud.speech_v1.services.speech.transports import SpeechGrpcAsyncIOTransport

from wavelane_client import WavelaneError
from wavelane_client.mic import Microphone


async def main(address: str = "127.0.0.1:50051") -> None:
    """Send the default microphone's audio, and print what is heard: each interim result over the one before."""
    microphone = Microphone()
    config = RecognitionConfig(
        encoding=RecognitionConfig.AudioEncoding.LINEAR16,
        sample_rate_hertz=microphone.sample_rate,
        language_code="en-US",
    )

    async def requests() -> AsyncIterator[StreamingRecognizeRequest]:
        yield StreamingRecognizeRequest(
            streaming_config=StreamingRecognitionConfig(config=config, interim_results=True)
        )
        async for block in microphone.blocks():
            yield StreamingRecognizeRequest(audio_content=block.data)

    async with grpc.aio.insecure_channel(address) as channel:
        client = SpeechAsyncClient(transport=SpeechGrpcAsyncIOTransport(channel=channel))
        async for response in await client.streaming_recognize(requests=requests()):
            # Of an interim result, what will not change comes apart from what may.
            if text := "".join(result.alternatives[0].transcript for result in response.results).strip():
                print(f"\r\033[K{text}", end="\n" if response.results[0].is_final else "", flush=True)


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        print()
    except (OSError, WavelaneError, GoogleAPICallError) as error:
        sys.exit(str(error))
