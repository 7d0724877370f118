"""Scores of perfect and of shifted solutions; the views of a Captury take."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from carescene.clips.clip import Clip
from carescene.clips.formats.captury import CapturyCamera, CapturyTake
from carescene.humans.skeleton import JOINT
from carescene.rendering.camera import Camera
from reconstruction.camera_parameters import to_our_world
from reconstruction.captury_takes import CAPTURY_JOINTS, captury_views
from reconstruction.observations import LANDMARK
from reconstruction.problem import State
from reconstruction.resampled import evenly_spaced
from reconstruction.scores import in_camera, score_captury, score_clip
from reconstruction.seen_clips import SeenClip, see_clip
from reconstruction.solution import Solution


@pytest.fixture
def seen(moving_clip) -> SeenClip:
    return see_clip(moving_clip(frames=24), seed=1)


def solution_of(joints: np.ndarray, camera: Camera, poses: np.ndarray, betas: np.ndarray) -> Solution:
    """A solution of these joints with standard deviations of 0.1 rad and 5 cm."""
    persons, frames = joints.shape[:2]
    local = Rotation.from_rotvec(poses.reshape(-1, 3)).as_matrix().reshape(persons, frames, 24, 3, 3)
    landmarks = (persons, frames, 26)
    return Solution(
        State(local, joints[:, :, 0].copy(), betas.astype(np.float64), np.zeros(5), np.zeros(2), np.zeros((26, 3))),
        camera, np.ones((persons, frames), bool), np.full((persons, frames, 24, 3), 0.1),
        np.full((persons, frames, 24, 3), 0.05), np.full((persons, frames, 3), 0.05), np.zeros(5),
        np.full(persons, 1.7), np.zeros(persons), [], joints, np.zeros(landmarks), np.ones(landmarks),
        np.zeros((persons, frames, 4)),
    )  # fmt: skip


def perfect(seen: SeenClip) -> Solution:
    """What a perfect reconstruction of a seen clip would be."""
    camera = to_our_world(seen.camera)
    joints = in_camera(seen.joints, seen.camera) @ camera.rotation + camera.eye
    return solution_of(joints, camera, seen.clip.poses, seen.clip.betas)


def test_a_perfect_solution_has_no_errors(seen: SeenClip):
    solution = perfect(seen)
    scores = score_clip(seen, solution, solution.camera)
    for name, value in scores.items():
        if name.startswith(("cover", "frames")):
            assert value == pytest.approx(100.0)
        elif name != "jitter":
            assert value == pytest.approx(0.0, abs=1e-2), name


def test_a_solution_that_is_shifted_is_off_by_the_shift(seen: SeenClip):
    solution = perfect(seen)
    solution = dataclasses.replace(solution, joints=solution.joints + np.array([0.0, 0.1, 0.0]))
    scores = score_clip(seen, solution, solution.camera)
    distance = np.linalg.norm(in_camera(seen.joints, seen.camera)[:, :, 0], axis=-1).mean()
    assert scores["MPJPE mm"] == pytest.approx(0.0, abs=1e-6)
    assert scores["root %"] == pytest.approx(100 * 0.1 / distance, rel=0.05)
    # Two of three axes stay within the stated 5 cm.
    assert scores["cover root %"] == pytest.approx(200 / 3)
    assert scores["cover joints %"] == pytest.approx(200 / 3)


def test_a_solution_becomes_an_even_clip(seen: SeenClip):
    solution = perfect(seen)
    solution.valid[0, 10:14] = False
    times = seen.keypoints.times * 2 + 5.0
    clip = evenly_spaced(solution, times, 20.0, "even")
    assert isinstance(clip, Clip) and clip.num_frames == 2 * 24 - 1
    # Old frames are every second one.
    assert np.allclose(clip.trans[0, ::2][solution.valid[0]], solution.state.trans[0][solution.valid[0]], atol=1e-6)
    assert np.allclose(clip.poses[0, ::2][solution.valid[0]], seen.clip.poses[0][solution.valid[0]], atol=1e-5)
    assert not clip.valid[0, 21:27].any() and clip.valid[0, :20].all() and clip.valid[0, 28:].all()
    assert clip.trans_std is not None and np.allclose(clip.trans_std[clip.valid], 0.05)


def take() -> CapturyTake:
    names = [f"{side}{part}" for side in ("Left", "Right") for part in
             ("UpLeg", "Leg", "Foot", "ToeBase", "Arm", "ForeArm", "Hand", "Eye", "Ear", "HeelInner", "HeelOuter",
              "FootEEInner", "FootEEOuter")] + ["Neck", "Nose", "HeadEE"]  # fmt: skip
    rng = np.random.default_rng(0)
    points = rng.uniform([-0.4, -0.4, 0.0], [0.4, 0.4, 1.7], size=(1, len(names), 3)) + np.zeros((20, 1, 1))
    rotation = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
    eye, matrix = np.array([0.0, -4.0, 1.5]), np.array([[1100.0, 0, 970], [0, 1101.0, 540], [0, 0, 1]])
    own = (points - eye) @ rotation.T
    pixels = ((own / own[..., 2:]) @ matrix.T)[..., :2]
    camera = CapturyCamera(matrix, rotation, eye, 1920, 1088, tuple(names), pixels)
    return CapturyTake("take", np.arange(20) / 50, tuple(names), points, (camera,))


def test_a_camera_of_a_take_becomes_key_points():
    view = captury_views(take(), frames=8)[0]
    assert view.name == "take_0" and view.keypoints.pixels.shape == (1, 8, 26, 2)
    assert np.allclose(np.diff(view.keypoints.times), 0.04)
    pixels, _ = view.camera.project(view.joints)
    knee = list(CAPTURY_JOINTS).index(JOINT["left_knee"])
    assert np.allclose(view.keypoints.pixels[0, :, LANDMARK["left_knee"]], pixels[:, knee])
    hips = view.keypoints.pixels[0][:, [LANDMARK["left_hip"], LANDMARK["right_hip"]]].mean(1)
    assert np.allclose(view.keypoints.pixels[0, :, LANDMARK["pelvis"]], hips)


def test_scores_of_a_take_allow_for_scale():
    view = captury_views(take())[0]
    camera = to_our_world(view.camera)
    own = in_camera(view.joints, view.camera)
    joints = np.full((1, 10, 24, 3), np.nan)
    joints[0][:, list(CAPTURY_JOINTS)] = (1.1 * own) @ camera.rotation + camera.eye
    solution = solution_of(joints, camera, np.zeros((1, 10, 24, 3)), np.zeros((1, 10)))
    scores = score_captury(view, solution, camera)
    assert scores["PA-MPJPE mm"] == pytest.approx(0.0, abs=1e-6)
    assert scores["scale"] == pytest.approx(1 / 1.1)
    assert scores["root %"] == pytest.approx(10.0, rel=1e-3)
