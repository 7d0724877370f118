"""A made person whose every observation is known, for tests of the joint optimisation."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from carescene.humans.skeleton import JOINT
from carescene.rendering.camera import Camera
from carescene.simulation.pose_limits import NEUTRAL
from reconstruction.camera_parameters import camera_of, plain_camera
from reconstruction.chains import landmark_points, stature_model
from reconstruction.landmarks import free_landmarks
from reconstruction.normal_equations import ChunkEquations
from reconstruction.observations import Keypoints, PoseLabels
from reconstruction.optimiser import Optimiser
from reconstruction.posed import FREE_JOINTS, place_points, pose_body
from reconstruction.problem import Problem, State
from reconstruction.window import NUM_SHARED, Context


@dataclass(frozen=True)
class Made:
    """A problem with its truth; key points are exact."""

    problem: Problem
    truth: State
    camera: Camera


@pytest.fixture(scope="session")
def glide() -> Callable[..., Made]:
    """People who glide over the floor at even speed in one pose: nothing accelerates, so the truth costs nothing."""

    def make(frames: int = 8, persons: int = 1, fps: float = 20.0, turn: float = 0.0) -> Made:
        model, points = free_landmarks(), landmark_points(free_landmarks())
        parameters = np.array([np.log(900.0), 0.3, 0.02, np.log(2.4), -0.05])
        camera = camera_of(parameters, plain_camera(1280, 720, 900))
        pose = NEUTRAL.copy()
        pose[JOINT["left_knee"]] = Rotation.from_rotvec([0.3, 0.0, 0.0]).as_matrix()
        pose[JOINT["right_elbow"]] = Rotation.from_rotvec([0.0, 0.5, 0.0]).as_matrix()
        pose[0] = (Rotation.from_euler("z", 0.6 + turn) * Rotation.from_euler("x", 90, degrees=True)).as_matrix()
        times = np.arange(frames) / fps
        rotations = np.tile(pose, (persons, frames, 1, 1, 1))
        trans = np.zeros((persons, frames, 3))
        trans[..., 0] = 0.3 * times + 1.2 * np.arange(persons)[:, None] - 0.3
        trans[..., 1], trans[..., 2] = 5.0 + 0.2 * times, 0.97
        betas = np.zeros((persons, 10))
        pixels = np.zeros((persons, frames, len(points.carrier), 2))
        for person in range(persons):
            posed = pose_body(model, rotations[person], trans[person], betas[person])
            pixels[person], _ = camera.project(place_points(posed, points.carrier, points.offsets))
        seen = np.ones(pixels.shape[:3])
        names = tuple(f"person {index}" for index in range(persons))
        keypoints = Keypoints(times, np.arange(frames), 1280, 720, pixels, seen, 2.0 * seen, names, "truth")
        means = rotations.copy()
        means[:, :, 0] = camera.rotation @ means[:, :, 0]
        covariance = np.broadcast_to(0.04 * np.eye(72), (persons, frames, 72, 72)).copy()
        labels = PoseLabels(means, covariance, np.ones((persons, frames), bool), "truth")
        stature = np.full(persons, stature_model().of(betas[0]))
        spread = np.diag(np.array([0.05, 0.02, 0.01, 0.04, 0.02]) ** 2)
        problem = Problem(keypoints, camera, spread, stature, np.full(persons, 0.08), labels=labels)
        truth = State(rotations, trans, betas, parameters, np.array([1.0, 0.0]), np.zeros((len(points.carrier), 3)))
        return Made(problem, truth, camera)

    return make


@pytest.fixture(scope="session")
def shaken() -> Callable[[State, float], State]:
    """A state with every joint, place and shape a little off, always in the same way."""

    def shake(state: State, size: float) -> State:
        rng = np.random.default_rng(5)
        turns = Rotation.from_rotvec(size * rng.standard_normal((state.rotations[..., 0, 0].size, 3))).as_matrix()
        return State(
            state.rotations @ turns.reshape(state.rotations.shape),
            state.trans + size * rng.standard_normal(state.trans.shape),
            state.betas + size * rng.standard_normal(state.betas.shape),
            state.camera + 0.1 * size * rng.standard_normal(5),
            state.affinity + 0.1 * size * rng.standard_normal(2),
            state.offsets,
        )

    return shake


@dataclass
class DenseEquations:
    """One chain's equations as plain matrices, in the place of an elimination."""

    matrix: np.ndarray
    border: np.ndarray
    corner: np.ndarray
    slope: np.ndarray
    shared_slope: np.ndarray

    def add(self, chunk: ChunkEquations) -> None:
        """Frame pair by frame pair."""
        size = chunk.slope.shape[1]
        for frame in range(min(len(chunk.slope), len(self.slope) // size - chunk.start)):
            at = slice((chunk.start + frame) * size, (chunk.start + frame + 1) * size)
            self.border[at] += chunk.border[frame]
            self.slope[at] += chunk.slope[frame]
            for before in range(min(frame, 2) + 1):
                other = slice(at.start - before * size, at.stop - before * size)
                part = chunk.squares[before, frame - before]
                self.matrix[at, other] += part
                if before:
                    self.matrix[other, at] += part.T
        self.corner += chunk.corner
        self.shared_slope += chunk.shared_slope


@pytest.fixture(scope="session")
def dense() -> Callable[..., tuple[dict[str, float], DenseEquations]]:
    """Energies of one chain in a state, and its equations as plain matrices."""

    def make(
        optimiser: Optimiser, state: State, index: int, context: Context
    ) -> tuple[dict[str, float], DenseEquations]:
        size = 69 * len(optimiser.chains[index])
        corner, slope = np.zeros((NUM_SHARED, NUM_SHARED)), np.zeros(NUM_SHARED)
        into = DenseEquations(np.zeros((size, size)), np.zeros((size, NUM_SHARED)), corner, np.zeros(size), slope)
        return optimiser.chain(optimiser.take(state), index, context, FREE_JOINTS, into), into

    return make
