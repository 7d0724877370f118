"""What is constant about one recorded body: retargeting, soles and the usual height of its floor."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from carescene.clips.resample import resample_motion
from carescene.humans._retarget_fit import fit_retargeting
from carescene.humans._retarget_maps import SMPL_MAP, find_skeleton_map
from carescene.humans.floor import Soles, estimate_floor, sole_heights, stance_heights, standing_frames
from carescene.humans.retarget import Retargeting, retarget
from carescene.humans.source_motion import SourceMotion


@dataclass(frozen=True)
class BodySetting:
    """Constants of one recorded body on ours.

    Attributes:
        retargeting: betas, scale and alignments.
        soles: sole vertices of our body in that shape.
        floor: height of the floor in the scaled source world, in metres.
    """

    retargeting: Retargeting
    soles: Soles
    floor: float


@dataclass(frozen=True)
class BodyFunctions:
    """What calibration needs to know of the body model, as functions of betas `(10,)`."""

    rest_joints: Callable[[np.ndarray], Float[np.ndarray, "24 3"]]
    soles: Callable[[np.ndarray], Soles]


def calibrate(motions: Sequence[SourceMotion], fps: float, body: BodyFunctions) -> BodySetting:
    """Fit the constants of one recorded body on some of its takes.

    Raises:
        UserError: the skeleton is unknown, or the body never stands in any take.
    """
    motions = [resample_motion(motion, fps) for motion in motions]
    skeleton = find_skeleton_map(motions[0].joint_names, motions[0].name)
    if skeleton is SMPL_MAP:
        return _calibrate_smpl(motions, fps, body)
    fitted = fit_retargeting(motions, skeleton, body.rest_joints)
    soles = body.soles(fitted.betas)
    return BodySetting(fitted, soles, _usual_floor(motions, fitted, soles, fps))


def _usual_floor(motions: Sequence[SourceMotion], fitted: Retargeting, soles: Soles, fps: float) -> float:
    heights = []
    for motion in motions:
        ours = retarget(motion, fitted)
        heights.append(stance_heights(ours.joints, ours.world, soles, fps))
    floor, _ = estimate_floor(np.concatenate(heights), fps, usual=0.0, tolerance=np.inf)
    return floor


def _calibrate_smpl(motions: Sequence[SourceMotion], fps: float, body: BodyFunctions) -> BodySetting:
    """SMPL files give rotations for our joints already; only the size of the person is unknown without SMPL's file.

    The size follows from the floor: where the person stands, our pelvis must be as high above our soles as theirs is
    above theirs, times the scale, and their floor is at z = 0 by AMASS' construction.
    """
    betas = np.zeros(10)
    soles = body.soles(betas)
    setting = Retargeting(SMPL_MAP, betas, body.rest_joints(betas), 1.0, 1.0, {})
    ratios = []
    for motion in motions:
        ours = retarget(motion, setting)
        standing = standing_frames(ours.joints, ours.world, fps).any(axis=1)
        above = ours.joints[:, 0, 2] - sole_heights(ours.joints, ours.world, soles).min(axis=1)
        upright = standing & (ours.joints[:, 0, 2] > 0.6)
        ratios.append(above[upright] / ours.joints[upright, 0, 2])
    pooled = np.concatenate(ratios)
    scale = float(np.clip(np.median(pooled), 0.7, 1.4)) if len(pooled) else 1.0
    fitted = replace(setting, scale=scale, size=scale)
    return BodySetting(fitted, soles, _usual_floor(motions, fitted, soles, fps))
