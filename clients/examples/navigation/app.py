"""The page of the car, and what it asks of the car."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from examples.navigation.commands import session_options
from examples.navigation.gazetteer import Place
from examples.navigation.journey import AVOIDABLE, Journey
from examples.navigation.tunnel import Tunnel
from wavelane_client.transport import API_KEY

LONGEST_TUNNEL = 30.0
"""Seconds; the page keeps its last 60 s of speech."""


def make_app(journey: Journey, tunnel: Tunnel, extras: Collection[str]) -> Starlette:
    """The application.

    Args:
        journey: of the one car that there is.
        tunnel: the way of the page to the Wavelane server.
        extras: options that this takes beside the grammar.
    """

    async def town(_: Request) -> JSONResponse:
        shapes = [{"class": kind, "name": name, "points": points} for kind, name, points in journey.town.shapes]
        places = [_place(place) for place in journey.town.places if place.kind != "street"]
        server_here = {"server": f"http://127.0.0.1:{tunnel.port}", "apiKey": os.environ.get(API_KEY)}
        return JSONResponse({**server_here, "shapes": shapes, "places": places})

    async def state(_: Request) -> JSONResponse:
        return JSONResponse(_state(journey))

    async def options(_: Request) -> JSONResponse:
        """Of a session, as the car stands now."""
        return JSONResponse(session_options(journey.around, extras))

    async def command(request: Request) -> JSONResponse:
        body = await request.json()
        try:
            said = journey.obey(body["name"], body["slots"])
        except (ValueError, KeyError, TypeError) as error:
            raise HTTPException(400, str(error)) from None
        return JSONResponse({"say": said, **_state(journey)})

    async def car(request: Request) -> JSONResponse:
        latitude, longitude = await request.json()
        journey.move((float(latitude), float(longitude)))
        return JSONResponse(_state(journey))

    async def drive(request: Request) -> JSONResponse:
        journey.drive(float(await request.json()))
        return JSONResponse(_state(journey))

    async def cut(request: Request) -> JSONResponse:
        seconds = float(await request.json())
        if not 0 <= seconds <= LONGEST_TUNNEL:
            raise HTTPException(400, f"a tunnel takes 0 to {LONGEST_TUNNEL:g} seconds")
        tunnel.cut(seconds)
        return JSONResponse({})

    return Starlette(
        routes=[
            Route("/town", town),
            Route("/state", state),
            Route("/options", options),
            Route("/command", command, methods=["POST"]),
            Route("/car", car, methods=["POST"]),
            Route("/drive", drive, methods=["POST"]),
            Route("/tunnel", cut, methods=["POST"]),
            Mount("/", StaticFiles(directory=Path(__file__).parent / "page", html=True)),
        ]
    )


def _state(journey: Journey) -> dict[str, Any]:
    route = journey.route
    return {
        "car": journey.position,
        "goals": [_place(goal) for goal in journey.goals],
        "route": None
        if route is None
        else {"points": route.points, "metres": journey.metres, "seconds": route.seconds},
        "avoid": [AVOIDABLE.get(road, road) for road in journey.avoid],
        "temperature": journey.temperature,
        "devices": journey.devices,
        "names": [_place(place) for place in journey.around],
    }


def _place(place: Place) -> dict[str, Any]:
    return {"name": place.name, "spoken": place.spoken, "kind": place.kind, "position": place.position}
