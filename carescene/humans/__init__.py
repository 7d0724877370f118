"""People: skeleton, rotations, kinematics and the body that smplx poses."""

from carescene.humans.kinematics import forward_kinematics, global_rotations, local_rotations
from carescene.humans.rotations import (
    matrix_to_quat_xyzw,
    matrix_to_rotvec,
    matrix_to_sixd,
    quat_xyzw_to_matrix,
    rotation_about,
    rotvec_to_matrix,
    sixd_to_matrix,
    slerp,
)
from carescene.humans.skeleton import JOINT, JOINT_NAMES, MIRROR, MODEL_JOINTS, NUM_JOINTS, PARENTS

__all__ = [
    "JOINT",
    "JOINT_NAMES",
    "MIRROR",
    "MODEL_JOINTS",
    "NUM_JOINTS",
    "PARENTS",
    "forward_kinematics",
    "global_rotations",
    "local_rotations",
    "matrix_to_quat_xyzw",
    "matrix_to_rotvec",
    "matrix_to_sixd",
    "quat_xyzw_to_matrix",
    "rotation_about",
    "rotvec_to_matrix",
    "sixd_to_matrix",
    "slerp",
]
