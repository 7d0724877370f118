"""Rooms: furniture, generated wards, geometry questions, scene files."""

from carescene.scenes.materials import MATERIALS, Material
from carescene.scenes.mesh import SHELL, SceneMesh
from carescene.scenes.scene import KINDS, Scene, SceneObject, object_to_world
from carescene.scenes.solids import Solid, box, cylinder, rod

__all__ = [
    "KINDS",
    "MATERIALS",
    "SHELL",
    "Material",
    "Scene",
    "SceneMesh",
    "SceneObject",
    "Solid",
    "box",
    "cylinder",
    "object_to_world",
    "rod",
]
