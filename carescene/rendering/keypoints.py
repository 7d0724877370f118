"""COCO-17 key points of a body: five points of the face's skin and twelve joints, and how deep each lies in flesh."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from carescene.clips.rendered import COCO_KEYPOINTS
from carescene.errors import UserError
from carescene.humans.body import Body
from carescene.humans.skeleton import JOINT, JOINT_NAMES, PARENTS

# Nose, left eye, right eye, left ear, right ear (the person's own left) of SMPL's mesh, as published with smplx
# (smplx/vertex_ids.py). Other meshes are searched by `find_face`.
_SMPL_VERTICES: Final = 6890
_SMPL_FACE: Final = (332, 2800, 6260, 583, 4071)

_FACE_POINTS: Final = 5
# COCO's shoulder, elbow, wrist, hip, knee and ankle are joints of the same name.
_LIMB_JOINTS: Final = tuple(JOINT[name] for name in COCO_KEYPOINTS[_FACE_POINTS:])

# Half the distance of the pupils over half the breadth of the skull: 31 mm over 70 to 75 mm in adults of both sexes
# (NASA-STD-3000, volume I, section 3: interpupillary and head breadth).
_PUPIL_SHARE: Final = 0.44
# Skin this far along the limb on either side of a joint counts as being at the joint, metres.
_SLAB: Final = 0.03


@dataclass(frozen=True)
class KeypointModel:
    """Where the key points of one person sit in the body's mesh, and what of the skin stands for each.

    Attributes:
        face: vertices of nose, eyes and ears.
        depth: how far under the skin each point lies at most, measured across its limb, metres; 0 on the face.
        parts: pieces of skin (index of the SMPL joint that moves them) behind which the point lies.
    """

    face: Int[np.ndarray, "5"]
    depth: Float[np.ndarray, "17"]
    parts: Bool[np.ndarray, "17 24"]


def keypoint_model(body: Body, betas: Float[np.ndarray, "10"]) -> KeypointModel:
    """The key points of a body of this shape.

    A joint lies inside its limb, so its `depth` is the largest distance to the skin of a slice through the joint at
    right angles to the limb. `parts` are the pieces of skin found in a ball of that size around the joint. Both are
    measured on the rest pose, where the arms are clear of the trunk.

    Raises:
        UserError: if the body's mesh has no face that `find_face` can read.
    """
    with torch.no_grad():
        shape = torch.from_numpy(np.asarray(betas)).float()
        vertices, joints = body.rest_vertices(shape).numpy(), body.rest_joints(shape).numpy()
        mean = body.rest_vertices(torch.zeros(10)).numpy(), body.rest_joints(torch.zeros(10)).numpy()
    moved_by = body.lbs_weights.argmax(dim=1).numpy()
    depth = np.zeros(len(COCO_KEYPOINTS))
    parts = np.zeros((len(COCO_KEYPOINTS), len(JOINT_NAMES)), dtype=bool)
    # The whole head, for all that hides a point of the face is told by depth alone.
    parts[:_FACE_POINTS, [JOINT["head"], JOINT["neck"]]] = True
    for point, joint in enumerate(_LIMB_JOINTS, start=_FACE_POINTS):
        depth[point] = _depth(vertices, joints, moved_by, joint)
        near = np.linalg.norm(vertices - joints[joint], axis=1) <= depth[point]
        parts[point, moved_by[near]] = True
    face = _SMPL_FACE if len(vertices) == _SMPL_VERTICES else find_face(*mean)
    return KeypointModel(np.array(face), depth, parts)


def keypoint_positions(
    vertices: Float[np.ndarray, "*batch vertex 3"], joints: Float[np.ndarray, "*batch 24 3"], model: KeypointModel
) -> Float[np.ndarray, "*batch 17 3"]:
    """The 17 key points of posed bodies, in the frame and unit of the input.

    Shoulders and hips are centres of rotation. Annotators of COCO click what they believe these to be on clothed
    people: for hips usually a few centimetres higher and further out than SMPL's joints.
    """
    return np.concatenate([vertices[..., model.face, :], joints[..., list(_LIMB_JOINTS), :]], axis=-2)


def find_face(
    vertices: Float[np.ndarray, "vertex 3"], joints: Float[np.ndarray, "24 3"]
) -> tuple[int, int, int, int, int]:
    """Vertices of the nose tip, left eye, right eye, left ear and right ear of a body in its rest pose.

    The nose tip is the foremost point above the head joint. The eyes are level with the nasion, the deepest point of
    the profile between nose tip and brow, and `_PUPIL_SHARE` of the skull's half breadth to the sides. The ears are
    what stands out from the sides of the skull below that level; the point is the vertex nearest to their middle.

    Args:
        vertices: y up, facing +z, the person's left is +x, metres.
        joints: rest joints in the same frame.

    Raises:
        UserError: if the head has too few vertices or no ears.
    """
    head = np.flatnonzero(vertices[:, 1] > joints[JOINT["head"], 1] - 0.02)
    skin = vertices[head]
    nose = skin[np.argmax(skin[:, 2])]
    # 4 mm: about the spacing of vertices on the bridge of the nose.
    profile = skin[(np.abs(skin[:, 0] - nose[0]) < 0.004) & (skin[:, 2] > joints[JOINT["head"], 2])]
    bridge = profile[(profile[:, 1] > nose[1]) & (profile[:, 1] < nose[1] + 0.07)]
    skull = skin[skin[:, 1] > nose[1] + 0.06]
    if len(bridge) < 3 or len(skull) < 3:
        raise UserError(
            f"Expected a body with a modelled face, but got a head of {len(head)} vertices. "
            "Key points of nose, eyes and ears cannot be found on it; use SMPL's own mesh or the bundled body."
        )
    nasion = bridge[np.argmin(bridge[:, 2])]
    breadth = float(np.abs(skull[:, 0] - nose[0]).max())
    front = skin[:, 2] > (nasion[2] + joints[JOINT["head"], 2]) / 2
    found = [int(head[np.argmax(skin[:, 2])])]
    for side in (1.0, -1.0):
        target = np.array([nose[0] + side * _PUPIL_SHARE * breadth, nasion[1]])
        distance = np.linalg.norm(skin[:, :2] - target, axis=1)
        found.append(int(head[np.argmin(np.where(front, distance, np.inf))]))
    for side in (1.0, -1.0):
        out = side * (skin[:, 0] - nose[0])
        ear = (out > breadth) & (np.abs(skin[:, 1] - nose[1]) < 0.06)
        if not ear.any():
            raise UserError(
                "Expected a body with ears, but nothing stands out from the sides of its head. "
                "Use SMPL's own mesh or the bundled body."
            )
        distance = np.linalg.norm(skin - skin[ear].mean(axis=0), axis=1)
        found.append(int(head[np.argmin(np.where(ear, distance, np.inf))]))
    return found[0], found[1], found[2], found[3], found[4]


def _depth(vertices: np.ndarray, joints: np.ndarray, moved_by: np.ndarray, joint: int) -> float:
    """Largest distance from a joint to the skin of its own limb in a slice across the limb."""
    # Limbs begin at shoulders and hips; all other joints end a bone.
    starts = JOINT_NAMES[joint].endswith(("shoulder", "hip"))
    along = joints[PARENTS.index(joint)] - joints[joint] if starts else joints[joint] - joints[PARENTS[joint]]
    offset = vertices - joints[joint]
    own_side = vertices[:, 0] * np.sign(joints[joint, 0]) > 0
    own = own_side & np.isin(moved_by, [joint, PARENTS[joint]])
    slab = own & (np.abs(offset @ along) <= _SLAB * np.linalg.norm(along))
    return float(np.linalg.norm(offset[slab], axis=1).max())
