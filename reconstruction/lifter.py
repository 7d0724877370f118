"""Pose labels from key points alone, for videos of which no network has seen the pictures."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from carescene.errors import UserError
from carescene.humans.skeleton import NUM_JOINTS
from carescene.rendering.camera import Camera
from carescene.rendering.lens import undistort
from reconstruction.lifter_calibration import best_poses, fixed_noise, second_moments
from reconstruction.lifter_file import LoadedLifter, load_lifter
from reconstruction.lifter_input import SPACING, WINDOW, LifterInput, lifter_input
from reconstruction.lifter_network import TANGENT, perturbed
from reconstruction.observations import Keypoints, PoseLabels

# The network has seen no windows with more seconds than this between frames; slower videos go frame by frame.
_WIDEST: Final = 0.25
# Fewer points than these in a whole window say next to nothing of a pose.
_FEWEST: Final = 6
# Windows that go through the network at once: the samples of 256 take some 40 MB.
_BATCH: Final = 256


class KeypointWindows(NamedTuple):
    """What the lifter is asked: one window for each person and frame with enough points.

    Attributes:
        person, frame: where each window belongs.
        seen: the network's input.
    """

    person: Int[np.ndarray, "window"]
    frame: Int[np.ndarray, "window"]
    seen: LifterInput


def lift(
    keypoints: Keypoints, camera: Camera, *, gravity_known: bool = True, lifter: LoadedLifter | None = None
) -> PoseLabels:
    """What the key points of a video say about everybody's pose in every frame.

    There is a label for every frame in whose window (0.8 s at 10 frames per second and more) a person has at least six
    points, also where the frame itself has none; where little is seen, its covariance is wide. Standard deviations are
    scaled so that 68 % of the true rotations of people who were not trained on lie within one of them.

    Args:
        keypoints: of any source; missing landmarks are no problem.
        camera: focal length and lens of the video; where the eye stands does not matter.
        gravity_known: whether `camera.rotation` is upright in the world (z up), to some degrees. It helps most where
            people lie or the camera looks down.
        lifter: the network; the shipped one when None.

    Raises:
        UserError: the camera is for pictures of another size.
    """
    model, temper = lifter or load_lifter()
    windows = keypoint_windows(keypoints, camera, gravity_known=gravity_known)
    shape = keypoints.confidence.shape[:2]
    rotations = np.broadcast_to(np.eye(3), (*shape, NUM_JOINTS, 3, 3)).copy()
    # Single precision: a frame's covariance has 5,184 numbers.
    covariance = np.broadcast_to(np.eye(TANGENT, dtype=np.float32), (*shape, TANGENT, TANGENT)).copy()
    valid = np.zeros(shape, bool)
    noise, scale = fixed_noise(), temper.repeat_interleave(3)
    for at, seen in _batches(windows):
        with torch.no_grad():
            lifted = best_poses(model, seen.features)
            moments = second_moments(model, lifted, noise) * scale[:, None] * scale
        rotations[at] = _in_camera(lifted.rotations, seen.crop).double().numpy()
        covariance[at] = moments.numpy()
        valid[at] = True
    return PoseLabels(rotations, covariance, valid, "lifter")


def lift_samples(
    keypoints: Keypoints,
    camera: Camera,
    samples: int,
    *,
    gravity_known: bool = True,
    lifter: LoadedLifter | None = None,
    seed: int = 0,
) -> Float[np.ndarray, "person frame sample 24 3 3"]:
    """Poses that the key points leave open, in the camera's frame; the first sample is the best pose. NaN where
    `lift` has no label.

    Arguments and errors as in `lift`; a seed gives the same noise to every frame.
    """
    model, _ = lifter or load_lifter()
    windows = keypoint_windows(keypoints, camera, gravity_known=gravity_known)
    poses = np.full((*keypoints.confidence.shape[:2], samples, NUM_JOINTS, 3, 3), np.nan, np.float32)
    noise = torch.randn(samples, TANGENT, generator=torch.Generator().manual_seed(seed))
    for at, seen in _batches(windows):
        with torch.no_grad():
            lifted = best_poses(model, seen.features)
            w = model.sample(lifted, noise.expand(len(seen.size), -1, -1))
            w[:, 0] = 0
            drawn = perturbed(lifted.rotations[:, None], w)
        poses[at] = _in_camera(drawn.flatten(0, 1), seen.crop.repeat_interleave(samples, 0)).unflatten(0, w.shape[:2])
    return poses


def keypoint_windows(keypoints: Keypoints, camera: Camera, *, gravity_known: bool = True) -> KeypointWindows:
    """Windows of key points around every frame, as the network reads them; arguments and errors as in `lift`."""
    if (camera.width, camera.height) != (keypoints.width, keypoints.height):
        raise UserError(
            f"Expected a camera for pictures of {keypoints.width}x{keypoints.height} pixels like the key points, but "
            f"got {camera.width}x{camera.height}. Give the camera of this video, or scale it."
        )
    rows, near, spacing = window_frames(keypoints.times)
    confidence = keypoints.confidence[:, rows] * near[None, ..., None]
    person, frame = np.nonzero((confidence > 0).sum((2, 3)) >= _FEWEST)
    pixels = np.where(keypoints.seen[..., None], keypoints.pixels, camera.principal)
    flat = undistort((pixels - camera.principal) / camera.scale, camera.distortion)
    count = len(person)
    up = torch.from_numpy(camera.rotation[:, 2]).float().expand(count, 3)
    seen = lifter_input(
        torch.from_numpy(flat[person[:, None], rows[frame]]).float(),
        torch.from_numpy(confidence[person, frame]).float(),
        torch.full((count,), spacing),
        up,
        torch.full((count,), gravity_known),
    )
    return KeypointWindows(person, frame, seen)


def window_frames(
    times: Float[np.ndarray, "frame"],
) -> tuple[Int[np.ndarray, "frame window"], Bool[np.ndarray, "frame window"], float]:
    """The frames of the window around each frame, which of them are there, and the seconds between them.

    Windows take every so-many-th frame, so that about SPACING lies between; the nearest frame where times are uneven.
    """
    usual = float(np.median(np.diff(times))) if len(times) > 1 else np.inf
    middle = np.arange(WINDOW) == WINDOW // 2
    if usual > _WIDEST:
        alone = np.broadcast_to(middle, (len(times), WINDOW))
        return np.repeat(np.arange(len(times))[:, None], WINDOW, axis=1), alone, SPACING
    spacing = usual * max(1, round(SPACING / usual))
    wanted = times[:, None] + spacing * (np.arange(WINDOW) - WINDOW // 2)
    after = np.searchsorted(times, wanted).clip(1, len(times) - 1)
    rows = np.where(wanted - times[after - 1] < times[after] - wanted, after - 1, after)
    # Half a frame of unevenness is let pass.
    near = np.abs(times[rows] - wanted) <= max(0.5 * usual, 0.2 * spacing)
    return rows, near, spacing


def _batches(windows: KeypointWindows) -> Iterator[tuple[tuple[np.ndarray, np.ndarray], LifterInput]]:
    for start in range(0, len(windows.person), _BATCH):
        part = slice(start, start + _BATCH)
        features, crop, size = (value[part] for value in windows.seen)
        yield (windows.person[part], windows.frame[part]), LifterInput(features, crop, size)


def _in_camera(rotations: Tensor, crop: Tensor) -> Tensor:
    """Poses of the view along the line of sight in the camera's own frame: only the pelvis turns."""
    root = crop.transpose(1, 2)[:, None] @ rotations[:, :1]
    return torch.cat((root, rotations[:, 1:]), dim=1)
