"""``/v1/profiles/{key}``: store, export and erase a user's vocabulary."""

import asyncio
import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_server.profiles.profile import parse_vocabulary
from wavelane_server.profiles.store import ProfileStore, no_profiles

MOST_BYTES = 1_048_576
"""Of the body of a request; ``profiles.max_phrases`` phrases are far less."""

_PRIVATE = {"Cache-Control": "no-store"}


async def get_profile(request: Request) -> Response:
    """All that is stored under a key."""
    profile = await _store(request).load(request.path_params["key"])
    return JSONResponse(profile.model_dump(mode="json"), headers=_PRIVATE)


async def put_profile(request: Request) -> Response:
    """Store a vocabulary, with consent, in place of what was there."""
    store = _store(request)
    limit = request.app.state.recognizer.config.limits.idle_timeout_s
    body = bytearray()
    try:
        async with asyncio.timeout(limit):
            async for piece in request.stream():
                body += piece
                if len(body) > MOST_BYTES:
                    raise WavelaneError(
                        ErrorCode.MESSAGE_TOO_BIG, f"a profile has at most {MOST_BYTES} bytes; send less"
                    )
    except TimeoutError:
        raise WavelaneError(
            ErrorCode.IDLE_TIMEOUT, f"the body did not come within {limit:g} s (setting limits.idle_timeout_s)"
        ) from None
    try:
        values = json.loads(bytes(body))
    except (ValueError, RecursionError) as error:
        raise WavelaneError(ErrorCode.INVALID_MESSAGE, f"the body must be a JSON object: {error}") from None
    profile = await store.save(request.path_params["key"], parse_vocabulary(values))
    return JSONResponse(profile.model_dump(mode="json"), headers=_PRIVATE)


async def delete_profile(request: Request) -> Response:
    """Erase everything that is stored under a key."""
    await _store(request).erase(request.path_params["key"])
    return Response(status_code=204, headers=_PRIVATE)


def _store(request: Request) -> ProfileStore:
    store: ProfileStore | None = request.app.state.recognizer.profiles
    if store is None:
        raise no_profiles()
    return store
