"""Layout: a room that is being furnished, one piece after the other, by trial."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from carescene.scenes.footprint import Footprint, footprint, overlap, within_walls
from carescene.scenes.furniture import default_object
from carescene.scenes.scene import Parameter, SceneObject

# Nobody hangs anything lower than this over a place where people walk.
HEAD_ROOM_M: Final = 1.9
# Ground kept free before a door beyond the sweep of its leaf, for the frame it hangs in and a hand on the handle.
SWING_MARGIN_M: Final = 0.15
# Ground kept free before a door that opens into the next room.
DOORWAY_M: Final = 0.7
Size = tuple[float | None, float | None, float | None]
_TRIES: Final = 40  # places tried for one piece before the whole room is begun anew


class NoRoomError(Exception):
    """This attempt at a room did not work out; another one may."""


@dataclass(frozen=True)
class Wall:
    """One side of a room.

    The polygon runs counter-clockwise, so the room lies to the left of a wall's direction.
    """

    start: tuple[float, float]
    direction: tuple[float, float]
    length: float

    @property
    def inward(self) -> tuple[float, float]:
        """Unit vector into the room."""
        return -self.direction[1], self.direction[0]

    @property
    def yaw(self) -> float:
        """Of an object that stands with its back on this wall and looks into the room."""
        return math.atan2(self.direction[1], self.direction[0])

    def point(self, along: float | int, off: float | int) -> tuple[float, float]:
        """The place `along` metres from the wall's start and `off` metres into the room."""
        return (
            self.start[0] + along * self.direction[0] + off * self.inward[0],
            self.start[1] + along * self.direction[1] + off * self.inward[1],
        )

    def along(self, thing: SceneObject) -> float:
        """How many metres from the wall's start an object stands, measured along the wall."""
        x, y = thing.center[0] - self.start[0], thing.center[1] - self.start[1]
        return x * self.direction[0] + y * self.direction[1]


def walls_of(polygon: Sequence[tuple[float, float]]) -> list[Wall]:
    """The walls of a counter-clockwise polygon; wall i starts at corner i."""
    walls = []
    for start, end in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        length = math.dist(start, end)
        walls.append(Wall(start, ((end[0] - start[0]) / length, (end[1] - start[1]) / length), length))
    return walls


def make(kind: str, name: str, size: Size = (None, None, None), **params: Parameter) -> SceneObject:
    """A piece of furniture that has no place yet, of its natural size where `size` is None."""
    return default_object(kind, name, x=0.0, y=0.0, yaw=0.0, size=size, bottom=None, **params)


def some_parameters(kind: str, rng: np.random.Generator) -> dict[str, Parameter]:
    """Parameters of a piece as found on a ward: seats of several heights, things on tables, chairs without arms."""
    if kind == "chair":
        return {"seat_height_m": round(float(rng.uniform(0.42, 0.50)), 3), "arms": bool(rng.random() < 0.7)}
    if kind == "recliner":
        tilt = 0.0 if rng.random() < 0.6 else round(float(rng.uniform(10, 30)), 1)
        return {"seat_height_m": round(float(rng.uniform(0.44, 0.50)), 3), "recline_deg": tilt}
    if kind == "walker":
        return {"style": "frame" if rng.random() < 0.5 else "rollator"}
    if kind == "iv_pole":
        return {"bags": int(rng.integers(1, 3)), "pump": bool(rng.random() < 0.6)}
    if kind in ("overbed_table", "table"):
        return {"items": int(rng.choice((0, 0, 1, 2, 3)))}
    if kind == "window":
        return {"blind": 0.0 if rng.random() < 0.6 else round(float(rng.uniform(0.1, 0.7)), 2)}
    return {}


def moved(thing: SceneObject, x: float, y: float, yaw: float) -> SceneObject:
    """The same thing at another place, at the same height."""
    turned = math.remainder(yaw, 2 * math.pi)
    return dataclasses.replace(thing, center=(x, y, thing.center[2]), yaw=turned)


def against(
    thing: SceneObject, wall: Wall, along: float | int, off: float | int = 0.0, turn: float | int = 0.0
) -> SceneObject:
    """The thing with its back to a wall (turned by `turn` radians from there), its side `off` metres from the wall."""
    reach = abs(math.cos(turn)) * thing.size[1] / 2 + abs(math.sin(turn)) * thing.size[0] / 2
    x, y = wall.point(along, reach + off)
    return moved(thing, x, y, wall.yaw + turn)


def swing_of(door: SceneObject, depth_m: float | None = None) -> Footprint:
    """The ground before a door that its leaf sweeps, whichever side its hinges are on: a square of its own width.

    Args:
        depth_m: how far it reaches into the room, where the door opens the other way.
    """
    width = door.size[0]
    reach = width + SWING_MARGIN_M if depth_m is None else depth_m
    x, y = footprint(door).world(0.0, (reach - door.size[1]) / 2)
    return Footprint(x, y, width / 2, reach / 2, door.yaw, 0.0, HEAD_ROOM_M)


class Layout:
    """A room that is being furnished. Pieces that cannot be placed raise `NoRoomError`, and the room is begun anew."""

    def __init__(self, polygon: list[tuple[float, float]], rng: np.random.Generator) -> None:
        self.polygon = polygon
        self.height = round(float(rng.uniform(2.5, 3.0)), 2)
        self.walls = walls_of(polygon)
        self.rng = rng
        self.objects: list[SceneObject] = []
        self.free: list[Footprint] = []
        self._footprints: list[Footprint] = []

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return bool(self.rng.random() < probability)

    def between(self, low: float, high: float) -> float:
        """A random number of this range."""
        return float(self.rng.uniform(low, high))

    def name(self, kind: str) -> str:
        """The next free name of this kind, such as "bed-2"."""
        return f"{kind}-{1 + sum(thing.kind == kind for thing in self.objects)}"

    def make(self, kind: str, size: Size = (None, None, None), **params: Parameter) -> SceneObject:
        """A piece with the next free name of its kind, see `make`; what is not given varies as on wards."""
        usual = some_parameters(kind, self.rng)
        return make(kind, self.name(kind), size, **{**usual, **params})

    def curtain(self, length: float, drawn: float, gathered: str = "left") -> SceneObject:
        """A curtain on a rail of this length below this room's ceiling."""
        ceiling = {"ceiling_m": self.height, "rail_height_m": min(2.3, self.height - 0.15)}
        return self.make("curtain", (length, None, None), drawn=drawn, gathered=gathered, **ceiling)

    def keep_free(self, part: Footprint) -> None:
        """Let no furniture be placed here that people cannot pass under."""
        self.free.append(part)

    def fits(self, thing: SceneObject, gap: float = 0.02, zones: bool = True, over: SceneObject | None = None) -> bool:
        """Whether a thing stands inside the room, `gap` metres from all others, and out of the ground to keep free.

        It may share room with `over`, such as an overbed table with its bed.
        """
        grown = footprint(thing, gap)
        for other, part in zip(self.objects, self._footprints, strict=True):
            if other is not over and overlap(grown, part):
                return False
        if zones and any(overlap(grown, zone) for zone in self.free):
            return False
        return within_walls(footprint(thing), self.polygon)

    def put(self, thing: SceneObject, gap: float = 0.02, zones: bool = True) -> SceneObject:
        """Place a thing where it is, or raise `NoRoomError`."""
        if not self.fits(thing, gap, zones):
            raise NoRoomError(f"no room for {thing.id}")
        self.objects.append(thing)
        self._footprints.append(footprint(thing))
        return thing

    def against(self, thing: SceneObject, wall: Wall, along: float, off: float = 0.0, turn: float = 0.0) -> SceneObject:
        """See `against`."""
        return against(thing, wall, along, off, turn)

    def somewhere_against(
        self, thing: SceneObject, walls: Sequence[Wall], off: float = 0.02, turn: float = 0.0, gap: float = 0.05
    ) -> SceneObject | None:
        """Place a thing at a random free place along one of these walls; None if there is none."""
        half = (abs(math.cos(turn)) * thing.size[0] + abs(math.sin(turn)) * thing.size[1]) / 2 + 0.01
        for _ in range(_TRIES):
            wall = walls[int(self.rng.integers(len(walls)))]
            if wall.length < 2 * half:
                continue
            placed = self.against(thing, wall, self.between(half, wall.length - half), off, turn)
            if self.fits(placed, gap):
                return self.put(placed, gap)
        return None

    def must_stand_against(self, thing: SceneObject, walls: Sequence[Wall], off: float = 0.02) -> SceneObject:
        """Place a thing along one of these walls, or raise `NoRoomError`."""
        placed = self.somewhere_against(thing, walls, off)
        if placed is None:
            raise NoRoomError(f"no wall for {thing.id}")
        return placed

    def beside(self, thing: SceneObject, other: SceneObject, x: float, y: float, turn: float = 0.0) -> SceneObject:
        """The thing at a point of another thing's own frame, turned by `turn` against it."""
        at = footprint(other).world(x, y)
        return moved(thing, *at, other.yaw + turn)

    def try_put(self, thing: SceneObject, gap: float = 0.03, over: SceneObject | None = None) -> bool:
        """Place a thing where it is if it fits there, see `fits`."""
        if not self.fits(thing, gap, over=over):
            return False
        self.objects.append(thing)
        self._footprints.append(footprint(thing))
        return True

    def add_door(
        self, wall: Wall, along: float, open_deg: float | int = 0.0, opens_inwards: bool = True
    ) -> SceneObject:
        """A door in a wall, with ground kept free before it: for its swing, and for whoever comes in."""
        door = self.put(self.against(self.make("door", open_deg=float(open_deg)), wall, along), zones=False)
        self.keep_free(swing_of(door, None if opens_inwards else DOORWAY_M))
        return door

    def add_window(self, wall: Wall, along: float, width: float) -> SceneObject:
        """A window in a wall."""
        window = self.make("window", (width, None, None))
        return self.put(self.against(window, wall, along), zones=False)
