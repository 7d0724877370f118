"""What lights a room: daylight and sun through its windows, ceiling lamps, lamps by the beds, a night light.

Every source is a list of small patches. Light from one patch falls off with the inverse square of the distance and
with both cosines (Lambert); sunlight comes in parallel and only through the windows' openings.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from carescene.errors import UserError
from carescene.scenes.room_mesh import ceiling_lamps
from carescene.scenes.scene import Scene, SceneObject, area, object_to_world

LIGHTS: Final = ("day", "dim", "night")

# All brightness is relative: a bright sky seen through a window pane is 1. The sun outside gives about 15 times the
# light of such a sky; a tenth of that is kept, as through thin clouds, for a video camera would show white only.
_SKY: Final = np.array([0.86, 0.95, 1.06])
_GROUND: Final = np.array([0.22, 0.23, 0.19])
_SUN: Final = np.array([1.8, 1.6, 1.3])
_COOL_WHITE: Final = np.array([1.02, 1.0, 0.92])
_WARM_WHITE: Final = np.array([1.15, 0.93, 0.62])
_DUSK: Final = np.array([0.022, 0.026, 0.034])
_MOON: Final = np.array([0.011, 0.0135, 0.017])
# Width of a window's frame, metres.
_FRAME: Final = 0.05
# At night the sky that a camera looks at is darker than the lit-up haze above it that lights the room.
_NIGHT_VIEW: Final = 0.3
# Light of the corridor at night, as radiance per strength of a night light, and what a closed door lets through.
_CORRIDOR: Final = 0.45
_AJAR: Final = 0.2
# A closed door's leaf ends this far from the wall, metres: the corridor's light starts before it.
_LEAF: Final = 0.14
# Share of daylight that a roller blind lets through, spread to all sides.
_BLIND: Final = 0.14
# With less glass than this share of the floor the lamps are on by day too.
_LIT_BY_DAY: Final = 0.06
# Patches stand this far in front of the wall (metres), so that frames do not hide them.
_OFF_WALL: Final = 0.03
# Closer than this (metres) a patch is not treated as a point any more; it keeps lamps near walls from glaring.
_NEAR: Final = 0.22


class Pane(NamedTuple):
    """A flat rectangle that gives light: its middle, its half edges as vectors, its normal into the room (metres)."""

    center: Float[np.ndarray, "3"]
    across: Float[np.ndarray, "3"]
    up: Float[np.ndarray, "3"]
    inward: Float[np.ndarray, "3"]


@dataclass(frozen=True)
class RoomLight:
    """The sources of one room.

    Attributes:
        name: one of `LIGHTS`.
        points, normals: middle of every patch and where it faces; a zero normal shines evenly in all directions.
        across, up: half edges of every patch, metres; within them shadow rays are spread.
        above, below: radiance times area of a patch for somebody who looks up at it, and down at it: a window
            shows sky above and ground below.
        sun_direction: towards the sun; `sun`: its irradiance on a surface that faces it, zero where it does not shine.
        windows: panes through which the sun may come.
        ceiling: height of the ceiling, metres.
        window_glow, blind_glow, panel_glow, bed_glow: radiance of panes, of blinds before them, of ceiling lamps and of
            lamps by the beds as the camera sees them.
        brightness: mean brightness a camera aims at in this light, linear, 1 = white.
    """

    name: str
    points: Float[np.ndarray, "patch 3"]
    normals: Float[np.ndarray, "patch 3"]
    across: Float[np.ndarray, "patch 3"]
    up: Float[np.ndarray, "patch 3"]
    above: Float[np.ndarray, "patch 3"]
    below: Float[np.ndarray, "patch 3"]
    sun_direction: Float[np.ndarray, "3"]
    sun: Float[np.ndarray, "3"]
    windows: tuple[Pane, ...]
    ceiling: float
    window_glow: Float[np.ndarray, "3"]
    blind_glow: Float[np.ndarray, "3"]
    panel_glow: Float[np.ndarray, "3"]
    bed_glow: Float[np.ndarray, "3"]
    brightness: float


def light_room(scene: Scene, light: str, seed: int) -> RoomLight:
    """The lights of a room by day, in the evening (`dim`) or at `night`; the seed picks the sun and which lamps burn.

    Raises UserError for an unknown light.
    """
    if light not in LIGHTS:
        raise UserError(f"Expected a light out of {', '.join(LIGHTS)}, but got '{light}'. Choose one of these.")
    rng = np.random.default_rng([seed, LIGHTS.index(light), 7])
    openings = [window_panes(thing) for thing in scene.of_kind("window")]
    windows = tuple(glass for glass, _ in openings)
    blinds = [blind for _, blind in openings if blind is not None]
    panels = ceiling_panels(scene)
    sky, ground, sun = np.zeros(3), np.zeros(3), np.zeros(3)
    panel, beds, faint = np.zeros(3), np.zeros(3), np.zeros(3)
    if light == "day":
        sky, ground = _SKY, _GROUND
        # Wards keep some lamps on by day; rooms without a window need all of them.
        gloomy = _glass_area(windows) < _LIT_BY_DAY * abs(area(scene.polygon))
        panel = (2.4 if not windows else 1.2 if gloomy else rng.choice([0.0, 0.5, 0.9])) * _COOL_WHITE
        sun = _SUN * (rng.random() < 0.7)
        brightness = float(rng.uniform(0.33, 0.39))
    elif light == "dim":
        sky, ground = _DUSK, _DUSK / 3
        by_bed = bool(bed_lamps(scene)) and rng.random() < 0.6
        panel = (0.0 if by_bed else 0.8) * _WARM_WHITE
        beds = 0.16 * _WARM_WHITE if by_bed else np.zeros(3)
        brightness = float(rng.uniform(0.16, 0.21))
    else:
        sky, ground = _MOON, _MOON / 4
        faint = np.array([0.011, 0.0085, 0.005])
        brightness = float(rng.uniform(0.022, 0.034))
    patches: list[tuple[np.ndarray, ...]] = []
    if sky.any():
        rows, columns = (4, 4) if len(windows) == 1 else (3, 3) if len(windows) == 2 else (2, 3)
        patches += [patch for pane in windows for patch in _patches(pane, columns, rows, sky, ground)]
        patches += [patch for pane in blinds for patch in _patches(pane, 1, 1, _BLIND * sky, _BLIND * sky)]
    if panel.any():
        count = 2 if len(panels) <= 4 else 1
        patches += [patch for pane in panels for patch in _patches(pane, count, count, panel, panel)]
    if beds.any():
        patches += [_bulb(scene, place, beds) for place in bed_lamps(scene)]
    if faint.any():
        patches += _night_lights(scene, faint)
    columns = [np.array(column) for column in zip(*patches, strict=True)]
    return RoomLight(
        light,
        *columns,
        sun_direction=sun_through(windows, rng),
        sun=sun if windows else np.zeros(3),
        windows=windows,
        ceiling=float(scene.height),
        window_glow=_NIGHT_VIEW * sky if light == "night" else sky,
        blind_glow=_BLIND * sky,
        panel_glow=panel,
        bed_glow=20 * beds,
        brightness=brightness,
    )


def window_panes(thing: SceneObject) -> tuple[Pane, Pane | None]:
    """The open glass of a window and its roller blind as far as it is down, just before the room side of its box."""
    high = thing.size[2]
    low, top = 2 * _FRAME - high / 2, high / 2 - _FRAME
    blind = float(thing.params.get("blind", 0.0))
    edge = top - blind * (top - low)
    glass = _pane(thing, low, max(edge, low + 0.02))
    return glass, _pane(thing, edge, top) if top - edge > 0.02 else None


def _pane(thing: SceneObject, low: float, high: float, from_wall: float | None = None) -> Pane:
    """A strip of an opening between two heights over its middle, just before its box or `from_wall` metres into it."""
    wide, deep, _ = thing.size
    ahead = deep / 2 + _OFF_WALL if from_wall is None else from_wall - deep / 2
    center = np.array(object_to_world(thing, (0.0, ahead, (low + high) / 2)))
    across = np.array([np.cos(thing.yaw), np.sin(thing.yaw), 0.0])
    inward = np.array([-across[1], across[0], 0.0])
    half = max(wide / 2 - _FRAME, 0.3 * wide)
    return Pane(center, across * half, np.array([0.0, 0.0, (high - low) / 2]), inward)


def ceiling_panels(scene: Scene) -> tuple[Pane, ...]:
    """The lamps let into the ceiling; in a room too small for any, one bare lamp over the floor's middle."""
    down, height = np.array([0.0, 0.0, -1.0]), scene.height - _OFF_WALL
    lamps = ceiling_lamps(scene)
    if not lamps:
        x, y = np.array(scene.polygon).mean(axis=0)
        lamps = [(float(x), float(y), 0.3, 0.3)]
    return tuple(
        Pane(np.array([x, y, height]), np.array([wide / 2, 0, 0]), np.array([0, deep / 2, 0]), down)
        for x, y, wide, deep in lamps
    )


def inside_polygon(
    points: Float[np.ndarray, "point 2"], corners: Float[np.ndarray, "corner 2"]
) -> Bool[np.ndarray, "point"]:
    """Whether points lie inside a polygon: a ray from them crosses its outline an odd number of times."""
    x, y = points[:, 0, None], points[:, 1, None]
    x0, y0 = corners.T
    x1, y1 = np.roll(corners, -1, axis=0).T
    level = y1 - y0
    with np.errstate(divide="ignore", invalid="ignore"):
        crosses = ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) * (x1 - x0) / np.where(level == 0, 1.0, level))
    return crosses.sum(axis=1) % 2 == 1


def sun_through(windows: tuple[Pane, ...], rng: np.random.Generator) -> Float[np.ndarray, "3"]:
    """Direction to a sun that shines into one of the windows, 22 to 42 degrees high; straight up without windows."""
    if not windows:
        return np.array([0.0, 0.0, 1.0])
    outward = -windows[int(rng.integers(len(windows)))].inward
    azimuth = np.arctan2(outward[1], outward[0]) + np.deg2rad(rng.choice([-1, 1]) * rng.uniform(15, 50))
    height = np.deg2rad(rng.uniform(22, 42))
    return np.array([np.cos(height) * np.cos(azimuth), np.cos(height) * np.sin(azimuth), np.sin(height)])


def received(
    points: Float[np.ndarray, "point 3"], normals: Float[np.ndarray, "point 3"], light: RoomLight
) -> tuple[Float[np.ndarray, "point patch"], Float[np.ndarray, "point patch"]]:
    """What every patch gives to every point if nothing stands between: the geometry factor in 1/m2, and the share
    (0 to 1) of the patch's upper radiance.

    The factor is cos(receiver) * cos(patch) / distance^2, the light between two small patches; an all-round lamp has
    no second cosine. Very near a patch the square stops shrinking, so that no point is brighter than the lamp.
    """
    return geometry_factor(points, normals, light.points, light.normals)


def geometry_factor(
    points: Float[np.ndarray, "point 3"],
    normals: Float[np.ndarray, "point 3"],
    sources: Float[np.ndarray, "patch 3"],
    facing: Float[np.ndarray, "patch 3"],
) -> tuple[Float[np.ndarray, "point patch"], Float[np.ndarray, "point patch"]]:
    """See `received`; all dot products are written as matrix products, because this runs for every pixel."""
    points, normals, sources, facing = (np.asarray(a, np.float32) for a in (points, normals, sources, facing))
    square = (points**2).sum(1)[:, None] + (sources**2).sum(1) - 2 * points @ sources.T
    square = np.maximum(square, _NEAR**2)
    distance = np.sqrt(square)
    at_point = normals @ sources.T - (normals * points).sum(1)[:, None]
    at_patch = points @ facing.T - (facing * sources).sum(1)
    all_round = ~facing.any(axis=1)
    at_patch[:, all_round] = distance[:, all_round]
    factor = np.maximum(at_point, 0) * np.maximum(at_patch, 0) / square**2
    upper = np.clip(0.5 + 2.5 * (sources[:, 2] - points[:, 2, None]) / distance, 0, 1)
    return factor, upper


def sum_light(
    factor: Float[np.ndarray, "point patch"], upper: Float[np.ndarray, "point patch"], light: RoomLight
) -> Float[np.ndarray, "point 3"]:
    """Irradiance of points from geometry factors (already cut by what hides the patches)."""
    above, below = light.above.astype(np.float32), light.below.astype(np.float32)
    return (factor * upper) @ (above - below) + factor @ below


def in_sunbeam(points: Float[np.ndarray, "point 3"], light: RoomLight) -> Float[np.ndarray, "point"]:
    """Share (0 to 1) of the sun's disc that points see through the windows' openings if nothing else hides it.

    The edge is soft over the sun's half angle times the distance to the pane (0.27 degrees).
    """
    share = np.zeros(len(points), np.float32)
    if not light.sun.any():
        return share
    for pane in light.windows:
        facing = -float(pane.inward @ light.sun_direction)
        if facing < 0.05:
            continue
        distance = (points - pane.center) @ pane.inward / facing
        hit = points + distance[:, None] * light.sun_direction - pane.center
        soft = 0.005 * np.maximum(distance, 0.2) + 0.008
        part = (distance > 0).astype(np.float32)
        for edge in (pane.across, pane.up):
            half = np.linalg.norm(edge)
            part *= np.clip(0.5 + (half - np.abs(hit @ edge / half)) / (2 * soft), 0, 1)
        share = np.maximum(share, part)
    return share


def _patches(pane: Pane, columns: int, rows: int, above: np.ndarray, below: np.ndarray) -> list[tuple[np.ndarray, ...]]:
    """Cut a pane into equal patches."""
    across, up = pane.across / columns, pane.up / rows
    area = 4 * float(np.linalg.norm(np.cross(across, up)))
    steps = [(2 * i + 1 - columns, 2 * j + 1 - rows) for i in range(columns) for j in range(rows)]
    return [(pane.center + i * across + j * up, pane.inward, across, up, above * area, below * area) for i, j in steps]


def _bulb(scene: Scene, place: tuple[float, float, float], strength: np.ndarray) -> tuple[np.ndarray, ...]:
    """An all-round lamp 8 cm across, pulled to at least 12 cm away from the walls."""
    corners = np.array(scene.polygon)
    spot, middle = np.array(place), np.array([*corners.mean(axis=0), place[2]])
    for _ in range(40):
        around = spot[:2] + 0.12 * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
        if inside_polygon(around, corners).all():
            break
        spot = spot + 0.05 * (middle - spot)
    half = 0.04
    return spot, np.zeros(3), np.array([half, 0, 0]), np.array([0, 0, half]), strength, strength


def _glass_area(panes: tuple[Pane, ...]) -> float:
    return sum((4 * float(np.linalg.norm(pane.across) * np.linalg.norm(pane.up)) for pane in panes), start=0.0)


def bed_lamps(scene: Scene) -> list[tuple[float, float, float]]:
    """Where lamps for single beds shine from, metres: in front of reading lamps and of the units over the beds, or over
    the beds' head ends in rooms that have neither."""
    lamps = [thing for thing in scene.of_kind("other") if thing.params.get("look") in ("lamp", "bed_panel")]
    if lamps:
        return [object_to_world(lamp, (0.0, lamp.size[1] / 2 + 0.08, 0.4 * lamp.size[2])) for lamp in lamps]
    beds = scene.of_kind("bed")
    return [object_to_world(bed, (0.25 * bed.size[0], 0.15 - bed.size[1] / 2, 1.65 - bed.center[2])) for bed in beds]


def _night_lights(scene: Scene, strength: np.ndarray) -> list[tuple[np.ndarray, ...]]:
    """A small lamp low by each door and the light of the corridor through it; without a door one low lamp."""
    doors = scene.of_kind("door")
    patches: list[tuple[np.ndarray, ...]] = []
    for door in doors:
        wall = -door.size[1] / 2
        beside = object_to_world(door, (0.5 * door.size[0] + 0.2, wall + 0.15, 0.35 - door.center[2]))
        patches.append(_bulb(scene, beside, strength))
        half = 0.5 * door.size[2]
        ajar = _AJAR if float(door.params.get("open_deg", 0.0)) < 5 else 1.0
        corridor = _CORRIDOR * ajar * strength
        patches += _patches(_pane(door, -half, half, from_wall=_LEAF), 2, 2, corridor, corridor)
    if not patches:
        middle = np.array(scene.polygon).mean(axis=0)
        patches.append(_bulb(scene, (float(middle[0]), float(middle[1]), 0.35), strength))
    return patches
