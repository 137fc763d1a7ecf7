"""What the car knows and does: a command changes it, and it says what it did."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from examples.navigation.commands import KINDS
from examples.navigation.gazetteer import Place, Position, Town, distance
from examples.navigation.routing import Route, find_route

AVOIDABLE = {"toll": "toll roads", "motorway": "motorways", "ferry": "ferries", "tunnel": "tunnels"}
COOLEST, WARMEST = 16, 25


@dataclass(slots=True)
class Journey:
    """The car, where it is and where it is going.

    Args:
        town: that it drives in.
        position: of the car.
        names: how many of the nearest names may be said.
    """

    town: Town
    position: Position
    names: int = 150
    goals: list[Place] = field(default_factory=list)
    """Stops in their order, the destination last."""
    avoid: list[str] = field(default_factory=list)
    """Features and spoken names of streets."""
    route: Route | None = None
    heading: int | None = None
    """The node that the car drives to; None while it stands."""
    temperature: int = 20
    devices: dict[str, bool] = field(
        default_factory=lambda: {"air conditioning": False, "seat heating": False, "fan": False}
    )

    @property
    def around(self) -> list[Place]:
        """The places whose names may be said, nearest first."""
        return self.town.around(self.position, self.names)

    @property
    def metres(self) -> float:
        """To go to the last goal; 0 without one."""
        return 0.0 if self.route is None else distance(self.position, self.route.points[0]) + self.route.metres

    def move(self, position: Position) -> None:
        """The car is somewhere else."""
        self.position, self.heading = position, None
        self._find()

    def drive(self, metres: float) -> None:
        """Go on along the route, to its end at most."""
        while self.route is not None:
            node = self.route.nodes[0]
            target = self.town.nodes[node]
            step = distance(self.position, target)
            share = min(1.0, metres / step) if step else 1.0
            (north, east), (to_north, to_east) = self.position, target
            self.position = (north + share * (to_north - north), east + share * (to_east - east))
            metres -= step
            if metres < 0:
                return
            while self.goals and node == self._node(self.goals[0]):
                self.goals = self.goals[1:]
            self.heading = self.route.nodes[1] if self.goals else None
            self._find()

    def obey(self, intent: str, slots: Mapping[str, str]) -> str:
        """Do what an intent of the grammar asks; gives the answer.

        Raises:
            ValueError: the grammar has no such intent, or it needs other slots.
        """
        act = {
            "navigate": self._navigate,
            "add_stop": self._add_stop,
            "avoid": self._avoid,
            "allow": self._allow,
            "call": self._call,
            "climate": self._climate,
            "cancel": self._cancel,
        }.get(intent)
        if act is None:
            raise ValueError(f"the car has no command {intent!r}")
        try:
            return act(slots)
        except KeyError as slot:
            raise ValueError(f"the command {intent!r} needs the slot {slot}") from None

    def _navigate(self, slots: Mapping[str, str]) -> str:
        goal = self._place(slots)
        if goal is None:
            return f"There is none of the name {_said(slots)} around here."
        return self._drive([goal], f"To {goal.name}")

    def _add_stop(self, slots: Mapping[str, str]) -> str:
        stop = self._place(slots)
        if stop is None:
            return f"There is none of the name {_said(slots)} around here."
        return self._drive([*self.goals[:-1], stop, *self.goals[-1:]], f"With a stop at {stop.name}")

    def _drive(self, goals: list[Place], what: str) -> str:
        before, self.goals = self.goals, goals
        self._find()
        if self.route is None:
            self.goals = before
            self._find()
            return f"{what}: there is no way that avoids {self._avoided()}."
        return f"{what}: {self.metres / 1000:.1f} km, {max(1, round(self.route.seconds / 60))} min."

    def _avoid(self, slots: Mapping[str, str]) -> str:
        if (road := slots["road"]) not in self.avoid:
            self.avoid.append(road)
        self._find()
        if self.goals and self.route is None:
            self.avoid.remove(road)
            self._find()
            return f"There is no way without {AVOIDABLE.get(road, road)}."
        return f"Avoiding {self._avoided()}."

    def _allow(self, slots: Mapping[str, str]) -> str:
        self.avoid = [] if slots["road"] == "all" else [road for road in self.avoid if road != slots["road"]]
        self._find()
        return f"Avoiding {self._avoided()}." if self.avoid else "All roads may be used."

    def _call(self, slots: Mapping[str, str]) -> str:
        callee = self._place(slots)
        if callee is None:
            return f"There is none of the name {_said(slots)} around here."
        return f"Calling {callee.name}, {callee.phone}."

    def _climate(self, slots: Mapping[str, str]) -> str:
        if device := slots.get("device"):
            self.devices[device] = slots["switch"] == "on"
            return f"{device.capitalize()} {slots['switch']}."
        change = {"warmer": 1, "cooler": -1}[slots["change"]] if "change" in slots else 0
        wanted = self.temperature + change if change else int(slots["degrees"])
        self.temperature = min(max(wanted, COOLEST), WARMEST)
        return f"{self.temperature} degrees."

    def _cancel(self, _: Mapping[str, str]) -> str:
        self.goals, self.route = [], None
        return "The route is cancelled."

    def _find(self) -> None:
        """The route to all goals from here."""
        stations = [self._node(goal) for goal in self.goals]
        start = self.heading or self.town.nearest_node(self.position)
        self.route = find_route(self.town, [start, *stations], self.avoid) if stations else None

    def _node(self, place: Place) -> int:
        return place.node or self.town.nearest_node(place.position)

    def _place(self, slots: Mapping[str, str]) -> Place | None:
        if "nearest" in slots:
            kind = KINDS[slots["nearest"]]
            return next((place for place in self.around if place.kind == kind), None)
        return next((place for place in self.around if place.spoken == slots["place"]), None)

    def _avoided(self) -> str:
        return ", ".join(AVOIDABLE.get(road, road) for road in self.avoid)


def _said(slots: Mapping[str, str]) -> str:
    return repr(slots.get("nearest") or slots["place"])
