"""Rotation conversions at one place, so that conventions cannot drift (roma does the arithmetic)."""

import roma
import torch
from jaxtyping import Float
from torch import Tensor


def rotvec_to_matrix(rotvec: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation matrices of axis-angle vectors in radians (Rodrigues' formula)."""
    return roma.rotvec_to_rotmat(rotvec)


def matrix_to_rotvec(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """Axis-angle vectors in radians, of length at most pi, of rotation matrices."""
    return roma.rotmat_to_rotvec(matrix)


def matrix_to_sixd(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 6"]:
    """First column, then second column of each rotation matrix (Zhou et al. 2019, "On the continuity ...")."""
    return torch.cat((matrix[..., :, 0], matrix[..., :, 1]), dim=-1)


def sixd_to_matrix(sixd: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation matrices by Gram-Schmidt on two column vectors (Zhou et al. 2019).

    The inverse of `matrix_to_sixd`; any two non-parallel vectors give a proper rotation.
    """
    first, second = sixd[..., :3], sixd[..., 3:]
    # An epsilon keeps the gradient finite where an untrained network emits zeros.
    x = torch.nn.functional.normalize(first, dim=-1, eps=1e-8)
    y = torch.nn.functional.normalize(second - (x * second).sum(-1, keepdim=True) * x, dim=-1, eps=1e-8)
    z = torch.linalg.cross(x, y, dim=-1)
    return torch.stack((x, y, z), dim=-1)


def quat_xyzw_to_matrix(quat_xyzw: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation matrices of quaternions in xyzw order; they are normalised first, as files round them."""
    return roma.unitquat_to_rotmat(torch.nn.functional.normalize(quat_xyzw, dim=-1))


def matrix_to_quat_xyzw(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """Unit quaternions in xyzw order of rotation matrices (the sign is arbitrary)."""
    return roma.rotmat_to_unitquat(matrix)


def slerp(
    start: Float[Tensor, "*batch 3 3"], end: Float[Tensor, "*batch 3 3"], fraction: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch 3 3"]:
    """Rotations on the shortest arc from `start` (fraction 0) to `end` (fraction 1)."""
    step = matrix_to_rotvec(start.transpose(-1, -2) @ end)
    return start @ rotvec_to_matrix(step * fraction[..., None])


def rotation_about(axis: str, angle: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation matrices about a coordinate axis, "x", "y" or "z", by angles in radians."""
    index = "xyz".index(axis)
    rotvec = torch.zeros(*angle.shape, 3, dtype=angle.dtype, device=angle.device)
    rotvec[..., index] = angle
    return rotvec_to_matrix(rotvec)
