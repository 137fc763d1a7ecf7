"""The fastest way through the streets (Dijkstra)."""

import heapq
from collections.abc import Collection
from dataclasses import dataclass
from itertools import count, pairwise

from examples.navigation.gazetteer import Edge, Position, Town


@dataclass(frozen=True, slots=True)
class Route:
    """A way to drive."""

    nodes: list[int]
    points: list[Position]
    streets: list[str]
    """In order, as they are spoken."""
    metres: float
    seconds: float


def find_route(town: Town, nodes: list[int], avoid: Collection[str] = ()) -> Route | None:
    """The fastest way through nodes in their order.

    Args:
        nodes: of streets; the first is where the car is.
        avoid: features (``toll``, ``ferry`` …) and names of streets, as they are spoken.

    Returns:
        None where there is no way without those.
    """
    way, streets, metres, seconds = nodes[:1], list[str](), 0.0, 0.0
    for start, end in pairwise(nodes):
        leg = _leg(town, start, end, frozenset(avoid))
        if leg is None:
            return None
        for edge in leg:
            way.append(edge.to)
            if edge.street and edge.street not in streets[-1:]:
                streets.append(edge.street)
            metres += edge.metres
            seconds += edge.seconds
    return Route(way, [town.nodes[node] for node in way], streets, metres, seconds)


def _leg(town: Town, start: int, end: int, avoid: frozenset[str]) -> list[Edge] | None:
    arrived: dict[int, tuple[int, Edge] | None] = {}
    ticket = count()  # decides between equals: edges have no order
    queue: list[tuple[float, int, int, tuple[int, Edge] | None]] = [(0.0, next(ticket), start, None)]
    while queue:
        seconds, _, node, by = heapq.heappop(queue)
        if node in arrived:
            continue
        arrived[node] = by
        if node == end:
            break
        for edge in town.edges[node]:
            if edge.to not in arrived and edge.street not in avoid and not edge.features & avoid:
                heapq.heappush(queue, (seconds + edge.seconds, next(ticket), edge.to, (node, edge)))
    if end not in arrived:
        return None
    way: list[Edge] = []
    while (by := arrived[end]) is not None:
        end, edge = by
        way.append(edge)
    return way[::-1]
