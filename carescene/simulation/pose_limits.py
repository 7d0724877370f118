"""How far joints turn: boxes on the rotation vector of each joint, against a neutral pose in its middle range."""

from typing import Final

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from carescene.humans.skeleton import JOINT, NUM_JOINTS

# Degrees about the rest frame's x (left), y (up) and z (forward) axes, of the left side; the right side is its mirror
# image. Ranges of healthy adults (American Academy of Orthopaedic Surgeons, as in Norkin and White, 5th edition),
# a little wider where SMPL spreads one anatomical joint over two (spine, shoulder and collar).
# Flexion: hip and shoulder -x, knee, spine and neck +x, elbow -y. Abduction of the hip: +z.
_RANGES: Final = {
    "left_hip": ((-130, 25), (-45, 50), (-35, 50)),
    "left_knee": ((-2, 152), (-12, 12), (-12, 12)),
    "left_ankle": ((-38, 52), (-25, 25), (-25, 25)),
    "left_foot": ((-70, 25), (-8, 8), (-8, 8)),
    "spine1": ((-20, 38), (-18, 18), (-18, 18)),
    "spine2": ((-20, 38), (-18, 18), (-18, 18)),
    "spine3": ((-20, 35), (-18, 18), (-18, 18)),
    "neck": ((-35, 40), (-45, 45), (-30, 30)),
    "head": ((-35, 35), (-45, 45), (-30, 30)),
    "left_collar": ((-18, 18), (-30, 20), (-18, 35)),
    # Against an arm that hangs 50 degrees out of the body.
    "left_shoulder": ((-110, 110), (-125, 75), (-75, 100)),
    "left_elbow": ((-95, 95), (-152, 5), (-30, 30)),
    "left_wrist": ((-40, 40), (-35, 35), (-80, 80)),
}
_ARM_DOWN: Final = 40.0


def _table() -> Float[np.ndarray, "24 2 3"]:
    table = np.tile(np.array([[-1.0], [1.0]]) * np.pi, (NUM_JOINTS, 1, 3))
    for name, ranges in _RANGES.items():
        box = np.radians(np.array(ranges, dtype=np.float64).T)
        table[JOINT[name]] = box
        if name.startswith("left_"):
            # A mirror image keeps turns about x and swaps the sense of the others.
            table[JOINT[name.replace("left", "right")]] = np.stack(
                [[box[0, 0], -box[1, 1], -box[1, 2]], [box[1, 0], -box[0, 1], -box[0, 2]]]
            )
    return table


def _neutral() -> Float[np.ndarray, "24 3 3"]:
    neutral = np.tile(np.eye(3), (NUM_JOINTS, 1, 1))
    for side, sign in (("left", -1.0), ("right", 1.0)):
        neutral[JOINT[f"{side}_shoulder"]] = Rotation.from_euler("z", sign * _ARM_DOWN, degrees=True).as_matrix()
    return neutral


LIMITS: Final = _table()
NEUTRAL: Final = _neutral()
