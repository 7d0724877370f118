"""Rooms: furniture, generated wards, geometry questions, scene files."""

from carescene.scenes.furniture import (
    BedSurface,
    PlacedSolid,
    SeatSurface,
    bed_surface,
    check_object,
    default_object,
    object_solids,
    scene_solids,
    seat_surface,
)
from carescene.scenes.generator import PRESETS, generate_scene
from carescene.scenes.materials import MATERIALS, Material
from carescene.scenes.mesh import SHELL, SceneMesh
from carescene.scenes.room_mesh import scene_mesh
from carescene.scenes.scene import KINDS, Scene, SceneObject, object_to_world
from carescene.scenes.solids import Solid, box, cylinder, rod
from carescene.scenes.walkable import free_path, ground_clearance, walkable_grid

__all__ = [
    "KINDS",
    "MATERIALS",
    "PRESETS",
    "SHELL",
    "BedSurface",
    "Material",
    "PlacedSolid",
    "Scene",
    "SceneMesh",
    "SceneObject",
    "SeatSurface",
    "Solid",
    "bed_surface",
    "box",
    "check_object",
    "cylinder",
    "default_object",
    "free_path",
    "generate_scene",
    "ground_clearance",
    "object_solids",
    "object_to_world",
    "rod",
    "scene_mesh",
    "scene_solids",
    "seat_surface",
    "walkable_grid",
]
