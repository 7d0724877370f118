"""Where the people of a clip sit or lie above the floor, and what must stand there to carry them."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float

from carescene.clips.clip import Clip
from carescene.clips.taxonomy import OMNIFALL_ID
from carescene.humans.body import load_body
from carescene.humans.kinematics import forward_kinematics
from carescene.humans.reference import reference_rest_joints
from carescene.humans.rotations import rotvec_to_matrix
from carescene.humans.skeleton import JOINT, NUM_JOINTS

# From the pelvis joint down to the skin, on the bundled body: median over recorded people who lie, and who sit.
_FLESH_LYING_M: Final = 0.10
_FLESH_SITTING_M: Final = 0.12
# Surfaces lower than this are the floor: recorded people who sit on it have the pelvis up to 15 cm above it.
_RAISED_M: Final = 0.18
# Chairs begin here; people who sit lower use the edge of a low bed.
_LOWEST_SEAT_M: Final = 0.36
# Sitting on a bed's edge and lying on it are one place; two chairs are two.
_SAME_BED_M: Final = 1.1
_SAME_SEAT_M: Final = 0.35
_LEGS_UP_M: Final = 0.25
_SPINE: Final = [JOINT[name] for name in ("spine1", "spine2", "spine3")]
_BACKREST_LEAN: Final = 0.17  # metres backwards for each metre of height


@dataclass(frozen=True)
class Resting:
    """One place above the floor where one person rests.

    Attributes:
        kind: `lie` on a bed, `edge` for sitting on the edge of a bed, `seat` for sitting on a chair.
        frames: in which the person rests there.
        at: the pelvis seen from above, metres.
        front: unit vector; from head to feet of somebody who lies, forwards of somebody who sits.
        height: of the surface that carries the person, metres above the floor.
        tilt_deg: of the trunk against the horizontal.
        behind: how far the spine reaches behind the pelvis, beyond what the lean of a backrest allows, metres.
        grounded: whether some part of the clip touches the floor, so that it must keep its height.
    """

    person: int
    kind: Literal["lie", "edge", "seat"]
    frames: Bool[np.ndarray, "frame"]
    at: Float[np.ndarray, "2"]
    front: Float[np.ndarray, "2"]
    height: float
    tilt_deg: float
    behind: float
    grounded: bool


def clip_joints(clip: Clip) -> Float[np.ndarray, "person frame 24 3"]:
    """Joints of all people in the clip's world, metres; NaN in frames in which a person does not exist."""
    betas = torch.as_tensor(np.asarray(clip.betas), dtype=torch.float32)
    rest = load_body().rest_joints(betas) if betas.any() else reference_rest_joints().expand(len(betas), NUM_JOINTS, 3)
    poses = np.where(clip.valid[..., None, None], clip.poses, 0.0).astype(np.float32)
    rotations = rotvec_to_matrix(torch.from_numpy(poses))
    trans = torch.from_numpy(np.where(clip.valid[..., None], clip.trans, 0.0).astype(np.float32))
    joints, _ = forward_kinematics(rotations, trans, rest[:, None])
    return np.where(clip.valid[..., None, None], joints.numpy().astype(np.float64), np.nan)


def find_resting(clip: Clip, joints: Float[np.ndarray, "person frame 24 3"]) -> list[Resting]:
    """All places above the floor where the people of a clip sit or lie, by their frame labels and pelvis heights."""
    found = []
    for person in range(clip.num_persons):
        points, labels = joints[person], clip.frame_label[person]
        pelvis = points[:, JOINT["pelvis"]]
        lying = (labels == OMNIFALL_ID["lying"]) & (pelvis[:, 2] > _RAISED_M + _FLESH_LYING_M)
        sitting = (labels == OMNIFALL_ID["sitting"]) & (pelvis[:, 2] > _RAISED_M + _FLESH_SITTING_M)
        if lying.any():
            middle = np.median(pelvis[lying, :2], axis=0)
            near = np.linalg.norm(pelvis[:, :2] - middle, axis=1) < _SAME_BED_M
            found.append(_resting(person, "lie", lying, points))
            sitting &= ~near
        found += [_seated(person, frames, points) for frames in _apart(sitting, pelvis[:, :2])]
    return found


def trunk_front(points: Float[np.ndarray, "frame 24 3"]) -> Float[np.ndarray, "frame 2"]:
    """Forwards of the pelvis seen from above, unit vectors: a quarter turn clockwise from right hip to left hip."""
    left = points[:, JOINT["left_hip"], :2] - points[:, JOINT["right_hip"], :2]
    return _unit(np.stack([left[:, 1], -left[:, 0]], axis=1))


def _seated(person: int, frames: np.ndarray, points: np.ndarray) -> Resting:
    pelvis = points[frames, JOINT["pelvis"]]
    ankles = points[frames][:, [JOINT["left_ankle"], JOINT["right_ankle"]], 2]
    height = float(np.median(pelvis[:, 2])) - _FLESH_SITTING_M
    # Somebody with both feet as high as a low seat sits in bed; somebody who sits very low, on its edge.
    if np.median(ankles.min(axis=1)) > min(_LEGS_UP_M, height - 0.05) and height < _LOWEST_SEAT_M + 0.1:
        return _resting(person, "lie", frames, points, along_legs=True)
    return _resting(person, "edge" if height < _LOWEST_SEAT_M else "seat", frames, points)


def _resting(
    person: int,
    kind: Literal["lie", "edge", "seat"],
    frames: np.ndarray,
    points: np.ndarray,
    along_legs: bool = False,
) -> Resting:
    rest = points[frames]
    pelvis, neck = rest[:, JOINT["pelvis"]], rest[:, JOINT["neck"]]
    knees = (rest[:, JOINT["left_knee"]] + rest[:, JOINT["right_knee"]]) / 2
    if kind == "lie" and not along_legs:
        front = _unit((pelvis - neck)[:, :2])
    else:
        front = _unit(_unit((knees - pelvis)[:, :2]) + trunk_front(rest))
    up = neck - pelvis
    tilt = np.degrees(np.arctan2(up[:, 2], np.linalg.norm(up[:, :2], axis=1)))
    flesh = _FLESH_LYING_M if kind == "lie" else _FLESH_SITTING_M
    height = float(np.median(pelvis[:, 2])) - flesh
    front = _unit(front.mean(axis=0)[None])[0]
    spine = rest[:, _SPINE] - pelvis[:, None]
    behind = -(spine[..., :2] @ front) - _BACKREST_LEAN * spine[..., 2]
    return Resting(
        person=person,
        kind=kind,
        frames=frames,
        at=np.median(pelvis[:, :2], axis=0),
        front=front,
        height=height,
        tilt_deg=float(np.median(tilt)),
        behind=max(float(np.median(behind, axis=0).max()), 0.0),
        grounded=bool(np.nanmin(points[..., 2]) < height - 0.05),
    )


def _apart(frames: Bool[np.ndarray, "frame"], places: Float[np.ndarray, "frame 2"]) -> list[Bool[np.ndarray, "frame"]]:
    """The frames split by place: each group lies around the place of its first frame."""
    groups, left = [], frames.copy()
    while left.any():
        first = places[np.argmax(left)]
        near = left & (np.linalg.norm(places - first, axis=1) < _SAME_SEAT_M)
        groups.append(near)
        left &= ~near
    return groups


def _unit(vectors: Float[np.ndarray, "*batch 2"]) -> Float[np.ndarray, "*batch 2"]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
