"""What depth maps say: against rooms of exact planes, in metres and in a network's own unit."""

import dataclasses

import made_people as made
import numpy as np
import pytest

from carescene.rendering.camera import Camera
from reconstruction.camera_parameters import parameters_of
from reconstruction.depth import (
    BEHIND_SKIN,
    TORSO,
    depth_in_metres,
    depth_readings,
    fit_affinity,
    floor_from_depth,
    metres_affinity,
)
from reconstruction.floor_reading import floor_slope
from reconstruction.observations import DepthLabels


def _room(camera: Camera, wall: float = 6.0, table: bool = True) -> np.ndarray:
    """Exact depth of a floor, a wall across the view, and a table top, `(72, 128)`."""
    columns, rows = np.meshgrid(np.arange(128) + 0.5, np.arange(72) + 0.5)
    pixels = np.stack([columns, rows], axis=-1) * 10
    rays = camera.rays(pixels)
    floor = camera.eye[2] / np.maximum(-rays[..., 2], 1e-6)
    depth = np.minimum(floor, wall / np.maximum(rays[..., 1], 1e-6))
    top = (camera.eye[2] - 0.8) / np.maximum(-rays[..., 2], 1e-6)
    spots = top[..., None] * rays
    on_table = table & (spots[..., 0] > 0.5) & (spots[..., 0] < 1.7) & (spots[..., 1] > 3) & (spots[..., 1] < 4)
    return np.where(on_table, top, depth)


def _labels(plate: np.ndarray, kind: str = "metres", metric: bool = True) -> DepthLabels:
    return DepthLabels(plate.astype(np.float32), kind, "made", metric=metric, scale_sigma=0.02 if metric else 0.15)


def test_the_floor_of_a_measured_room_is_that_of_its_camera() -> None:
    truth = made.ward_camera(pitch=28.0, height=2.3)
    rng = np.random.default_rng(0)
    plate = _room(truth)
    plate = plate + 0.02 * rng.normal(size=plate.shape)
    plate[rng.random(plate.shape) < 0.2] = np.nan
    # A first camera that is off by 6 degrees and 15 %, as people alone may give it.
    guess = made.ward_camera(pitch=22.0, height=2.7)
    guess = dataclasses.replace(guess, focal=truth.focal)

    floor = floor_from_depth(_labels(plate), guess)

    assert floor is not None
    assert floor.measured
    assert np.allclose(floor.slope / floor_slope(truth), 1, atol=0.03)
    assert np.all(np.linalg.eigvalsh(floor.covariance) > 0)
    assert np.allclose(floor.evidence()(truth, np.zeros(0)), 0, atol=3)


def test_a_map_without_a_floor_or_without_metres_gives_none() -> None:
    camera = made.ward_camera()
    rays = camera.rays(np.stack(np.meshgrid(np.arange(64) * 20.0, np.arange(36) * 20.0), axis=-1))
    wall = 4.0 / np.maximum(rays[..., 1], 0.3)

    assert floor_from_depth(_labels(wall), camera) is None
    assert floor_from_depth(_labels(_room(camera), "disparity"), camera) is None
    assert floor_from_depth(_labels(np.full((36, 64), np.nan)), camera) is None


@pytest.mark.parametrize("feet", [True, False])
def test_factor_and_offset_of_a_relative_map_are_found(feet: bool) -> None:
    camera = made.ward_camera()
    people = made.walks(count=4, centre=(-0.3, 4.0))
    keypoints = made.seen(people, camera)
    a, b = 0.031, -0.02
    rng = np.random.default_rng(1)
    maps = (1 / _room(camera) - b) / a
    maps = maps * (1 + 0.01 * rng.normal(size=maps.shape))
    labels = _labels(maps, "disparity", metric=False)
    upright = np.full(keypoints.present.shape, feet)

    found = fit_affinity(labels, camera, keypoints, upright)

    assert found.a == pytest.approx(a, rel=0.05)
    assert found.b == pytest.approx(b, abs=0.01)
    depth = depth_in_metres(labels.plate, labels, found)
    assert np.nanmedian(np.abs(depth / _room(camera) - 1)) < 0.03


def test_a_measured_map_keeps_its_metres_within_its_accuracy() -> None:
    camera = made.ward_camera()
    labels = _labels(_room(camera) * 1.01)

    found = fit_affinity(labels, camera)

    assert found.a == pytest.approx(1 / 1.01, abs=0.015)
    assert abs(found.b) < 0.06


def test_a_sensor_is_known_beforehand() -> None:
    known = metres_affinity(_labels(np.full((4, 4), 2.0)))
    assert (known.a, known.b) == (1.0, 0.0)
    np.testing.assert_allclose(np.sqrt(np.diag(known.covariance)), [0.02, 0.05])


def test_a_map_that_says_nothing_leaves_wide_bounds() -> None:
    camera = made.ward_camera()
    rng = np.random.default_rng(0)

    upside_down = fit_affinity(_labels(-1 / _room(camera), "disparity", metric=False), camera)
    unknown = fit_affinity(_labels(np.where(rng.random((36, 64)) < 2, np.nan, 0.0)), camera)

    flat = fit_affinity(_labels(np.full((36, 64), 3.0), "disparity", metric=False), camera)

    assert upside_down.a > 0
    assert upside_down.anchors == flat.anchors == 0
    assert unknown.anchors == 0
    assert unknown.a == 1


def test_readings_are_of_the_trunk_and_leave_out_edges() -> None:
    camera = made.ward_camera()
    people = np.stack([made.turned(made.body(), 0.0, 0.2, 4.0)] * 3)[None]
    keypoints = made.seen(people, camera)
    plate = _room(camera, table=False)
    depth = camera.project(people[0, 0])[1]
    shape = plate.copy()
    pixels = keypoints.pixels[0, 0] / 10
    left, right = pixels[:, 0].min() - 1, pixels[:, 0].max() + 1
    columns, rows = np.meshgrid(np.arange(128) + 0.5, np.arange(72) + 0.5)
    inside = (columns > left) & (columns < right) & (rows > pixels[:, 1].min()) & (rows < pixels[:, 1].max())
    shape[inside] = depth[list(TORSO)].mean() - BEHIND_SKIN
    labels = dataclasses.replace(_labels(plate), frames=np.array([1]), maps=shape[None].astype(np.float32))

    found = depth_readings(labels, keypoints)

    assert set(found.frame) == {1}
    assert set(found.landmark) == set(TORSO)
    assert np.allclose(found.value, depth[list(TORSO)].mean(), atol=1e-3)
    assert np.allclose(found.sigma, 0.05, atol=0.01)

    torn = np.where((columns.astype(int) + rows.astype(int)) % 2 == 0, 1.0, 5.0)
    nothing = depth_readings(dataclasses.replace(labels, maps=torn[None].astype(np.float32)), keypoints)
    assert len(nothing.value) == 0


def test_no_maps_give_no_readings() -> None:
    camera = made.ward_camera()
    keypoints = made.seen(made.walks(count=1), camera)

    assert len(depth_readings(_labels(_room(camera)), keypoints).value) == 0
    assert parameters_of(camera)[1] > 0
