"""Blankets: cloth over people who lie in bed.

A blanket is a height field over the mattress: lifted by the body under it, spanning gaps as cloth does (limited slope),
hanging down at the sides and the foot. Nobody pulls a blanket up in a clip: who lies in bed from the first frame on is
covered until getting up; then it slides to the foot end and stays there.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int64
from scipy import ndimage

from carescene.humans.skeleton import JOINT
from carescene.rendering.draw import Cloth
from carescene.rendering.people import PosedPeople, Topology
from carescene.scenes.furniture.bed import BedSurface, bed_surface
from carescene.scenes.scene import Scene, SceneObject

# Nodes from the foot hem to the upper edge, and across; the first ones hang over the foot, the outer ones at the sides.
_ROWS, _COLUMNS = 44, 26
_HANGING_ROWS, _HANGING_COLUMNS = 3, 4
# How far it hangs down over the mattress's edges, and its distance from them, metres.
_DROP: Final = 0.17
_GAP: Final = 0.015
# Thickness of blanket and sheet together: they keep this distance from mattress and body, metres.
_THICK: Final = 0.014
# Cloth falls from what lifts it by at most this slope.
_SLOPE: Final = 2.0
# Room that it takes at the foot end once it is pushed back, metres.
_FOLDED: Final = 0.38
# It slides towards the foot at this speed, and sinks at this one when nothing lifts it any more; metres per second.
_SLIDE_SPEED, _SINK_SPEED = 1.2, 0.6
# The sheet is turned down over the blanket's upper edge by this length, metres.
_TURN_DOWN: Final = 0.20
# Joints whose skin is never covered: arms may lie on the blanket, the head stays out.
_ARMS: Final = tuple(JOINT[f"{side}_{name}"] for side in ("left", "right") for name in ("elbow", "wrist", "hand"))
_HEAD: Final = (JOINT["neck"], JOINT["head"])


@dataclass(frozen=True)
class Blanket:
    """One bed's blanket through a clip.

    Attributes:
        fps: of the clip.
        vertices: in the world, metres, `_ROWS` x `_COLUMNS` of them.
        blanket, sheet: triangles of the blanket and of the sheet turned down over its upper edge.
    """

    fps: float
    vertices: Float[np.ndarray, "frame vertex 3"]
    blanket: Topology
    sheet: Topology

    def at(self, time_s: float | int) -> list[Cloth]:
        """Its cloths at a time in seconds from the first frame, between frames on straight lines."""
        position = float(np.clip(time_s * self.fps, 0, len(self.vertices) - 1))
        before = int(position)
        after = min(before + 1, len(self.vertices) - 1)
        share = position - before
        now = (1 - share) * self.vertices[before] + share * self.vertices[after]
        now = now.astype(np.float32)
        return [Cloth(now, self.blanket, "blanket"), Cloth(now, self.sheet, "sheet")]


def lies_in(bed: SceneObject, joints: Float[np.ndarray, "*batch 24 3"]) -> Bool[np.ndarray, "*batch"]:
    """Whether people (joints in the world, metres) lie in a bed the right way round, legs on the mattress."""
    surface, local = bed_surface(bed), _to_bed(bed, joints)

    def over(name: str, slack: float) -> np.ndarray:
        point = local[..., JOINT[name], :]
        inside = (np.abs(point[..., 0]) < surface.width / 2 + slack) & (np.abs(point[..., 1]) < _reach(surface) + slack)
        return inside & (point[..., 2] > _base(surface, point[..., 1]) - 0.12)

    trunk = local[..., JOINT["neck"], :] - local[..., JOINT["pelvis"], :]
    raised = np.arctan2(trunk[..., 2], -trunk[..., 1])
    # Up to 35 degrees steeper than the backrest is still leaning back; sitting upright is not.
    leaning = (raised > -math.radians(40)) & (raised < surface.head_angle + math.radians(35))
    near = local[..., JOINT["pelvis"], 2] < _base(surface, local[..., JOINT["pelvis"], 1]) + 0.35
    return over("pelvis", 0.05) & over("left_ankle", 0.1) & over("right_ankle", 0.1) & leaning & near


def cover_beds(scene: Scene, people: PosedPeople, *, seed: int = 0) -> list[Blanket]:
    """A blanket for every bed in which somebody lies in the clip's first frame.

    Args:
        people: in the room, with their clothes on.
        seed: decides how far up it reaches and whether arms lie on it.
    """
    blankets = []
    for index in _occupied(scene, people):
        lying = lies_in(scene.objects[index], people.joints) & people.valid
        person = int(np.argmax(lying[:, 0]))
        rng = np.random.default_rng([seed, index])
        blankets.append(_cover(scene.objects[index], people, person, lying[person], rng))
    return blankets


def without_folded_blankets(scene: Scene, people: PosedPeople) -> Scene:
    """The room with the folded blankets gone from beds that `cover_beds` covers: there is one blanket to a bed."""
    objects = list(scene.objects)
    for index in _occupied(scene, people):
        bed = objects[index]
        objects[index] = replace(bed, params={**bed.params, "folded_blanket": False})
    return replace(scene, objects=objects)


def _occupied(scene: Scene, people: PosedPeople) -> list[int]:
    """Indices of the beds in which somebody lies in the first frame."""
    return [
        index
        for index, bed in enumerate(scene.objects)
        if bed.kind == "bed" and (lies_in(bed, people.joints[:, :1]) & people.valid[:, :1]).any()
    ]


def _cover(
    bed: SceneObject, people: PosedPeople, person: int, lying: Bool[np.ndarray, "frame"], rng: np.random.Generator
) -> Blanket:
    surface = bed_surface(bed)
    arms_out = bool(rng.random() < 0.6)
    up = float(rng.uniform(0.55, 0.95))
    joints = _to_bed(bed, people.joints[person])
    edges = _upper_edge(surface, joints, lying, people.fps, up)
    part = people.topology.vertex_part
    bare = np.isin(part, _ARMS) if arms_out else np.zeros(len(part), dtype=bool)
    lifting = ~bare & ~np.isin(part, _HEAD)
    full = float(abs(_reach(surface) - edges[0]))
    frames = []
    height = None
    for frame in range(len(edges)):
        skin = _to_bed(bed, people.vertices[person, frame])
        if not people.valid[person, frame]:
            skin = skin[:0]
        rows = _row_places(surface, float(edges[frame]))
        wanted = _heights(surface, rows, skin, lifting[: len(skin)], bare[: len(skin)], full)
        if height is not None:
            # It is pushed up at once but sinks slowly, as cloth full of air does.
            wanted = np.maximum(wanted, height - _SINK_SPEED / people.fps)
        height = wanted
        frames.append(_sheet(surface, rows, height))
    vertices = _to_world(bed, np.stack(frames)).astype(np.float32)
    faces = _faces()
    turned = round(_TURN_DOWN / full * (_ROWS - _HANGING_ROWS))
    border = (_ROWS - 1 - turned) * _COLUMNS
    upper = (faces >= border).all(axis=1)
    parts = np.zeros(_ROWS * _COLUMNS, dtype=np.int64)
    return Blanket(people.fps, vertices, Topology.of(faces[~upper], parts), Topology.of(faces[upper], parts))


def _upper_edge(
    surface: BedSurface, joints: Float[np.ndarray, "frame 24 3"], lying: np.ndarray, fps: float, up: float
) -> Float[np.ndarray, "frame"]:
    """Where the upper edge is along the bed (y in its frame, the foot end is +y) in every frame."""
    foot = _reach(surface)
    folded = foot - _FOLDED
    trunk = joints[:, JOINT["neck"]] - joints[:, JOINT["pelvis"]]
    raised = np.arctan2(trunk[:, 2], -trunk[:, 1])
    # Who sits up is covered up to the lap only.
    sitting = np.clip((raised - surface.head_angle - math.radians(15)) / math.radians(25), 0, 1)
    chest = joints[:, JOINT["pelvis"], 1] + up * (joints[:, JOINT["neck"], 1] - joints[:, JOINT["pelvis"], 1])
    lap = joints[:, JOINT["pelvis"], 1] + 0.12
    highest = np.clip((1 - sitting) * chest + sitting * lap, -foot + 0.3, folded)
    stays = np.logical_and.accumulate(lying)
    edges = np.empty(len(joints))
    edge = float(highest[0])
    for frame in range(len(joints)):
        wish = edge if stays[frame] else folded
        edge = max(edge + min(wish - edge, _SLIDE_SPEED / fps), float(highest[frame]))
        edges[frame] = min(edge, folded)
    return edges


def _row_places(surface: BedSurface, edge: float) -> Float[np.ndarray, "row"]:
    """y of the rows that lie on the mattress, from the foot edge to the upper edge."""
    return np.linspace(_reach(surface) + _GAP, edge, _ROWS - _HANGING_ROWS)


def _column_places(surface: BedSurface) -> Float[np.ndarray, "column"]:
    half = surface.width / 2 + _GAP
    return np.linspace(-half, half, _COLUMNS - 2 * _HANGING_COLUMNS)


def _heights(
    surface: BedSurface,
    rows: Float[np.ndarray, "row"],
    skin: Float[np.ndarray, "vertex 3"],
    lifting: Bool[np.ndarray, "vertex"],
    bare: Bool[np.ndarray, "vertex"],
    full: float,
) -> Float[np.ndarray, "row column"]:
    """Height above the mattress of every node that lies on it, metres."""
    columns = _column_places(surface)
    # Pushed back, the cloth lies in layers.
    layers = max(1.0, full / abs(rows[0] - rows[-1]))
    least = _THICK * layers * np.ones((len(rows), len(columns)))
    need = np.maximum(least, _touched(surface, rows, columns, skin[lifting], np.maximum, 0.0) + _THICK)
    wide = ndimage.grey_closing(need, size=(4, 5), mode="nearest")
    steps = abs(rows[1] - rows[0]), columns[1] - columns[0]
    reach = [int(min(0.4 / step, 9)) for step in steps]
    down, across = np.meshgrid(
        *[np.arange(-r, r + 1) * step for r, step in zip(reach, steps, strict=True)], indexing="ij"
    )
    cone = -_SLOPE * np.hypot(down, across)
    wide = ndimage.grey_dilation(wide, structure=cone, mode="nearest")
    for sigma in (1.2, 0.7):
        wide = np.maximum(ndimage.gaussian_filter(wide, sigma, mode="nearest"), need)
    if bare.any():
        # Arms that lie outside press the cloth down under them, but not into the body.
        below = _touched(surface, rows, columns, skin[bare], np.minimum, np.inf) - 0.01
        wide = np.maximum(np.minimum(wide, below), need)
    return wide


def _touched(
    surface: BedSurface, rows: np.ndarray, columns: np.ndarray, skin: np.ndarray, keep: np.ufunc, start: float
) -> Float[np.ndarray, "row column"]:
    """Height above the mattress of the skin over or under each node: of all vertices in the cells that share it.

    With the largest height at all four corners of a vertex's cell, no vertex can come through the triangles there.
    """
    heights = np.full((len(rows), len(columns)), start)
    row = (skin[:, 1] - rows[0]) / (rows[1] - rows[0])
    column = (skin[:, 0] - columns[0]) / (columns[1] - columns[0])
    inside = (row >= 0) & (row < len(rows) - 1) & (column >= 0) & (column < len(columns) - 1)
    above = (skin[:, 2] - _base(surface, skin[:, 1]))[inside]
    first, second = row[inside].astype(int), column[inside].astype(int)
    for down in (0, 1):
        for across in (0, 1):
            keep.at(heights, (first + down, second + across), above)
    return heights


def _sheet(
    surface: BedSurface, rows: Float[np.ndarray, "row"], height: Float[np.ndarray, "row column"]
) -> Float[np.ndarray, "vertex 3"]:
    """All nodes in the bed's frame: those on the mattress, and those that hang over its sides and foot."""
    columns = _column_places(surface)
    nodes = np.empty((_ROWS, _COLUMNS, 3))
    on_rows, on_columns = slice(_HANGING_ROWS, None), slice(_HANGING_COLUMNS, -_HANGING_COLUMNS)
    nodes[on_rows, on_columns, 0], nodes[on_rows, on_columns, 1] = columns, rows[:, None]
    nodes[on_rows, on_columns, 2] = _base(surface, rows)[:, None] + height
    for side, first in ((-1, _HANGING_COLUMNS), (1, _COLUMNS - 1 - _HANGING_COLUMNS)):
        edge = nodes[on_rows, first].copy()
        hem = _base(surface, rows) - _DROP
        for step in range(1, _HANGING_COLUMNS + 1):
            share = step / _HANGING_COLUMNS
            hanging = edge.copy()
            # Soft folds, so that the side is no board.
            hanging[:, 0] += side * (0.012 * math.sin(math.pi * share) + 0.006 * share * np.sin(23 * rows))
            hanging[:, 2] = (1 - share) * edge[:, 2] + share * hem
            nodes[on_rows, first + side * step] = hanging
    for step in range(1, _HANGING_ROWS + 1):
        share = step / _HANGING_ROWS
        hanging = nodes[_HANGING_ROWS].copy()
        hanging[:, 1] += 0.012 * math.sin(math.pi * share)
        hem = np.minimum(float(_base(surface, rows[:1])[0]) - _DROP * 0.6, hanging[:, 2])
        hanging[:, 2] = (1 - share) * hanging[:, 2] + share * hem
        nodes[_HANGING_ROWS - step] = hanging
    return nodes.reshape(-1, 3)


def _faces() -> Int64[np.ndarray, "face 3"]:
    """Triangles between the nodes, counter-clockwise seen from above."""
    row, column = np.meshgrid(np.arange(_ROWS - 1), np.arange(_COLUMNS - 1), indexing="ij")
    here = (row * _COLUMNS + column).ravel()
    first = np.stack([here, here + _COLUMNS, here + 1], -1)
    second = np.stack([here + 1, here + _COLUMNS, here + _COLUMNS + 1], -1)
    # Rows run from +y (foot) to -y, columns from -x to +x.
    return np.concatenate([first, second]).astype(np.int64)


def _base(surface: BedSurface, y: Float[np.ndarray, "*batch"]) -> Float[np.ndarray, "*batch"]:
    """Height of the mattress's top at places along the bed, in the bed's frame."""
    flat = surface.hinge[2]
    return flat + np.clip(surface.hinge[1] - y, 0, None) * math.tan(surface.head_angle)


def _reach(surface: BedSurface) -> float:
    """y of the mattress's foot edge in the bed's frame."""
    return float(surface.foot[1])


def _to_bed(bed: SceneObject, points: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
    cos, sin = math.cos(bed.yaw), math.sin(bed.yaw)
    return (points - np.array(bed.center)) @ np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def _to_world(bed: SceneObject, points: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
    cos, sin = math.cos(bed.yaw), math.sin(bed.yaw)
    return points @ np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]]) + np.array(bed.center)
