"""Bathrooms, corridors and day rooms."""

import math
from typing import Final

import numpy as np

from carescene.scenes.footprint import Footprint, footprint, overlap, within_walls
from carescene.scenes.layout import HEAD_ROOM_M, Layout, NoRoomError, Wall, moved
from carescene.scenes.scene import SceneObject

_RAIL_HEIGHT_M: Final = 0.85  # of grab rails; people hold them with a slightly bent elbow
_SHOWER_M: Final = (0.95, 1.25)


def bathroom(rng: np.random.Generator) -> Layout:
    """Toilet with grab rails on both sides, basin, and a shower corner with curtain, rails and a stool."""
    width, length = rng.uniform(2.2, 3.0), rng.uniform(2.4, 3.3)
    polygon = [(0.0, 0.0), (float(width), 0.0), (float(width), float(length)), (0.0, float(length))]
    room = Layout(polygon, rng)
    entry = room.walls[int(rng.integers(4))]
    half = room.make("door").size[0] / 2 + 0.1
    if entry.length < 2 * half + 0.2:
        raise NoRoomError("no wall for the door")
    room.add_door(entry, room.between(half, entry.length - half), open_deg=0.0)
    others = [wall for wall in room.walls if wall is not entry]
    _shower(room, others)
    _toilet(room, room.walls)
    basin = room.must_stand_against(room.make("basin"), room.walls, off=0.0)
    x, y = footprint(basin).world(0.0, basin.size[1] / 2 + 0.35)
    room.keep_free(Footprint(x, y, 0.35, 0.34, basin.yaw, 0.0, HEAD_ROOM_M))
    room.somewhere_against(room.make("other", look="bin"), room.walls, off=0.03)
    if room.chance(0.4):
        room.somewhere_against(room.make("handrail", (0.6, None, None), style="grab"), others, off=0.0)
    if room.chance(0.35):
        wall = others[int(rng.integers(len(others)))]
        high = room.make("window", (room.between(0.6, 1.0), None, None))
        room.somewhere_against(high, [wall], off=0.0)
    if room.chance(0.35):
        kind = ("walker", "wheelchair", "cabinet")[int(rng.integers(3))]
        room.somewhere_against(room.make(kind), others, off=0.06)
    return room


def _shower(room: Layout, walls: list[Wall]) -> None:
    """A corner of level floor with a curtain across, a grab rail and often a stool."""
    wall = walls[int(room.rng.integers(len(walls)))]
    width, depth = room.between(*_SHOWER_M), room.between(*_SHOWER_M)
    at_start = room.chance(0.5)
    middle = width / 2 + 0.02 if at_start else wall.length - width / 2 - 0.02
    x, y = wall.point(middle, depth / 2)
    corner = Footprint(x, y, width / 2, depth / 2, wall.yaw, 0.0, HEAD_ROOM_M)
    if any(overlap(corner, zone) for zone in room.free):
        raise NoRoomError("the shower is in the way of the door")
    curtain = room.curtain(width, room.between(0.1, 0.7))
    room.put(room.against(curtain, wall, middle, off=depth))
    room.put(room.against(room.make("handrail", (width - 0.35, None, None), style="grab"), wall, middle, off=0.0))
    if room.chance(0.6):
        stool = room.make("other", (0.38, 0.34, 0.46), look="box")
        room.try_put(room.against(stool, wall, middle, off=0.14))
    room.keep_free(corner)


def _toilet(room: Layout, walls: list[Wall]) -> None:
    """Beside a corner, so that the wall next to it can carry a grab rail."""
    # Folding arms on both sides, or a rail on the wall alone.
    toilet = room.make("toilet", arms=room.chance(0.5))
    for _ in range(30):
        number = int(room.rng.integers(len(walls)))
        wall, aside = walls[number], room.between(0.48, 0.55)
        at_start = room.chance(0.5)
        placed = room.against(toilet, wall, aside if at_start else wall.length - aside)
        side = walls[number - 1] if at_start else walls[(number + 1) % len(walls)]
        rail = room.make("handrail", (0.7, None, None), style="grab")
        along = toilet.size[1] / 2 + 0.1
        rail = room.against(rail, side, side.length - along if at_start else along)
        if room.fits(placed) and room.fits(rail):
            room.put(placed)
            room.put(rail)
            break
    else:
        raise NoRoomError("no corner for the toilet")
    x, y = footprint(placed).world(0.0, toilet.size[1] / 2 + 0.4)
    room.keep_free(Footprint(x, y, 0.3, 0.39, placed.yaw, 0.0, HEAD_ROOM_M))


def corridor(rng: np.random.Generator) -> Layout:
    """A long passage with doors, handrails on both walls between them, and something parked along one wall."""
    width, length = float(rng.uniform(2.0, 2.6)), float(rng.uniform(8.0, 16.0))
    polygon = [(0.0, 0.0), (length, 0.0), (length, width), (0.0, width)]
    if rng.random() < 0.25:
        arm = float(rng.uniform(2.5, 5.0)) + width
        polygon = [
            (0.0, 0.0),
            (length, 0.0),
            (length, arm),
            (length - width, arm),
            (length - width, width),
            (0.0, width),
        ]
    room = Layout(polygon, rng)
    ends = [wall for wall in room.walls if wall.length <= width + 1e-6]
    room.add_door(ends[0], ends[0].length / 2, open_deg=0.0)
    if room.chance(0.6):
        room.add_window(ends[1], ends[1].length / 2, ends[1].length - room.between(0.5, 0.9))
    else:
        room.add_door(ends[1], ends[1].length / 2, open_deg=0.0)
    sides = [wall for wall in room.walls if wall.length > width + 0.5]
    for wall in sides:
        _doors_and_rails(room, wall)
    _parked(room, sides, width)
    for look, count in (("board", 1), ("dispenser", 2)):
        for _ in range(count):
            room.somewhere_against(room.make("other", look=look), sides, off=0.0)
    return room


def _doors_and_rails(room: Layout, wall: Wall) -> None:
    """Room doors every few metres, and handrails that run along the rest of the wall."""
    half = room.make("door").size[0] / 2 + 0.1
    spans, begin = [], 0.15
    along = room.between(1.2, 3.0)
    while along + half < wall.length - 0.3:
        door = room.against(room.make("door", open_deg=0.0), wall, along)
        if room.fits(door, gap=0.1, zones=False):
            room.add_door(wall, along, opens_inwards=False)
            spans.append((begin, along - half))
            begin = along + half
        along += room.between(2.6, 4.5)
    spans.append((begin, wall.length - 0.15))
    for start, end in spans:
        # Pieces stop before the swing of doors in the end walls.
        for cut in (0.0, 0.6, 1.1):
            length = end - start - 2 * cut
            if length < 0.5:
                break
            rail = room.against(room.make("handrail", (length, None, None)), wall, (start + end) / 2)
            if room.try_put(rail, gap=0.01):
                break


def _parked(room: Layout, sides: list[Wall], width: float) -> None:
    """Along the wall, clear of the handrail, as fire rules allow for a while."""
    clear = 0.12
    if room.chance(0.6) and width > 2.15:
        bed = room.make(
            "bed", mattress_height_m=round(room.between(0.5, 0.8), 2), rails="full" if room.chance(0.5) else "half"
        )
        room.somewhere_against(bed, sides, off=clear, turn=math.pi / 2 if room.chance(0.5) else -math.pi / 2, gap=0.02)
    for _ in range(int(room.rng.integers(1, 4))):
        kind = ("wheelchair", "walker", "chair", "iv_pole", "cabinet")[
            int(room.rng.choice(5, p=(0.35, 0.2, 0.2, 0.1, 0.15)))
        ]
        thing = room.make(kind)
        turn = math.pi / 2 if kind == "wheelchair" and room.chance(0.5) else 0.0
        room.somewhere_against(thing, sides, off=clear, turn=turn, gap=0.02)


def day_room(rng: np.random.Generator) -> Layout:
    """Tables with chairs, recliners along the walls, windows, sometimes a television."""
    width, length = float(rng.uniform(5.0, 8.0)), float(rng.uniform(5.5, 9.0))
    polygon = [(0.0, 0.0), (width, 0.0), (width, length), (0.0, length)]
    if rng.random() < 0.3:
        cut_x, cut_y = width * float(rng.uniform(0.3, 0.45)), length * float(rng.uniform(0.3, 0.45))
        polygon = [
            (0.0, 0.0),
            (width, 0.0),
            (width, length - cut_y),
            (width - cut_x, length - cut_y),
            (width - cut_x, length),
            (0.0, length),
        ]
    room = Layout(polygon, rng)
    entry = room.walls[0]
    half = room.make("door").size[0] / 2 + 0.2
    room.add_door(entry, room.between(half, entry.length - half), open_deg=0.0)
    for wall in room.walls[1:]:
        if wall.length > 2.2 and room.chance(0.7):
            room.add_window(wall, wall.length / 2, min(room.between(1.4, 2.6), wall.length - 0.6))
    for look in ("screen", "board"):
        if room.chance(0.6):
            room.somewhere_against(room.make("other", look=look), room.walls, off=0.0)
    for _ in range(1 + int(width * length > 34) + int(width * length > 50)):
        _table_group(room)
    if not any(thing.kind == "table" for thing in room.objects):
        raise NoRoomError("no table")
    for _ in range(int(rng.integers(2, 5))):
        room.somewhere_against(room.make("recliner"), room.walls[1:], off=0.12, gap=0.12)
    for _ in range(int(rng.integers(0, 4))):
        room.somewhere_against(room.make("chair"), room.walls, off=0.06, gap=0.08)
    if room.chance(0.6):
        room.somewhere_against(room.make("cabinet", (1.2, 0.45, 0.85)), room.walls)
    for _ in range(int(rng.integers(0, 3))):
        kind = ("walker", "wheelchair", "walker")[int(rng.integers(3))]
        room.somewhere_against(room.make(kind), room.walls, off=0.06)
    return room


def _table_group(room: Layout) -> None:
    """A table with chairs drawn up to it, loosely."""
    xs, ys = zip(*room.polygon, strict=True)
    for _ in range(40):
        table = room.make("table")
        yaw = float(room.rng.choice((0.0, math.pi / 2))) + room.between(-0.1, 0.1)
        table = moved(table, room.between(min(xs), max(xs)), room.between(min(ys), max(ys)), yaw)
        # Room to walk around the chairs.
        if room.fits(table, gap=1.15) and within_walls(footprint(table, 0.95), room.polygon):
            room.put(table)
            _chairs(room, table)
            return


def _chairs(room: Layout, table: SceneObject) -> None:
    empty = int(room.rng.integers(6))  # one side of four is empty at most tables
    for side in range(4):
        if side == empty:
            continue
        chair = room.make("wheelchair" if room.chance(0.08) else "chair")
        turn = side * math.pi / 2
        reach = (table.size[1] if side % 2 == 0 else table.size[0]) / 2 + chair.size[1] / 2 + room.between(0.03, 0.35)
        sideways = room.between(-0.1, 0.1)
        # On side 0 the chair stands on the table's back side and looks along its y.
        x = math.sin(turn) * reach + math.cos(turn) * sideways
        y = -math.cos(turn) * reach + math.sin(turn) * sideways
        room.try_put(room.beside(chair, table, x, y, turn + room.between(-0.15, 0.15)))
