"""What a measured box may be, by its size: a thing of our vocabulary in its place."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Float

from carescene.scenes.footprint import footprint, overlap, wall_distance
from carescene.scenes.furniture import default_object
from carescene.scenes.furniture.catalogue import BUILDERS
from carescene.scenes.scene import SceneObject
from reconstruction.room_boxes import LEAST_M2, MATTRESS_TO_BOX, PARTITION_M, SeenBox
from reconstruction.room_layout import fresh_name, nearest_wall_yaw

# The middle of a chair's seat lies so far before the middle of its box, metres.
_SEAT_AHEAD_M: Final = 0.035


def things_of(
    boxes: list[SeenBox],
    polygon: list[tuple[float, float]],
    ceiling: float | int,
    names: set[str],
    carriers: Sequence[SceneObject] = (),
) -> list[SceneObject]:
    """A thing of our vocabulary for each box, by its size; `other` where nothing fits.

    What is as high as a door frame and shows no top is a partition up to the ceiling: a bathroom in the room, a screen,
    an open door. A small level top that reaches over a bed or chair is an overbed table.

    Args:
        boxes: largest first.
        polygon: of the floor.
        ceiling: its height, metres.
        names: ids already given; new ones are added.
        carriers: things that are known already.
    """
    things: list[SceneObject] = []
    for box in boxes:
        under = [each for each in (*carriers, *things) if each.kind in ("bed", "chair", "recliner")]
        if any(_reaches_over(box, each) for each in under):
            things.append(_overbed_table(box, names))
        else:
            things.append(_thing(box, polygon, float(ceiling), names))
    return things


def _reaches_over(box: SeenBox, thing: SceneObject) -> bool:
    short, long = box.sides
    size = 0.25 <= short <= 0.60 and 0.5 <= long <= 1.2 and 0.6 <= box.surface <= 1.2 and box.level_m2 > LEAST_M2
    return size and overlap(box.place, footprint(thing))


def _overbed_table(box: SeenBox, names: set[str]) -> SceneObject:
    short, long = box.sides
    return default_object(
        "overbed_table",
        fresh_name("overbed_table", names),
        x=box.place.x,
        y=box.place.y,
        # Its long side runs along its x.
        yaw=math.remainder(box.place.yaw + math.pi / 2, 2 * math.pi),
        size=(max(long, 0.55), max(short, 0.30), None),
        height_m=round(min(max(box.surface, 0.60), 1.15), 3),
    )


def bed_of(box: SeenBox, name: str, height: float, front: Float[np.ndarray, "2"] | None) -> SceneObject:
    """The bed whose mattress a box is.

    Args:
        height: of the mattress, metres; cut to what beds have.
        front: unit vector from head to feet, if somebody lies there; else the head is where the box rises.
    """
    ahead = box.place.axes[1]
    toward_feet = float((front if front is not None else -box.rising) @ ahead)
    yaw = box.place.yaw if toward_feet >= 0 else box.place.yaw + math.pi
    low, high = BUILDERS["bed"].smallest, BUILDERS["bed"].largest
    size = [
        min(max(side + more, low[axis]), high[axis])
        for axis, (side, more) in enumerate(zip(box.sides, MATTRESS_TO_BOX, strict=True))
    ]
    return default_object(
        "bed",
        name,
        x=box.place.x,
        y=box.place.y,
        yaw=math.remainder(yaw, 2 * math.pi),
        size=(size[0], size[1], None),
        mattress_height_m=round(min(max(height, 0.30), 0.80), 3),
        rails="none",
        pillow=False,
    )


def chair_of(box: SeenBox, name: str, height: float, front: Float[np.ndarray, "2"]) -> SceneObject:
    """A chair of natural size whose seat is where a box of about its size was seen, facing as somebody sat on it."""
    return default_object(
        "chair",
        name,
        x=box.place.x - _SEAT_AHEAD_M * float(front[0]),
        y=box.place.y - _SEAT_AHEAD_M * float(front[1]),
        yaw=math.atan2(-float(front[0]), float(front[1])),
        seat_height_m=round(min(max(height, 0.38), 0.56), 3),
        arms=False,
    )


def _thing(box: SeenBox, polygon: list[tuple[float, float]], ceiling: float, names: set[str]) -> SceneObject:
    short, long = box.sides
    if box.is_bed:
        bed = bed_of(box, fresh_name("bed", names), box.surface, None)
        if not box.rising.any():
            # Heads of beds stand at walls.
            ends = np.array([footprint(bed).world(0.0, sign * bed.size[1] / 2) for sign in (-1.0, 1.0)])
            off = wall_distance(ends, polygon)
            if off[1] < off[0]:
                bed.yaw = math.remainder(bed.yaw + math.pi, 2 * math.pi)
        return bed
    at = (box.place.x, box.place.y)
    seat = 0.34 <= box.surface <= 0.58 and short >= 0.3 and long <= 0.85 and box.level_m2 > 0.08
    if seat:
        back = nearest_wall_yaw(at, polygon)
        height = round(min(max(box.surface, 0.38), 0.56), 3)
        return default_object("chair", fresh_name("chair", names), x=at[0], y=at[1], yaw=back, seat_height_m=height)
    level = box.top - box.surface < 0.15
    kind = "other"
    if box.top > PARTITION_M and box.level_m2 < LEAST_M2:
        kind = "wall"
    elif level and 0.62 <= box.surface <= 0.90 and short >= 0.5 and long >= 0.7:
        kind = "table"
    elif level and box.top >= 0.5:
        kind = "cabinet"
    yaw, wide, deep = box.place.yaw, short, long
    if abs(math.remainder(nearest_wall_yaw(at, polygon) - yaw, math.pi)) > math.pi / 4:
        yaw, wide, deep = yaw + math.pi / 2, long, short
    if abs(math.remainder(nearest_wall_yaw(at, polygon) - yaw, 2 * math.pi)) > math.pi / 2:
        yaw += math.pi
    yaw = math.remainder(yaw, 2 * math.pi)
    size = (wide, deep, ceiling if kind == "wall" else box.top)
    limits = zip(size, BUILDERS[kind].smallest, BUILDERS[kind].largest, strict=True)
    if not all(low <= value <= high for value, low, high in limits):
        kind = "other"
    return default_object(kind, fresh_name(kind, names), x=at[0], y=at[1], yaw=yaw, size=size, bottom=0.0)
