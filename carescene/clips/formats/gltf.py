"""glTF 2.0 (.glb): people as skinned, animated meshes, for browsers, Blender and game engines.

Khronos, "glTF 2.0 Specification". Its world has y up; metres and seconds as ours.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from carescene.clips.clip import Clip
from carescene.clips.formats._glb import GlbBuilder
from carescene.clips.formats._people import RestBody, y_up_motion
from carescene.errors import UserError
from carescene.humans.skeleton import JOINT_NAMES, NUM_JOINTS, PARENTS

# Readers must support one set of four joints per vertex; more are optional.
_INFLUENCES: Final = 4
# Calm tints that tell people apart, linear RGB.
_TINTS: Final = ((0.55, 0.42, 0.35), (0.30, 0.45, 0.60), (0.40, 0.55, 0.35), (0.60, 0.50, 0.25))


def glb_bytes(
    clip: Clip,
    bodies: Sequence[RestBody],
    colors: Sequence[Float[np.ndarray, "vertex 3"]] | None = None,
) -> bytes:
    """All people of a clip as one .glb: a skin each, and one animation that moves them together.

    Rotations are keyed at every frame in which the person exists, as xyzw quaternions on one hemisphere; positions of
    the pelvis likewise; both are linear in between. A person who is away is scaled to nothing. glTF has no
    pose-corrective shapes and four joints per vertex: those of a licensed SMPL body that go beyond are left out.

    Args:
        clip: metres, z up; it is turned to y up.
        bodies: the body of each person.
        colors: linear RGB of every vertex, one array per person; None paints each person in one tint.

    Raises:
        UserError: nobody exists in any frame, or bodies and people differ in number.
    """
    if len(bodies) != clip.num_persons:
        raise UserError(f"Clip '{clip.id}': expected a body for each of {clip.num_persons}, but got {len(bodies)}.")
    if not clip.valid.any():
        raise UserError(f"Clip '{clip.id}': expected people in some frame, but got none. Leave the clip out.")
    glb = GlbBuilder({"clip": clip.id, "text": clip.text, "fps": clip.fps})
    for person, body in enumerate(bodies):
        if clip.valid[person].any():
            _add_person(glb, clip, person, body, None if colors is None else colors[person])
    return glb.to_bytes(clip.id)


def four_joints(
    weights: Float[np.ndarray, "vertex 24"],
) -> tuple[Int[np.ndarray, "vertex 4"], Float[np.ndarray, "vertex 4"]]:
    """The four joints that move each vertex most, strongest first, and their weights, scaled to sum to 1.

    Joints of zero weight are given as joint 0, as the specification asks.
    """
    order = np.argsort(-weights, axis=1, kind="stable")[:, :_INFLUENCES]
    strongest = np.take_along_axis(weights, order, axis=1).astype(np.float64)
    strongest = (strongest / strongest.sum(axis=1, keepdims=True)).astype(np.float32)
    return np.where(strongest > 0, order, 0), strongest


def _add_person(
    glb: GlbBuilder, clip: Clip, person: int, body: RestBody, color: Float[np.ndarray, "vertex 3"] | None
) -> None:
    name = f"person{person}"
    first = len(glb.nodes)
    role = clip.persons[person].role if clip.persons else "person"
    glb.add_node({"name": f"{name}_mesh", "extras": {"role": role}}, root=True)
    joints = [first + 1 + joint for joint in range(NUM_JOINTS)]
    for joint, parent in enumerate(PARENTS):
        offset = body.joints[joint] - (body.joints[parent] if parent >= 0 else 0.0)
        node: dict[str, Any] = {"name": f"{name}_{JOINT_NAMES[joint]}", "translation": [float(x) for x in offset]}
        children = [joints[child] for child, above in enumerate(PARENTS) if above == joint]
        if children:
            node["children"] = children
        glb.add_node(node, root=parent < 0)
    glb.nodes[first]["mesh"] = glb.add_mesh(name, _primitive(glb, body, color, _TINTS[person % len(_TINTS)]))
    glb.nodes[first]["skin"] = glb.add_skin(
        {"name": name, "joints": joints, "skeleton": joints[0], "inverseBindMatrices": _inverse_bind(glb, body)}
    )
    _animate(glb, clip, person, joints)


def _primitive(
    glb: GlbBuilder,
    body: RestBody,
    color: Float[np.ndarray, "vertex 3"] | None,
    tint: tuple[float, float, float],
) -> dict[str, Any]:
    joints, weights = four_joints(body.weights)
    attributes = {
        "POSITION": glb.add_vertices(body.vertices.astype(np.float32), limits=True),
        "NORMAL": glb.add_vertices(_normals(body).astype(np.float32)),
        "JOINTS_0": glb.add_vertices(joints.astype(np.uint8)),
        "WEIGHTS_0": glb.add_vertices(weights),
    }
    if color is not None:
        attributes["COLOR_0"] = glb.add_vertices(color.astype(np.float32))
        tint = (1.0, 1.0, 1.0)
    kind = np.uint16 if len(body.vertices) < 2**16 - 1 else np.uint32
    material = {
        "pbrMetallicRoughness": {"baseColorFactor": [*tint, 1.0], "metallicFactor": 0.0, "roughnessFactor": 0.9}
    }
    return {
        "attributes": attributes,
        "indices": glb.add_indices(body.faces.astype(kind)),
        "material": glb.add_material(material),
    }


def _inverse_bind(glb: GlbBuilder, body: RestBody) -> int:
    matrices = np.tile(np.eye(4, dtype=np.float32), (NUM_JOINTS, 1, 1))
    matrices[:, :3, 3] = -body.joints
    # glTF stores matrices column by column.
    return glb.add_values(matrices.transpose(0, 2, 1).reshape(NUM_JOINTS, 16))


def _animate(glb: GlbBuilder, clip: Clip, person: int, joints: list[int]) -> None:
    there = np.flatnonzero(clip.valid[person])
    rotations, trans = y_up_motion(clip, person, there)
    times = glb.add_values((there / clip.fps).astype(np.float32), limits=True)
    quats = Rotation.from_matrix(rotations.reshape(-1, 3, 3)).as_quat().reshape(*rotations.shape[:2], 4)
    turned = np.where((quats[1:] * quats[:-1]).sum(axis=-1, keepdims=True) < 0, -1.0, 1.0)
    quats[1:] *= np.cumprod(turned, axis=0)
    glb.add_channel(joints[0], "translation", times, glb.add_values(trans.astype(np.float32)))
    for joint, node in enumerate(joints):
        glb.add_channel(node, "rotation", times, glb.add_values(quats[:, joint].astype(np.float32)))
    if len(there) < clip.num_frames:
        changes = np.flatnonzero(np.diff(clip.valid[person], prepend=~clip.valid[person, :1]))
        sizes = np.repeat(clip.valid[person, changes, None], 3, axis=1).astype(np.float32)
        when = glb.add_values((changes / clip.fps).astype(np.float32), limits=True)
        glb.add_channel(joints[0], "scale", when, glb.add_values(sizes), steps=True)


def _normals(body: RestBody) -> Float[np.ndarray, "vertex 3"]:
    """Unit normals of the rest pose: the mean of the adjoining triangles' normals, weighted by area."""
    corners = body.vertices[body.faces].astype(np.float64)
    areas = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros((len(body.vertices), 3))
    for corner in range(3):
        np.add.at(normals, body.faces[:, corner], areas)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    # A vertex of no triangle still needs a unit normal.
    return np.where(lengths > 0, normals / np.maximum(lengths, 1e-30), [0.0, 1.0, 0.0])
