"""Distance to users' own triangle meshes, and the height of their surface, in torch, with gradients in the points."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from carescene.scenes._box_tree import BoxTree
from carescene.scenes._closed_pieces import split_mesh
from carescene.scenes._solid_distance import safe_norm
from carescene.scenes._solid_search import CHUNK

# Nearer than this (metres) to the surface its normal gives sign and gradient: the way there has no direction.
_TOUCHING: Final = 1.0e-6
# Faces steeper than about 84 degrees have no height worth a gradient.
_LEAST_SLOPE: Final = 0.1


@dataclass(frozen=True)
class _Group:
    """Faces `first` to `last`, which are searched together; `outside` is the sign of distances beyond their box."""

    tree: BoxTree
    first: int
    last: int
    outside: int

    def to(self, device: torch.device | str | None, dtype: torch.dtype | None) -> "_Group":
        return replace(self, tree=self.tree.to(device, dtype))


@dataclass(frozen=True)
class MeshDistance:
    """A mesh that can be asked for distances; make it with `MeshDistance.of`.

    Attributes:
        triangles: corners in metres.
        normals: pseudonormals, see `_closed_pieces.Piece`.
        closed: whether each face belongs to a closed piece.
        groups: pieces of the mesh that are searched one after the other.
        signed: every piece is closed, so inside and outside are known everywhere.
    """

    triangles: Float[Tensor, "face 3 3"]
    normals: Float[Tensor, "face 7 3"]
    closed: Bool[Tensor, "face"]
    groups: tuple[_Group, ...]
    signed: bool

    @classmethod
    def of(
        cls,
        vertices: Float[np.ndarray, "vertex 3"],
        faces: Int[np.ndarray, "face 3"],
        *,
        room: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> "MeshDistance":
        """Prepare a mesh, metres.

        Args:
            room: the mesh is a whole room, whose closed shell has free space inside.
        """
        pieces = split_mesh(vertices, faces, room=room)
        ends = np.cumsum([0, *(len(piece.triangles) for piece in pieces)]).tolist()
        triangles = torch.as_tensor(np.concatenate([p.triangles for p in pieces]), dtype=dtype)
        groups = tuple(
            _Group(BoxTree.of(triangles[first:last]), first, last, -1 if piece.shell else 1)
            for (first, last), piece in zip(pairwise(ends), pieces, strict=True)
        )
        closed = np.concatenate([np.full(len(p.triangles), p.closed) for p in pieces])
        normals = torch.as_tensor(np.concatenate([p.normals for p in pieces]), dtype=dtype)
        return cls(triangles, normals, torch.as_tensor(closed), groups, bool(closed.all()))

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "MeshDistance":
        """The same mesh on another device or with another precision."""
        groups = tuple(group.to(device, dtype) for group in self.groups)
        return MeshDistance(
            self.triangles.to(device, dtype),
            self.normals.to(device, dtype),
            self.closed.to(device),
            groups,
            self.signed,
        )

    def signed_distance(self, points: Float[Tensor, "point 3"]) -> Float[Tensor, "point"]:
        """Distance in metres to the nearest face: negative inside closed pieces, never negative beside open ones.

        Exact outside closed pieces and inside a single one. The sign is that of the angle-weighted pseudonormal
        (Baerentzen and Aanaes 2005). Differentiable once, with finite gradients.
        """
        fixed = points.detach()
        best = fixed.new_full((len(fixed),), torch.inf)
        face = torch.zeros(len(fixed), dtype=torch.long, device=fixed.device)
        sign = torch.zeros_like(best)
        with torch.no_grad():
            for group in self.groups:
                to_box = _box_distance(fixed, group.tree)
                # Nothing in the box is nearer, or lies deeper, than the box; a shell reaches everywhere.
                asked = ((to_box < best) | (group.outside < 0)).nonzero()[:, 0]
                if not len(asked):
                    continue
                corners = self.triangles[group.first : group.last]
                index = group.tree.nearest(
                    fixed[asked], lambda at, f, c=corners: _nearest_on(at, c.index_select(0, f))[2]
                )
                index = index + group.first
                distance, side = self._distance_to(fixed[asked], index)
                # A fold in a mesh may turn a normal, but never matters beyond the box.
                side = torch.where(to_box[asked] > 0, float(group.outside), side)
                distance = distance.abs() * side
                nearer = distance < best[asked]
                kept = asked[nearer]
                best[kept], face[kept], sign[kept] = distance[nearer], index[nearer], side[nearer]
        distance, side = self._distance_to(points, face)
        return torch.where(side == sign, distance, -distance)

    def tops(self, points: Float[Tensor, "point 2"], limit_m: float | int) -> Float[Tensor, "point"]:
        """Height in metres of the highest face below `limit_m` on the vertical line through each point; 0 if none is.

        Where `limit_m` lies inside a closed piece the height is `limit_m`. Differentiable once in the points.
        """
        fixed = points.detach()
        flat = self.triangles[..., :2]
        low, high = flat.amin(dim=1), flat.amax(dim=1)
        near = ((low <= fixed.amax(dim=0)) & (high >= fixed.amin(dim=0))).all(dim=-1).nonzero()[:, 0]
        height = fixed.new_zeros(len(fixed))
        best = torch.full((len(fixed),), -1, dtype=torch.long, device=fixed.device)
        for some in near.split(max(1, CHUNK // max(len(fixed), 1))):
            held = ((fixed[:, None] >= low[some]) & (fixed[:, None] <= high[some])).all(dim=-1)
            point, place = held.nonzero(as_tuple=True)
            z = _height_on(fixed[point], self.triangles[some[place]])
            z = torch.where(z <= limit_m, z, -torch.inf)
            height = height.scatter_reduce(0, point, z, "amax")
            wins = z == height[point]
            best[point[wins]] = some[place[wins]]
        normal = self._face_normal(best)
        lean = normal[:, :2] / normal[:, 2:].abs().clamp(min=_LEAST_SLOPE) * normal[:, 2:].sign()
        height = height - torch.where((best >= 0)[:, None], (points - fixed) * lean, 0.0).sum(dim=-1)
        at_limit = torch.cat([fixed, torch.full_like(fixed[:, :1], limit_m)], dim=-1)
        return torch.where(self.signed_distance(at_limit) < 0, float(limit_m), height)

    def _distance_to(self, points: Tensor, face: Tensor) -> tuple[Tensor, Tensor]:
        """Signed distances to the faces named for the points, and on which side the points lie: 1 or -1."""
        corners = self.triangles[face]
        with torch.no_grad():
            weights, feature, _ = _nearest_on(points, corners)
            normal = self.normals[face, feature]
            normal = normal / safe_norm(normal).clamp(min=1e-12)[:, None]
        # The nearest point stays put to first order: its own motion is along the surface, at right angles.
        way = points - (weights[..., None] * corners).sum(dim=1)
        length, along = safe_norm(way), (way * normal).sum(dim=-1)
        closed = self.closed[face]
        side = torch.where(closed & (along.detach() < 0), -1.0, 1.0).to(points.dtype)
        return torch.where(closed & (length.detach() < _TOUCHING), along, side * length), side

    def _face_normal(self, face: Tensor) -> Tensor:
        corners = self.triangles[face]
        normal = torch.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], dim=-1)
        return normal / safe_norm(normal).clamp(min=1e-12)[:, None]


def _box_distance(points: Tensor, tree: BoxTree) -> Tensor:
    """Signed distance to the box around a whole tree: no piece in it can be nearer or deeper."""
    low, high = tree.bounds()
    q = torch.maximum(low - points, points - high)
    return safe_norm(q.clamp(min=0)) + q.amax(dim=-1).clamp(max=0)


def _nearest_on(
    points: Float[Tensor, "pair 3"], corners: Float[Tensor, "pair 3 3"]
) -> tuple[Float[Tensor, "pair 3"], Int[Tensor, "pair"], Float[Tensor, "pair"]]:
    """Nearest point of a triangle: barycentric weights, where it lies (column of `normals`), squared distance.

    The foot of the perpendicular if it falls into the triangle, otherwise the nearest point of its three edges.
    """
    along = corners.roll(-1, dims=1) - corners
    offset = points[:, None] - corners
    squared = along.square().sum(dim=-1)
    part = ((offset * along).sum(dim=-1) / squared.clamp(min=1e-30)).clamp(0, 1)
    to_edge = (offset - part[..., None] * along).square().sum(dim=-1)
    edge_squared, edge = to_edge.min(dim=1)
    part = part.gather(1, edge[:, None])[:, 0]
    normal = torch.cross(along[:, 0], along[:, 1], dim=-1)
    area = normal.square().sum(dim=-1).clamp(min=1e-30)
    # Weight of a corner: area of the triangle that the foot makes with the edge across.
    across = (torch.cross(along, offset, dim=-1) * normal[:, None]).sum(dim=-1) / area[:, None]
    inside = across.roll(-1, dims=1)
    on_face = (across > 0).all(dim=1)
    distance = torch.where(on_face, (offset[:, 0] * normal).sum(dim=-1).square() / area, edge_squared)
    last = (edge + 1) % 3
    on_edge = torch.zeros_like(inside).scatter(1, edge[:, None], (1 - part)[:, None])
    on_edge = on_edge.scatter(1, last[:, None], part[:, None])
    feature = torch.where(part <= 0, 4 + edge, torch.where(part >= 1, 4 + last, 1 + edge))
    feature = torch.where(on_face, 0, feature)
    return torch.where(on_face[:, None], inside, on_edge), feature, distance


def _height_on(points: Float[Tensor, "pair 2"], corners: Float[Tensor, "pair 3 3"]) -> Float[Tensor, "pair"]:
    """Height of a triangle above a point of the floor; minus infinity beside it, and for upright triangles."""
    flat, z = corners[..., :2], corners[..., 2]
    along, offset = flat.roll(-1, dims=1) - flat, points[:, None] - flat
    across = along[..., 0] * offset[..., 1] - along[..., 1] * offset[..., 0]
    area = across.sum(dim=1)
    usable = area.abs() > 1e-12
    weights = across.roll(-1, dims=1) / torch.where(usable, area, 1.0)[:, None]
    return torch.where(usable & (weights >= -1e-6).all(dim=1), (weights * z).sum(dim=1), -torch.inf)
