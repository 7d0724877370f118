"""Clips with a known truth as a detector would see them from a ward's camera: what recovered motion is judged on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float

from carescene.clips.clip import Clip
from carescene.clips.files import load_clip
from carescene.errors import UserError
from carescene.humans.kinematics import forward_kinematics
from carescene.humans.rotations import rotvec_to_matrix
from carescene.rendering.camera import Camera, look_rotation
from reconstruction.landmarks import free_landmarks, landmark_positions
from reconstruction.observations import Keypoints

# As `carescene.rendering.camera_presets` hangs cameras in corners and on walls: metres above the floor, metres from
# people along the floor, degrees across, share by which the lens pulls the corners in, radians that screws allow.
_HEIGHT: Final = (2.0, 3.0)
_DISTANCE: Final = (2.5, 6.0)
_ACROSS: Final = (62.0, 100.0)
_BARREL: Final = (0.01, 0.08)
_ROLL: Final = 0.025
# Views drawn for each clip, of which the first that shows this share of all landmarks is taken, else the best.
_VIEWS: Final = 60
_IN_VIEW: Final = 0.98


@dataclass(frozen=True)
class DetectorErrors:
    """How far from exact points are: normal noise in pixels, share missing, share and size of outliers."""

    noise: float = 3.0
    missing: float = 0.1
    outliers: float = 0.05
    outlier_pixels: float = 80.0


@dataclass(frozen=True)
class SeenClip:
    """A clip, the camera that films it, and what is seen of its people.

    Attributes:
        joints: the true joints in the world, metres.
        rotations: the true world rotations of the joints.
        known_pixels: two points of the floor in the picture, for a distance that somebody measured.
        known_metres: that distance.
    """

    clip: Clip
    camera: Camera
    keypoints: Keypoints
    joints: Float[np.ndarray, "person frame 24 3"]
    rotations: Float[np.ndarray, "person frame 24 3 3"]
    known_pixels: Float[np.ndarray, "2 2"]
    known_metres: float


def draw_clips(folders: Sequence[Path], count: int, seed: int, split: str = "test", longest: int = 200) -> list[Clip]:
    """Clips of a split drawn by chance, the same number from every prepared folder in turn, cut to `longest` frames.

    Raises:
        UserError: a folder has no such split.
    """
    rng = np.random.default_rng(seed)
    names = []
    for folder in folders:
        listed = folder / "splits" / f"{split}.txt"
        if not listed.is_file():
            raise UserError(
                f"Expected a prepared folder with '{listed}', but there is none. Prepare the data, or correct the path."
            )
        lines = sorted(listed.read_text(encoding="utf-8").split())
        names.append([folder / "clips" / lines[index] for index in rng.permutation(len(lines))])
    most = max(len(paths) for paths in names)
    turns = [paths[turn] for turn in range(most) for paths in names if turn < len(paths)]
    return [_cut(load_clip(path), longest) for path in turns[:count]]


def see_clip(
    clip: Clip,
    seed: int,
    errors: DetectorErrors | None = None,
    width: int = 1280,
    height: int = 720,
) -> SeenClip:
    """Film a clip with a ward camera drawn by chance and add a detector's errors; the same seed sees the same.

    Points outside the picture or behind the eye are missing. Confidences tell nothing about outliers, as they often
    do not: 0.5 to 1 for every point. Nothing hides anything.
    """
    errors = errors or DetectorErrors()
    rng = np.random.default_rng([seed, len(clip.id), clip.num_frames])
    joints, rotations, points = clip_landmarks(clip)
    camera = ward_camera(points[clip.valid], rng, width, height)
    pixels, depth = camera.project(points)
    there = clip.valid[..., None] & (depth > 0.1) & (pixels >= 0).all(-1) & (pixels < [width, height]).all(-1)
    there &= rng.random(there.shape) >= errors.missing
    noisy = pixels + rng.normal(scale=errors.noise, size=pixels.shape)
    turn = rng.uniform(0, 2 * np.pi, there.shape)
    wrong = rng.random(there.shape) < errors.outliers
    noisy += (wrong * errors.outlier_pixels)[..., None] * np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    keypoints = Keypoints(
        times=np.arange(clip.num_frames) / float(clip.fps),
        frames=np.arange(clip.num_frames),
        width=width,
        height=height,
        pixels=np.where(there[..., None], noisy, np.nan),
        confidence=np.where(there, rng.uniform(0.5, 1.0, there.shape), 0.0),
        sigma=np.full(there.shape, max(errors.noise, 0.5)),
        names=tuple(f"person {number + 1}" for number in range(clip.num_persons)),
        source="truth",
    )
    ends = _on_the_floor(camera, rng)
    known_pixels, _ = camera.project(ends)
    metres = float(np.linalg.norm(ends[1] - ends[0]))
    return SeenClip(clip, camera, keypoints, joints, rotations, known_pixels, metres)


def clip_landmarks(
    clip: Clip,
) -> tuple[
    Float[np.ndarray, "person frame 24 3"],
    Float[np.ndarray, "person frame 24 3 3"],
    Float[np.ndarray, "person frame landmark 3"],
]:
    """Joints, world rotations of the joints and landmarks of a clip on the bundled body, in the world, metres."""
    model = free_landmarks()
    all_joints, all_rotations, all_points = [], [], []
    for person in range(clip.num_persons):
        rest, offsets = model.rest(clip.betas[person].astype(np.float64))
        local = rotvec_to_matrix(torch.from_numpy(np.asarray(clip.poses[person], np.float64)))
        trans = torch.from_numpy(np.asarray(clip.trans[person], np.float64))
        joints, rotations = forward_kinematics(local, trans, torch.from_numpy(rest))
        all_joints.append(joints.numpy())
        all_rotations.append(rotations.numpy())
        all_points.append(landmark_positions(all_joints[-1], all_rotations[-1], offsets, model.carrier))
    return np.stack(all_joints), np.stack(all_rotations), np.stack(all_points)


def ward_camera(points: Float[np.ndarray, "*batch 3"], rng: np.random.Generator, width: int, height: int) -> Camera:
    """A camera as it hangs in a corner or on a wall of a ward that sees these points, metres, z up, floor at 0.

    Of 60 drawn views the first that shows 98 % of the points, or else the one that shows most.
    """
    flat = points.reshape(-1, 3)
    low, high = flat.min(0), flat.max(0)
    best, most = None, -1.0
    for _ in range(_VIEWS):
        middle = low + (high - low) * rng.uniform(0.35, 0.65, size=3)
        azimuth, away = rng.uniform(0, 2 * np.pi), rng.uniform(*_DISTANCE)
        eye = np.array([*(middle[:2] + away * np.array([np.cos(azimuth), np.sin(azimuth)])), rng.uniform(*_HEIGHT)])
        roll = rng.normal(scale=_ROLL)
        turn = np.array([[np.cos(roll), -np.sin(roll), 0.0], [np.sin(roll), np.cos(roll), 0.0], [0.0, 0.0, 1.0]])
        focal = width / 2 / np.tan(np.deg2rad(rng.uniform(*_ACROSS)) / 2)
        k1 = -rng.uniform(*_BARREL) / ((width**2 + height**2) / (2 * focal) ** 2)
        camera = Camera(
            eye, turn @ look_rotation(middle - eye), float(focal), width, height, (float(k1), 0.0, 0.0, 0.0, 0.0)
        )
        pixels, depth = camera.project(flat)
        seen = float(((depth > 0.5) & (pixels >= 0).all(-1) & (pixels < [width, height]).all(-1)).mean())
        if seen > most:
            best, most = camera, seen
        if most >= _IN_VIEW:
            break
    assert best is not None
    return best


def _on_the_floor(camera: Camera, rng: np.random.Generator) -> Float[np.ndarray, "2 3"]:
    """Two points of the floor in the lower half of the picture, some metres apart: what a tape measure would give."""
    while True:
        spots = rng.uniform([0.1, 0.55], [0.9, 0.95], size=(2, 2)) * [camera.width, camera.height]
        rays = camera.rays(spots)
        ends = camera.eye - rays * (camera.eye[2] / rays[:, 2:])
        if (rays[:, 2] < -0.05).all() and np.linalg.norm(ends[1] - ends[0]) > 1.0:
            return ends


def _cut(clip: Clip, longest: int) -> Clip:
    if clip.num_frames <= longest:
        return clip
    # Around the middle, where things happen; events outside it fall away.
    start = (clip.num_frames - longest) // 2
    part = slice(start, start + longest)
    return Clip(
        id=clip.id,
        fps=clip.fps,
        poses=clip.poses[:, part],
        trans=clip.trans[:, part],
        betas=clip.betas,
        frame_label=clip.frame_label[:, part],
        valid=clip.valid[:, part],
        text=clip.text,
        persons=clip.persons,
        attributes=clip.attributes,
        scene=clip.scene,
        source=clip.source,
    )
