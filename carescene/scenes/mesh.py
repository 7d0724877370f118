"""SceneMesh: the triangles of a whole room, each knowing its material and the object it belongs to."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int

# Stands for floor, walls and ceiling where an object's index is expected.
SHELL: Final = -1


@dataclass(frozen=True)
class SceneMesh:
    """Triangles in the world, metres; counter-clockwise seen from outside the thing (from inside the room for walls).

    Attributes:
        normals: unit vertex normals; vertices are not shared across sharp edges.
        face_material: index into `materials`.
        face_object: index into the scene's objects, `SHELL` for floor, walls and ceiling.
        materials: names out of `carescene.scenes.materials.MATERIALS`.
    """

    vertices: Float[np.ndarray, "vertex 3"]
    normals: Float[np.ndarray, "vertex 3"]
    faces: Int[np.ndarray, "face 3"]
    face_material: Int[np.ndarray, "face"]
    face_object: Int[np.ndarray, "face"]
    materials: tuple[str, ...]
