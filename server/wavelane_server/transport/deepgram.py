"""``POST /v1/listen``: a recording in, its transcript out, for Deepgram's clients."""

import hashlib
from tempfile import SpooledTemporaryFile

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_server.adapters.deepgram.options import recorded_options
from wavelane_server.adapters.deepgram.recorded import answer
from wavelane_server.adapters.deepgram.request import Request as Identity
from wavelane_server.adapters.deepgram.request import key, refusal
from wavelane_server.adapters.handshake import Handshake
from wavelane_server.bridge import Recognizer
from wavelane_server.transcription import transcribe
from wavelane_server.transport.http import Upload, read_pieces, while_there

IN_MEMORY_BYTES = 1_048_576
"""Of a recording; a longer one waits in a temporary file."""


async def listen(request: Request) -> Response:
    """The whole recording is the request's body."""
    recognizer: Recognizer = request.app.state.recognizer
    identity = Identity()
    try:
        recognizer.keys.check(key(Handshake(headers=request.headers)))
        return await _transcribed(request, recognizer, identity)
    except WavelaneError as error:
        refused = refusal(error, recognizer.config.limits.retry_after_s, identity)
        return JSONResponse(refused.body, refused.status, refused.headers)


async def _transcribed(request: Request, recognizer: Recognizer, identity: Identity) -> Response:
    options = recorded_options(request.query_params.multi_items())
    recognizer.admit()
    recognizer.check(options.values)
    if request.headers.get("content-type", "").startswith("application/json"):
        raise WavelaneError(
            ErrorCode.INVALID_MESSAGE, "this server fetches nothing from a url: send the recording itself as the body"
        )
    sha256 = hashlib.sha256()
    with SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as store:
        file = UploadFile(store)  # type: ignore[arg-type]
        async for piece in Upload(request, recognizer).stream():
            sha256.update(piece)
            await file.write(piece)
        await file.seek(0)
        transcript = await while_there(request, transcribe(recognizer, dict(options.values), read_pieces(file)))
    if transcript is None:
        return Response(status_code=499)
    body = answer(identity, options, transcript, recognizer.model, sha256.hexdigest())
    return JSONResponse(body, headers={"dg-request-id": identity.id})
