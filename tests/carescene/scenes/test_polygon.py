"""Cutting floor plans into triangles."""

import numpy as np
import pytest

from carescene.errors import UserError
from carescene.scenes.polygon import triangulate
from carescene.scenes.scene import area

PLANS = {
    "square": [(0.0, 0.0), (4.0, 0.0), (4.0, 3.0), (0.0, 3.0)],
    "L": [(0.0, 0.0), (5.0, 0.0), (5.0, 2.0), (2.0, 2.0), (2.0, 4.0), (0.0, 4.0)],
    "U": [(0.0, 0.0), (5.0, 0.0), (5.0, 4.0), (4.0, 4.0), (4.0, 1.0), (1.0, 1.0), (1.0, 4.0), (0.0, 4.0)],
    "corner on a straight wall": [(0.0, 0.0), (2.0, 0.0), (4.0, 0.0), (4.0, 3.0), (0.0, 3.0)],
}


@pytest.mark.parametrize("name", PLANS)
def test_triangles_cover_the_plan_exactly(name: str) -> None:
    plan = PLANS[name]
    pieces = [area([plan[corner] for corner in face]) for face in triangulate(plan)]
    assert min(pieces) >= 0
    assert sum(pieces) == pytest.approx(area(plan))


def test_no_triangle_reaches_over_an_inner_corner() -> None:
    plan = PLANS["U"]
    for face in triangulate(plan):
        x, y = np.mean([plan[corner] for corner in face], axis=0)
        assert not (1 < x < 4 and y > 1)


@pytest.mark.parametrize(
    "plan",
    [
        [(0.0, 0.0), (1.0, 0.0)],
        [(0.0, 0.0), (0.0, 3.0), (4.0, 3.0), (4.0, 0.0)],
        [(0.0, 0.0), (4.0, 0.0), (0.0, 3.0), (4.0, 3.1)],
    ],
    ids=["two corners", "clockwise", "crossing"],
)
def test_bad_plans_are_refused(plan: list[tuple[float, float]]) -> None:
    with pytest.raises(UserError, match="Expected"):
        triangulate(plan)
