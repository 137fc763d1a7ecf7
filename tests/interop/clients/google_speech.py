"""google-cloud-speech: ``google_speech.py HOST:PORT JOBS``.

JOBS is JSON: an object of jobs by name, done one after the other. A job has ``client`` (sync or async), ``method``
(stream or recognize), ``key``, ``file``, ``options`` (of a ``StreamingRecognitionConfig``, or of a
``RecognitionConfig`` to recognise the file as a whole) and ``steps``, what to stream: ``audio`` is the file, a number
so many seconds of silence (linear16 at 16 kHz). Prints, each with the name of its job, the responses, and at the end
the status with its metadata. Keys are bearer tokens; asynchronously and for a whole file, the header of API keys.
"""

import asyncio
import json
import sys
from pathlib import Path

import grpc
from google.api_core.exceptions import GoogleAPICallError
from google.cloud.speech_v1 import (
    RecognitionAudio,
    SpeechAsyncClient,
    SpeechClient,
    StreamingRecognitionConfig,
    StreamingRecognizeRequest,
)
from google.cloud.speech_v1.services.speech.transports import SpeechGrpcAsyncIOTransport, SpeechGrpcTransport

PIECE = 1_600


def show(job, response):
    values = type(response).to_dict(response, always_print_fields_with_no_presence=False)
    print(json.dumps({"job": job, **values}), flush=True)


def over(job, code="OK", message="", metadata=()):
    print(json.dumps({"job": job, "status": code, "message": message, "metadata": dict(metadata or ())}), flush=True)


def credentials(key):
    """A plaintext connection on this machine, with the key as the bearer token of each call."""
    return grpc.composite_channel_credentials(grpc.local_channel_credentials(), grpc.access_token_call_credentials(key))


def pieces(audio, steps):
    for step in steps:
        data = audio if step == "audio" else bytes(int(step * 16_000) * 2)
        for at in range(0, len(data), PIECE):
            yield StreamingRecognizeRequest(audio_content=data[at : at + PIECE])


def run_sync(name, job, address, audio):
    with grpc.secure_channel(address, credentials(job["key"])) as channel:
        client = SpeechClient(transport=SpeechGrpcTransport(channel=channel))
        if job["method"] == "recognize":
            show(name, client.recognize(config=job["options"], audio=RecognitionAudio(content=audio)))
        else:
            config = StreamingRecognitionConfig(job["options"])
            for response in client.streaming_recognize(config, pieces(audio, job["steps"])):
                show(name, response)
    over(name)


async def run_async(name, job, address, audio):
    if job["method"] == "recognize":
        async with grpc.aio.insecure_channel(address) as channel:
            client = SpeechAsyncClient(transport=SpeechGrpcAsyncIOTransport(channel=channel))
            metadata = [("x-goog-api-key", job["key"])]
            recording = RecognitionAudio(content=audio)
            show(name, await client.recognize(config=job["options"], audio=recording, metadata=metadata))
        over(name)
        return
    async with grpc.aio.secure_channel(address, credentials(job["key"])) as channel:
        client = SpeechAsyncClient(transport=SpeechGrpcAsyncIOTransport(channel=channel))

        async def requests():
            yield StreamingRecognizeRequest(streaming_config=job["options"])
            for piece in pieces(audio, job["steps"]):
                yield piece

        call = await client.streaming_recognize(requests=requests())
        async for response in call:
            show(name, response)
        over(name, metadata=await call.trailing_metadata())


def main(address, jobs):
    for name, job in json.loads(jobs).items():
        audio = Path(job["file"]).read_bytes()
        try:
            if job["client"] == "sync":
                run_sync(name, job, address, audio)
            else:
                asyncio.run(run_async(name, job, address, audio))
        except GoogleAPICallError as error:
            over(name, error.grpc_status_code.name, error.message, error.errors[0].trailing_metadata())


if __name__ == "__main__":
    main(*sys.argv[1:])
