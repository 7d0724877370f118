"""Some hundred points of a body's skin that move with it: enough to measure contact, far fewer than its mesh."""

import functools
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from carescene.humans.body import Body, load_body
from carescene.humans.kinematics import forward_kinematics
from carescene.humans.rotations import rotvec_to_matrix
from carescene.humans.skeleton import JOINT

# Neighbouring points are then 5 to 7 cm apart on an adult, and a person of 6 s is posed in a few milliseconds.
POINTS: Final = 320
# Soles get extra points: heel and ball of the foot must both be seen by the floor.
_SOLE_POINTS: Final = 12
_SOLE_M: Final = 0.012


@dataclass(frozen=True)
class SkinPoints:
    """Points on the skin of one body model, posed exactly as its mesh is (linear blend skinning, Loper et al. 2015).

    Attributes:
        template: in the rest frame (y up), metres.
        shape: change with each of the ten shape coefficients.
        pose_shape: change with each entry of the rotations of the joints but the pelvis, less the identity.
        weights: share of each joint in the movement of each point.
        part: the joint that moves a point most.
        rest, rest_shape: joints in the rest frame, and their change with shape.
    """

    template: Float[Tensor, "point 3"]
    shape: Float[Tensor, "point 3 10"]
    pose_shape: Float[Tensor, "207 point3"]
    weights: Float[Tensor, "point 24"]
    part: Int[Tensor, "point"]
    rest: Float[Tensor, "24 3"]
    rest_shape: Float[Tensor, "24 3 10"]

    @classmethod
    def of(cls, body: Body, points: int = POINTS) -> "SkinPoints":
        """Points spread evenly over a body's template (farthest-point sampling), with more of them under the feet."""
        vertices = body.rest_vertices(torch.zeros(10)).detach()
        part = body.lbs_weights.argmax(dim=1)
        soles = _soles(vertices, part)
        chosen = torch.cat([torch.from_numpy(soles), _spread(vertices, points - len(soles), soles)])
        shape = body.smpl.get_buffer("shapedirs")[..., :10]
        regressor = body.smpl.get_buffer("J_regressor")
        pose_shape = body.smpl.get_buffer("posedirs").reshape(207, -1, 3)[:, chosen].reshape(207, -1)
        return cls(
            vertices[chosen],
            shape[chosen],
            pose_shape if bool(pose_shape.any()) else pose_shape[:, :0],
            body.lbs_weights[chosen],
            part[chosen],
            regressor @ vertices,
            torch.einsum("jv,vck->jck", regressor, shape),
        )

    def rest_joints(self, betas: Float[Tensor, "*batch 10"]) -> Float[Tensor, "*batch 24 3"]:
        """Joints of the rest pose in metres (y up)."""
        return self.rest + torch.einsum("jck,...k->...jc", self.rest_shape, betas)

    def posed(
        self,
        rotations: Float[Tensor, "frame 24 3 3"],
        trans: Float[Tensor, "frame 3"],
        betas: Float[Tensor, "10"],
    ) -> tuple[Float[Tensor, "frame point 3"], Float[Tensor, "frame 24 3"]]:
        """Points and joints of one person in the world, metres; differentiable.

        Args:
            rotations: of each joint relative to its parent; the pelvis' maps the rest frame to the world.
            trans: pelvis joint in the world, metres.
            betas: shape.
        """
        rest = self.rest_joints(betas)
        joints, world = forward_kinematics(rotations, trans, rest)
        points = self.template + self.shape @ betas
        if self.pose_shape.shape[1]:
            feature = (rotations[:, 1:] - torch.eye(3, dtype=rotations.dtype)).reshape(len(rotations), -1)
            points = points + (feature @ self.pose_shape).reshape(len(rotations), -1, 3)
        shift = joints - (world @ rest[:, :, None])[..., 0]
        transform = torch.cat([world.reshape(len(world), 24, 9), shift], dim=-1)
        blended = self.weights @ transform
        turn, move = blended[..., :9].reshape(*blended.shape[:2], 3, 3), blended[..., 9:]
        moved = turn @ points[..., None] if points.dim() == 3 else torch.einsum("fpij,pj->fpi", turn, points)[..., None]
        return moved[..., 0] + move, joints

    def of_person(
        self,
        poses: Float[np.ndarray, "frame 24 3"],
        trans: Float[np.ndarray, "frame 3"],
        betas: Float[np.ndarray, "10"],
    ) -> Float[np.ndarray, "frame point 3"]:
        """Points of one person of a clip in the world, metres."""
        with torch.no_grad():
            points, _ = self.posed(
                rotvec_to_matrix(torch.from_numpy(np.asarray(poses, np.float32))),
                torch.from_numpy(np.asarray(trans, np.float32)),
                torch.from_numpy(np.asarray(betas, np.float32)),
            )
        return points.numpy()


@functools.cache
def load_skin_points(points: int = POINTS) -> SkinPoints:
    """Skin points of the bundled body, made once per process."""
    with torch.no_grad():
        return SkinPoints.of(load_body(), points)


def _soles(vertices: Tensor, part: Tensor) -> Int[np.ndarray, "point"]:
    """Vertices under both feet, spread along their length."""
    chosen = []
    for side in ("left", "right"):
        mine = (part == JOINT[f"{side}_ankle"]) | (part == JOINT[f"{side}_foot"])
        height = vertices[:, 1]
        low = torch.nonzero(mine & (height < height[mine].min() + _SOLE_M))[:, 0].numpy()
        order = low[np.argsort(vertices[low, 2].numpy())]
        chosen.append(order[np.linspace(0, len(order) - 1, _SOLE_POINTS).round().astype(int)])
    return np.unique(np.concatenate(chosen))


def _spread(vertices: Tensor, count: int, given: Int[np.ndarray, "point"]) -> Int[Tensor, "chosen"]:
    """Vertices that each lie farthest from all before them, the given ones first."""
    points = vertices.numpy()
    distance = np.linalg.norm(points[:, None] - points[given], axis=-1).min(axis=1)
    chosen = []
    for _ in range(count):
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return torch.tensor(chosen)
