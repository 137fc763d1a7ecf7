"""The map around the car: names that can be said and streets that can be driven, from an OpenStreetMap extract.

An extract is what openstreetmap.org exports (https://wiki.openstreetmap.org/wiki/OSM_XML): nodes with coordinates, ways
through nodes, and tags on both.
"""

import math
import re
import unicodedata
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

Position = tuple[float, float]
"""Latitude and longitude (degrees)."""

BRACKENFORD = Path(__file__).parent / "brackenford.osm"
"""A town invented for this example."""
START: Position = (47.0028, -19.9884)
"""In it, where the car is at first."""

SPEEDS = {"motorway": 110.0, "motorway_link": 60.0, "trunk": 90.0, "primary": 60.0, "secondary": 50.0}
"""By the value of ``highway`` (km/h)."""
OTHER_SPEED, FERRY_SPEED = 30.0, 10.0
NOT_FOR_CARS = {"footway", "path", "cycleway", "steps", "pedestrian", "track", "bridleway", "corridor", "construction"}
KIND_TAGS = ("amenity", "shop", "tourism", "railway", "leisure")
"""Tags whose value says what kind of place something is."""


@dataclass(frozen=True, slots=True)
class Place:
    """Something with a name that one can drive to."""

    name: str
    spoken: str
    """The name as it is said: words of the letters a to z and apostrophes."""
    kind: str
    """``restaurant``, ``fuel`` …, or ``street``."""
    position: Position
    phone: str = ""
    node: int = 0
    """Of a street: its node in the middle."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A piece of street from one node to the next."""

    to: int
    seconds: float
    metres: float
    street: str
    """As it is spoken; empty for one without a name."""
    features: frozenset[str]
    """Of motorway, toll, tunnel and ferry: what one may want to avoid."""


@dataclass(slots=True)
class Town:
    """What an extract says."""

    nodes: dict[int, Position] = field(default_factory=dict)
    places: list[Place] = field(default_factory=list)
    edges: dict[int, list[Edge]] = field(default_factory=dict)
    shapes: list[tuple[str, str, list[Position]]] = field(default_factory=list)
    """For the picture: class, name and points of each way."""

    @property
    def middle(self) -> Position:
        """The mean of all crossings and bends."""
        latitudes, longitudes = zip(*(self.nodes[node] for node in self.edges), strict=True)
        return sum(latitudes) / len(self.edges), sum(longitudes) / len(self.edges)

    def around(self, position: Position, count: int) -> list[Place]:
        """The nearest places, one for each name."""
        found: dict[str, Place] = {}
        for place in sorted(self.places, key=lambda place: distance(position, place.position)):
            if len(found) == count:
                break
            found.setdefault(place.spoken, place)
        return list(found.values())

    def nearest_node(self, position: Position) -> int:
        """Where one gets on the road."""
        return min(self.edges, key=lambda node: distance(position, self.nodes[node]))


def read_town(path: Path) -> Town:
    """Read an extract.

    Raises:
        OSError, xml.etree.ElementTree.ParseError, ValueError: it is none, or has no streets.
    """
    root = ET.parse(path).getroot()
    town = Town({int(n.attrib["id"]): (float(n.attrib["lat"]), float(n.attrib["lon"])) for n in root.iter("node")})
    for node in root.iter("node"):
        _add_place(town, _tags(node), [int(node.attrib["id"])])
    streets: dict[str, tuple[str, list[int]]] = {}
    for way in root.iter("way"):
        tags = _tags(way)
        refs = [ref for nd in way.iter("nd") if (ref := int(nd.attrib["ref"])) in town.nodes]  # extracts cut ways off
        if len(refs) < 2:
            continue
        name = tags.get("name", "")
        if _drivable(tags):
            _add_edges(town, tags, refs)
            streets.setdefault(spoken(name), (name, []))[1].extend(refs)
        else:
            _add_place(town, tags, refs)
        town.shapes.append((_shape(tags), name, [town.nodes[ref] for ref in refs]))
    if not town.edges:
        raise ValueError(f"{path} has no streets that cars may use")
    for words, (name, refs) in streets.items():
        if words:
            middle = refs[len(refs) // 2]
            town.places.append(Place(name, words, "street", town.nodes[middle], node=middle))
    return town


def spoken(name: str) -> str:
    """A name as it is said, ``Café Juniper`` as ``cafe juniper``; empty where it cannot be known, as with digits."""
    folded = unicodedata.normalize("NFKD", name.replace("&", " and ")).encode("ascii", "ignore").decode().lower()
    return "" if re.search(r"\d", folded) else " ".join(re.findall(r"[a-z']+", folded))


def distance(one: Position, other: Position) -> float:
    """Metres, over distances of a town."""
    north = (other[0] - one[0]) * 111_320
    east = (other[1] - one[1]) * 111_320 * math.cos(math.radians(one[0]))
    return math.hypot(north, east)


def _tags(element: ET.Element) -> dict[str, str]:
    return {tag.attrib["k"]: tag.attrib["v"] for tag in element.iter("tag")}


def _add_place(town: Town, tags: dict[str, str], refs: list[int]) -> None:
    kind = next((tags[key] for key in KIND_TAGS if key in tags), "")
    words = spoken(tags.get("name", ""))
    if kind and words:
        points = [town.nodes[ref] for ref in refs]
        centre = (sum(lat for lat, _ in points) / len(points), sum(lon for _, lon in points) / len(points))
        town.places.append(Place(tags["name"], words, kind, centre, tags.get("phone", "")))


def _drivable(tags: dict[str, str]) -> bool:
    return tags.get("route") == "ferry" or ("highway" in tags and tags["highway"] not in NOT_FOR_CARS)


def _add_edges(town: Town, tags: dict[str, str], refs: list[int]) -> None:
    highway, ferry = tags.get("highway", ""), tags.get("route") == "ferry"
    features = {"motorway"} if highway.startswith("motorway") else set()
    features |= {name for name in ("toll", "tunnel") if tags.get(name, "no") != "no"} | ({"ferry"} if ferry else set())
    speed = FERRY_SPEED if ferry else SPEEDS.get(highway, OTHER_SPEED)
    street = spoken(tags.get("name", ""))
    for one, other in pairwise(refs):
        metres = distance(town.nodes[one], town.nodes[other])
        for start, end in ((one, other), (other, one)):
            town.edges.setdefault(start, [])
            if start == one or tags.get("oneway") != "yes":
                edge = Edge(end, metres / (speed / 3.6), metres, street, frozenset(features))
                town.edges[start].append(edge)


def _shape(tags: dict[str, str]) -> str:
    """The class that the page draws a way with."""
    if "highway" in tags:
        major = tags["highway"].startswith("motorway") or tags["highway"] in ("trunk", "primary", "secondary")
        return ("motorway" if tags["highway"].startswith("motorway") else "major") if major else "street"
    if tags.get("route") == "ferry":
        return "ferry"
    if "waterway" in tags:
        return "river"
    return "water" if tags.get("natural") == "water" else "park" if tags.get("leisure") == "park" else "other"
