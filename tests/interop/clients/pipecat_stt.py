"""Pipecat's services: ``pipecat_stt.py SERVICE URL KEY PCM``, PCM linear16 at 16 kHz."""

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
from pipecat.services.deepgram.flux.stt import DeepgramFluxSTTService
from pipecat.services.deepgram.stt import DeepgramSTTService
from pipecat.services.nvidia.stt import NvidiaSegmentedSTTService, NvidiaSTTService
from pipecat.services.openai.stt import OpenAIRealtimeSTTService, OpenAISTTService

RATE = 16_000
PIECE = 3_200

START, STOP = VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame
TURNS = {
    "riva_recorded": (START, STOP),
    "deepgram_v1": (STOP,),
    "openai": (START, STOP),
    "openai_file": (START, STOP),
    "assemblyai": (START, STOP),
}
"""What a voice activity detector in front of the service would tell it; others find the turns themselves."""


def make(service, url, key):
    socket = url.replace("http", "ws", 1)
    match service:
        case "riva":
            return NvidiaSTTService(server=url, use_ssl=False, api_key=key, sample_rate=RATE)
        case "riva_recorded":
            return NvidiaSegmentedSTTService(server=url, use_ssl=False, api_key=key, sample_rate=RATE)
        case "deepgram_v1":
            return DeepgramSTTService(api_key=key, base_url=socket, sample_rate=RATE)
        case "deepgram_v2":
            return DeepgramFluxSTTService(api_key=key, url=f"{socket}/v2/listen", sample_rate=RATE)
        case "openai":
            return OpenAIRealtimeSTTService(api_key=key, base_url=f"{socket}/v1/realtime", sample_rate=RATE)
        case "openai_file":
            return OpenAISTTService(api_key=key, base_url=f"{url}/v1", sample_rate=RATE)
        case "assemblyai":
            return AssemblyAISTTService(api_key=key, api_endpoint_base_url=f"{socket}/v3/ws", sample_rate=RATE)
    raise SystemExit(f"unknown service {service}")


class Listener(FrameProcessor):
    """Prints transcripts, and knows when the last one has come."""

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


async def main(service, url, key, audio):
    listener = Listener()
    pipeline = Pipeline([make(service, url, key), listener])
    task = PipelineTask(pipeline, params=PipelineParams(audio_in_sample_rate=RATE))
    turns = TURNS.get(service, ())

    @task.event_handler("on_pipeline_error")
    async def tell(_task, frame: ErrorFrame):
        print(json.dumps({"frame": "ErrorFrame", "text": frame.error}), flush=True)

    async def speak():
        if START in turns:
            await task.queue_frame(START())
        for at in range(0, len(audio), PIECE):
            piece = audio[at : at + PIECE]
            await task.queue_frame(InputAudioRawFrame(audio=piece, sample_rate=RATE, num_channels=1))
        if STOP in turns:
            await task.queue_frame(STOP())
        await asyncio.wait_for(listener.final.wait(), 20)
        await task.queue_frame(EndFrame())

    await asyncio.gather(PipelineRunner(handle_sigint=False).run(task), speak())


if __name__ == "__main__":
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    *arguments, file = sys.argv[1:]
    asyncio.run(main(*arguments, Path(file).read_bytes()))
