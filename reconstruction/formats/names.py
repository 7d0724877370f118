"""What the points of a body are called in other people's files, and the fixed orders of formats without names."""

import difflib
import re
from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Int

from carescene.errors import UserError
from reconstruction.observations import LANDMARK, LANDMARKS

IGNORED: Final = -1

_SIDES: Final = {"left": "left", "l": "left", "lft": "left", "right": "right", "r": "right", "rt": "right"}
# Words that say nothing: which body, which middle.
_FILLERS: Final = frozenset(
    ("person", "body", "human", "keypoint", "kp", "kpt", "joint", "center", "centre", "mid", "middle")
)
_SIDED: Final[dict[str, str]] = {
    "eye": "eye", "ear": "ear",
    "shoulder": "shoulder", "sho": "shoulder", "shldr": "shoulder",
    "elbow": "elbow", "elb": "elbow",
    "wrist": "wrist", "wri": "wrist",
    "hip": "hip", "knee": "knee", "kne": "knee", "ankle": "ankle", "ank": "ankle",
    "bigtoe": "big_toe", "toe": "big_toe", "toes": "big_toe", "footindex": "big_toe", "btoe": "big_toe",
    "smalltoe": "small_toe", "littletoe": "small_toe", "pinkytoe": "small_toe", "stoe": "small_toe",
    "heel": "heel",
}  # fmt: skip
_UNSIDED: Final[dict[str, str]] = {
    "nose": "nose",
    "neck": "neck", "upperneck": "neck", "headbottom": "neck",
    "headtop": "head_top", "tophead": "head_top", "topofhead": "head_top", "head": "head_top", "vertex": "head_top",
    "pelvis": "pelvis", "hip": "pelvis", "hips": "pelvis", "root": "pelvis",
}  # fmt: skip
# Points of whole-body, hand and face models that stand for none of ours.
_OTHER_PARTS: Final = (
    "face", "mouth", "lip", "chin", "jaw", "brow", "eyebrow", "eyeinner", "eyeouter", "pupil", "forehead", "throat",
    "hand", "palm", "thumb", "index", "forefinger", "ring", "pinky", "finger",
    "spine", "chest", "thorax", "torso", "back", "belly", "stomach", "navel", "collar", "clavicle", "sternum", "foot",
)  # fmt: skip

HALPE_26: Final[tuple[str, ...]] = (
    *LANDMARKS[:17], "head_top", "neck", "pelvis",
    "left_big_toe", "right_big_toe", "left_small_toe", "right_small_toe", "left_heel", "right_heel",
)  # fmt: skip
_OPENPOSE_ARMS: Final = (
    "nose",
    "neck",
    *(f"{s}_{p}" for s in ("right", "left") for p in ("shoulder", "elbow", "wrist")),
)
_OPENPOSE_LEGS: Final = tuple(f"{s}_{p}" for s in ("right", "left") for p in ("hip", "knee", "ankle"))
_OPENPOSE_FACE: Final = ("right_eye", "left_eye", "right_ear", "left_ear")
OPENPOSE_25: Final[tuple[str, ...]] = (
    *_OPENPOSE_ARMS, "pelvis", *_OPENPOSE_LEGS, *_OPENPOSE_FACE,
    *(f"{side}_{part}" for side in ("left", "right") for part in ("big_toe", "small_toe", "heel")),
)  # fmt: skip
OPENPOSE_18: Final[tuple[str, ...]] = (*_OPENPOSE_ARMS, *_OPENPOSE_LEGS, *_OPENPOSE_FACE)
_MEDIAPIPE: Final[dict[str, int]] = {
    "nose": 0, "left_eye": 2, "right_eye": 5, "left_ear": 7, "right_ear": 8,
    "left_shoulder": 11, "right_shoulder": 12, "left_elbow": 13, "right_elbow": 14, "left_wrist": 15, "right_wrist": 16,
    "left_hip": 23, "right_hip": 24, "left_knee": 25, "right_knee": 26, "left_ankle": 27, "right_ankle": 28,
    "left_heel": 29, "right_heel": 30, "left_big_toe": 31, "right_big_toe": 32,
}  # fmt: skip
MEDIAPIPE_POINTS: Final = 33

# Orders of COCO and its relatives, by the number of points; whole-body sets begin with the body's.
_COCO_ORDERS: Final[dict[int, tuple[str, ...]]] = {
    17: LANDMARKS[:17], 23: LANDMARKS[:23], 26: HALPE_26, 133: LANDMARKS[:23], 136: HALPE_26,
}  # fmt: skip


def landmark_called(name: str) -> int | None:
    """Index of the landmark that somebody calls `name`, IGNORED for a point that is none of ours, None if unknown.

    Understands left_hip, LHip, l_hip, hip.L, "Left Hip", leftHip, Lsho, LEFT_FOOT_INDEX and the like.
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    words = re.findall(r"[a-z]+", spaced.lower())
    sides = {_SIDES[word] for word in words if word in _SIDES}
    part = "".join(word for word in words if word not in _SIDES and word not in _FILLERS)
    if not sides:
        # "lefthip", "lhip", "hipl": the side is glued to the part.
        for tag, side in _SIDES.items():
            for rest in (part.removeprefix(tag), part.removesuffix(tag)):
                if rest != part and rest in _SIDED:
                    return LANDMARK[f"{side}_{_SIDED[rest]}"]
    if len(sides) == 1 and part in _SIDED:
        return LANDMARK[f"{sides.pop()}_{_SIDED[part]}"]
    if not sides and part in _UNSIDED:
        return LANDMARK[_UNSIDED[part]]
    return IGNORED if any(other in part for other in _OTHER_PARTS) else None


def landmark_columns(names: Sequence[str], where: str) -> Int[np.ndarray, "name"]:
    """Landmark of each name, IGNORED for points that are none of ours.

    Raises:
        UserError: names that are no part of a body, two names for one landmark, or none of ours at all.
    """
    found = [landmark_called(name) for name in names]
    unknown = [name for name, index in zip(names, found, strict=True) if index is None]
    if unknown:
        close = difflib.get_close_matches(unknown[0].lower(), LANDMARKS, n=1, cutoff=0.5)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        raise UserError(
            f"Expected names of body points such as {', '.join(LANDMARKS[5:8])} in '{where}', but got "
            f"{_quoted(unknown)}.{hint} Rename or remove the point; the names are listed in docs/keypoints.md."
        )
    columns = np.array(found, np.int64).reshape(-1)
    for index in np.unique(columns[columns != IGNORED]):
        same = [name for name, column in zip(names, columns, strict=True) if column == index]
        if len(same) > 1:
            raise UserError(
                f"Expected one point for {LANDMARKS[index]} in '{where}', but got {_quoted(same)}. Remove one of them."
            )
    if not (columns != IGNORED).any():
        raise UserError(f"Expected points of a body in '{where}', but got {_quoted(names)}. Is this another skeleton?")
    return columns


def coco_columns(count: int, where: str) -> Int[np.ndarray, "point"]:
    """Landmark of each point of a COCO-like list that has no names: 17, 23, 26 (Halpe), 133 or 136 points.

    Raises:
        UserError: for any other number.
    """
    if count not in _COCO_ORDERS:
        raise UserError(
            f"Expected {', '.join(map(str, _COCO_ORDERS))} points per person in '{where}', as it gives no names, but "
            f"got {count}. Write the names of the points into the file (docs/keypoints.md)."
        )
    order = _COCO_ORDERS[count]
    columns = np.full(count, IGNORED)
    columns[: len(order)] = [LANDMARK[name] for name in order]
    return columns


def openpose_columns(count: int, where: str) -> Int[np.ndarray, "point"]:
    """Landmark of each of OpenPose's 25 or 18 body points.

    Raises:
        UserError: for any other number.
    """
    orders = {len(order): order for order in (OPENPOSE_25, OPENPOSE_18)}
    if count not in orders:
        raise UserError(
            f"Expected 25 (BODY_25) or 18 (COCO) points per person in '{where}', but got {count}. "
            "Run OpenPose with --model_pose BODY_25."
        )
    return np.array([LANDMARK[name] for name in orders[count]])


def mediapipe_columns() -> Int[np.ndarray, "point"]:
    """Landmark of each of MediaPipe's 33 points; mouth, fingers and corners of the eyes are none of ours."""
    columns = np.full(MEDIAPIPE_POINTS, IGNORED)
    columns[list(_MEDIAPIPE.values())] = [LANDMARK[name] for name in _MEDIAPIPE]
    return columns


def _quoted(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:6])
    return shown + (f" and {len(names) - 6} more" if len(names) > 6 else "")
