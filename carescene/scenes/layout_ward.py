"""Ward rooms: beds with their heads to a wall, what belongs to each bed, and what else stands around."""

import itertools
import math
from typing import Final

import numpy as np

from carescene.scenes.footprint import Footprint, footprint, overlap
from carescene.scenes.furniture import bed_surface
from carescene.scenes.layout import HEAD_ROOM_M, Layout, NoRoomError, Wall, moved
from carescene.scenes.scene import SceneObject

# Where staff stand to help and a walker passes: a bed needs this much floor on at least one long side.
BEDSIDE_M: Final = 0.9
_WARDROBE: Final = (0.62, 0.58, 1.85)
# Heads stand off the wall by the thickness of the wall guard behind them.
_HEAD_GAP: Final = 0.05


def ward_single(rng: np.random.Generator) -> Layout:
    """One bed, its head to a side wall or opposite the door; basin by the door, window opposite or beside the bed."""
    width, length = rng.uniform(3.5, 4.5), rng.uniform(4.5, 6.0)
    room, entry = _room(rng, width, length, notch=0.3)
    door = _entry_door(room, entry)
    sides = [wall for wall in room.walls if abs(wall.direction[1]) > 0.5 and wall.length > 2.6]
    north = _north(room)
    if room.chance(0.7):
        wall = sides[int(rng.integers(len(sides)))]
        half = 0.5 + BEDSIDE_M
        along = room.between(half, max(wall.length - half, half + 0.01))
        _window_in(room, north, room.between(1.6, 2.4))
    else:
        wall, along = north, north.length / 2 + room.between(-0.5, 0.5)
        east_or_west = [side for side in sides if side.length > 3]
        if east_or_west and room.chance(0.8):
            _window_in(room, east_or_west[int(rng.integers(len(east_or_west)))], room.between(1.4, 2.0))
        else:
            _window_in(room, north, room.between(1.0, 1.4))
    bed = _bed(room, wall, along)
    _bed_set(room, bed, wall, visitor=True)
    _basin(room, door)
    _wardrobe(room)
    _television(room)
    if room.chance(0.15):
        _curtain_beside(room, bed, wall, side=1.0 if room.chance(0.5) else -1.0)
    _aids(room, at_most=2)
    return room


def ward_two_bed(rng: np.random.Generator) -> Layout:
    """Two beds with their heads to the same side wall, a curtain between them, the window at the far end."""
    room, entry = _room(rng, rng.uniform(3.9, 5.0), rng.uniform(6.0, 7.6), notch=0.3)
    door = _entry_door(room, entry)
    _window_in(room, _north(room), room.between(1.8, 2.8))
    sides = [wall for wall in room.walls if abs(wall.direction[1]) > 0.5 and wall.length > 4.8]
    if not sides:
        raise NoRoomError("no wall for two beds")
    wall = sides[int(rng.integers(len(sides)))]
    _row_of_beds(room, wall, 2)
    _basin(room, door)
    _wardrobe(room)
    _wardrobe(room)
    _television(room)
    _aids(room, at_most=2)
    return room


def ward_four_bed(rng: np.random.Generator) -> Layout:
    """Two beds on either side, facing each other across the aisle, with curtains between neighbours."""
    room, entry = _room(rng, rng.uniform(6.6, 7.8), rng.uniform(6.2, 8.0), notch=0.2)
    door = _entry_door(room, entry)
    _window_in(room, _north(room), room.between(2.4, 3.6))
    sides = [wall for wall in room.walls if abs(wall.direction[1]) > 0.5 and wall.length > 5.0]
    if len(sides) != 2:
        raise NoRoomError("no walls for four beds")
    for wall in sides:
        _row_of_beds(room, wall, 2)
    _basin(room, door)
    for _ in range(2):
        _wardrobe(room)
    _aids(room, at_most=2)
    return room


def _room(rng: np.random.Generator, width: float, length: float, notch: float) -> tuple[Layout, Wall]:
    """An empty room and the wall of its door. Some rooms are L-shaped: a bathroom takes the corner beside the door."""
    polygon = [(0.0, 0.0), (width, 0.0), (width, length), (0.0, length)]
    if rng.random() < notch:
        # The entry beside the bathroom is as wide as a bed needs to pass.
        deep, wide = rng.uniform(1.4, 1.9), width - rng.uniform(1.6, 2.0)
        length += 0.6 * deep
        polygon = [(wide, 0.0), (width, 0.0), (width, length), (0.0, length), (0.0, deep), (wide, deep)]
    if rng.random() < 0.5:
        polygon = [(width - x, y) for x, y in reversed(polygon)]
    room = Layout([(float(x), float(y)) for x, y in polygon], rng)
    entry = next(wall for wall in room.walls if wall.direction[0] > 0.5 and abs(wall.start[1]) < 1e-6)
    return room, entry


def _north(room: Layout) -> Wall:
    return max((wall for wall in room.walls if wall.direction[0] < -0.5), key=lambda wall: wall.start[1])


def _entry_door(room: Layout, wall: Wall) -> SceneObject:
    """The room's door, wide enough for a bed and mostly near a corner; an L-shaped room has a bathroom door too."""
    size = room.make("door").size
    half = size[0] / 2 + 0.12
    near_start = room.chance(0.5)
    along = half + room.between(0.0, 0.4) if near_start else wall.length - half - room.between(0.0, 0.4)
    door = room.add_door(wall, min(max(along, half), wall.length - half), open_deg=_door_angle(room))
    notch = [side for side in room.walls if side.direction[0] > 0.5 and side.start[1] > 0.5 and side.length > 1.4]
    if notch:
        side = notch[0]
        room.add_door(side, room.between(half, side.length - half), open_deg=0.0)
    return door


def _door_angle(room: Layout) -> float:
    # A leaf that stands half open would be in the way of whoever comes in.
    return 0.0 if room.chance(0.6) else round(room.between(75.0, 90.0), 1)


def _window_in(room: Layout, wall: Wall, width: float) -> None:
    width = min(width, wall.length - 0.6)
    along = wall.length / 2 + room.between(-0.5, 0.5) * max(wall.length - width - 0.6, 0.0)
    room.add_window(wall, along, width)


def _bed(room: Layout, wall: Wall, along: float) -> SceneObject:
    raised = room.chance(0.5)
    bed = room.make(
        "bed",
        mattress_height_m=round(room.between(0.32, 0.8) if room.chance(0.5) else room.between(0.42, 0.6), 2),
        head_angle_deg=round(room.between(10.0, 60.0), 1) if raised else 0.0,
        rails=("none", "half", "full")[int(room.rng.choice(3, p=(0.3, 0.45, 0.25)))],
        folded_blanket=room.chance(0.4),
    )
    return room.put(room.against(bed, wall, along, off=_HEAD_GAP))


def _row_of_beds(room: Layout, wall: Wall, count: int) -> None:
    """Beds side by side along a wall, each in a bay of its own, with curtains between the bays."""
    bay = min(wall.length / count, room.between(2.5, 3.1))
    first = room.between(0.0, wall.length - count * bay)
    beds = [_bed(room, wall, first + (number + 0.5) * bay + room.between(-0.1, 0.1)) for number in range(count)]
    for number in range(1, count):
        _curtain_between(room, wall, first + number * bay, length=beds[0].size[1] + room.between(0.0, 0.3))
    for bed in beds:
        _bed_set(room, bed, wall, visitor=room.chance(0.7))
    for bed in beds:
        if room.chance(0.35):
            _curtain_at_foot(room, bed)


def _curtain_between(room: Layout, wall: Wall, along: float, length: float) -> None:
    """A curtain that runs from the wall into the room; its rail hangs from the ceiling."""
    drawn = float(room.rng.choice((0.15, 0.25, 0.5, 0.8, 1.0)))
    curtain = room.curtain(length, drawn)
    room.put(room.against(curtain, wall, along, off=0.03, turn=math.pi / 2))


def _curtain_beside(room: Layout, bed: SceneObject, wall: Wall, side: float) -> None:
    curtain = room.curtain(bed.size[1] + 0.2, room.between(0.1, 0.6))
    at = footprint(bed).world(side * (bed.size[0] / 2 + BEDSIDE_M + 0.2), 0.0)
    placed = room.against(curtain, wall, wall.along(moved(curtain, *at, 0.0)), off=0.03, turn=math.pi / 2)
    room.try_put(placed)


def _curtain_at_foot(room: Layout, bed: SceneObject) -> None:
    curtain = room.curtain(room.between(1.8, 2.2), room.between(0.1, 0.45))
    room.try_put(room.beside(curtain, bed, 0.0, bed.size[1] / 2 + room.between(0.35, 0.45)))


def _bed_set(room: Layout, bed: SceneObject, wall: Wall, visitor: bool) -> None:
    """What belongs to a bed: cabinet by the head, overbed table, a seat, and free floor on one long side at least."""
    room.try_put(room.against(room.make("other", look="bed_panel"), wall, wall.along(bed)), gap=0.0)
    side = 1.0 if room.chance(0.5) else -1.0
    reach = bed.size[0] / 2 + BEDSIDE_M / 2
    for access in (side, -side):
        # The head's last 60 cm may hold a cabinet: nobody needs to stand there.
        x, y = footprint(bed).world(access * reach, 0.3)
        zone = Footprint(x, y, BEDSIDE_M / 2 - 0.02, bed.size[1] / 2 - 0.3, bed.yaw, 0.0, HEAD_ROOM_M)
        if not any(overlap(zone, footprint(thing)) for thing in room.objects if thing is not bed):
            room.keep_free(zone)
            side = access
            break
    else:
        raise NoRoomError(f"no free side at {bed.id}")
    for cabinet_side in (-side, side):
        if _cabinet(room, bed, cabinet_side):
            break
    else:
        raise NoRoomError(f"no cabinet at {bed.id}")
    if visitor:
        _visitor_seat(room, bed, -side)
    _overbed_table(room, bed, -side)
    if room.chance(0.35):
        pole = room.make("iv_pole")
        for attempt in (-side, side):
            x = attempt * (bed.size[0] / 2 + pole.size[0] / 2 + room.between(0.05, 0.15))
            if room.try_put(room.beside(pole, bed, x, -bed.size[1] / 2 + room.between(0.75, 1.1))):
                break


def _cabinet(room: Layout, bed: SceneObject, side: float) -> bool:
    cabinet = room.make("cabinet", items=int(room.rng.integers(0, 4)))
    x = side * (bed.size[0] / 2 + cabinet.size[0] / 2 + room.between(0.06, 0.2))
    y = -bed.size[1] / 2 + cabinet.size[1] / 2
    return room.try_put(room.beside(cabinet, bed, x, y))


def _visitor_seat(room: Layout, bed: SceneObject, side: float) -> None:
    seat = room.make("recliner" if room.chance(0.3) else "chair")
    for _ in range(12):
        x = side * (bed.size[0] / 2 + seat.size[0] / 2 + room.between(0.1, 0.6))
        y = room.between(-0.45, 0.7)
        # Visitors face the patient, more or less.
        turn = side * math.pi / 2 + room.between(-0.5, 0.5) - side * 0.3
        if room.try_put(room.beside(seat, bed, x, y, turn)):
            return
    room.somewhere_against(room.make("chair"), room.walls, off=0.06)


def _overbed_table(room: Layout, bed: SceneObject, side: float) -> None:
    """Across the bed as at meals, or pushed aside as it is whenever somebody gets in or out."""
    mattress = bed_surface(bed).height
    if room.chance(0.35) and mattress < 0.82:
        # Above rails and a lying person's knees. Its column stands beside the bed, at its own -x end.
        table = room.make("overbed_table", height_m=round(mattress + 0.32, 2))
        x = side * (bed.size[0] / 2 + 0.12 - table.size[0] / 2)
        turn = math.pi if side > 0 else 0.0
        if room.try_put(room.beside(table, bed, x, room.between(0.1, 0.5), turn), over=bed):
            return
    table = room.make("overbed_table")
    long_ways = math.pi / 2 if table.size[0] > table.size[1] else 0.0
    for _ in range(12):
        if room.chance(0.5):
            y = bed.size[1] / 2 + table.size[1] / 2 + room.between(0.08, 0.3)
            placed = room.beside(table, bed, room.between(-0.3, 0.3), y, room.between(-0.2, 0.2))
        else:
            x = side * (bed.size[0] / 2 + min(table.size[0], table.size[1]) / 2 + room.between(0.08, 0.35))
            placed = room.beside(table, bed, x, room.between(-0.1, 0.7), long_ways + room.between(-0.2, 0.2))
        if room.try_put(placed):
            return
    room.somewhere_against(table, room.walls, off=0.05)


def _basin(room: Layout, door: SceneObject) -> None:
    """Near the door, so that everyone can wash their hands on the way in."""
    basin = room.make("basin")
    half, spots = basin.size[0] / 2 + 0.15, []
    for wall in room.walls:
        spots += [room.against(basin, wall, float(along)) for along in np.arange(half, wall.length - half, 0.1)]
    spots.sort(key=lambda spot: math.dist(spot.center[:2], door.center[:2]))
    fitting = (spot for spot in spots if room.fits(spot, gap=0.05))
    nearest = list(itertools.islice(fitting, 6))
    if not nearest:
        raise NoRoomError("no wall for the basin")
    choice = nearest[int(room.rng.integers(len(nearest)))]
    room.put(choice)
    x, y = footprint(choice).world(0.0, choice.size[1] / 2 + 0.35)
    room.keep_free(Footprint(x, y, 0.35, 0.34, choice.yaw, 0.0, HEAD_ROOM_M))
    wall = min(
        room.walls, key=lambda each: math.dist(each.point(each.along(choice), choice.size[1] / 2), choice.center[:2])
    )
    for look, gap in (("dispenser", 0.12), ("bin", 0.08)):
        thing = room.make("other", look=look)
        for side in (-1, 1) if room.chance(0.5) else (1, -1):
            along = wall.along(choice) + side * (choice.size[0] / 2 + thing.size[0] / 2 + gap)
            if room.try_put(room.against(thing, wall, along, off=0.0 if look == "dispenser" else 0.03)):
                break


def _wardrobe(room: Layout) -> None:
    if room.chance(0.8):
        room.somewhere_against(room.make("cabinet", _WARDROBE), room.walls)


def _television(room: Layout) -> None:
    """High on a wall that a patient looks at."""
    beds = [thing for thing in room.objects if thing.kind == "bed"]
    if room.chance(0.5):
        opposite = [wall for wall in room.walls if math.cos(wall.yaw - beds[0].yaw) < -0.9]
        if opposite:
            room.somewhere_against(room.make("other", look="screen"), opposite, off=0.0)


def _aids(room: Layout, at_most: int) -> None:
    """Walking aids and an occasional wheelchair, parked along the walls."""
    for _ in range(int(room.rng.integers(0, at_most + 1))):
        kind = ("walker", "wheelchair", "iv_pole", "chair")[int(room.rng.choice(4, p=(0.4, 0.25, 0.15, 0.2)))]
        room.somewhere_against(room.make(kind), room.walls, off=0.06)
