"""Mesh work for tools/build_body.py: close the cavities, halve at the mirror plane, collapse edges, mirror back.

Edges are collapsed onto one of their two ends, so every vertex that remains is a vertex of the source model and
keeps that model's skinning weights and shape directions exactly; nothing is interpolated.
"""

import heapq
from collections import defaultdict

import numpy as np

Faces = np.ndarray  # (F, 3) int
Points = np.ndarray  # (V, 3) float


def triangulate(quads: np.ndarray, vertices: Points) -> Faces:
    """Split each quad along its shorter diagonal: the split then depends on lengths only, the same left and right."""
    a, b, c, d = quads.T
    first = np.linalg.norm(vertices[a] - vertices[c], axis=1) <= np.linalg.norm(vertices[b] - vertices[d], axis=1)
    one = np.where(first[:, None], np.stack([a, b, c], 1), np.stack([a, b, d], 1))
    two = np.where(first[:, None], np.stack([a, c, d], 1), np.stack([b, c, d], 1))
    faces = np.concatenate([one, two])
    distinct = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 0] != faces[:, 2])
    return faces[distinct]


def boundary_loops(faces: Faces) -> list[list[int]]:
    """Closed chains of the edges that only one face uses, in the direction that a filling face must follow."""
    directed = {(int(f[i]), int(f[(i + 1) % 3])) for f in faces for i in range(3)}
    follows = {b: a for a, b in directed if (b, a) not in directed}
    loops: list[list[int]] = []
    while follows:
        start = next(iter(follows))
        loop, here = [start], follows.pop(start)
        while here != start:
            loop.append(here)
            here = follows.pop(here)
        loops.append(loop)
    return loops


def close_with_fans(faces: Faces, vertices: Points, centres: np.ndarray) -> Faces:
    """Fill each hole with a fan around the nearest of the `centres` (vertex ids not used by the mesh yet)."""
    fans = []
    for loop in boundary_loops(faces):
        middle = vertices[loop].mean(0)
        centre = int(centres[np.argmin(np.linalg.norm(vertices[centres] - middle, axis=1))])
        fans += [(loop[i], loop[(i + 1) % len(loop)], centre) for i in range(len(loop))]
    return np.concatenate([faces, np.array(fans, dtype=faces.dtype)]) if fans else faces


def mirror_map(vertices: Points) -> np.ndarray:
    """For each vertex the id of its mirror image in x; the source mesh is exactly symmetric."""

    def key(p: np.ndarray) -> tuple[float, ...]:
        return tuple(np.round(p, 7) + 0.0)

    where = {key(p): i for i, p in enumerate(vertices)}
    return np.array([where[key(p * [-1, 1, 1])] for p in vertices])


def _face_quadric(p: Points) -> np.ndarray:
    """Garland and Heckbert's area-weighted plane quadric (SIGGRAPH 1997), 4 x 4."""
    normal = np.cross(p[1] - p[0], p[2] - p[0])
    area2 = np.linalg.norm(normal)
    if area2 < 1e-14:
        return np.zeros((4, 4))
    normal = normal / area2
    plane = np.append(normal, -normal @ p[0])
    return 0.5 * area2 * np.outer(plane, plane)


def collapse_edges(
    vertices: Points,
    faces: Faces,
    target: int,
    importance: np.ndarray,
    seam: np.ndarray,
    length_weight: float = 0.02,
) -> Faces:
    """Half-edge collapses, cheapest first, until `target` vertices are left.

    The cost is the mean squared distance to the planes merged so far plus `length_weight` times the squared edge
    length, both times the importance of the removed vertex: flat but long spans (limbs) keep rings to bend at, and
    vertices crowd where the source crowds them (face, fingers) only as far as their importance asks. `seam` (V,) bool
    marks the cut: its vertices merge only along it, so that two mirrored halves meet again.
    """
    points, live = vertices, {i: tuple(int(x) for x in f) for i, f in enumerate(faces)}
    around: dict[int, set[int]] = defaultdict(set)
    for i, f in live.items():
        for v in f:
            around[v].add(i)
    quadric = {v: sum((_face_quadric(points[list(live[i])]) for i in around[v]), np.zeros((4, 4))) for v in around}
    weight = {v: max(1e-12, sum(_area(points[list(live[i])]) for i in around[v])) for v in around}
    stamp: dict[int, int] = defaultdict(int)

    def neighbours(v: int) -> set[int]:
        return {w for i in around[v] for w in live[i]} - {v}

    def cost(u: int, v: int) -> float:
        h = np.append(points[v], 1.0)
        error = max(0.0, h @ (quadric[u] + quadric[v]) @ h) / (weight[u] + weight[v])
        return float(importance[u] * (error + length_weight * np.sum((points[u] - points[v]) ** 2)))

    def allowed(u: int, v: int) -> bool:
        shared = around[u] & around[v]
        if seam[u] and not (seam[v] and len(shared) == 1):
            return False
        if len(neighbours(u) & neighbours(v)) != len(shared):
            return False
        for i in around[u] - shared:
            old = points[list(live[i])]
            new = points[[v if w == u else w for w in live[i]]]
            n_old, n_new = np.cross(old[1] - old[0], old[2] - old[0]), np.cross(new[1] - new[0], new[2] - new[0])
            size = np.linalg.norm(n_new)
            longest = np.sum((new - new[[1, 2, 0]]) ** 2, axis=1).max()
            if n_new @ n_old < 0.3 * size * np.linalg.norm(n_old) or size < 0.12 * longest:
                return False
        return True

    heap = [(cost(u, v), u, v, 0, 0) for u in around for v in neighbours(u)]
    heapq.heapify(heap)
    count = len(around)
    while count > target and heap:
        _, u, v, su, sv = heapq.heappop(heap)
        if u not in around or v not in around or stamp[u] != su or stamp[v] != sv or not allowed(u, v):
            continue
        for i in list(around[u]):
            if v in live[i]:
                for w in live.pop(i):
                    around[w].discard(i)
            else:
                live[i] = tuple(v if w == u else w for w in live[i])  # type: ignore[assignment]
                around[v].add(i)
        del around[u]
        quadric[v] = quadric[v] + quadric[u]
        weight[v] += weight[u]
        count -= 1
        ring = neighbours(v)
        stamp[v] += 1
        for w in ring:
            stamp[w] += 1
        for w in ring | {v}:
            for x in neighbours(w):
                heapq.heappush(heap, (cost(w, x), w, x, stamp[w], stamp[x]))
                if x not in ring and x != v:
                    heapq.heappush(heap, (cost(x, w), x, w, stamp[x], stamp[w]))
    return np.array(sorted(live.values()))


def _area(p: Points) -> float:
    return float(0.5 * np.linalg.norm(np.cross(p[1] - p[0], p[2] - p[0])))


def coarsen_symmetric(vertices: Points, faces: Faces, target: int, importance: np.ndarray) -> Faces:
    """Coarsen a mirror-symmetric mesh to about `target` vertices: the left half is collapsed and mirrored back."""
    mirror = mirror_map(vertices)
    left = faces[vertices[faces].mean(1)[:, 0] > 0]
    seam = mirror == np.arange(len(vertices))
    half = collapse_edges(vertices, left, target // 2, importance, seam)
    return np.concatenate([half, mirror[half][:, ::-1]])
