"""Patterns: repeatable, low in contrast, the same at any resolution, gone where finer than a pixel."""

import numpy as np
import pytest

from carescene.rendering.textures import FLOORS, fade, floor_pattern, lines, noise, per_cell, textured, to_grid
from carescene.scenes.scene import Scene

NAMES = ("floor", "wall", "tiles", "ceiling", "wood", "curtain", "blanket", "sheet", "upholstery", "metal")


def surface(count: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    points = rng.uniform([0, 0, 0], [6, 4, 2.7], (count, 3)).astype(np.float32)
    normals = np.tile(np.array([0.0, 0.0, 1.0], np.float32), (count, 1))
    return points, normals


@pytest.mark.parametrize("floor", [*FLOORS, "tiles"])
@pytest.mark.parametrize("material", range(len(NAMES)))
def test_patterns_stay_near_the_plain_colour(floor, material):
    points, normals = surface()
    plain = np.full((len(points), 3), 0.5, np.float32)
    kind, fine = np.full(len(points), material), np.full(len(points), 0.002, np.float32)
    seen = textured(plain, points, normals, kind, fine, NAMES, floor)
    assert np.isfinite(seen).all()
    assert (seen > 0).all()
    assert (seen <= 0.95).all()
    tint = 0.17 if (floor, NAMES[material]) == ("planks", "floor") else 0.05
    assert abs(seen.mean() / 0.5 - 1) < tint
    assert seen[:, 1].std() < 0.1 * 0.5
    np.testing.assert_array_equal(seen, textured(plain, points, normals, kind, fine, NAMES, floor))


def test_detail_finer_than_a_pixel_is_gone():
    points, normals = surface()
    plain, kind = np.full((len(points), 3), 0.5, np.float32), np.zeros(len(points), int)
    sharp, blurred = (
        textured(plain, points, normals, kind, np.full(len(points), wide, np.float32), NAMES, "speckle").std()
        for wide in (0.001, 0.2)
    )
    assert blurred < 0.5 * sharp
    assert fade(np.array([0.05]), 0.05)[0] == 0
    assert fade(np.array([0.0]), 0.05)[0] == 1


def test_lines_keep_their_area_at_any_width_of_sample():
    """Samples side by side over one line add up to the line's width, however wide the samples are."""
    for wide in (0.002, 0.01, 0.05):
        middles = np.arange(-1, 1, wide) + wide / 3
        covered = lines(np.abs(middles), 0.012, np.full(len(middles), wide))
        assert covered.sum() * wide == pytest.approx(0.012, rel=1e-3)


def test_noise_is_smooth_bounded_and_changes():
    points = np.linspace([0, 0, 0], [5, 3, 1], 2000).astype(np.float32)
    values = noise(points, 0.5)
    assert np.abs(values).max() <= 1
    assert np.abs(np.diff(values)).max() < 0.05
    assert values.std() > 0.1


def test_every_cell_has_one_number():
    row, column = np.array([0, 0, 5, -3]), np.array([1, 1, 2, 40])
    numbers = per_cell(row, column)
    assert numbers[0] == numbers[1]
    assert len(set(numbers.tolist())) == 3


def test_distance_to_grid():
    np.testing.assert_allclose(to_grid(np.array([0.0, 0.29, 0.31, -0.61]), 0.6), [0, 0.29, 0.29, 0.01], atol=1e-12)


def test_bathrooms_are_tiled():
    square = [(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)]
    assert floor_pattern(Scene("a", square, preset="bathroom", seed=1)) == "tiles"
    assert {floor_pattern(Scene("a", square, preset="ward_single", seed=seed)) for seed in range(6)} == set(FLOORS)
    assert floor_pattern(Scene("a", square)) in FLOORS
