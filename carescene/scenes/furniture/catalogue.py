"""All kinds of furniture by name: making one, checking one, and its pieces."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np

from carescene.errors import UserError
from carescene.scenes.furniture.aids import IV_POLE, WALKER
from carescene.scenes.furniture.bathroom import BASIN, HANDRAIL, TOILET
from carescene.scenes.furniture.bed import BED
from carescene.scenes.furniture.builder import Builder, Size
from carescene.scenes.furniture.openings import CURTAIN, DOOR, WINDOW
from carescene.scenes.furniture.parameters import read_parameters
from carescene.scenes.furniture.plain import OTHER, WALL
from carescene.scenes.furniture.seating import CHAIR, RECLINER, WHEELCHAIR
from carescene.scenes.furniture.storage import CABINET, OVERBED_TABLE, TABLE
from carescene.scenes.scene import Parameter, Scene, SceneObject, object_to_world
from carescene.scenes.solids import Solid

BUILDERS: Final[Mapping[str, Builder[Any]]] = MappingProxyType(
    {
        "bed": BED,
        "cabinet": CABINET,
        "overbed_table": OVERBED_TABLE,
        "chair": CHAIR,
        "recliner": RECLINER,
        "wheelchair": WHEELCHAIR,
        "walker": WALKER,
        "iv_pole": IV_POLE,
        "curtain": CURTAIN,
        "door": DOOR,
        "window": WINDOW,
        "toilet": TOILET,
        "basin": BASIN,
        "table": TABLE,
        "handrail": HANDRAIL,
        "wall": WALL,
        "other": OTHER,
    }
)


class PlacedSolid(NamedTuple):
    """A solid in the world's frame and the index of its object in the scene."""

    solid: Solid
    index: int


def default_object(
    kind: str,
    id: str,
    *,
    x: float | int,
    y: float | int,
    yaw: float | int = 0.0,
    size: tuple[float | None, float | None, float | None] = (None, None, None),
    bottom: float | int | None = None,
    **params: Parameter,
) -> SceneObject:
    """A thing of natural size whose box stands with its middle above (x, y), metres, turned by `yaw` radians.

    Args:
        size: width, depth and height where they should differ from what is natural; None keeps the natural one.
        bottom: height of the box's lower side above the floor; by default what is natural for the kind.
        params: parameters of the kind, such as a bed's `head_angle_deg`.

    Raises:
        UserError: for an unknown kind, a parameter or a size out of its range.
    """
    builder = _builder(kind, id)
    thing = SceneObject(
        id=id, kind=kind, center=(float(x), float(y), 0.0), size=(1.0, 1.0, 1.0), yaw=float(yaw), params=params
    )
    values = read_parameters(builder.parameters, thing)
    natural = builder.size(values)
    whole = (_or(size[0], natural[0]), _or(size[1], natural[1]), _or(size[2], natural[2]))
    if builder.least is not None:
        # What was not asked for follows what was: a wider open door needs a deeper box.
        grown = _at_least(whole, builder.least(whole, values))
        whole = (_or(size[0], grown[0]), _or(size[1], grown[1]), _or(size[2], grown[2]))
    low = builder.bottom(values) if bottom is None else float(bottom)
    thing = replace(thing, size=whole, center=(float(x), float(y), low + whole[2] / 2))
    check_object(thing)
    return thing


def check_object(thing: SceneObject) -> None:
    """Refuse an object of unknown kind, with parameters out of range, or with a box that its kind cannot fill.

    Raises:
        UserError: names the object, the field and its range.
    """
    _values(thing)


def object_solids(thing: SceneObject) -> list[Solid]:
    """Pieces of an object in its own frame (origin in the middle of its box), metres; none for a user's own mesh.

    Raises:
        UserError: as `check_object`.
    """
    if thing.mesh is not None:
        return []
    builder, values = _values(thing)
    down = np.array([0.0, 0.0, thing.size[2] / 2])
    return [replace(solid, center=solid.center - down) for solid in builder.solids(thing.size, values)]


def scene_solids(scene: Scene) -> list[PlacedSolid]:
    """Pieces of all objects of a scene in the world's frame, metres, in the order of the objects.

    None in a room with its own mesh: there the objects only name parts of that mesh.

    Raises:
        UserError: as `check_object`.
    """
    if scene.mesh is not None:
        return []
    return [
        PlacedSolid(placed(solid, thing), index)
        for index, thing in enumerate(scene.objects)
        for solid in object_solids(thing)
    ]


def placed(solid: Solid, thing: SceneObject) -> Solid:
    """A piece of an object, taken from the object's frame to the world's."""
    x, y, z = solid.center
    cos, sin = np.cos(thing.yaw), np.sin(thing.yaw)
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    center = np.array(object_to_world(thing, (float(x), float(y), float(z))))
    return replace(solid, center=center, rotation=turn @ solid.rotation)


def _builder(kind: str, id: str) -> Builder[Any]:
    if kind not in BUILDERS:
        raise UserError(
            f"Expected the kind of object '{id}' to be one of {', '.join(BUILDERS)}, but got '{kind}'. "
            "Use 'other' for anything else."
        )
    return BUILDERS[kind]


def _values(thing: SceneObject) -> tuple[Builder[Any], Any]:
    builder = _builder(thing.kind, thing.id)
    values = read_parameters(builder.parameters, thing)
    smallest: Size = builder.smallest
    if builder.least is not None:
        # Measured boxes may be a centimetre too small.
        smallest = _at_least(smallest, builder.least(thing.size, values), slack=0.01)
    for name, got, low, high in zip(("width", "depth", "height"), thing.size, smallest, builder.largest, strict=True):
        if not low - 1e-9 <= got <= high:
            raise UserError(
                f"Expected the {name} of object '{thing.id}' ({thing.kind}) to be from {low:.2f} to {high:.2f} m, "
                f"but got {got:.3g}. Sizes are width, depth and height of its box in metres."
            )
    return builder, values


def _at_least(size: Size, least: Size, slack: float = 0.0) -> Size:
    return max(size[0], least[0] - slack), max(size[1], least[1] - slack), max(size[2], least[2] - slack)


def _or(value: float | None, natural: float) -> float:
    return natural if value is None else float(value)
