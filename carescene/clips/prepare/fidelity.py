"""How faithful a retargeted motion is to its source: joint error and sliding of standing feet."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from carescene.humans.retarget import RetargetedMotion, Retargeting
from carescene.humans.skeleton import JOINT
from carescene.humans.source_motion import SourceMotion, source_kinematics

_STANCE_SPEED = 0.25
_STANCE_BAND = 0.03


@dataclass(frozen=True)
class Fidelity:
    """Sums over frames, so that takes can be added up.

    Attributes:
        error_m: sum over frames of the mean joint distance, in metres, and the number of frames.
        source_slide, our_slide: sum of stance-foot speeds (m/s) over stance samples; ours and the source's (scaled).
        stance: number of stance samples.
    """

    error_m: float
    frames: int
    source_slide: float
    our_slide: float
    stance: int


def measure_fidelity(source: SourceMotion, ours: RetargetedMotion, setting: Retargeting, fps: float) -> Fidelity:
    """Compare a retargeted motion (before its floor is moved) with its source, scaled once.

    The joints compared are those that mean the same point of the body in both skeletons, relative to the middle of
    the hips, the source times the one factor `size` of its skeleton. The stance of a foot is told
    from the source alone: its ankle is slow and near its lowest standing height; then both feet's horizontal speeds
    are taken over the same frames.
    """
    positions, _ = source_kinematics(source.parents, source.rotations, source.trans, source.offsets)
    pairs = [(JOINT[ours_name], source.index(name)) for ours_name, name in setting.skeleton.compared.items()]
    mine = ours.joints[:, [pair[0] for pair in pairs]]
    theirs = positions[:, [pair[1] for pair in pairs]]
    hips = [index for index, name in enumerate(setting.skeleton.compared) if name in ("left_hip", "right_hip")]
    mine = mine - mine[:, hips].mean(axis=1, keepdims=True)
    theirs = theirs - theirs[:, hips].mean(axis=1, keepdims=True)
    error = np.linalg.norm(mine - setting.size * theirs, axis=-1).mean(axis=1)
    slide = np.zeros(2)
    count = 0
    for side in ("left", "right"):
        ankle = setting.scale * positions[:, source.index(setting.skeleton.compared[f"{side}_ankle"])]
        stance = ankle_stance(ankle, fps)
        count += int(stance.sum())
        for k, path in enumerate((ankle, ours.joints[:, JOINT[f"{side}_ankle"]])):
            speed = np.linalg.norm(np.gradient(path[:, :2], axis=0), axis=-1) * fps
            slide[k] += speed[stance].sum()
    return Fidelity(float(error.sum()), len(error), float(slide[0]), float(slide[1]), count)


def ankle_stance(ankle: Float[np.ndarray, "frame 3"], fps: float) -> Bool[np.ndarray, "frame"]:
    """Frames in which an ankle belongs to a standing foot: slow, and within 3 cm of the low end of its slow heights."""
    slow = np.linalg.norm(np.gradient(ankle, axis=0), axis=-1) * fps < _STANCE_SPEED
    if not slow.any():
        return slow
    return slow & (ankle[:, 2] < np.percentile(ankle[slow, 2], 15) + _STANCE_BAND)
