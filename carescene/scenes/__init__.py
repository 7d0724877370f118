"""Rooms: furniture, generated wards, geometry questions, scene files."""

from carescene.scenes.check import validate_scene
from carescene.scenes.contact_measures import ContactReport, contact_report
from carescene.scenes.fitting import fit_clip
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
from carescene.scenes.geometry import SceneGeometry
from carescene.scenes.materials import MATERIALS, Material
from carescene.scenes.mesh import SHELL, SceneMesh
from carescene.scenes.placement import place_clip
from carescene.scenes.room_mesh import ceiling_lamps, scene_mesh
from carescene.scenes.scene import KINDS, Scene, SceneObject, object_to_world
from carescene.scenes.scene_files import load_scene, save_scene, scene_from_dict, scene_to_dict
from carescene.scenes.solids import Solid, box, cylinder, rod
from carescene.scenes.user_mesh import read_mesh
from carescene.scenes.walkable import free_path, ground_clearance, walkable_grid

__all__ = [
    "KINDS",
    "MATERIALS",
    "PRESETS",
    "SHELL",
    "BedSurface",
    "ContactReport",
    "Material",
    "PlacedSolid",
    "Scene",
    "SceneGeometry",
    "SceneMesh",
    "SceneObject",
    "SeatSurface",
    "Solid",
    "bed_surface",
    "box",
    "ceiling_lamps",
    "check_object",
    "contact_report",
    "cylinder",
    "default_object",
    "fit_clip",
    "free_path",
    "generate_scene",
    "ground_clearance",
    "load_scene",
    "object_solids",
    "object_to_world",
    "place_clip",
    "read_mesh",
    "rod",
    "save_scene",
    "scene_from_dict",
    "scene_mesh",
    "scene_solids",
    "scene_to_dict",
    "seat_surface",
    "validate_scene",
    "walkable_grid",
]
