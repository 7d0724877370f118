"""Furniture in the physics: the same solids that are drawn, as static boxes, cylinders and capsules."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from jaxtyping import Float

from carescene.humans.rotations import matrix_to_quat_xyzw
from carescene.scenes.furniture import object_solids
from carescene.scenes.furniture.catalogue import placed
from carescene.scenes.scene import SceneObject
from carescene.scenes.solids import Solid

# Contact of a surface: friction, and how it gives. `solref` is the time in which a contact settles and its damping
# ratio, `solimp` how firm it is at first touch and when pressed in by the third number (metres); see MuJoCo's
# "Solver parameters".
_FIRM: Final = ("0.6", "0.02 1", "0.9 0.95 0.005")
_SURFACES: Final[dict[str, tuple[str, str, str]]] = {
    "mattress": ("0.8", "0.05 1", "0.5 0.95 0.06"),
    "sheet": ("0.7", "0.05 1", "0.5 0.95 0.06"),
    "pillow": ("0.7", "0.06 1", "0.3 0.9 0.08"),
    "blanket": ("0.7", "0.06 1", "0.3 0.9 0.08"),
    "upholstery": ("0.8", "0.04 1", "0.6 0.95 0.03"),
    "vinyl": ("0.7", "0.04 1", "0.6 0.95 0.03"),
    "rubber": ("0.9", "0.02 1", "0.9 0.95 0.005"),
}

# Pieces thinner than this in all directions (screws, buttons) carry nobody.
_SMALLEST: Final = 0.012

# Hanging cloth gives way to whoever falls into it, and a doorway is open.
_NO_SUPPORT: Final = ("curtain", "blind", "doorway", "glass_sky")


def furniture_solids(furniture: Sequence[SceneObject]) -> list[tuple[Solid, int]]:
    """Solids in the world that a person can touch, each with the index of its object.

    Raises:
        UserError: for an object of unknown kind or with parameters out of range.
    """
    return [
        (placed(solid, thing), index)
        for index, thing in enumerate(furniture)
        for solid in object_solids(thing)
        if solid.half.max() >= _SMALLEST and solid.material not in _NO_SUPPORT
    ]


def add_solid(world: ET.Element, solid: Solid, name: str) -> None:
    """Add one solid to a MuJoCo `worldbody`; rounded boxes that are bars or balls become capsules and balls."""
    half = solid.half
    rotation = solid.rotation
    kind, size = solid.shape, half
    if solid.shape == "box":
        order = np.argsort(half)
        if solid.radius > 0 and half[order[1]] - solid.radius < 1e-6:
            kind, rotation = "capsule", _third_axis_longest(rotation, int(order[2]))
            size = np.array([half[order[1]], half[order[2]] - solid.radius])
            if size[1] < 1e-6:
                kind, size = "sphere", size[:1]
    else:
        size = half[1:]
    friction, solref, solimp = _SURFACES.get(solid.material, _FIRM)
    ET.SubElement(
        world,
        "geom",
        name=name,
        type=kind,
        pos=numbers(solid.center),
        quat=numbers(quaternion(rotation)),
        size=numbers(size),
        contype="2",
        conaffinity="1",
        friction=f"{friction} 0.005 0.0001",
        solref=solref,
        solimp=solimp,
        # A mattress decides how it gives, not the body that lies on it.
        priority="1",
    )


def numbers(values: Float[np.ndarray, "n"]) -> str:
    """Numbers as MJCF writes them."""
    return " ".join(f"{value:.9g}" for value in values)


def quaternion(rotation: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "4"]:
    """Unit quaternion in MuJoCo's order (w first) of a rotation matrix."""
    return np.roll(matrix_to_quat_xyzw(torch.from_numpy(np.ascontiguousarray(rotation)).double()).numpy(), 1)


def _third_axis_longest(rotation: Float[np.ndarray, "3 3"], longest: int) -> Float[np.ndarray, "3 3"]:
    return rotation[:, [(longest + 1) % 3, (longest + 2) % 3, longest]]
