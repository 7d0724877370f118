"""Writing BVH (Biovision hierarchy): our skeleton in centimetres, y up, as animation programs expect it."""

import numpy as np
from jaxtyping import Float

from carescene.clips.clip import Clip
from carescene.clips.formats._people import RestBody, person_span, y_up_motion
from carescene.errors import UserError
from carescene.humans.skeleton import JOINT_NAMES, NUM_JOINTS, PARENTS

_CM_PER_M = 100.0
# Closer to the poles than this (radians), the first and the last angle turn about the same axis: one is set to zero.
_POLE = 1e-6
# An end site of no length is no bone to most programs.
_SHORTEST_TIP_M = 0.01


def bvh_text(clip: Clip, person: int, body: RestBody) -> str:
    """One person of a clip as the text of a BVH file: joints named as SMPL's, rotations in the order Z, X, Y.

    Rest frame and world have y up; the rest pose is the T-pose facing +z. Only the pelvis has position channels.
    Frames in which the person does not exist are left out at both ends.

    Args:
        clip: metres, z up.
        person: which.
        body: the person's body; its skin says where head, feet and hands end.

    Raises:
        UserError: the person exists in fewer than two frames, or with a break.
    """
    span = person_span(clip, person)
    if span.stop - span.start < 2:
        raise UserError(f"Clip '{clip.id}': expected at least 2 frames of person {person}, but got 1. Leave it out.")
    rotations, trans = y_up_motion(clip, person, span)
    angles = steady_angles(zxy_angles(rotations))
    # Once more from the end: a first frame that is free in its angles then follows those after it.
    angles = np.degrees(steady_angles(angles[::-1])[::-1])
    rows = np.concatenate((trans * _CM_PER_M, angles[:, _depth_first(0)].reshape(len(angles), -1)), axis=1)
    lines = ["HIERARCHY", *_joint_lines(0, body.joints, _tips(body), 0), "MOTION"]
    lines += [f"Frames: {len(rows)}", f"Frame Time: {1 / clip.fps:.9g}"]
    # Six decimals: a millionth of a degree, a hundredth of a micrometre.
    lines += [" ".join(f"{value:.6f}" for value in row) for row in rows]
    return "\n".join(lines) + "\n"


def zxy_angles(rotations: Float[np.ndarray, "*batch 3 3"]) -> Float[np.ndarray, "*batch 3"]:
    """Angles in radians (about Z, X, Y) with `rotation = Rz(a) @ Rx(b) @ Ry(c)`.

    b lies within +-90 degrees. People lie down, so that b = +-90 degrees occurs; there c is set to zero and a takes
    the whole turn, which keeps the rotation exact.
    """
    m = rotations
    across = np.hypot(m[..., 2, 0], m[..., 2, 2])
    pole = across < _POLE
    about_z = np.where(pole, np.arctan2(m[..., 1, 0], m[..., 0, 0]), np.arctan2(-m[..., 0, 1], m[..., 1, 1]))
    about_x = np.arctan2(m[..., 2, 1], across)
    about_y = np.where(pole, 0.0, np.arctan2(-m[..., 2, 0], m[..., 2, 2]))
    return np.stack((about_z, about_x, about_y), axis=-1)


def steady_angles(angles: Float[np.ndarray, "frame *joint 3"]) -> Float[np.ndarray, "frame *joint 3"]:
    """The same rotations by angles that change as little as can be from frame to frame.

    Whole turns are taken out, and (a, b, c) is replaced by its twin (a + pi, pi - b, c + pi) where that is nearer:
    else both outer angles would jump by half a turn when the middle one passes a right angle. At the right angle
    itself only a + c (b > 0) or a - c counts, and c stays as it was.
    """
    steady = angles.copy()
    for frame in range(1, len(angles)):
        before, now = steady[frame - 1], angles[frame].copy()
        pole = np.abs(np.cos(now[..., 1])) < _POLE
        now[..., 0] -= np.where(pole, np.sin(now[..., 1]) * (before[..., 2] - now[..., 2]), 0)
        now[..., 2] = np.where(pole, before[..., 2], now[..., 2])
        twin = now * [1, -1, 1] + np.pi
        near = [_nearest_turn(choice, before) for choice in (now, twin)]
        first = np.abs(near[0] - before).sum(axis=-1) <= np.abs(near[1] - before).sum(axis=-1)
        steady[frame] = np.where(first[..., None], near[0], near[1])
    return steady


def _nearest_turn(angles: Float[np.ndarray, "*joint 3"], to: Float[np.ndarray, "*joint 3"]) -> np.ndarray:
    return angles - 2 * np.pi * np.round((angles - to) / (2 * np.pi))


def _depth_first(joint: int) -> list[int]:
    """A joint and all below it, in the order in which the hierarchy names them; channels follow that order."""
    below = [_depth_first(child) for child, above in enumerate(PARENTS) if above == joint]
    return [joint, *(index for branch in below for index in branch)]


def _tips(body: RestBody) -> dict[int, Float[np.ndarray, "3"]]:
    """For joints without children, the bone to the skin farthest along the direction in which the limb goes on."""
    tips = {}
    for joint in set(range(NUM_JOINTS)) - set(PARENTS):
        along = body.joints[joint] - body.joints[PARENTS[joint]]
        along = along / np.linalg.norm(along)
        own = body.vertices[body.weights.argmax(axis=1) == joint]
        tips[joint] = along * max(float(((own - body.joints[joint]) @ along).max(initial=0.0)), _SHORTEST_TIP_M)
    return tips


def _joint_lines(
    joint: int, rest: Float[np.ndarray, "24 3"], tips: dict[int, Float[np.ndarray, "3"]], depth: int
) -> list[str]:
    pad = "  " * depth
    parent = PARENTS[joint]
    offset = np.zeros(3) if parent < 0 else rest[joint] - rest[parent]
    channels = "Zrotation Xrotation Yrotation"
    channels = f"6 Xposition Yposition Zposition {channels}" if parent < 0 else f"3 {channels}"
    lines = [f"{pad}{'ROOT' if parent < 0 else 'JOINT'} {JOINT_NAMES[joint]}", f"{pad}{{"]
    lines += [f"{pad}  OFFSET {_centimetres(offset)}", f"{pad}  CHANNELS {channels}"]
    if joint in tips:
        lines += [f"{pad}  End Site", f"{pad}  {{", f"{pad}    OFFSET {_centimetres(tips[joint])}", f"{pad}  }}"]
    for child in (index for index, above in enumerate(PARENTS) if above == joint):
        lines += _joint_lines(child, rest, tips, depth + 1)
    return [*lines, f"{pad}}}"]


def _centimetres(offset: Float[np.ndarray, "3"]) -> str:
    return " ".join(f"{value * _CM_PER_M:.6f}" for value in offset)
