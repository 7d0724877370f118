"""Motion as numbers for the diffusion model: 201 per person and frame, plus the 16-way event channel.

    trans   3     pelvis in the world, metres
    root    6     orientation of the pelvis (6D)
    body  126     rotations of joints 1..21 relative to their parents (6D)
    joints 66     positions of the 22 joints: x, y relative to the pelvis, z above the floor, metres
    event  16     one-hot OmniFall-16 label; all zero where it is not known

No velocities, no contacts, no heading per frame: each would repeat what is there, and headings flip by 180 degrees when
a fall rolls past 90. World positions are linear in these numbers, so constraints on joints stay linear. Joints
are stored relative to the pelvis horizontally because next to metres of walking, millimetres of a foot would drown.

All motion lives on the reference body: the height of a long-legged person's pelvis is scaled to the reference legs on
the way in and back on the way out, so that the same rotations put both persons' feet on the floor. Where people are
stays in metres, because they share a room with others and with furniture; that longer legs make longer strides is for
the model to know, from the shape.
"""

from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from carescene.errors import UserError
from carescene.humans.kinematics import forward_kinematics
from carescene.humans.reference import reference_rest_joints
from carescene.humans.rotations import matrix_to_rotvec, matrix_to_sixd, rotvec_to_matrix, sixd_to_matrix
from carescene.humans.skeleton import JOINT, MODEL_JOINTS, NUM_JOINTS

TRANS: Final = slice(0, 3)
ROOT: Final = slice(3, 9)
BODY: Final = slice(9, 135)
JOINTS: Final = slice(135, 201)
EVENT: Final = slice(201, 217)
MOTION_FEATURES: Final = 201
EVENT_CLASSES: Final = 16
FEATURES: Final = MOTION_FEATURES + EVENT_CLASSES
GROUPS: Final[dict[str, slice]] = {"trans": TRANS, "root": ROOT, "body": BODY, "joints": JOINTS, "event": EVENT}

# Below this, no class of the event channel is near the 1 of a one-hot label, so the label counts as unknown.
_EVENT_THRESHOLD = 0.3


def leg_length(rest_joints: Float[Tensor, "*batch 24 3"]) -> Float[Tensor, "*batch"]:
    """Height of the pelvis over the feet with straight legs, in metres, mean of both sides.

    The sum of the drop from pelvis to hip, thigh, shin, and the drop from ankle to the ball of the foot.
    """
    total = torch.zeros_like(rest_joints[..., 0, 0])
    for side in ("left", "right"):
        hip, knee, ankle, foot = (rest_joints[..., JOINT[f"{side}_{n}"], :] for n in ("hip", "knee", "ankle", "foot"))
        total = total + (rest_joints[..., 0, 1] - hip[..., 1]) + (ankle[..., 1] - foot[..., 1])
        total = total + (hip - knee).norm(dim=-1) + (knee - ankle).norm(dim=-1)
    return total / 2


def leg_ratio(rest_joints: Float[Tensor, "*batch 24 3"] | None) -> Float[Tensor, "*batch"]:
    """Leg length of the reference body over that of the given one; 1 for the reference body itself (None)."""
    if rest_joints is None:
        return torch.ones(())
    return leg_length(reference_rest_joints().to(rest_joints)) / leg_length(rest_joints)


def model_joints(
    rotations: Float[Tensor, "*batch 24 3 3"], trans: Float[Tensor, "*batch 3"]
) -> Float[Tensor, "*batch 22 3"]:
    """World positions of the model's 22 joints on the reference body, in metres."""
    rest = reference_rest_joints().to(trans)
    return forward_kinematics(rotations, trans, rest)[0][..., :MODEL_JOINTS, :]


def encode_motion(
    poses: Float[Tensor, "*batch frame 24 3"],
    trans: Float[Tensor, "*batch frame 3"],
    frame_label: Int[Tensor, "*batch frame"],
    rest_joints: Float[Tensor, "*batch 24 3"] | None = None,
) -> Float[Tensor, "*batch frame 217"]:
    """Features of a motion.

    Args:
        poses: axis-angle rotations relative to the parent, radians; the pelvis' in the z-up world.
        trans: position of the pelvis joint in the world, metres, floor at z = 0.
        frame_label: OmniFall-16 ids, -1 where unknown.
        rest_joints: rest joints of the body that the motion belongs to (y up, metres); None for the reference body.

    Raises:
        UserError: for labels outside -1 .. 15 or numbers that are not finite.
    """
    if not (torch.isfinite(poses).all() and torch.isfinite(trans).all()):
        raise UserError(
            "Expected finite poses and positions, but got NaN or infinity. The clip is damaged; prepare it again."
        )
    if frame_label.numel() and (int(frame_label.min()) < -1 or int(frame_label.max()) >= EVENT_CLASSES):
        raise UserError(
            f"Expected frame labels in -1..{EVENT_CLASSES - 1}, but got {int(frame_label.min())}.."
            f"{int(frame_label.max())}. The labels are not OmniFall-16 ids; map them first."
        )
    rotations = rotvec_to_matrix(poses)
    trans = torch.cat((trans[..., :2], trans[..., 2:] * leg_ratio(rest_joints).to(trans)[..., None, None]), dim=-1)
    joints = model_joints(rotations, trans)
    planar = joints[..., :2] - trans[..., None, :2]
    joints = torch.cat((planar, joints[..., 2:]), dim=-1)
    sixd = matrix_to_sixd(rotations[..., :MODEL_JOINTS, :, :])
    event = torch.nn.functional.one_hot(frame_label.long().clamp(min=0), EVENT_CLASSES) * (frame_label >= 0)[..., None]
    return torch.cat((trans, sixd.flatten(-2), joints.flatten(-2), event.to(trans)), dim=-1)


def decode_motion(
    features: Float[Tensor, "*batch frame 217"], rest_joints: Float[Tensor, "*batch 24 3"] | None = None
) -> tuple[Float[Tensor, "*batch frame 24 3"], Float[Tensor, "*batch frame 3"], Int[Tensor, "*batch frame"]]:
    """Poses (axis-angle), pelvis positions (metres) and frame labels (int8, -1 unknown) of features.

    The inverse of `encode_motion`; hands, which the model does not know, stay straight. Rotations come from the 6D
    features; predicted joints are not used here (see `joint_consistency`).
    """
    rotations = features_to_rotations(features)
    height = features[..., 2:3] / leg_ratio(rest_joints).to(features)[..., None, None]
    trans = torch.cat((features[..., :2], height), dim=-1)
    score, label = features[..., EVENT].max(dim=-1)
    label = torch.where(score > _EVENT_THRESHOLD, label, -1).to(torch.int8)
    return matrix_to_rotvec(rotations), trans, label


def features_to_rotations(features: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch 24 3 3"]:
    """Rotation matrices of the 24 joints; identity for the hands."""
    sixd = features[..., ROOT.start : BODY.stop].unflatten(-1, (MODEL_JOINTS, 6))
    known = sixd_to_matrix(sixd)
    hands = torch.eye(3).to(features).expand(*features.shape[:-1], NUM_JOINTS - MODEL_JOINTS, 3, 3)
    return torch.cat((known, hands), dim=-3)


def features_to_joints(features: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch 22 3"]:
    """World positions of the 22 joints as predicted by the joint features (linear in them), metres, reference body."""
    joints = features[..., JOINTS].unflatten(-1, (MODEL_JOINTS, 3))
    shift = torch.nn.functional.pad(features[..., :2], (0, 1))
    return joints + shift[..., None, :]


def joint_consistency(features: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch 22"]:
    """Distance between each joint as predicted and as posed by the predicted rotations, metres; 0 for real motion."""
    posed = model_joints(features_to_rotations(features), features[..., TRANS])
    return (posed - features_to_joints(features)).norm(dim=-1)
