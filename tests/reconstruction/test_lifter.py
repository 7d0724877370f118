from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from carescene.errors import UserError
from carescene.humans.kinematics import forward_kinematics
from carescene.humans.rotations import rotvec_to_matrix
from carescene.humans.skeleton import JOINT
from carescene.rendering.camera import Camera, look_at
from reconstruction.landmarks import free_landmarks
from reconstruction.lifter import keypoint_windows, lift, lift_samples, window_frames
from reconstruction.lifter_file import LoadedLifter
from reconstruction.lifter_input import SPACING, WINDOW
from reconstruction.lifter_network import Lifter, LifterConfig
from reconstruction.observations import LANDMARK, Keypoints
from reconstruction.seen_clips import clip_landmarks


def _standing(moving_clip, frames=12):
    """Somebody who stands with the arms down and turns a little."""
    clip = moving_clip(frames)
    clip.poses[:] = 0
    clip.poses[0, :, 0] = (Rotation.from_rotvec([0, 0, 0.4]) * Rotation.from_rotvec([np.pi / 2, 0, 0])).as_rotvec()
    clip.poses[0, :, JOINT["left_shoulder"], 2] = -1.2
    clip.poses[0, :, JOINT["right_shoulder"], 2] = 1.2
    clip.betas[:] = 0
    return clip


def _keypoints(clip, camera: Camera) -> Keypoints:
    pixels, _ = camera.project(clip_landmarks(clip)[2])
    frames = np.arange(clip.num_frames)
    ones = np.ones(pixels.shape[:3])
    return Keypoints(frames / clip.fps, frames, camera.width, camera.height, pixels, ones, 2 * ones, ("a",), "truth")


CAMERA = look_at(np.array([1.0, -4.0, 2.2]), np.array([0.2, 0.1, 0.9]), width=1280, height=720, field_of_view=0.9)


@pytest.fixture(scope="module")
def untrained() -> LoadedLifter:
    torch.manual_seed(0)
    model = Lifter(LifterConfig(width=48, hidden=48, blocks=1, context=16, flow_layers=2, flow_hidden=16))
    with torch.no_grad():
        model.pose.weight.mul_(20)
    return LoadedLifter(model.eval(), torch.full((24,), 1.5))


def test_the_shipped_lifter_sees_how_somebody_stands(moving_clip):
    clip = _standing(moving_clip)
    labels = lift(_keypoints(clip, CAMERA), CAMERA)
    assert labels.valid.all() and labels.source == "lifter"
    rest = torch.from_numpy(free_landmarks().joints)
    true = rotvec_to_matrix(torch.from_numpy(clip.poses.astype(np.float64)))
    true[:, :, 0] = torch.from_numpy(CAMERA.rotation) @ true[:, :, 0]
    zero = torch.zeros(1, clip.num_frames, 3).double()
    found, truth = (forward_kinematics(r, zero, rest)[0] for r in (torch.from_numpy(labels.rotations), true))
    assert float((found - truth).norm(dim=-1).mean()) < 0.08
    std = np.sqrt(np.diagonal(labels.covariance, axis1=-2, axis2=-1))
    assert (std > 0.01).all() and 0.03 < std.mean() < 0.4


def test_little_to_see_gives_a_wide_label(moving_clip):
    clip = _standing(moving_clip)
    whole = _keypoints(clip, CAMERA)
    head_only = whole.confidence.copy()
    head_only[..., [LANDMARK[name] for name in LANDMARK if name not in ("nose", "left_eye", "right_eye")]] = 0
    few = lift(replace(whole, confidence=head_only), CAMERA)
    std, wide = (np.sqrt(np.diagonal(x.covariance, axis1=-2, axis2=-1)).mean() for x in (lift(whole, CAMERA), few))
    assert few.valid.all() and wide > 1.3 * std


def test_labels_are_rotations_with_positive_covariances(moving_clip, untrained: LoadedLifter):
    labels = lift(_keypoints(moving_clip(12, persons=2), CAMERA), CAMERA, lifter=untrained)
    assert labels.rotations.shape == (2, 12, 24, 3, 3) and labels.covariance.shape == (2, 12, 72, 72)
    assert np.allclose(labels.rotations @ labels.rotations.swapaxes(-1, -2), np.eye(3), atol=1e-5)
    assert np.allclose(labels.covariance, labels.covariance.swapaxes(-1, -2), atol=1e-6)
    assert np.linalg.eigvalsh(labels.covariance).min() > 0
    narrow = lift(
        _keypoints(moving_clip(12, persons=2), CAMERA),
        CAMERA,
        lifter=untrained._replace(temper=torch.full((24,), 0.75)),
    )
    assert np.allclose(labels.covariance, 4 * narrow.covariance, rtol=1e-4, atol=1e-6)


def test_turning_the_camera_about_its_eye_turns_the_pelvis_alone(moving_clip, untrained: LoadedLifter):
    clip = moving_clip(10)
    # The person's middle at the eye's height: the crop then undoes the turn without any roll.
    level = look_at(np.array([0.3, -4.0, 1.0]), np.array([0.3, 0.15, 1.0]), width=1280, height=720, field_of_view=1.2)
    pan = Rotation.from_rotvec([0, 0.35, 0]).as_matrix()
    aside = replace(level, rotation=pan @ level.rotation)
    straight = lift(_keypoints(clip, level), level, lifter=untrained)
    turned = lift(_keypoints(clip, aside), aside, lifter=untrained)
    assert np.allclose(turned.rotations[:, :, 0], pan @ straight.rotations[:, :, 0], atol=0.03)
    assert np.allclose(turned.rotations[:, :, 1:], straight.rotations[:, :, 1:], atol=0.03)


def test_lens_and_focal_length_are_undone(moving_clip, untrained: LoadedLifter):
    clip = moving_clip(10)
    lens = replace(CAMERA, focal=0.7 * CAMERA.focal, distortion=(-0.2, 0.03, 1e-3, -1e-3, 0.0), shift=(15.0, -8.0))
    plain, bent = (lift(_keypoints(clip, camera), camera, lifter=untrained) for camera in (CAMERA, lens))
    assert np.allclose(plain.rotations, bent.rotations, atol=1e-3)


def test_without_gravity_the_world_does_not_matter(moving_clip, untrained: LoadedLifter):
    keypoints = _keypoints(moving_clip(10), CAMERA)
    upside = replace(CAMERA, rotation=CAMERA.rotation @ np.diag([1.0, -1.0, -1.0]))
    one, other = (lift(keypoints, c, gravity_known=False, lifter=untrained) for c in (CAMERA, upside))
    assert np.array_equal(one.rotations, other.rotations)
    assert not np.array_equal(lift(keypoints, upside, lifter=untrained).rotations, one.rotations)


def test_frames_without_points_are_bridged_but_not_long_gaps(moving_clip, untrained: LoadedLifter):
    keypoints = _keypoints(moving_clip(40), CAMERA)
    confidence = keypoints.confidence.copy()
    confidence[:, 10:13] = 0
    confidence[:, 20:] = 0
    pixels = np.where(confidence[..., None] > 0, keypoints.pixels, np.nan)
    labels = lift(replace(keypoints, confidence=confidence, pixels=pixels), CAMERA, lifter=untrained)
    assert np.isfinite(labels.rotations).all() and np.isfinite(labels.covariance).all()
    assert labels.valid[0, :24].all() and not labels.valid[0, 30:].any()
    nobody = lift(replace(keypoints, confidence=0 * confidence), CAMERA, lifter=untrained)
    assert not nobody.valid.any()


def test_samples_begin_with_the_best_pose(moving_clip, untrained: LoadedLifter):
    keypoints = _keypoints(moving_clip(30), CAMERA)
    confidence = keypoints.confidence.copy()
    confidence[:, 10:] = 0
    keypoints = replace(keypoints, confidence=confidence)
    samples, labels = lift_samples(keypoints, CAMERA, 5, lifter=untrained), lift(keypoints, CAMERA, lifter=untrained)
    assert samples.shape == (1, 30, 5, 24, 3, 3)
    assert np.array_equal(np.isfinite(samples).all((2, 3, 4, 5)), labels.valid)
    assert np.allclose(samples[0, :10, 0], labels.rotations[0, :10], atol=1e-5)
    assert (np.abs(samples[0, :10, 1] - samples[0, :10, 2]) > 1e-3).any()


def test_windows_span_the_same_time_at_every_rate():
    for fps in (10, 20, 25, 30, 60):
        rows, near, spacing = window_frames(np.arange(80) / fps)
        assert 0.7 * SPACING < spacing < 1.3 * SPACING
        assert near[40].all() and not near[0, : WINDOW // 2].any()
        assert np.allclose(np.diff(rows[40]), round(spacing * fps))
    rows, near, _ = window_frames(np.arange(5) * 1.0)
    assert near.sum(1).tolist() == [1] * 5 and rows[:, WINDOW // 2].tolist() == [0, 1, 2, 3, 4]
    assert window_frames(np.zeros(1))[0].shape == (1, WINDOW)
    # Uneven times: the nearest frame, none where the video has a hole.
    times = np.concatenate((np.arange(20), np.arange(30, 50))) / 20 + np.random.default_rng(0).uniform(0, 0.01, 40)
    rows, near, _ = window_frames(times)
    assert near[10].all() and not near[19, WINDOW // 2 + 1 :].any()


def test_the_camera_must_be_of_the_same_picture(moving_clip, untrained: LoadedLifter):
    keypoints = _keypoints(moving_clip(3), CAMERA)
    with pytest.raises(UserError, match="1280x720"):
        keypoint_windows(keypoints, replace(CAMERA, width=640))
