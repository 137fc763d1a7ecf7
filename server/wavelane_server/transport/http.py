"""HTTP: the models, and the transcription of a whole file through the same engine."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_server.adapters.base import Outgoing, Reply
from wavelane_server.adapters.openai.items import logprobs
from wavelane_server.adapters.openai.transcriptions import Stream, Wanted, read_form
from wavelane_server.bridge import Recognizer
from wavelane_server.transcript_formats import render
from wavelane_server.transcription import PIECE_BYTES, transcribe

FORM_BYTES = 65_536
"""What a form may have besides its file (bytes)."""

Result = TypeVar("Result")

MAX_FIELDS = 256
"""Fields of a form; each keyword is one."""


async def models(request: Request) -> Response:
    """What is served, in the shape of OpenAI's list of models."""
    engine = _recognizer(request).engine
    spec = engine.spec
    info = {
        "id": spec.name,
        "object": "model",
        "owned_by": "wavelane",
        "sample_rate": spec.features.sample_rate,
        "languages": list(spec.prompts) or list(spec.languages),
        "lookaheads": list(spec.lookaheads),
        "default_lookahead": spec.default_lookahead,
        "head": engine.head,
        "parameters": spec.parameters,
    }
    return JSONResponse({"object": "list", "data": [info]})


async def transcriptions(request: Request) -> Response:
    """``POST /v1/audio/transcriptions``: a file in, its transcript out, whole or while it is recognised."""
    recognizer = _recognizer(request)
    recognizer.admit()
    async with AsyncExitStack() as stack:
        try:
            form = await stack.enter_async_context(
                Upload(request, recognizer).form(max_files=1, max_fields=MAX_FIELDS, max_part_size=FORM_BYTES)
            )
        except HTTPException as error:
            raise WavelaneError(ErrorCode.INVALID_MESSAGE, f"the form cannot be read: {error.detail}") from None
        file, wanted = _parse(form)
        if wanted.stream:
            stream = Stream(wanted.logprobs)
            pieces = _events(recognizer, file, wanted, stream)
            stack.push_async_callback(pieces.aclose)
            # What fails before there is any text is told by the status.
            first = await while_there(request, anext(pieces))
            if first is None:
                return Response(status_code=499)
            return StreamingResponse(_closing(first, pieces, stack.pop_all()), media_type="text/event-stream")
        transcript = await while_there(request, transcribe(recognizer, wanted.values, read_pieces(file)))
        if transcript is None:
            return Response(status_code=499)
    body, media_type = render(transcript, wanted.form, words=wanted.words)
    if not isinstance(body, dict):
        return Response(body, media_type=media_type)
    if wanted.logprobs:
        body["logprobs"] = logprobs([word for final in transcript.finals for word in final.words])
    return JSONResponse(body)


async def _events(
    recognizer: Recognizer, file: UploadFile, wanted: Wanted, stream: Stream
) -> AsyncGenerator[bytes, None]:
    """Server-sent events of a recording.

    Raises:
        WavelaneError: nothing was heard before it failed.
    """
    # Not bounded, since it holds no more than the text of the recording.
    said: asyncio.Queue[bytes] = asyncio.Queue()

    def hear(event: Outgoing | Reply) -> None:
        if data := stream.hear(event):
            said.put_nowait(data)

    work = asyncio.create_task(transcribe(recognizer, wanted.values, read_pieces(file), hear))
    work.add_done_callback(lambda _: said.put_nowait(b""))
    silent = True
    try:
        while data := await said.get():
            silent = False
            yield data
        try:
            work.result()
        except WavelaneError as error:
            if silent:
                raise
            yield stream.failed(error)
        else:
            yield stream.done()
    finally:
        await _cancel(work)


async def _closing(
    first: bytes, rest: AsyncGenerator[bytes, None], stack: AsyncExitStack
) -> AsyncGenerator[bytes, None]:
    """All pieces; what they need is freed behind them, also when the client is gone."""
    async with stack:
        yield first
        async for piece in rest:
            yield piece


async def while_there(request: Request, work: Awaitable[Result]) -> Result | None:
    """The result; None where the client left before. Its body has been read."""
    task = asyncio.ensure_future(work)
    gone = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        await _cancel(task, gone)


async def _cancel(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Upload(Request):
    """A request whose body is bounded in size, and in the time between its pieces."""

    def __init__(self, request: Request, recognizer: Recognizer) -> None:
        super().__init__(request.scope, request.receive)
        self._limits = recognizer.config.limits

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """The body."""
        limit = self._limits.max_upload_bytes + FORM_BYTES
        if int(self.headers.get("content-length", 0)) > limit:
            raise self._too_big()
        pieces = super().stream()
        count = 0
        while True:
            try:
                async with asyncio.timeout(self._limits.idle_timeout_s):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise WavelaneError(
                    ErrorCode.IDLE_TIMEOUT,
                    f"nothing came for {self._limits.idle_timeout_s:g} s (setting limits.idle_timeout_s)",
                ) from None
            count += len(piece)
            if count > limit:
                raise self._too_big()
            yield piece

    def _too_big(self) -> WavelaneError:
        return WavelaneError(
            ErrorCode.MESSAGE_TOO_BIG,
            f"the file is larger than {self._limits.max_upload_bytes} bytes (setting limits.max_upload_bytes): stream "
            "it to /v1/stream instead",
        )


def _recognizer(request: Request) -> Recognizer:
    recognizer: Recognizer = request.app.state.recognizer
    return recognizer


async def read_pieces(file: UploadFile) -> AsyncGenerator[bytes, None]:
    """A file, about as much at a time as is decoded at once."""
    while piece := await file.read(PIECE_BYTES):
        yield piece


async def _disconnected(request: Request) -> None:
    """Until the client is gone; its body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _parse(form: FormData) -> tuple[UploadFile, Wanted]:
    """The file, and what is asked for."""
    wanted = read_form((name, value) for name, value in form.multi_items() if isinstance(value, str) and name != "file")
    strange = [name for name, value in form.multi_items() if isinstance(value, UploadFile) and name != "file"]
    file = form.get("file")
    if strange or not isinstance(file, UploadFile):
        raise WavelaneError(
            ErrorCode.INVALID_MESSAGE, "the form has no file: send one in the field file, with a file name"
        )
    return file, wanted
