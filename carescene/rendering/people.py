"""People as moving triangles: all bodies of a clip posed once, then asked for at any time."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int64, UInt8
from scipy import sparse
from scipy.sparse import csgraph

from carescene.clips.clip import Clip
from carescene.humans.body import Body
from carescene.humans.skeleton import NUM_JOINTS

# Frames posed at once: many enough for the matrix products, few enough to stay in the processor's cache.
_CHUNK: Final = 32


@dataclass(frozen=True)
class Topology:
    """What all bodies of one model share and what never moves.

    Attributes:
        faces: triangles, counter-clockwise seen from outside.
        vertex_part: SMPL joint that moves each vertex most.
        face_part: SMPL joint that moves each triangle: the one most of its corners have, the first corner's if all
            three differ.
        closed: triangles that belong to a piece without border, so that from outside their backs are never seen.
        gather: sums a value per face at the vertices, `(vertex, face)`; kept because building it costs more than use.
    """

    faces: Int64[np.ndarray, "face 3"]
    vertex_part: UInt8[np.ndarray, "vertex"]
    face_part: UInt8[np.ndarray, "face"]
    closed: Bool[np.ndarray, "face"]
    gather: sparse.csr_matrix

    @classmethod
    def of(cls, faces: Int[np.ndarray, "face 3"], vertex_part: Int[np.ndarray, "vertex"]) -> "Topology":
        """From triangles and the joint index of every vertex (zeros for what has no joints)."""
        parts = vertex_part.astype(np.uint8)
        first, second, third = parts[faces].T
        columns = np.repeat(np.arange(len(faces)), 3)
        shape = len(parts), len(faces)
        gather = sparse.csr_matrix((np.ones(faces.size, np.float32), (faces.ravel(), columns)), shape)
        part = np.where(second == third, second, first)
        return cls(faces.astype(np.int64), parts, part, closed_pieces(faces, len(parts)), gather)

    def face_normals(self, vertices: Float[np.ndarray, "vertex 3"]) -> Float[np.ndarray, "face 3"]:
        """Normals of the triangles, as long as twice their area."""
        first, second, third = (vertices.take(self.faces[:, corner], axis=0) for corner in range(3))
        return cross(second - first, third - first)

    def vertex_normals(self, face_normals: Float[np.ndarray, "face 3"]) -> Float[np.ndarray, "vertex 3"]:
        """Unit normals at the vertices: the sum of the adjoining triangles' normals, which weighs them by area."""
        summed = self.gather @ face_normals
        return summed / np.maximum(np.sqrt(np.einsum("vc,vc->v", summed, summed)), 1e-12)[:, None]


@dataclass(frozen=True)
class PeopleFrame:
    """Everybody at one moment, in the world, metres.

    Attributes:
        time_s: seconds from the clip's first frame.
        vertices: of every body, also of persons that are not there (theirs mean nothing).
        joints: SMPL's 24.
        visible: persons that exist at this time, whether or not a camera sees them.
        topology: the triangles.
    """

    time_s: float
    vertices: Float[np.ndarray, "person vertex 3"]
    joints: Float[np.ndarray, "person 24 3"]
    visible: Bool[np.ndarray, "person"]
    topology: Topology


@dataclass(frozen=True)
class PosedPeople:
    """Every person of a clip in every frame, in the world, metres (float32)."""

    fps: float
    vertices: Float[np.ndarray, "person frame vertex 3"]
    joints: Float[np.ndarray, "person frame 24 3"]
    valid: Bool[np.ndarray, "person frame"]
    topology: Topology

    @property
    def faces(self) -> Int64[np.ndarray, "face 3"]:
        """Triangles that all persons share."""
        return self.topology.faces

    def at(self, time_s: float | int) -> PeopleFrame:
        """Everybody at a time in seconds from the first frame; times outside the clip show its first or last frame.

        Between frames, vertices and joints move in straight lines. A person whose frame before or after is not valid
        stands as in the nearest of the two, and is not visible if that one is not valid: nothing is ever mixed with an
        invalid frame.
        """
        position = float(np.clip(time_s * self.fps, 0, self.valid.shape[1] - 1))
        # A time that is a frame's own but for rounding shows that frame and copies nothing.
        before = round(position) if abs(position - round(position)) < 1e-6 else int(position)
        share = max(position - before, 0.0)
        after = before + (share >= 1e-6)
        nearest = before if share < 0.5 else after
        visible = self.valid[:, nearest]
        if after == before:
            return PeopleFrame(float(time_s), self.vertices[:, before], self.joints[:, before], visible, self.topology)
        both = self.valid[:, before] & self.valid[:, after]
        weight = np.where(both, share, float(nearest == after)).astype(np.float32)[:, None, None]

        def mix(values: np.ndarray) -> np.ndarray:
            # Invalid frames may hold anything, also NaN: zero times NaN must not reach the result.
            mixed = values[:, before] + weight * (values[:, after] - values[:, before])
            mixed[~both] = values[~both, nearest]
            return mixed

        return PeopleFrame(float(time_s), mix(self.vertices), mix(self.joints), visible, self.topology)


def pose_people(clip: Clip, body: Body) -> PosedPeople:
    """Pose every person of a clip in every frame (linear blend skinning), as float32 in metres.

    Values of frames in which a person is not valid are taken as zero where they are not finite.
    """
    persons, frames = clip.valid.shape
    poses = torch.from_numpy(np.nan_to_num(clip.poses)).float().reshape(-1, NUM_JOINTS, 3)
    trans = torch.from_numpy(np.nan_to_num(clip.trans)).float().reshape(-1, 3)
    betas = torch.from_numpy(clip.betas).float()[:, None].expand(-1, frames, -1).reshape(len(poses), -1)
    weights = body.lbs_weights
    vertices = np.empty((len(poses), len(weights), 3), np.float32)
    joints = np.empty((len(poses), NUM_JOINTS, 3), np.float32)
    with torch.inference_mode():
        for start in range(0, len(poses), _CHUNK):
            some = slice(start, start + _CHUNK)
            mesh = body.pose(poses[some], trans[some], betas[some])
            vertices[some], joints[some] = mesh.vertices.numpy(), mesh.joints.numpy()
    part = weights.argmax(dim=1).cpu().numpy()
    return PosedPeople(
        fps=float(clip.fps),
        vertices=vertices.reshape(persons, frames, -1, 3),
        joints=joints.reshape(persons, frames, NUM_JOINTS, 3),
        valid=clip.valid,
        topology=Topology.of(np.asarray(body.faces.cpu()), part),
    )


def closed_pieces(faces: Int[np.ndarray, "face 3"], vertices: int) -> Bool[np.ndarray, "face"]:
    """Triangles of those connected pieces of a mesh in which every edge runs once in either direction."""
    start, end = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).T
    links = sparse.coo_matrix((np.ones(len(start), np.int32), (start, end)), (vertices, vertices)).tocsr()
    _, piece = csgraph.connected_components(links, directed=False)
    row, column = (links - links.T).nonzero()
    doubled = links.nonzero()[0][links.data > 1]
    open_pieces = np.unique(piece[np.concatenate([row, column, doubled])])
    return ~np.isin(piece[faces[:, 0]], open_pieces)


def cross(first: Float[np.ndarray, "*batch 3"], second: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
    """Cross products; numpy's own is several times slower on long lists."""
    ax, ay, az = first[..., 0], first[..., 1], first[..., 2]
    bx, by, bz = second[..., 0], second[..., 1], second[..., 2]
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)
