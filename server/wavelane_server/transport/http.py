"""HTTP: the models, and the transcription of a whole file through the same engine."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_server.bridge import Recognizer
from wavelane_server.transcript_formats import FORMATS, render
from wavelane_server.transcription import PIECE_BYTES, transcribe

FORM_BYTES = 65_536
"""What a form may have besides its file (bytes)."""

_FIELDS = ("file", "model", "language", "lookahead", "vad", "text", "response_format", "timestamp_granularities[]")


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
    """``POST /v1/audio/transcriptions``: a file in, its transcript out."""
    recognizer = _recognizer(request)
    recognizer.admit()
    upload = _Upload(request, recognizer)
    try:
        async with upload.form(max_files=1, max_fields=len(_FIELDS) + 2, max_part_size=FORM_BYTES) as form:
            file, values, form_name, words = _parse(form)
            work = asyncio.create_task(transcribe(recognizer, values, _pieces(file)))
            gone = asyncio.create_task(_disconnected(request))
            try:
                await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
                if not work.done():
                    return Response(status_code=499)
                body, media_type = render(work.result(), form_name, words=words)
            finally:
                work.cancel()
                gone.cancel()
                await asyncio.gather(work, gone, return_exceptions=True)
    except HTTPException as error:
        raise WavelaneError(ErrorCode.INVALID_MESSAGE, f"the form cannot be read: {error.detail}") from None
    return JSONResponse(body) if isinstance(body, dict) else Response(body, media_type=media_type)


class _Upload(Request):
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


async def _pieces(file: UploadFile) -> AsyncGenerator[bytes, None]:
    while piece := await file.read(PIECE_BYTES):
        yield piece


async def _disconnected(request: Request) -> None:
    """Until the client is gone; its body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _parse(form: FormData) -> tuple[UploadFile, dict[str, Any], str, bool]:
    """File, options, response format, and whether words are wanted."""

    def refuse(message: str, code: ErrorCode = ErrorCode.INVALID_CONFIG) -> WavelaneError:
        return WavelaneError(code, message)

    unknown = sorted({name for name, _ in form.multi_items()} - set(_FIELDS))
    if unknown:
        raise refuse(f"unknown field {', '.join(unknown)}; known are {', '.join(_FIELDS)}")
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise refuse("the form has no file: send one in the field file, with a file name", ErrorCode.INVALID_MESSAGE)
    form_name = str(form.get("response_format", "json"))
    if form_name not in FORMATS:
        raise refuse(f"response_format is one of {', '.join(FORMATS)}, not {form_name!r}")
    granularities = [str(value) for value in form.getlist("timestamp_granularities[]")]
    if set(granularities) - {"word", "segment"}:
        raise refuse("timestamp_granularities[] is word or segment")
    if granularities and form_name != "verbose_json":
        raise refuse("timestamp_granularities[] needs response_format verbose_json")
    values: dict[str, Any] = {"encoding": "container", "channel": "mix", "channels": 1, "partials": False}
    for name in ("model", "language"):
        if form.get(name):
            values[name] = str(form[name])
    if form.get("lookahead"):
        text = str(form["lookahead"])
        values["lookahead"] = int(text) if text.isascii() and text.isdigit() else text
    if form.get("vad"):
        values["vad"] = {"kind": str(form["vad"])}
    if form.get("text"):
        try:
            values["text"] = json.loads(str(form["text"]))
        except (ValueError, RecursionError):
            raise refuse('text is a JSON object like {"itn": true, "punctuation": true}') from None
    return file, values, form_name, "word" in granularities
