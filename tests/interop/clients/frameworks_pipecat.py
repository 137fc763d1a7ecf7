"""Pipecat's services: ``frameworks_pipecat.py openai|openai_file|assemblyai HTTP_URL KEY PCM``, linear16 at 16 kHz."""

import asyncio
import json
import sys
from pathlib import Path

from loguru import logger
from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineParams, PipelineTask
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.assemblyai.stt import AssemblyAISTTService
from pipecat.services.openai.stt import OpenAIRealtimeSTTService, OpenAISTTService

RATE = 16_000
PIECE = 3_200


class Listener(FrameProcessor):
    """Prints transcripts and errors, and knows when the last one has come."""

    def __init__(self):
        super().__init__()
        self.final = asyncio.Event()

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, (InterimTranscriptionFrame, TranscriptionFrame)):
            print(json.dumps({"frame": type(frame).__name__, "text": frame.text}), flush=True)
            if isinstance(frame, TranscriptionFrame):
                self.final.set()
        await self.push_frame(frame, direction)


def make(kind, url, key):
    socket = url.replace("http", "ws", 1)
    if kind == "assemblyai":
        return AssemblyAISTTService(api_key=key, api_endpoint_base_url=f"{socket}/v3/ws", sample_rate=RATE)
    if kind == "openai":
        return OpenAIRealtimeSTTService(api_key=key, base_url=f"{socket}/v1/realtime", sample_rate=RATE)
    return OpenAISTTService(api_key=key, base_url=f"{url}/v1", sample_rate=RATE)


async def main(kind, url, key, audio):
    service, listener = make(kind, url, key), Listener()
    task = PipelineTask(Pipeline([service, listener]), params=PipelineParams(audio_in_sample_rate=RATE))

    @task.event_handler("on_pipeline_error")
    async def tell(_task, frame: ErrorFrame):
        print(json.dumps({"frame": "ErrorFrame", "text": frame.error}), flush=True)

    async def speak():
        await task.queue_frame(VADUserStartedSpeakingFrame())
        for at in range(0, len(audio), PIECE):
            piece = audio[at : at + PIECE]
            await task.queue_frame(InputAudioRawFrame(audio=piece, sample_rate=RATE, num_channels=1))
        await task.queue_frame(VADUserStoppedSpeakingFrame())
        await asyncio.wait_for(listener.final.wait(), 20)
        await task.queue_frame(EndFrame())

    await asyncio.gather(PipelineRunner(handle_sigint=False).run(task), speak())


if __name__ == "__main__":
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    *arguments, file = sys.argv[1:]
    asyncio.run(main(*arguments, Path(file).read_bytes()))
