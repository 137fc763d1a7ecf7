"""Pipecat's NVIDIA services: ``riva_pipecat.py live|recorded HOST:PORT KEY PCM``, PCM linear16 at 16 kHz."""

import asyncio
import json
import sys
from pathlib import Path

from loguru import logger
from pipecat.frames.frames import (
    EndFrame,
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
from pipecat.services.nvidia.stt import NvidiaSegmentedSTTService, NvidiaSTTService

RATE = 16_000
PIECE = 3_200


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


async def main(kind, server, key, audio):
    services = {"live": NvidiaSTTService, "recorded": NvidiaSegmentedSTTService}
    service = services[kind](server=server, use_ssl=False, api_key=key, sample_rate=RATE)
    listener = Listener()
    task = PipelineTask(Pipeline([service, listener]), params=PipelineParams(audio_in_sample_rate=RATE))

    async def speak():
        if kind == "recorded":
            await task.queue_frame(VADUserStartedSpeakingFrame())
        for at in range(0, len(audio), PIECE):
            piece = audio[at : at + PIECE]
            await task.queue_frame(InputAudioRawFrame(audio=piece, sample_rate=RATE, num_channels=1))
        if kind == "recorded":
            await task.queue_frame(VADUserStoppedSpeakingFrame())
        await asyncio.wait_for(listener.final.wait(), 20)
        await task.queue_frame(EndFrame())

    await asyncio.gather(PipelineRunner(handle_sigint=False).run(task), speak())


if __name__ == "__main__":
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    *arguments, file = sys.argv[1:]
    asyncio.run(main(*arguments, Path(file).read_bytes()))
