"""How good a reconstruction is, as far as it can tell without the truth, and which frames are not to be trusted."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float

from carescene.clips.clip import Clip
from carescene.evaluation.physics import foot_skating_total, jerk_total, stance_intervals
from carescene.humans.kinematics import forward_kinematics
from carescene.humans.rotations import rotvec_to_matrix
from carescene.rendering.camera import Camera
from carescene.scenes.contact_measures import contact_report
from carescene.scenes.scene import Scene
from reconstruction.landmarks import LandmarkModel, free_landmarks, landmark_positions
from reconstruction.observations import LANDMARK, Keypoints
from reconstruction.room_carriers import labelled

# Limits beyond which a frame is doubted. Each is far outside what a good reconstruction shows, and none needs truth.
_LEAST_SEEN: Final = 6  # landmarks: fewer leave the trunk's turn open
_SURE: Final = 0.3  # confidence of a landmark that counts as seen
_PICTURE_S: Final = 0.25  # to the nearest picture: half a step; what people do in a longer pause is a guess
_OFF: Final = 0.08  # of the person's height: a hand's length between body and key points
_ROOT_STD_M: Final = 0.30
_ROOT_STD_MORE: Final = 1.5  # times the person's usual one: what is common to all frames is the scale's
_POSE_STD_DEG: Final = 30.0
_DEEP_M: Final = 0.10
_HOVERING_M: Final = 0.15
_FASTEST_M_S: Final = 6.0  # of the pelvis: falls reach 4
_IN_PICTURE: Final = 0.5
# Doubted ranges nearer to each other than this are one; single frames are flicker.
_GAP_S: Final = 0.3
_SHORTEST_S: Final = 0.1
# Contact is measured in at most this many frames of a person; between them it hardly changes.
_CONTACT_FRAMES: Final = 1500


@dataclass(frozen=True)
class Doubt:
    """A time in which a person is not to be trusted, seconds from the first frame, and why."""

    person: int
    start_s: float
    end_s: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Quality:
    """Measures of a reconstruction, frame by frame; NaN where a measure does not apply.

    Attributes:
        fps: frames per second of all of them.
        reprojection_px: mean distance of the seen landmarks from where the body has them.
        height_px: how high the person would look standing at that distance; the measure's unit in tables.
        jerk: mean over joints of the third derivative's length, m/s3.
        skate: mean speed of standing feet, m/s.
        penetration_m: of the deepest skin point in floor, walls or furniture.
        hovering_m: gap under what should carry the person.
        root_std_m, pose_std_deg: stated standard deviations: of the pelvis in space, mean over joints.
        doubted: for each reason the frames it applies to.
        trusted: frames in which the person exists and no reason applies.
        doubts: the same as times.
        means: one number for each measure over everybody, `share_doubted` of all frames among them.
        people: the same for each person.
    """

    fps: float
    reprojection_px: Float[np.ndarray, "person frame"]
    height_px: Float[np.ndarray, "person frame"]
    jerk: Float[np.ndarray, "person frame"]
    skate: Float[np.ndarray, "person frame"]
    penetration_m: Float[np.ndarray, "person frame"]
    hovering_m: Float[np.ndarray, "person frame"]
    root_std_m: Float[np.ndarray, "person frame"]
    pose_std_deg: Float[np.ndarray, "person frame"]
    doubted: Mapping[str, Bool[np.ndarray, "person frame"]]
    trusted: Bool[np.ndarray, "person frame"]
    doubts: tuple[Doubt, ...]
    means: Mapping[str, float]
    people: tuple[Mapping[str, float], ...]

    @property
    def reprojection(self) -> Float[np.ndarray, "person frame"]:
        """Reprojection error as a share of the person's height."""
        return self.reprojection_px / self.height_px


def measure(
    clip: Clip,
    camera: Camera,
    keypoints: Keypoints | None = None,
    scene: Scene | None = None,
    *,
    folder: Path | None = None,
    landmarks: LandmarkModel | None = None,
) -> Quality:
    """Measure a reconstruction by itself.

    Args:
        clip: reconstructed people, frame 0 at 0 s.
        camera: recovered, with the size of the key points' picture.
        keypoints: what was seen, persons in the clip's order; times may differ from the clip's frames.
        scene: the room; without it only the floor is looked at.
        folder: where the scene's file lies, to which its meshes are relative.
        landmarks: of the body model; the bundled body's if not given.
    """
    clip = labelled(clip)
    model = landmarks or free_landmarks()
    joints, points = posed_landmarks(clip, model)
    valid = clip.valid
    pixels, depth = camera.project(points)
    front = depth > 0.05
    inside = front & (pixels > 0).all(axis=-1) & (pixels[..., 0] < camera.width) & (pixels[..., 1] < camera.height)
    error, middle, seen = reprojection_error(points, clip.fps, camera, keypoints, valid)
    statures = np.array([stature(model, betas) for betas in clip.betas])
    away = np.where(valid, depth[..., LANDMARK["pelvis"]], np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        height_px = np.where(away > 0.05, camera.focal * statures[:, None] / away, np.nan)
    room = scene if scene is not None else _bare_floor(joints, valid)
    every = max(1, int(np.ceil(clip.num_frames / _CONTACT_FRAMES)))
    contact = contact_report(clip, room, every=every, folder=folder)
    penetration, hovering = (_held(values, every) for values in (contact.depth_m, contact.gap_m))
    root_std, pose_std = stated_deviations(clip)
    usual = np.array([[np.median(row[np.isfinite(row)]) if np.isfinite(row).any() else np.nan] for row in root_std])
    speed = pelvis_speed(joints, clip.fps)
    with np.errstate(invalid="ignore"):
        doubted = {
            "too few key points": seen < _LEAST_SEEN if keypoints is not None else np.zeros_like(valid),
            "no picture near": _from_pictures(clip, keypoints) > _PICTURE_S,
            "far from the key points": middle / height_px > _OFF,
            "outside the picture": inside.mean(axis=-1) < _IN_PICTURE,
            "large standard deviation": ((root_std > _ROOT_STD_M) & (root_std > _ROOT_STD_MORE * usual))
            | (pose_std > _POSE_STD_DEG),
            "inside floor or furniture": penetration > _DEEP_M,
            "hovering": hovering > _HOVERING_M,
            "too fast": speed > _FASTEST_M_S,
        }
    doubted = {reason: frames & valid for reason, frames in doubted.items()}
    trusted = valid & ~np.any(list(doubted.values()), axis=0)
    rows = {
        "reprojection_px": error,
        "reprojection": error / height_px,
        "penetration_m": penetration,
        "hovering_m": hovering,
        "root_std_m": root_std,
        "pose_std_deg": pose_std,
    }
    everybody = np.arange(clip.num_persons)
    means = _means(rows, joints, valid, trusted, float(clip.fps), everybody)
    people = tuple(_means(rows, joints, valid, trusted, float(clip.fps), everybody[[one]]) for one in everybody)
    return Quality(
        fps=float(clip.fps),
        reprojection_px=error,
        height_px=height_px,
        jerk=frame_jerk(joints, clip.fps, valid),
        skate=frame_skate(joints, clip.fps, valid),
        penetration_m=penetration,
        hovering_m=hovering,
        root_std_m=root_std,
        pose_std_deg=pose_std,
        doubted=doubted,
        trusted=trusted,
        doubts=doubt_ranges(doubted, clip.fps),
        means=means,
        people=people,
    )


def posed_landmarks(
    clip: Clip, model: LandmarkModel
) -> tuple[Float[np.ndarray, "person frame 24 3"], Float[np.ndarray, "person frame landmark 3"]]:
    """Joints and landmarks of everybody in the world, metres; NaN in frames in which a person does not exist."""
    joints = np.full((*clip.valid.shape, 24, 3), np.nan)
    points = np.full((*clip.valid.shape, len(model.carrier), 3), np.nan)
    for person, there in enumerate(clip.valid):
        rest, offsets = model.rest(clip.betas[person].astype(np.float64))
        positions, rotations = forward_kinematics(
            rotvec_to_matrix(torch.from_numpy(clip.poses[person, there].astype(np.float64))),
            torch.from_numpy(clip.trans[person, there].astype(np.float64)),
            torch.from_numpy(rest),
        )
        joints[person, there] = positions.numpy()
        points[person, there] = landmark_positions(positions.numpy(), rotations.numpy(), offsets, model.carrier)
    return joints, points


def reprojection_error(
    points: Float[np.ndarray, "person frame landmark 3"],
    fps: float | int,
    camera: Camera,
    keypoints: Keypoints | None,
    valid: Bool[np.ndarray, "person frame"],
) -> tuple[Float[np.ndarray, "person frame"], Float[np.ndarray, "person frame"], Float[np.ndarray, "person frame"]]:
    """Pixel distance of seen key points from the body's, frame by frame: mean and median of the landmarks; and how many
    were surely seen.

    Landmarks move in straight lines between frames, so that key points at other times than the clip's can be compared;
    each frame has the mean of the key points' moments that are nearest to it. NaN, NaN and 0 where there are none.
    """
    mean, middle, count = np.full(valid.shape, np.nan), np.full(valid.shape, np.nan), np.zeros(valid.shape)
    if keypoints is None:
        return mean, middle, count
    frames = valid.shape[1]
    position = np.clip(keypoints.times * float(fps), 0, frames - 1)
    nearest = np.round(position).astype(int)
    before = np.minimum(position.astype(int), max(frames - 2, 0))
    after = np.minimum(before + 1, frames - 1)
    share = (position - before)[:, None, None]
    for person in range(min(len(keypoints.pixels), len(points))):
        whole = valid[person, before] & valid[person, after]
        moved = points[person, before] + share * (points[person, after] - points[person, before])
        at = np.where(whole[:, None, None], moved, points[person, nearest])
        pixels, depth = camera.project(at)
        away = np.linalg.norm(pixels - keypoints.pixels[person], axis=-1)
        counts = keypoints.seen[person] & (depth > 0.05) & np.isfinite(away)
        some = np.flatnonzero(counts.any(axis=-1))
        away = np.where(counts, away, np.nan)[some]
        for out, values in ((mean, np.nanmean(away, axis=-1)), (middle, np.nanmedian(away, axis=-1))):
            sums, numbers = np.zeros(frames), np.zeros(frames)
            np.add.at(sums, nearest[some], values)
            np.add.at(numbers, nearest[some], 1)
            out[person] = np.where(numbers > 0, sums / np.maximum(numbers, 1), np.nan)
        np.maximum.at(count[person], nearest, (keypoints.confidence[person] > _SURE).sum(axis=-1))
        # Where the clip has more frames than there are key points, those between have what their neighbours have.
        asked = np.unique(nearest)
        later = asked[np.minimum(np.searchsorted(asked, np.arange(frames)), len(asked) - 1)]
        earlier = asked[np.maximum(np.searchsorted(asked, np.arange(frames), side="right") - 1, 0)]
        count[person] = np.maximum(count[person, later], count[person, earlier])
    return np.where(valid, mean, np.nan), np.where(valid, middle, np.nan), count


def stature(model: LandmarkModel, betas: Float[np.ndarray, "10"]) -> float:
    """Height of a body from its heels to the top of its head, metres."""
    rest, offsets = model.rest(betas.astype(np.float64))
    marks = rest[model.carrier] + offsets
    heels = marks[[LANDMARK["left_heel"], LANDMARK["right_heel"]], 1].mean()
    return float(marks[LANDMARK["head_top"], 1] - heels)


def stated_deviations(clip: Clip) -> tuple[Float[np.ndarray, "person frame"], Float[np.ndarray, "person frame"]]:
    """Standard deviations that a clip states: of the pelvis in space in metres, mean over joints in degrees."""
    unknown = np.full(clip.valid.shape, np.nan)
    root, pose = unknown, unknown
    if clip.trans_std is not None:
        root = np.where(clip.valid, np.linalg.norm(clip.trans_std.astype(np.float64), axis=-1), np.nan)
    if clip.pose_std is not None:
        pose = np.where(clip.valid, np.degrees(clip.pose_std.astype(np.float64)).mean(axis=-1), np.nan)
    return root, pose


def pelvis_speed(joints: Float[np.ndarray, "person frame 24 3"], fps: float | int) -> Float[np.ndarray, "person frame"]:
    """Speed of the pelvis in m/s by central differences; NaN beside frames in which the person does not exist."""
    if joints.shape[1] < 2:
        return np.zeros(joints.shape[:2])
    return np.linalg.norm(np.gradient(joints[:, :, 0], axis=1), axis=-1) * float(fps)


def frame_jerk(
    joints: Float[np.ndarray, "person frame 24 3"], fps: float | int, valid: Bool[np.ndarray, "person frame"]
) -> Float[np.ndarray, "person frame"]:
    """Mean over joints of |d3x/dt3| in m/s3 around each frame, as `physics.jerk` has it; NaN at the ends."""
    out = np.full(valid.shape, np.nan)
    if valid.shape[1] >= 4:
        third = np.linalg.norm(np.diff(joints, n=3, axis=1), axis=-1).mean(axis=-1) * float(fps) ** 3
        out[:, 1:-2] = third
    return np.where(valid, out, np.nan)


def frame_skate(
    joints: Float[np.ndarray, "person frame 24 3"], fps: float | int, valid: Bool[np.ndarray, "person frame"]
) -> Float[np.ndarray, "person frame"]:
    """Mean speed in m/s of standing feet, as `physics.foot_skating` has it; NaN if none stands."""
    out = np.full(valid.shape, np.nan)
    if valid.shape[1] >= 2:
        steps = stance_intervals(torch.from_numpy(np.nan_to_num(joints)), float(fps), torch.from_numpy(valid))
        stance = steps.stance.numpy()
        total, count = np.where(stance, steps.speed.numpy(), 0.0).sum(axis=-1), stance.sum(axis=-1)
        out[:, :-1] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return out


def doubt_ranges(doubted: Mapping[str, Bool[np.ndarray, "person frame"]], fps: float | int) -> tuple[Doubt, ...]:
    """Doubted frames as times, each with all its reasons; gaps of less than 0.3 s are closed, moments left out."""
    found: list[Doubt] = []
    masks = list(doubted.values())
    for person in range(len(masks[0]) if masks else 0):
        frames = np.flatnonzero(np.any([mask[person] for mask in masks], axis=0))
        if not len(frames):
            continue
        breaks = np.flatnonzero(np.diff(frames) > _GAP_S * float(fps)) + 1
        for run in np.split(frames, breaks):
            start, end = run[0] / float(fps), (run[-1] + 1) / float(fps)
            if end - start < _SHORTEST_S and len(run) < 2:
                continue
            reasons = [reason for reason, mask in doubted.items() if mask[person, run].any()]
            found.append(Doubt(person, float(start), float(end), tuple(reasons)))
    return tuple(found)


def with_quality(clip: Clip, quality: Quality) -> Clip:
    """The clip with the means of its measures in its `quality` block; those that are unknown are left out."""
    known = {name: round(value, 5) for name, value in quality.means.items() if np.isfinite(value)}
    return dataclasses.replace(clip, quality={**clip.quality, **known})


def _bare_floor(joints: np.ndarray, valid: np.ndarray) -> Scene:
    places = joints[valid][..., :2].reshape(-1, 2) if valid.any() else np.zeros((1, 2))
    (left, near), (right, far) = (places.min(axis=0) - 2.0).tolist(), (places.max(axis=0) + 2.0).tolist()
    # Large enough that neither walls nor ceiling touch anybody.
    top = 9.0
    return Scene("floor", [(left, near), (right, near), (right, far), (left, far)], top)


def _from_pictures(clip: Clip, keypoints: Keypoints | None) -> Float[np.ndarray, "person frame"]:
    """Seconds from each frame to the nearest one that was looked at; 0 without key points."""
    if keypoints is None:
        return np.zeros(clip.valid.shape)
    times = np.arange(clip.num_frames) / float(clip.fps)
    after = np.minimum(np.searchsorted(keypoints.times, times), len(keypoints.times) - 1)
    near = np.minimum(np.abs(keypoints.times[after] - times), np.abs(keypoints.times[np.maximum(after - 1, 0)] - times))
    return np.broadcast_to(near, clip.valid.shape)


def _held(values: Float[np.ndarray, "person frame"], every: int) -> Float[np.ndarray, "person frame"]:
    """Values that are known at some frames of each person, carried on to those that follow."""
    if every == 1:
        return values
    out = values.copy()
    for row in out:
        for frame in range(1, len(row)):
            if np.isnan(row[frame]) and frame % every:
                row[frame] = row[frame - 1]
    return out


def _means(
    rows: Mapping[str, Float[np.ndarray, "person frame"]],
    joints: Float[np.ndarray, "person frame 24 3"],
    valid: Bool[np.ndarray, "person frame"],
    trusted: Bool[np.ndarray, "person frame"],
    fps: float,
    who: np.ndarray,
) -> dict[str, float]:
    """Means over the frames of some people in which a measure applies; NaN where it never does."""
    tensor, real = torch.from_numpy(np.nan_to_num(joints[who])), torch.from_numpy(valid[who])
    skate = float(foot_skating_total(tensor, fps, real).mean()) if joints.shape[1] > 1 else 0.0
    return {
        **{name: _mean(values[who]) for name, values in rows.items()},
        "jerk": float(jerk_total(tensor, fps, real).mean()),
        "skate": skate,
        "share_doubted": float((valid & ~trusted)[who].sum() / max(int(valid[who].sum()), 1)),
    }


def _mean(values: Float[np.ndarray, "person frame"]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
