"""Wardrobe: the outfits of a clip's people put on their posed bodies, once for all cameras."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse

from carescene.clips.clip import Clip
from carescene.humans.body import Body
from carescene.humans.skeleton import JOINT
from carescene.rendering.looks import dress_clip_outfits
from carescene.rendering.outfit import Look, Outfit
from carescene.rendering.people import PosedPeople, Topology
from carescene.rendering.tubes import TUBE_VERTICES, Tube, TubeName, cut_tubes, hang, tube_faces, tube_parts

# Each step lets a garment's vertices move towards the mean of their neighbours.
_SMOOTHING_STEPS: Final = 8
# Frames dressed at once: the sparse products stay in the processor's cache.
_CHUNK: Final = 16


@dataclass(frozen=True)
class Drape:
    """How clothes change one body's shape: how far they stand off, and the matrix that smooths what is under them."""

    thickness: Float[np.ndarray, "vertex"]
    relax: sparse.csr_matrix

    @classmethod
    def of(
        cls,
        faces: Int[np.ndarray, "face 3"],
        thickness: Float[np.ndarray, "vertex"],
        smoothness: Float[np.ndarray, "vertex"],
    ) -> "Drape":
        """From metres and shares (0 to 1) per vertex; smoothing moves vertices to their neighbours' mean (umbrella)."""
        count = len(smoothness)
        start, end = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).T
        links = sparse.coo_matrix((np.ones(len(start), np.float32), (start, end)), (count, count)).tocsr()
        links = ((links + links.T) > 0).astype(np.float32)
        neighbours = np.asarray(links.sum(axis=1)).ravel()
        mean = sparse.diags(smoothness / np.maximum(neighbours, 1)) @ links
        return cls(thickness, (sparse.diags(1 - smoothness) + mean).astype(np.float32).tocsr())

    def put_on(
        self, vertices: Float[np.ndarray, "frame vertex 3"], topology: Topology
    ) -> Float[np.ndarray, "frame vertex 3"]:
        """Posed vertices with clothes on: garments stand off the skin and smooth over what is under them."""
        frames, count = vertices.shape[:2]
        # All frames at once, vertices first: a sparse matrix times many columns reads the matrix only once.
        bare = np.ascontiguousarray(vertices.transpose(1, 0, 2))
        first, second, third = (bare[topology.faces[:, corner]] for corner in range(3))
        turned = np.cross(second - first, third - first)
        normals = (topology.gather @ turned.reshape(len(turned), -1)).reshape(bare.shape)
        normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)
        dressed = (bare + self.thickness[:, None, None] * normals).reshape(count, -1).astype(np.float32)
        for _ in range(_SMOOTHING_STEPS):
            dressed = self.relax @ dressed
        return dressed.reshape(count, frames, 3).transpose(1, 0, 2)


@dataclass(frozen=True)
class Wardrobe:
    """The outfits of a clip's people, fitted to a body model.

    Attributes:
        outfits: one per person.
        rest: where each vertex of the dressed mesh is in the rest pose, per person; colours are looked up there.
        tubes: loose cloth and shoes, per person.
        drapes: how clothes change each body's shape.
        topology: of the dressed mesh: the body's vertices, then those of the tubes.
    """

    outfits: list[Outfit]
    rest: Float[np.ndarray, "person vertex 3"]
    tubes: list[dict[TubeName, Tube]]
    drapes: list[Drape]
    topology: Topology

    def wear(self, people: PosedPeople) -> PosedPeople:
        """Posed bodies with clothes on, in the same frames."""
        persons, frames, count = people.vertices.shape[:3]
        dressed = np.empty((persons, frames, count + TUBE_VERTICES, 3), np.float32)
        for person, (drape, tubes) in enumerate(zip(self.drapes, self.tubes, strict=True)):
            for start in range(0, frames, _CHUNK):
                some = slice(start, start + _CHUNK)
                cloth = drape.put_on(people.vertices[person, some], people.topology)
                dressed[person, some, :count] = cloth
                dressed[person, some, count:] = hang(cloth, people.joints[person, some, JOINT["pelvis"]], tubes)
        return replace(people, vertices=dressed, topology=self.topology)

    def look(self, person: int, corners: Int[np.ndarray, "hit 3"], weights: Float[np.ndarray, "hit 3"]) -> Look:
        """Colours where rays hit one person: corners of the triangle hit (vertex indices) and barycentric weights."""
        points = np.einsum("hc,hcd->hd", weights, self.rest[person][corners])
        return self.outfits[person].paint(points)


def dress_clip(clip: Clip, body: Body, topology: Topology, *, seed: int = 0) -> Wardrobe:
    """Outfits for everybody in a clip, by role, age and sex, fitted to the body model.

    Args:
        topology: of the bare bodies, from `pose_people`.
        seed: the same clip and seed give the same looks.
    """
    return fit_wardrobe(dress_clip_outfits(clip, body, seed=seed), body, topology)


def fit_wardrobe(outfits: list[Outfit], body: Body, topology: Topology) -> Wardrobe:
    """A wardrobe of given outfits. Borders are cut on the neutral body; vertices keep their garment on every other."""
    with torch.inference_mode():
        rest = body.rest_vertices(torch.zeros(10)).numpy()
    tubes, drapes, everywhere = [], [], []
    for outfit in outfits:
        worn = cut_tubes(rest, outfit.marks, outfit.cut)
        drape = Drape.of(topology.faces, outfit.thickness(rest), outfit.smoothness(rest))
        dressed = drape.put_on(rest[None], topology)
        # Colours are cut on the bare body, but a tube is only where it is once the cloth under it is on.
        everywhere.append(np.concatenate([rest, hang(dressed, np.zeros((1, 3)), worn)[0]]))
        tubes.append(worn)
        drapes.append(drape)
    faces = np.concatenate([topology.faces, tube_faces() + len(rest)])
    parts = np.concatenate([topology.vertex_part, tube_parts()]).astype(np.int64)
    return Wardrobe(outfits, np.stack(everywhere).astype(np.float32), tubes, drapes, Topology.of(faces, parts))
