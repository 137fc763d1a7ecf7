"""The car without its page: the map, routes, commands, and the network that fails."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from examples.navigation.commands import grammar, session_options, taken_extras
from examples.navigation.gazetteer import BRACKENFORD, START, Town, distance, read_town, spoken
from examples.navigation.journey import Journey
from examples.navigation.noise import RATE, road_noise
from examples.navigation.routing import find_route
from examples.navigation.tunnel import Tunnel
from support.server import Server, start_server
from wavelane.grammar.grammar import Grammar

DATA = Path(__file__).parents[1] / "data"
RECORDINGS = DATA / "examples"
RNNT = DATA / "golden" / "rnnt128.nemo"


@pytest.fixture(scope="module")
def town() -> Town:
    return read_town(BRACKENFORD)


@pytest.fixture
def journey(town: Town) -> Journey:
    return Journey(town, START)


def place_of(town: Town, name: str) -> tuple[float, float]:
    return next(place.position for place in town.places if place.name == name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Café Juniper", "cafe juniper"),
        ("Smith & Sons", "smith and sons"),
        ("St. John's-Road", "st john's road"),
        ("Route 66", ""),
        ("港", ""),
    ],
)
def test_names_are_written_as_they_are_said(name: str, words: str) -> None:
    assert spoken(name) == words


def test_names_come_from_the_map_around_the_car(town: Town) -> None:
    near = town.around(place_of(town, "Lakeside Cinema"), 5)
    assert near[0].name == "Lakeside Cinema"
    metres = [distance(near[0].position, place.position) for place in near]
    assert metres == sorted(metres)
    far = {place.name for place in town.around(place_of(town, "Castle Museum"), 5)}
    assert not far & {place.name for place in near}
    assert len(town.around(START, 1000)) == len({place.spoken for place in town.places})


def test_an_extract_that_was_cut_out_of_a_larger_map_is_read(tmp_path: Path) -> None:
    extract = tmp_path / "cut.osm"
    extract.write_text(
        """<osm><node id="1" lat="1" lon="1"/><node id="2" lat="1" lon="1.001"/><node id="3" lat="1" lon="1.002"/>
        <way id="1"><nd ref="1"/><nd ref="2"/><nd ref="3"/><nd ref="9"/>
        <tag k="highway" v="primary"/><tag k="name" v="Long Street"/></way>
        <way id="2"><nd ref="8"/><nd ref="9"/><tag k="highway" v="primary"/></way>
        <way id="3"><nd ref="1"/><nd ref="3"/><tag k="amenity" v="school"/><tag k="name" v="Hill School"/></way>
        <way id="4"><nd ref="1"/><nd ref="3"/><tag k="highway" v="footway"/></way></osm>"""
    )
    town = read_town(extract)
    assert [(place.name, place.kind) for place in town.places] == [("Hill School", "school"), ("Long Street", "street")]
    assert [edge.to for edge in town.edges[1]] == [2]
    assert town.middle == pytest.approx((1, 1.001))
    empty = tmp_path / "empty.osm"
    empty.write_text("<osm/>")
    with pytest.raises(ValueError, match="no streets"):
        read_town(empty)


def test_routes_are_the_fastest_and_keep_away_from_what_is_avoided(town: Town) -> None:
    start, end = town.nearest_node(START), town.nearest_node(place_of(town, "Harbour Hotel"))
    route = find_route(town, [start, end])
    assert route is not None
    assert "castle tunnel" in route.streets
    assert route.points[0] == town.nodes[start]
    assert route.points[-1] == town.nodes[end]
    other = find_route(town, [start, end], ["tunnel"])
    assert other is not None
    assert "castle tunnel" not in other.streets
    assert other.seconds > route.seconds
    assert find_route(town, [start, end], ["tunnel", "ferry", "stone bridge"]) is None, "the river lies between"
    stop = town.nearest_node(place_of(town, "City Hall"))
    assert (find_route(town, [start, stop, end]) or route).metres > route.metres


def test_a_oneway_street_is_driven_one_way(town: Town) -> None:
    edges = [(node, edge) for node, edges in town.edges.items() for edge in edges if edge.street == "marigold street"]
    assert edges
    assert all(back.to != node for node, edge in edges for back in town.edges[edge.to] if back.street == edge.street)


def test_commands_change_the_car(journey: Journey) -> None:
    assert journey.obey("navigate", {"place": "harbour hotel"}).startswith("To Harbour Hotel: 1.0 km")
    assert journey.obey("add_stop", {"nearest": "petrol station"}).startswith("With a stop at Northgate Fuel")
    assert [goal.name for goal in journey.goals] == ["Northgate Fuel", "Harbour Hotel"]
    through = journey.route
    assert journey.obey("avoid", {"road": "tunnel"}) == "Avoiding tunnels."
    assert journey.route != through
    assert journey.obey("avoid", {"road": "stone bridge"}) == "Avoiding tunnels, stone bridge."
    assert journey.obey("avoid", {"road": "ferry"}) == "There is no way without ferries."
    assert journey.avoid == ["tunnel", "stone bridge"]
    assert journey.route is not None
    assert journey.obey("allow", {"road": "all"}) == "All roads may be used."
    assert journey.route == through
    assert journey.obey("call", {"place": "golden anchor"}) == "Calling Golden Anchor, +999 555 0105."
    assert journey.obey("climate", {"degrees": "25"}) == "25 degrees."
    assert journey.obey("climate", {"change": "warmer"}) == "25 degrees."
    assert journey.obey("climate", {"device": "fan", "switch": "on"}) == "Fan on."
    assert journey.devices["fan"]
    assert journey.obey("navigate", {"place": "nowhere"}) == "There is none of the name 'nowhere' around here."
    assert journey.obey("cancel", {}) == "The route is cancelled."
    assert journey.route is None


def test_a_goal_is_reached(journey: Journey, town: Town) -> None:
    journey.obey("navigate", {"place": "harbour hotel"})
    journey.obey("add_stop", {"place": "city hall"})
    metres = []
    while journey.route is not None:
        goals, before = [goal.name for goal in journey.goals], journey.position
        journey.drive(50)
        metres.append(distance(before, journey.position))
        assert [goal.name for goal in journey.goals] in (goals, goals[1:])
    assert max(metres) <= 50.1
    assert sum(metres) > 2_000
    assert distance(journey.position, place_of(town, "Harbour Hotel")) < 200
    assert journey.goals == []


@pytest.mark.parametrize(("name", "slots"), [("fly", {}), ("navigate", {}), ("climate", {"change": "hotter"})])
def test_what_is_no_command_is_an_error(journey: Journey, name: str, slots: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="command"):
        journey.obey(name, slots)


def test_every_sentence_of_the_grammar_is_a_command(journey: Journey) -> None:
    rules = Grammar.parse(grammar(journey.around))
    names = set()
    for sentence in rules.sentences(400, 1):
        reading = rules.read(sentence)
        assert reading is not None
        assert journey.obey(reading.intent, reading.slots)
        names.add(reading.intent)
    assert names == {"navigate", "add_stop", "avoid", "allow", "call", "climate", "cancel"}


async def test_hotwords_are_sent_where_the_model_takes_them_beside_the_grammar(
    server: Server, journey: Journey
) -> None:
    # The small transducer knows no other letters.
    places = [place for place in journey.around if not set("bjxz") & set(place.spoken)]
    assert len(places) > 20
    assert await taken_extras(server.ws, places) == ["audio"]
    other = start_server(["--model", str(RNNT)])
    try:
        extras = await taken_extras(other.ws, places)
    finally:
        other.stop()
    assert extras == ["hotwords", "audio"]
    options = session_options(places, extras)
    assert options["grammar"] == grammar(places)
    assert options["hotwords"] == [place.spoken for place in places]


def test_road_noise_is_deep() -> None:
    noise = road_noise(10)
    assert len(noise) == 10 * RATE
    assert np.sqrt(np.mean(noise**2)) == pytest.approx(0.1)
    power = np.abs(np.fft.rfft(noise)) ** 2
    hertz = np.fft.rfftfreq(len(noise), 1 / RATE)
    assert power[hertz < 300].sum() > 0.7 * power.sum()
    assert not np.array_equal(noise, road_noise(10, seed=1))


def test_commands_are_counted_in_the_noise_of_the_road(server: Server, tmp_path: Path) -> None:
    report = tmp_path / "noise.json"
    flags = ["--url", server.ws, "--snr", "10", "--snr", "-20", "--limit", "8", "--json", str(report)]
    command = [sys.executable, "-m", "examples.navigation.noise", str(RECORDINGS / "nav_commands.jsonl"), *flags]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    understood = {"clean": 0, "snr:10": 0, "snr:-20": 0}
    for utterance in json.loads(report.read_text())["utterances"]:
        wanted = (utterance["wanted_intent"], utterance["wanted_slots"])
        understood[utterance["condition"]] += (utterance.get("intent"), utterance.get("slots")) == wanted
    assert understood["clean"] >= 5
    assert understood["snr:10"] >= 4
    assert understood["snr:-20"] == 0


async def broken(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True


async def test_a_tunnel_breaks_connections_and_lets_new_ones_pass_after_it() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    far = await asyncio.start_server(echo, "127.0.0.1", 0)
    tunnel = Tunnel("127.0.0.1", far.sockets[0].getsockname()[1])
    async with far, tunnel.listen():
        reader, writer = await asyncio.open_connection("127.0.0.1", tunnel.port)
        writer.write(b"before")
        assert await reader.readexactly(6) == b"before"
        tunnel.cut(0.2)
        assert await broken(reader)
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", tunnel.port)
        assert await broken(reader)
        writer.close()
        await asyncio.sleep(0.25)
        reader, writer = await asyncio.open_connection("127.0.0.1", tunnel.port)
        writer.write(b"after")
        writer.write_eof()
        assert await reader.read() == b"after"
        writer.close()
