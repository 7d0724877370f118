"""What a body can do from where it is: 69 small movements per frame, and what they change in the features.

    0:3   the pelvis moves (metres, feature units)
    3:69  joints 0..21 turn about their own axes (radians): R -> R (1 + [w]x)

`push` maps movements to changes of the features, `pull` maps gradients in the features to gradients in the movements;
they are transposes of each other. Rotations, joint positions and the pelvis thus change together: a wrist that is
pulled turns the arm, and a pelvis that is lifted lifts all joints.
"""

from typing import Final, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from carescene.humans.kinematics import forward_kinematics
from carescene.humans.reference import reference_rest_joints
from carescene.humans.skeleton import MODEL_JOINTS, PARENTS
from diffusion.representation import BODY, JOINTS, MOTION_FEATURES, ROOT, TRANS, features_to_rotations

MOVES: Final = 3 + 3 * MODEL_JOINTS
SIXD: Final = slice(ROOT.start, BODY.stop)
_CHAIN: Final = tuple(enumerate(PARENTS[1:MODEL_JOINTS], start=1))


class Posture(NamedTuple):
    """Where a body is: rotations relative to the parents, in the world, and joint positions (metres)."""

    local: Float[Tensor, "*batch 22 3 3"]
    world: Float[Tensor, "*batch 22 3 3"]
    joints: Float[Tensor, "*batch 22 3"]

    @classmethod
    def of(
        cls,
        rotations: Float[Tensor, "*batch 24 3 3"],
        trans: Float[Tensor, "*batch 3"],
        rest_joints: Float[Tensor, "*rest 24 3"] | None = None,
    ) -> "Posture":
        """Posture of a body; of the reference body without `rest_joints`."""
        rest = reference_rest_joints().to(trans) if rest_joints is None else rest_joints.to(trans)
        joints, world = forward_kinematics(rotations, trans, rest)
        return cls(rotations[..., :MODEL_JOINTS, :, :], world[..., :MODEL_JOINTS, :, :], joints[..., :MODEL_JOINTS, :])

    @classmethod
    def of_features(cls, motion: Float[Tensor, "*batch 201"]) -> "Posture":
        """Posture of the reference body that the rotations of features describe."""
        return cls.of(features_to_rotations(motion), motion[..., TRANS])


def push_joints(move: Float[Tensor, "*batch 69"], posture: Posture) -> Float[Tensor, "*batch 22 3"]:
    """Velocities of the joints in the world under a movement, pelvis included (metres)."""
    turn = (posture.world @ move[..., 3:].unflatten(-1, (MODEL_JOINTS, 3, 1)))[..., 0]
    spin, speed = [turn[..., 0, :]], [move[..., :3]]
    for joint, parent in _CHAIN:
        bone = posture.joints[..., joint, :] - posture.joints[..., parent, :]
        speed.append(speed[parent] + torch.linalg.cross(spin[parent], bone))
        spin.append(spin[parent] + turn[..., joint, :])
    return torch.stack(speed, dim=-2)


def pull_joints(
    force: Float[Tensor, "*batch 22 3"], posture: Posture, torque: Float[Tensor, "*batch 22 3"] | None = None
) -> Float[Tensor, "*batch 69"]:
    """The transpose of `push_joints`: forces on joints as force on the pelvis and torques of all joints.

    `torque` acts on the bones that turn with each joint, as forces on points away from the joints do.
    """
    forces = list(force.unbind(-2))
    torques = [torch.zeros_like(forces[0])] * MODEL_JOINTS if torque is None else list(torque.unbind(-2))
    for joint, parent in reversed(_CHAIN):
        bone = posture.joints[..., joint, :] - posture.joints[..., parent, :]
        torques[parent] = torques[parent] + torques[joint] + torch.linalg.cross(bone, forces[joint])
        forces[parent] = forces[parent] + forces[joint]
    own = (posture.world.transpose(-1, -2) @ torch.stack(torques, dim=-2)[..., None])[..., 0]
    return torch.cat((forces[0], own.flatten(-2)), dim=-1)


def push(move: Float[Tensor, "*batch 69"], posture: Posture) -> Float[Tensor, "*batch 201"]:
    """Change of the features under a small movement."""
    joints = push_joints(move, posture)
    planar = joints[..., :2] - move[..., None, :2]
    turn = move[..., 3:].unflatten(-1, (MODEL_JOINTS, 3))
    # The first two columns of [w]x.
    zero = torch.zeros_like(turn[..., 0])
    first = torch.stack((zero, turn[..., 2], -turn[..., 1]), dim=-1)
    second = torch.stack((-turn[..., 2], zero, turn[..., 0]), dim=-1)
    sixd = torch.cat([(posture.local @ column[..., None])[..., 0] for column in (first, second)], dim=-1)
    relative = torch.cat((planar, joints[..., 2:]), dim=-1)
    return torch.cat((move[..., :3], sixd.flatten(-2), relative.flatten(-2)), dim=-1)


def pull(gradient: Float[Tensor, "*batch 201"], posture: Posture) -> Float[Tensor, "*batch 69"]:
    """The transpose of `push`: gradients in the features as gradients in the movements."""
    force = gradient[..., JOINTS].unflatten(-1, (MODEL_JOINTS, 3))
    move = pull_joints(force, posture)
    columns = gradient[..., SIXD].unflatten(-1, (MODEL_JOINTS, 2, 3)).transpose(-1, -2)
    first, second = (posture.local.transpose(-1, -2) @ columns).unbind(-1)
    turn = torch.stack((second[..., 2], -first[..., 2], first[..., 1] - second[..., 0]), dim=-1)
    # Joints are stored relative to the pelvis in the plane, so its horizontal movement does not change them.
    planar = gradient[..., :2] - force[..., :2].sum(-2)
    trans = torch.cat((planar, gradient[..., 2:3]), dim=-1)
    return move + torch.cat((trans, turn.flatten(-2)), dim=-1)


assert TRANS.stop + 6 * MODEL_JOINTS + 3 * MODEL_JOINTS == MOTION_FEATURES
