"""One thing of a room from one vector: its kind, a size that the kind can have, and the parameters that explain it."""

import math
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from jaxtyping import Float
from torch import Tensor

from carescene.scenes import SceneObject, default_object, object_to_world
from carescene.scenes.furniture.catalogue import BUILDERS
from carescene.scenes.scene import Parameter
from diffusion.objects import ROOM
from diffusion.world import CENTER, KIND, OBJECT_KINDS, PRESENT, SIZE, SUPPORT, YAW

# Ranges of the heights that a support number may name, by kind: parameter, lowest, highest (metres).
_SUPPORTS: Final[Mapping[str, tuple[str, float, float]]] = MappingProxyType(
    {
        "bed": ("mattress_height_m", 0.30, 0.80),
        "chair": ("seat_height_m", 0.38, 0.56),
        "recliner": ("seat_height_m", 0.40, 0.58),
        "wheelchair": ("seat_height_m", 0.44, 0.56),
        "toilet": ("seat_height_m", 0.38, 0.52),
    }
)
# Angles that show in the size of the box: kind -> parameter, highest degrees, axis of the size.
_ANGLES: Final[Mapping[str, tuple[str, float, int]]] = MappingProxyType(
    {"bed": ("head_angle_deg", 60.0, 2), "recliner": ("recline_deg", 50.0, 1), "door": ("open_deg", 90.0, 1)}
)
# Leaves stand closed or wide open: half open they are in the way of whoever comes in.
_WIDE_OPEN_DEG: Final = 65.0
_CLOSED_M: Final = 0.135
_LOOKS: Final = ("bin", "bed_panel", "board", "screen", "dispenser", "lamp", "plant")
# A thing of kind "other" gets a look whose natural box is this near in all sizes and in height (metres).
_LOOK_TOLERANCE_M: Final = 0.12
# Drawn back: nothing in a vector tells how far a curtain is drawn, and people must be able to pass.
_DRAWN: Final = 0.15
_HANGING: Final = ("window", "handrail", "curtain", "other", "wall")
_NO_LARGER: Final = 0.999


def is_present(vector: Float[Tensor, "28"]) -> bool:
    """Whether a slot holds a thing (present above 0)."""
    return float(vector[PRESENT]) > 0


def kind_of(vector: Float[Tensor, "28"]) -> str:
    """The most likely kind of the thing in a slot."""
    return OBJECT_KINDS[int(vector[KIND].argmax())]


def is_room(vector: Float[Tensor, "28"]) -> bool:
    """Whether a slot holds the room itself."""
    return is_present(vector) and int(vector[KIND].argmax()) == ROOM


def plain_thing(vector: Float[Tensor, "28"], name: str) -> SceneObject:
    """A thing exactly as its vector says, however unlikely; parameters explain its size and support.

    `check_object` may refuse it; `thing_of` gives one that it does not.
    """
    kind = kind_of(vector)
    size = _triple(vector[SIZE])
    return SceneObject(
        id=name,
        kind=kind,
        center=_triple(vector[CENTER]),
        size=size,
        yaw=math.atan2(float(vector[YAW.start + 1]), float(vector[YAW.start])),
        params=_parameters(kind, size, float(vector[SUPPORT]), float(vector[CENTER.start + 2]) - size[2] / 2),
    )


def thing_of(vector: Float[Tensor, "28"], name: str, ceiling_m: float) -> tuple[SceneObject, list[str]]:
    """A thing that its builder accepts and that stands on the floor or hangs below the ceiling, and what was changed.

    Sizes are brought into the catalogue's limits, and as far as the parameters need them larger. Things that stand get
    their feet on the floor.

    Args:
        vector: one present slot that is not the room.
        name: id of the thing.
        ceiling_m: height of the room, metres.
    """
    plain = plain_thing(vector, name)
    builder = BUILDERS[plain.kind]
    limits = list(zip(builder.smallest, builder.largest, strict=True))
    limits[2] = (limits[2][0], min(limits[2][1], ceiling_m))
    size = tuple(min(max(got, low), high) for got, (low, high) in zip(plain.size, limits, strict=True))
    size = (size[0], size[1], size[2])
    params = _parameters(plain.kind, size, float(vector[SUPPORT]), plain.center[2] - size[2] / 2)
    if plain.kind == "door" and "open_deg" not in params:
        size = (size[0], min(size[1], _CLOSED_M), size[2])
    if builder.least is not None:
        values = builder.parameters(**params)
        least = builder.least(size, values)
        size = (max(size[0], least[0]), max(size[1], least[1]), max(size[2], least[2]))
    bottom = plain.center[2] - plain.size[2] / 2
    if plain.kind in _HANGING and not (plain.kind in ("other", "wall") and bottom < 0.1):
        middle = min(max(plain.center[2], size[2] / 2), ceiling_m - size[2] / 2)
    else:
        middle = size[2] / 2
    changes = []
    if any(abs(a - b) > 0.02 for a, b in zip(size, plain.size, strict=True)):
        changes.append(f"{name}: size {_text(plain.size)} to {_text(size)}")
    if abs(middle - plain.center[2]) > 0.02 + abs(size[2] - plain.size[2]):
        changes.append(f"{name}: height of its middle {plain.center[2]:.2f} to {middle:.2f} m")
    center = (plain.center[0], plain.center[1], middle)
    return SceneObject(name, plain.kind, center, size, plain.yaw, params), changes


def _parameters(kind: str, size: tuple[float, float, float], support: float, bottom: float) -> dict[str, Parameter]:
    params: dict[str, Parameter] = {}
    if kind in _SUPPORTS:
        name, low, high = _SUPPORTS[kind]
        params[name] = round(min(max(support, low), high), 3)
    if kind == "toilet":
        params["arms"] = size[0] > 0.54
    elif kind == "bed":
        # Without rails the way in and out is free; a vector does not tell.
        params["rails"] = "half"
    elif kind == "walker":
        params |= {"style": "rollator" if size[1] > 0.63 else "frame", "height_m": min(max(size[2], 0.75), 1.0)}
    elif kind == "iv_pole":
        params["height_m"] = min(max(size[2] - 0.03, 1.4), 2.2)
    elif kind == "basin":
        params |= {"mirror": size[2] > 1.42, "rim_height_m": min(max(size[2] - 0.18, 0.65), 0.82)}
    elif kind == "overbed_table":
        params["height_m"] = min(max(size[2], 0.6), 1.15)
    elif kind == "curtain":
        ceiling = min(max(size[2] + max(bottom, 0.0), 1.9), 4.0)
        params |= {"ceiling_m": ceiling, "rail_height_m": min(max(ceiling - 0.15, 1.8), 2.3), "drawn": _DRAWN}
    elif kind == "handrail" and size[0] < 1.0:
        params["style"] = "grab"
    elif kind == "other":
        params["look"] = _look(size, bottom)
    if kind in _ANGLES:
        name, highest, axis = _ANGLES[kind]
        angle = round(_largest_angle(kind, size, axis, name, highest, params), 1)
        if kind != "door" or angle > _WIDE_OPEN_DEG:
            params[name] = angle
    return params


def _largest_angle(
    kind: str, size: tuple[float, float, float], axis: int, name: str, highest: float, params: dict[str, Parameter]
) -> float:
    """The largest angle whose natural box is not larger than the given one along an axis (bisection), degrees."""
    low, high = 0.0, highest
    width = None if kind != "door" else min(max(size[0], 0.6), 2.4)
    for _ in range(12):
        middle = (low + high) / 2
        natural = default_object(kind, "probe", x=0, y=0, size=(width, None, None), **{**params, name: middle}).size
        low, high = (middle, high) if natural[axis] <= size[axis] + 1e-4 else (low, middle)
    # Never up to the bound itself, where rounding decides.
    return high * _NO_LARGER if high == highest else low * _NO_LARGER


def closed_door(door: SceneObject) -> SceneObject:
    """The same door, shut: its box loses the sweep of the leaf."""
    depth = min(door.size[1], _CLOSED_M)
    # The back of the box lies on the wall and stays there.
    x, y, _ = object_to_world(door, (0.0, (depth - door.size[1]) / 2, 0.0))
    size, params = (door.size[0], depth, door.size[2]), {k: v for k, v in door.params.items() if k != "open_deg"}
    return replace(door, center=(x, y, door.center[2]), size=size, params=params)


def _look(size: tuple[float, float, float], bottom: float) -> str:
    for look in _LOOKS:
        natural = default_object("other", "probe", x=0, y=0, look=look)
        low = natural.center[2] - natural.size[2] / 2
        off = [abs(a - b) for a, b in zip((*size, bottom), (*natural.size, low), strict=True)]
        if max(off) < _LOOK_TOLERANCE_M:
            return look
    return "box"


def _triple(values: Tensor) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _text(size: tuple[float, float, float]) -> str:
    return " x ".join(f"{value:.2f}" for value in size) + " m"
