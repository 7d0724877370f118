"""The 24 joints of SMPL: names, parents and left-right partners."""

from typing import Final

JOINT_NAMES: Final[tuple[str, ...]] = (
    "pelvis",
    "left_hip",
    "right_hip",
    "spine1",
    "left_knee",
    "right_knee",
    "spine2",
    "left_ankle",
    "right_ankle",
    "spine3",
    "left_foot",
    "right_foot",
    "neck",
    "left_collar",
    "right_collar",
    "head",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hand",
    "right_hand",
)

PARENTS: Final[tuple[int, ...]] = (
    -1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21,
)  # fmt: skip

NUM_JOINTS: Final = len(JOINT_NAMES)

# HumanML3D and InterHuman leave out the two hand joints; the diffusion model does as well.
MODEL_JOINTS: Final = 22

JOINT: Final[dict[str, int]] = {name: index for index, name in enumerate(JOINT_NAMES)}


def _mirror_name(name: str) -> str:
    if name.startswith("left_"):
        return "right_" + name.removeprefix("left_")
    if name.startswith("right_"):
        return "left_" + name.removeprefix("right_")
    return name


# MIRROR[j] is the joint that stands where joint j stood once left and right are exchanged.
MIRROR: Final[tuple[int, ...]] = tuple(JOINT[_mirror_name(name)] for name in JOINT_NAMES)
