"""Cutting a floor plan into triangles."""

import numpy as np
from jaxtyping import Int

from carescene.errors import UserError
from carescene.scenes.scene import area


def triangulate(polygon: list[tuple[float, float]]) -> Int[np.ndarray, "face 3"]:
    """Triangles of a simple polygon whose corners run counter-clockwise, as indices of its corners (ear clipping).

    Raises:
        UserError: if the polygon has fewer than three corners, no area, runs clockwise, or crosses itself.
    """
    if len(polygon) < 3 or area(list(polygon)) <= 0:
        raise UserError(
            f"Expected at least 3 corners that run counter-clockwise around a floor, but got {list(polygon)}. "
            "Reverse their order, or check that they enclose an area."
        )
    left, faces = list(range(len(polygon))), []
    while len(left) > 3:
        ear = next((place for place in range(len(left)) if _is_ear(polygon, left, place)), None)
        if ear is None:
            raise UserError(f"Expected a floor whose edges do not cross, but got {list(polygon)}. Check its corners.")
        faces.append((left[ear - 1], left[ear], left[(ear + 1) % len(left)]))
        del left[ear]
    return np.array([*faces, tuple(left)])


def _is_ear(polygon: list[tuple[float, float]], left: list[int], place: int) -> bool:
    before, here, after = left[place - 1], left[place], left[(place + 1) % len(left)]
    a, b, c = polygon[before], polygon[here], polygon[after]
    turn = _cross(a, b, c)
    # A corner on a straight wall is cut off as a triangle without area, so that the rest stays simple.
    if turn <= 0:
        return turn == 0
    others = (polygon[index] for index in left if index not in (before, here, after))
    return not any(_cross(a, b, p) >= 0 and _cross(b, c, p) >= 0 and _cross(c, a, p) >= 0 for p in others)


def _cross(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
