"""Where the landmarks of `LANDMARKS` sit on a body: each moves rigidly with one joint."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Int

from carescene.clips.rendered import COCO_KEYPOINTS
from carescene.humans.body import NUM_BETAS, Body, load_body
from carescene.humans.skeleton import JOINT
from carescene.rendering.keypoints import find_face
from reconstruction.observations import LANDMARK, LANDMARKS

_FACE = 5


@dataclass(frozen=True)
class LandmarkModel:
    """Rest joints and landmarks of a body, both linear in its betas.

    Rest frame: y up, facing +z, left is +x, metres. A posed landmark is p_j + G_j (rest_landmark - rest_joint_j), where
    j is its joint, p_j the joint's position and G_j its world rotation.

    Attributes:
        joints: rest joints at betas of 0, `(24, 3)`.
        joint_shapes: their change per beta, `(24, 3, 10)`.
        carrier: the joint that each landmark moves with.
        offsets: landmark minus its joint at betas of 0, `(26, 3)`.
        offset_shapes: its change per beta.
    """

    joints: Float[np.ndarray, "24 3"]
    joint_shapes: Float[np.ndarray, "24 3 10"]
    carrier: Int[np.ndarray, "landmark"]
    offsets: Float[np.ndarray, "landmark 3"]
    offset_shapes: Float[np.ndarray, "landmark 3 10"]

    def rest(self, betas: Float[np.ndarray, "10"]) -> tuple[Float[np.ndarray, "24 3"], Float[np.ndarray, "landmark 3"]]:
        """Rest joints, and offsets of the landmarks from their joints, of a body of this shape, metres."""
        return self.joints + self.joint_shapes @ betas, self.offsets + self.offset_shapes @ betas


def landmark_model(body: Body) -> LandmarkModel:
    """Find the landmarks on a body's mesh; joints of limbs are their own landmarks.

    Face points as `carescene.rendering.keypoints.find_face`; heel, big and small toe and the top of the head are the
    outermost vertices of the parts that the foot and head joints move.
    """
    zero = torch.zeros(NUM_BETAS)
    with torch.no_grad():
        vertices, joints = body.rest_vertices(zero).double().numpy(), body.rest_joints(zero).double().numpy()
        # Both are linear in the betas, so unit steps give the slopes exactly.
        steps = torch.eye(NUM_BETAS)
        vertex_shapes = np.moveaxis(body.rest_vertices(steps).double().numpy() - vertices, 0, -1)
        joint_shapes = np.moveaxis(body.rest_joints(steps).double().numpy() - joints, 0, -1)
    moved_by = body.lbs_weights.argmax(dim=1).numpy()
    carrier = np.zeros(len(LANDMARKS), np.int64)
    points = np.zeros((len(LANDMARKS), 3))
    shapes = np.zeros((len(LANDMARKS), 3, NUM_BETAS))

    def on_skin(name: str, joint: str, vertex: int) -> None:
        carrier[LANDMARK[name]] = JOINT[joint]
        points[LANDMARK[name]], shapes[LANDMARK[name]] = vertices[vertex], vertex_shapes[vertex]

    def at_joint(name: str, joint: int) -> None:
        carrier[LANDMARK[name]] = joint
        points[LANDMARK[name]], shapes[LANDMARK[name]] = joints[joint], joint_shapes[joint]

    for name, vertex in zip(COCO_KEYPOINTS[:_FACE], find_face(vertices, joints), strict=True):
        on_skin(name, "head", vertex)
    for name in (*COCO_KEYPOINTS[_FACE:], "neck"):
        at_joint(name, JOINT[name])
    at_joint("pelvis", JOINT["pelvis"])
    # Halpe's "hip" is the middle of the two hips, which lies below SMPL's pelvis joint.
    hips = [JOINT["left_hip"], JOINT["right_hip"]]
    points[LANDMARK["pelvis"]], shapes[LANDMARK["pelvis"]] = joints[hips].mean(0), joint_shapes[hips].mean(0)
    head = np.flatnonzero(moved_by == JOINT["head"])
    on_skin("head_top", "head", int(head[np.argmax(vertices[head, 1])]))
    for side, outward in (("left", 1.0), ("right", -1.0)):
        ankle, foot = (np.flatnonzero(moved_by == JOINT[f"{side}_{part}"]) for part in ("ankle", "foot"))
        on_skin(f"{side}_heel", f"{side}_ankle", int(ankle[np.argmin(vertices[ankle, 2])]))
        across, ahead = outward * vertices[foot, 0], vertices[foot, 2]
        inner = foot[across < np.median(across)]
        on_skin(f"{side}_big_toe", f"{side}_foot", int(inner[np.argmax(vertices[inner, 2])]))
        # The small toe stands out sideways as much as forwards.
        on_skin(f"{side}_small_toe", f"{side}_foot", int(foot[np.argmax(across + ahead)]))
    offsets, offset_shapes = points - joints[carrier], shapes - joint_shapes[carrier]
    return LandmarkModel(joints, joint_shapes, carrier, offsets, offset_shapes)


@cache
def free_landmarks() -> LandmarkModel:
    """The landmarks of the bundled body."""
    return landmark_model(load_body())


def landmark_positions(
    joints: Float[np.ndarray, "*batch 24 3"],
    rotations: Float[np.ndarray, "*batch 24 3 3"],
    offsets: Float[np.ndarray, "landmark 3"],
    carrier: Int[np.ndarray, "landmark"],
) -> Float[np.ndarray, "*batch landmark 3"]:
    """Landmarks of posed bodies in the world, metres, from joint positions and world rotations."""
    return joints[..., carrier, :] + (rotations[..., carrier, :, :] @ offsets[..., None])[..., 0]
