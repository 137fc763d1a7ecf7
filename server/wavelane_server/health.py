"""Whether this process lives, and whether it wants new sessions."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from wavelane_server.bridge import Recognizer
from wavelane_server.metrics import CONTENT_TYPE


async def livez(request: Request) -> Response:
    """200 as long as the event loop turns."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """200 with load and capacity when sessions are served, otherwise 503 and why: loading, draining or stuck.

    A server with enough to do stays ready: it refuses sessions one by one, and those that it has go on.
    """
    recognizer: Recognizer = request.app.state.recognizer
    reason = recognizer.unready()
    if reason is None:
        stats = recognizer.engine.stats
        condition = stats.condition
        return JSONResponse(
            {
                "status": "ready",
                "load": round(condition.load, 3),
                "capacity": round(condition.capacity, 1),
                "refusing": condition.refusing or stats.lanes >= stats.max_lanes,
                "lanes": stats.lanes,
                "max_lanes": stats.max_lanes,
            }
        )
    headers = {"Retry-After": str(recognizer.config.limits.retry_after_s)}
    return JSONResponse({"status": "unready", "reason": reason}, 503, headers)


async def metrics(request: Request) -> Response:
    """Prometheus text: of all processes, whichever of them is asked."""
    return Response(await request.app.state.scrape(), media_type=CONTENT_TYPE)
