"""What the joint optimisation explains, and its unknowns: people in metres, one camera, one scale of depth."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal
from zipfile import BadZipFile

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from carescene.errors import UserError
from carescene.files import write_atomically
from carescene.humans.skeleton import NUM_JOINTS
from carescene.rendering.camera import Camera
from carescene.scenes.geometry import SceneGeometry
from carescene.scenes.scene import Scene
from reconstruction.calibration_fit import Evidence
from reconstruction.calibration_priors import CameraPriors, GivenCamera, PitchMode
from reconstruction.floor_reading import FloorReading
from reconstruction.observations import LANDMARKS, Keypoints, PoseLabels

# Somebody who is hidden for longer than this has no trajectory there, seconds.
BRIDGE_S: Final = 1.0
# Fewer points than this do not say where somebody is.
_LEAST_POINTS: Final = 3

# Distance in metres (negative inside) and its gradient at points `(n, 3)` of the world.
Surroundings = Callable[[Float[np.ndarray, "point 3"]], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class DepthTerm:
    """Readings of a depth map at landmarks of people.

    Attributes:
        kind: with m the map's value and z the depth along the view axis, "disparity" means 1 / z = a m + b, "metres"
            means z = a m + b.
        person, frame, landmark: what each reading belongs to.
        value, sigma: of the map, in its own unit.
        affinity: prior mean of (a, b).
        affinity_covariance: of that prior.
    """

    kind: Literal["disparity", "metres"]
    person: Int[np.ndarray, "reading"]
    frame: Int[np.ndarray, "reading"]
    landmark: Int[np.ndarray, "reading"]
    value: Float[np.ndarray, "reading"]
    sigma: Float[np.ndarray, "reading"]
    affinity: Float[np.ndarray, "2"]
    affinity_covariance: Float[np.ndarray, "2 2"]


@dataclass(frozen=True)
class Problem:
    """Everything that is observed or known before.

    Attributes:
        keypoints: what is seen of whom; its frames are those of the solution.
        camera: prior mean, standing above (0, 0) and looking towards +y (`reconstruction.camera_parameters`).
        camera_covariance: of (log focal length, pitch, roll, log height, k1); None if `usual` and `known` say all that
            is known before. What the same key points told of the camera must not be said here once more.
        stature, stature_sigma: prior height of each person, metres.
        camera_free: which of the five may change; the others are held.
        labels: what a network believes about poses.
        depth: readings of a depth map.
        surroundings: furniture and walls; the floor z = 0 is always there.
        usual: how the camera hangs, of which the usual focal lengths, tilts, heights and lenses follow.
        known: what was measured of the camera: a distance on the floor, its height.
        floor: what a depth map says about the floor.
        upright: who is known to stand or walk in which frame.
        active: in which frames each person is solved for. By default those in which three points are seen, with gaps
            of up to a second bridged.
    """

    keypoints: Keypoints
    camera: Camera
    camera_covariance: Float[np.ndarray, "5 5"] | None
    stature: Float[np.ndarray, "person"]
    stature_sigma: Float[np.ndarray, "person"]
    camera_free: tuple[bool, ...] = (True,) * 5
    labels: PoseLabels | None = None
    depth: DepthTerm | None = None
    surroundings: Surroundings | None = None
    usual: PitchMode | None = None
    known: GivenCamera | None = None
    floor: FloorReading | None = None
    upright: Bool[np.ndarray, "person frame"] | None = None
    active: Bool[np.ndarray, "person frame"] | None = None

    def __post_init__(self) -> None:
        persons, frames = self.keypoints.confidence.shape[:2]
        shapes: dict[str, tuple[Any, tuple[int, ...]]] = {
            "keypoints.pixels": (self.keypoints.pixels, (persons, frames, len(LANDMARKS), 2)),
            "keypoints.times": (self.keypoints.times, (frames,)),
            "stature": (self.stature, (persons,)),
            "stature_sigma": (self.stature_sigma, (persons,)),
            "active": (self.active, (persons, frames)),
            "upright": (self.upright, (persons, frames)),
            "labels.rotations": (
                None if self.labels is None else self.labels.rotations,
                (persons, frames, NUM_JOINTS, 3, 3),
            ),
        }
        for name, (array, shape) in shapes.items():
            if array is not None and array.shape != shape:
                raise UserError(
                    f"Expected {name} to have the shape {shape}, but got {array.shape}. Its people and frames must be "
                    "those of the key points. Make all observations from the same video and the same key points."
                )
        if persons == 0 or frames == 0 or not self.keypoints.present.any():
            raise UserError(
                "Expected key points of at least one person, but got none. Nobody was found in the video. "
                "Check the picture, or give key points made by hand."
            )
        if frames > 1 and not (np.diff(self.keypoints.times) > 0).all():
            raise UserError(
                "Expected key points at increasing times, but got some that stand still or run back. "
                "The video's time stamps are broken. Give the key points times of their own."
            )

    @property
    def persons(self) -> int:
        """Number of people."""
        return self.keypoints.pixels.shape[0]

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.keypoints.pixels.shape[1]

    def camera_evidence(self) -> list[Evidence]:
        """Residuals of a camera against what is usual and what was measured of it."""
        found = [] if self.known is None else self.known.evidence()
        found += [] if self.floor is None else [self.floor.evidence()]
        return found + ([] if self.usual is None else [CameraPriors().evidence(self.usual)])

    def active_frames(self) -> Bool[np.ndarray, "person frame"]:
        """Frames in which each person is solved for."""
        if self.active is not None:
            return self.active
        times = self.keypoints.times
        there = self.keypoints.seen.sum(-1) >= _LEAST_POINTS
        for row in there:
            seen = np.flatnonzero(row)
            for before, after in pairwise(seen):
                if times[after] - times[before] <= BRIDGE_S:
                    row[before:after] = True
        return there


@dataclass(frozen=True)
class State:
    """The unknowns. Frames in which a person is not active hold a pose nearby and mean nothing.

    Attributes:
        rotations: of each joint relative to its parent; the pelvis' maps the rest frame to the world.
        trans: pelvis joint in the world, metres.
        betas: shape of each person.
        camera: log focal length in pixels, pitch, roll, log height in metres, k1.
        affinity: (a, b) of the depth map.
        offsets: where the detector sees a landmark, less where it is on the body: in the rest frame, metres.
    """

    rotations: Float[np.ndarray, "person frame 24 3 3"]
    trans: Float[np.ndarray, "person frame 3"]
    betas: Float[np.ndarray, "person 10"]
    camera: Float[np.ndarray, "5"]
    affinity: Float[np.ndarray, "2"]
    offsets: Float[np.ndarray, "26 3"]

    def save(self, path: Path, **further: np.ndarray) -> None:
        """Write the state, and further arrays that belong to it, as an .npz file."""
        arrays = {name: getattr(self, name) for name in _STATE} | further
        write_atomically(path, lambda file: np.savez(file, **arrays))


_STATE: Final = ("rotations", "trans", "betas", "camera", "affinity", "offsets")


def load_state(path: Path) -> tuple[State, dict[str, np.ndarray]]:
    """A state that `State.save` wrote, and the further arrays.

    Raises:
        UserError: if the file cannot be read or lacks a part.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        return State(*(arrays.pop(name) for name in _STATE)), arrays
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise UserError(
            f"Expected the state of a reconstruction in '{path}', but got {error!r}. "
            "The file was cut off or comes from elsewhere. Delete it and start again."
        ) from error


def scene_surroundings(scene: Scene, folder: Path | None = None) -> Surroundings:
    """Signed distance, with its gradient, to the furniture, walls and meshes of a room, without its floor; metres.

    Raises:
        UserError: if a mesh of the room cannot be read.
    """
    geometry = SceneGeometry.of([scene], folder=folder)

    def nearest(points: Float[np.ndarray, "point 3"]) -> tuple[np.ndarray, np.ndarray]:
        at = torch.from_numpy(np.asarray(points, np.float32))[None].requires_grad_()
        # The floor is a term of its own, with another softness.
        surfaces = [geometry.solids.distance(at, geometry.solids.nearest(at))[0], geometry.shell_distance(at)[0, :, 0]]
        surfaces += [mesh.signed_distance(at[0]) for mesh, _ in geometry.meshes[0]]
        distance = torch.stack(surfaces).amin(dim=0)
        (gradient,) = torch.autograd.grad(distance.sum(), at)
        return distance.detach().double().numpy(), gradient[0].double().numpy()

    return nearest
