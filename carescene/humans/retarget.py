"""Retargeting: another skeleton's motion on our body, with true rotations, twist included.

For every driven joint there is one constant alignment A between the source's joint frame and ours, so that
`world_ours(t) = world_source(t) @ A`: what the source's bones do, ours do, with their twist. A comes from anatomy:
bones lie along bones and hinges along hinges; for feet, from the frames in which the source stands on them. Legs are
then corrected by some degrees, that standing feet do not slide and soles stay on the floor (`_retarget_feet`).
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from carescene.humans._retarget_feet import bend_toes, plant_feet
from carescene.humans._retarget_maps import SMPL_MAP, Axis, JointAlignment, SkeletonMap
from carescene.humans.floor import Soles, sole_heights
from carescene.humans.kinematics import forward_kinematics, local_rotations
from carescene.humans.rotations import matrix_to_rotvec, slerp
from carescene.humans.skeleton import JOINT, NUM_JOINTS, PARENTS
from carescene.humans.source_motion import SourceMotion, source_kinematics

_LEGS = (("left_hip", "left_knee"), ("left_knee", "left_ankle"))


@dataclass(frozen=True)
class Retargeting:
    """Everything constant about carrying one skeleton over to ours.

    Attributes:
        skeleton: which source joint drives which of ours.
        betas: `(10,)` body shape whose bone lengths fit the source's.
        rest_joints: `(24, 3)` rest joints of that body.
        scale: our leg length over the source's; the way covered grows with it, so that standing feet stand.
        size: the one factor that brings all source joints nearest to ours; equals `scale` for alike proportions.
        alignments: our joint -> `(3, 3)` A.
    """

    skeleton: SkeletonMap
    betas: Float[np.ndarray, "10"]
    rest_joints: Float[np.ndarray, "24 3"]
    scale: float
    size: float
    alignments: dict[str, Float[np.ndarray, "3 3"]]


@dataclass(frozen=True)
class RetargetedMotion:
    """A motion on our skeleton: axis-angle `poses`, pelvis `trans`, and the joints and world rotations they give."""

    poses: Float[np.ndarray, "frame 24 3"]
    trans: Float[np.ndarray, "frame 3"]
    joints: Float[np.ndarray, "frame 24 3"]
    world: Float[np.ndarray, "frame 24 3 3"]


def axes_frame(primary: Float[np.ndarray, "3"], secondary: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """Right-handed frame (columns) whose first axis is `primary` and whose second lies next to `secondary`."""
    first = primary / np.linalg.norm(primary)
    second = secondary - first * (first @ secondary)
    second = second / np.linalg.norm(second)
    return np.stack((first, second, np.cross(first, second)), axis=-1)


def joint_alignment(alignment: JointAlignment, joint: str, rest: Float[np.ndarray, "24 3"]) -> np.ndarray:
    """The constant A `(3, 3)` of one joint: `world_ours = world_source @ A`."""
    ours = np.array(alignment.our_primary, dtype=np.float64)
    if alignment.child is not None:
        ours = rest[JOINT[alignment.child]] - rest[JOINT[joint]]
    source = axes_frame(np.array(alignment.primary, float), np.array(alignment.secondary, float))
    return source @ axes_frame(ours, np.array(alignment.our_secondary, float)).T


def sole_alignment(joint: str, up: np.ndarray, forward: Axis, rest: Float[np.ndarray, "24 3"]) -> np.ndarray:
    """A `(3, 3)` of a foot joint: flat on the floor at rest where the source's measured `up` axis is vertical."""
    if joint.endswith("_foot"):
        # The toe joint has no child; toes point where the foot does.
        joint = joint.replace("_foot", "_ankle")
    ours = rest[JOINT[joint.replace("_ankle", "_foot")]] - rest[JOINT[joint]]
    ours = ours * np.array([1.0, 0.0, 1.0])
    return axes_frame(up, np.array(forward, float)) @ axes_frame(np.array([0.0, 1.0, 0.0]), ours).T


def retarget(motion: SourceMotion, setting: Retargeting) -> RetargetedMotion:
    """Carry a motion over to our body.

    The pelvis is placed so that the middle of our hip joints is where the source's is, times the ratio of leg lengths:
    a foot that stands in the source then stands in ours. Heights are the source's, scaled; the floor is found later.
    """
    positions, source_world = source_kinematics(motion.parents, motion.rotations, motion.trans, motion.offsets)
    if setting.skeleton is SMPL_MAP:
        return pose_from_world(source_world, setting.scale * motion.trans, setting.rest_joints)
    world = drive(motion, source_world, setting)
    hips = [motion.index(setting.skeleton.compared[f"{side}_hip"]) for side in ("left", "right")]
    centre = setting.scale * positions[:, hips].mean(axis=1)
    rest = setting.rest_joints
    our_centre = rest[[JOINT["left_hip"], JOINT["right_hip"]]].mean(axis=0) - rest[JOINT["pelvis"]]
    trans = centre - world[:, JOINT["pelvis"]] @ our_centre
    return pose_from_world(world, trans, rest)


def settle_feet(
    motion: SourceMotion, ours: RetargetedMotion, setting: Retargeting, soles: Soles, floor: float
) -> RetargetedMotion:
    """Let standing feet stand as still as the source's, and soles stay above the floor (`_retarget_feet`).

    Args:
        motion: the source.
        ours: what `retarget` made of it.
        setting: with what.
        soles: of our body in that shape.
        floor: height of the floor in metres, in the world of `ours`.
    """
    if setting.skeleton is SMPL_MAP:
        return ours
    positions, _ = source_kinematics(motion.parents, motion.rotations, motion.trans, motion.offsets)
    ankles = [motion.index(setting.skeleton.compared[f"{side}_ankle"]) for side in ("left", "right")]
    world = ours.world
    if "left_foot" not in setting.alignments:
        world = bend_toes(world, ours.joints, floor)
    depths = floor - sole_heights(ours.joints, world, soles)
    world = plant_feet(world, ours.joints, setting.scale * positions[:, ankles], depths, motion.times)
    return pose_from_world(world, ours.trans, setting.rest_joints)


def pose_from_world(
    world: Float[np.ndarray, "frame 24 3 3"], trans: Float[np.ndarray, "frame 3"], rest: Float[np.ndarray, "24 3"]
) -> RetargetedMotion:
    """Axis-angle poses and joint positions from world rotations of the 24 joints and the pelvis position."""
    local = local_rotations(torch.from_numpy(world))
    joints, _ = forward_kinematics(local, torch.from_numpy(trans), torch.from_numpy(rest))
    return RetargetedMotion(matrix_to_rotvec(local).numpy(), trans, joints.numpy(), world)


def place_joints(
    world: Float[np.ndarray, "frame 24 3 3"], rest: Float[np.ndarray, "24 3"]
) -> Float[np.ndarray, "frame 24 3"]:
    """Joint positions relative to the pelvis from world rotations."""
    joints = np.zeros((len(world), NUM_JOINTS, 3))
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            joints[:, joint] = joints[:, parent] + world[:, parent] @ (rest[joint] - rest[parent])
    return joints


def drive(
    motion: SourceMotion, source_world: Float[np.ndarray, "frame joint 3 3"], setting: Retargeting
) -> Float[np.ndarray, "frame 24 3 3"]:
    """World rotations of our joints from those of the source's (any frames; `motion` only names its joints)."""
    skeleton = setting.skeleton
    sources = {joint: alignment.source for joint, alignment in skeleton.joints.items()}
    sources |= {joint: source for joint, source, _ in skeleton.feet}
    world = np.empty((len(source_world), NUM_JOINTS, 3, 3))
    done = set()
    for joint, alignment in setting.alignments.items():
        world[:, JOINT[joint]] = source_world[:, motion.index(sources[joint])] @ alignment
        done.add(joint)
    for joint, (start, end, fraction) in skeleton.blends.items():
        between = slerp(
            torch.from_numpy(world[:, JOINT[start]]),
            torch.from_numpy(world[:, JOINT[end]]),
            torch.full((len(world),), fraction, dtype=torch.float64),
        )
        world[:, JOINT[joint]] = between.numpy()
        done.add(joint)
    for joint, index in JOINT.items():
        if joint not in done:
            # Joints that the source lacks (toes, collars, hands) keep their neutral place on their parent.
            world[:, index] = world[:, PARENTS[index]]
    return world


def leg_length(rest: Float[np.ndarray, "24 3"]) -> float:
    """Thigh plus shin of the left leg, in metres."""
    return float(sum(np.linalg.norm(rest[JOINT[a]] - rest[JOINT[b]]) for a, b in _LEGS))
