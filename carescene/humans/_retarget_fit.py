"""The constants of a retargeting, measured on some takes of a source skeleton: shape, scale, alignments."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from carescene.errors import UserError
from carescene.humans._retarget_maps import SkeletonMap
from carescene.humans.retarget import (
    Retargeting,
    drive,
    joint_alignment,
    leg_length,
    place_joints,
    sole_alignment,
)
from carescene.humans.skeleton import JOINT
from carescene.humans.source_motion import SourceMotion, source_kinematics

# A foot that moves slower than this stands, in metres per second; mocap noise and rolling stay below it.
STANCE_SPEED = 0.1

# One standard deviation of shape weighs as much as this error of a length, in metres: keeps bodies ordinary where the
# lengths alone leave the shape open.
_SHAPE_PRIOR_M = 0.02
# Legs of adults vary by about this much, in metres.
_STATURE_PRIOR_M = 0.03
# Shapes further out are rarer than one in twenty and look it.
_WIDEST_SHAPE = 2.0
# An error of a joint weighs as much as this turn of an alignment, which is what anatomists leave open.
_POLISH_NOISE_M = 0.01
_POLISH_PRIOR = np.radians(14.0)
_POLISH_FRAMES = 150
# Where the soles are flat has been measured, joints say nothing about hands and heads, and a trunk tilted for the sake
# of shoulders that lie lower in the source would slouch.
_UNPOLISHED = frozenset(
    {"pelvis", "spine2", "spine3", "neck", "head"}
    | {f"{side}_{part}" for side in ("left", "right") for part in ("ankle", "foot", "wrist")}
)


def fit_retargeting(
    motions: Sequence[SourceMotion], skeleton: SkeletonMap, rest_joints: Callable[[np.ndarray], np.ndarray]
) -> Retargeting:
    """Fit the constants on takes of one skeleton.

    Args:
        motions: takes, all on the same skeleton; a few minutes suffice.
        skeleton: how it maps onto ours.
        rest_joints: our body's rest joints `(24, 3)` in metres from betas `(10,)`.

    Raises:
        UserError: no foot ever stands still in any take.
    """
    kinematics = [source_kinematics(m.parents, m.rotations, m.trans, m.offsets) for m in motions]
    lengths = {pair: _source_length(pair, motions, kinematics, skeleton) for pair in skeleton.lengths}
    betas = fit_shape(lengths, rest_joints)
    rest = rest_joints(betas)
    scale = leg_length(rest) / (lengths["left_hip", "left_knee"] + lengths["left_knee", "left_ankle"])
    alignments = {joint: joint_alignment(entry, joint, rest) for joint, entry in skeleton.joints.items()}
    for joint, source, forward in skeleton.feet:
        ups = [
            _sole_up(motion, positions, world, source)
            for motion, (positions, world) in zip(motions, kinematics, strict=True)
        ]
        ups = np.concatenate(ups)
        if len(ups) == 0:
            raise UserError(
                f"Expected takes in which {source} stands still on the floor, but found none in {len(motions)} takes "
                f"beginning with {motions[0].name}. Add takes of the same skeleton that stand or walk."
            )
        # The median over frames is robust to heels that lift slowly.
        alignments[joint] = sole_alignment(joint, np.median(ups, axis=0), forward, rest)
    setting = Retargeting(skeleton, betas, rest, scale, scale, alignments)
    polished, size = _polish(motions, kinematics, setting)
    return replace(setting, alignments=polished, size=size)


def fit_shape(
    lengths: dict[tuple[str, str], float], rest_joints: Callable[[np.ndarray], np.ndarray]
) -> Float[np.ndarray, "10"]:
    """Betas of the body whose distances between joints are nearest to the source's times any one factor.

    Least squares with a normal prior on betas and on stature, which the free factor leaves open.
    """
    theirs = np.array(list(lengths.values()))
    usual_leg = leg_length(rest_joints(np.zeros(10)))

    def residuals(betas: np.ndarray) -> np.ndarray:
        rest = rest_joints(betas)
        ours = np.array([_our_length(pair, rest) for pair in lengths])
        factor = (ours @ theirs) / (theirs @ theirs)
        stature = (leg_length(rest) - usual_leg) / _STATURE_PRIOR_M
        return np.concatenate(((ours - factor * theirs) / _SHAPE_PRIOR_M, betas, [stature]))

    return least_squares(residuals, np.zeros(10), bounds=(-_WIDEST_SHAPE, _WIDEST_SHAPE)).x


def _polish(
    motions: Sequence[SourceMotion],
    kinematics: Sequence[tuple[np.ndarray, np.ndarray]],
    setting: Retargeting,
) -> tuple[dict[str, np.ndarray], float]:
    """Small constant corrections of the alignments that bring joints nearer to the source's, and the size factor.

    Skeletons place the same joint differently (hips half as far apart, say): copied directions alone would carry that
    through the limb. The corrections are least squares over frames, with a prior of some degrees, so that they remain
    what they are: a better guess of how a frame lies in its bone.
    """
    per_take = max(1, _POLISH_FRAMES // len(motions))
    chosen, world, theirs = [], [], []
    names = list(setting.skeleton.compared)
    hips = [names.index("left_hip"), names.index("right_hip")]
    for motion, (positions, rotations) in zip(motions, kinematics, strict=True):
        frames = np.linspace(0, len(motion.times) - 1, per_take).round().astype(int)
        chosen.append(frames)
        world.append(rotations[frames])
        their = positions[frames][:, [motion.index(setting.skeleton.compared[name]) for name in names]]
        theirs.append(their - their[:, hips].mean(axis=1, keepdims=True))
    source_world, target = np.concatenate(world), np.concatenate(theirs)
    joints = [joint for joint in setting.alignments if joint not in _UNPOLISHED]
    ours_index = [JOINT[name] for name in names]
    base = drive(motions[0], source_world, setting)
    driven = [source_world[:, motions[0].index(setting.skeleton.joints[joint].source)] for joint in joints]

    def apply(parameters: np.ndarray) -> dict[str, np.ndarray]:
        turns = Rotation.from_rotvec(parameters.reshape(-1, 3)).as_matrix()
        return setting.alignments | {
            joint: setting.alignments[joint] @ turn for joint, turn in zip(joints, turns, strict=True)
        }

    def place(parameters: np.ndarray) -> np.ndarray:
        # No other joint that is compared follows the polished ones, so the rest of the body stays as it is.
        changed, world = apply(parameters), base.copy()
        for joint, source in zip(joints, driven, strict=True):
            world[:, JOINT[joint]] = source @ changed[joint]
        ours = place_joints(world, setting.rest_joints)[:, ours_index]
        return ours - ours[:, hips].mean(axis=1, keepdims=True)

    def factor(ours: np.ndarray) -> float:
        return float((ours * target).sum() / (target * target).sum())

    def residuals(parameters: np.ndarray) -> np.ndarray:
        ours = place(parameters)
        error = (ours - factor(ours) * target).ravel() / (_POLISH_NOISE_M * np.sqrt(len(ours)))
        return np.concatenate((error, parameters / _POLISH_PRIOR))

    solution = least_squares(residuals, np.zeros(3 * len(joints)), method="trf", max_nfev=9).x
    return apply(solution), factor(place(solution))


_MIDDLES = {"hips": ("left_hip", "right_hip"), "shoulders": ("left_shoulder", "right_shoulder")}


def _our_length(pair: tuple[str, str], rest: Float[np.ndarray, "24 3"]) -> float:
    first, second = (rest[[JOINT[name] for name in _MIDDLES.get(end, (end,))]].mean(axis=0) for end in pair)
    return float(np.linalg.norm(first - second))


def _source_length(
    pair: tuple[str, str],
    motions: Sequence[SourceMotion],
    kinematics: Sequence[tuple[np.ndarray, np.ndarray]],
    skeleton: SkeletonMap,
) -> float:
    lengths = []
    for motion, (positions, _) in zip(motions, kinematics, strict=True):
        ends = []
        for end in pair:
            indices = [motion.index(skeleton.compared[name]) for name in _MIDDLES.get(end, (end,))]
            ends.append(positions[:, indices].mean(axis=1))
        lengths.append(np.linalg.norm(ends[0] - ends[1], axis=-1))
    # The upright trunk is the long one: percentile 75 leaves out bent backs.
    return float(np.percentile(np.concatenate(lengths), 75))


def _sole_up(
    motion: SourceMotion, positions: np.ndarray, world: np.ndarray, source: str
) -> Float[np.ndarray, "frame 3"]:
    """World up in the foot's frame, in the frames where the foot stands."""
    index = motion.index(source)
    velocity = np.gradient(positions[:, index], motion.times, axis=0)
    height = positions[:, index, 2]
    upright = positions[:, motion.index(motion.joint_names[0]), 2] - height > 0.6
    slow = np.linalg.norm(velocity, axis=-1) < STANCE_SPEED
    standing = slow & upright & (height < np.percentile(height, 20) + 0.02)
    return world[standing, index, 2, :]
