"""From a static camera's video to people and their room in metres, in plain numpy and torch.

Everything in one call: `reconstruct(Request(video, out))`. The steps on their own: `open_footage`, `check_camera`,
`background_plate`, `detect_people` or `read_keypoints`, `calibrate`, `lift`, `recover_people` (all three at once, with
the joint optimisation `solve`), `build_room`, `measure`, `write_overlay`.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

from reconstruction.landmarks import LandmarkModel, free_landmarks, landmark_model, landmark_positions
from reconstruction.observations import LANDMARK, LANDMARKS, DepthLabels, Keypoints, PoseLabels

if TYPE_CHECKING:
    from reconstruction.calibration import Calibration, calibrate
    from reconstruction.calibration_priors import GivenCamera, KnownDistance, lens_camera, read_camera
    from reconstruction.depth_anything import DepthAnything, predict_depth
    from reconstruction.depth_recorded import read_recorded_depth
    from reconstruction.detect import detect_people
    from reconstruction.footage import Footage, open_footage
    from reconstruction.formats import read_footage_keypoints, read_keypoints, write_keypoints
    from reconstruction.lifter import lift
    from reconstruction.motion_check import check_camera, steadied
    from reconstruction.overlay import write_overlay
    from reconstruction.people import PeopleStages, Recovered, recover_people
    from reconstruction.pipeline import reconstruct
    from reconstruction.plate import Plate, background_plate
    from reconstruction.pose_labels import prohmr_labels
    from reconstruction.problem import Problem, State, scene_surroundings
    from reconstruction.problem_files import load_problem, save_problem
    from reconstruction.prohmr_files import load_prohmr
    from reconstruction.quality import Quality, measure
    from reconstruction.request import Outcome, Request
    from reconstruction.resampled import evenly_spaced
    from reconstruction.room import Room, build_room, save_room
    from reconstruction.schedule import SolverOptions
    from reconstruction.solution import Solution
    from reconstruction.solver import solve
    from reconstruction.training_folder import training_pieces, write_training_folder

# Where each name is. Imported when it is asked for: who wants key points must not wait for MediaPipe, and training none
# of it.
_LATE: Final = {
    "calibration": ("Calibration", "calibrate"),
    "calibration_priors": ("GivenCamera", "KnownDistance", "lens_camera", "read_camera"),
    "depth_anything": ("DepthAnything", "predict_depth"),
    "depth_recorded": ("read_recorded_depth",),
    "detect": ("detect_people",),
    "footage": ("Footage", "open_footage"),
    "formats": ("read_footage_keypoints", "read_keypoints", "write_keypoints"),
    "lifter": ("lift",),
    "motion_check": ("check_camera", "steadied"),
    "overlay": ("write_overlay",),
    "people": ("PeopleStages", "Recovered", "recover_people"),
    "pipeline": ("reconstruct",),
    "plate": ("Plate", "background_plate"),
    "pose_labels": ("prohmr_labels",),
    "problem": ("Problem", "State", "scene_surroundings"),
    "problem_files": ("load_problem", "save_problem"),
    "prohmr_files": ("load_prohmr",),
    "quality": ("Quality", "measure"),
    "request": ("Outcome", "Request"),
    "resampled": ("evenly_spaced",),
    "room": ("Room", "build_room", "save_room"),
    "schedule": ("SolverOptions",),
    "solution": ("Solution",),
    "solver": ("solve",),
    "training_folder": ("training_pieces", "write_training_folder"),
}
_MODULE_OF: Final = {name: module for module, names in _LATE.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'reconstruction' has no attribute '{name}'")
    return getattr(importlib.import_module(f"reconstruction.{_MODULE_OF[name]}"), name)


__all__ = [
    "LANDMARK",
    "LANDMARKS",
    "Calibration",
    "DepthAnything",
    "DepthLabels",
    "Footage",
    "GivenCamera",
    "Keypoints",
    "KnownDistance",
    "LandmarkModel",
    "Outcome",
    "PeopleStages",
    "Plate",
    "PoseLabels",
    "Problem",
    "Quality",
    "Recovered",
    "Request",
    "Room",
    "Solution",
    "SolverOptions",
    "State",
    "background_plate",
    "build_room",
    "calibrate",
    "check_camera",
    "detect_people",
    "evenly_spaced",
    "free_landmarks",
    "landmark_model",
    "landmark_positions",
    "lens_camera",
    "lift",
    "load_problem",
    "load_prohmr",
    "measure",
    "open_footage",
    "predict_depth",
    "prohmr_labels",
    "read_camera",
    "read_footage_keypoints",
    "read_keypoints",
    "read_recorded_depth",
    "reconstruct",
    "recover_people",
    "save_problem",
    "save_room",
    "scene_surroundings",
    "solve",
    "steadied",
    "training_pieces",
    "write_keypoints",
    "write_overlay",
    "write_training_folder",
]
