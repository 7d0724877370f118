"""Sensors follow their closed forms: noise, steps, falloff, edges; the same seed gives the same pictures."""

import numpy as np
import pytest

from carescene import UserError
from carescene.rendering.camera import Camera, look_at
from carescene.rendering.lighting import to_srgb
from carescene.rendering.sensing import (
    auto_gain,
    average,
    build_chip,
    depth_edges,
    display,
    expose,
    finish,
    grazing,
    moments,
    sense_depth,
)
from carescene.rendering.sensors import SENSORS, DepthSensor, LightSensor, Sensor


def camera(width: int = 64, height: int = 48) -> Camera:
    return look_at(np.array([0.0, -4.0, 1.0]), np.array([0.0, 0.0, 1.0]), width=width, height=height)


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def flat(value: float, channels: int = 3, width: int = 64, height: int = 48) -> np.ndarray:
    return np.full((height, width, channels), value, np.float32)


MIDDLE = np.zeros((48, 64), np.float32)


def test_clean_camera_is_srgb_alone():
    chip = build_chip(Sensor(), camera(), seed=1)
    light = random().random((48, 64, 3)).astype(np.float32)
    exact = 255 * to_srgb(light)
    assert np.abs(chip.color(light, 0).astype(float) - exact).max() <= 0.6
    grey = chip.infrared(light[..., 0], 0)
    assert grey.shape == (48, 64)
    assert np.abs(grey.astype(float) - 255 * to_srgb(light)[..., 0]).max() <= 0.6


def test_clean_depth_is_millimetres():
    chip = build_chip(Sensor(), camera(), seed=1)
    depth = random().uniform(0.3, 20.0, (48, 64))
    depth[3, 4] = np.inf
    normal = np.broadcast_to(np.array([0.0, -1.0, 0.0], np.float32), (48, 64, 3))
    read = chip.depth(depth, normal, 0)
    expected = np.round(1000 * np.where(np.isfinite(depth), depth, 0.0))
    np.testing.assert_array_equal(read, expected)


def test_table_is_finer_than_eight_bits():
    light = np.linspace(0, 3, 20001)[:, None].repeat(3, axis=1)
    assert np.abs(display(light) - to_srgb(light)).max() < 0.25 / 255


def test_shot_noise_grows_with_the_root_of_the_light():
    settings = LightSensor(full_well=2000.0)
    spread = [float(expose(flat(level), settings, MIDDLE, 1.0, random()).std()) for level in (0.1, 0.4)]
    np.testing.assert_allclose(spread, np.sqrt(np.array([0.1, 0.4]) / 2000), rtol=0.05)


def test_read_noise_in_the_dark_and_gain_on_it():
    settings = LightSensor(full_well=2000.0, read_noise=10.0)
    dark = expose(flat(0.0), settings, MIDDLE, 1.0, random())
    assert dark.std() == pytest.approx(10 / 2000, rel=0.05)
    np.testing.assert_allclose(expose(flat(0.0), settings, MIDDLE, 8.0, random()), 8 * dark, rtol=1e-5)


def test_corners_are_darker_by_vignetting_and_lamp():
    radius = np.array([[0.0, 0.5, 1.0]], np.float32)
    light = np.ones((1, 3, 1), np.float32)
    for settings in (LightSensor(vignetting=0.4), LightSensor(lamp=0.4)):
        seen = expose(light, settings, radius, 1.0, random())[0, :, 0]
        assert seen[0] == pytest.approx(1)
        assert seen[2] == pytest.approx(0.6, rel=1e-5)
        assert 0.6 < seen[1] < 1


def test_gain_lifts_the_dark_up_to_its_limit():
    settings = LightSensor(max_gain=8.0, target=0.2)
    assert auto_gain(flat(0.05), settings) == pytest.approx(4.0)
    assert auto_gain(flat(0.001), settings) == 8.0
    assert auto_gain(flat(0.5), settings) == 1.0
    assert auto_gain(flat(0.0), settings) == 8.0


def test_softness_blurs_and_keeps_the_light():
    point = flat(0.0)
    point[24, 32] = 1.0
    seen = expose(point, LightSensor(softness=1.0), MIDDLE, 1.0, random())
    assert seen.sum() == pytest.approx(3.0, rel=1e-3)
    assert seen[24, 32, 0] == pytest.approx(1 / (2 * np.pi), rel=0.1)


def test_sharpening_makes_halos_at_edges_only():
    edge = flat(0.2)
    edge[:, 32:] = 0.5
    plain, sharp = finish(edge, LightSensor()), finish(edge, LightSensor(sharpening=1.5))
    np.testing.assert_array_equal(plain[:, :20], sharp[:, :20])
    assert sharp[10, 31, 0] < plain[10, 31, 0]
    assert sharp[10, 32, 0] > plain[10, 32, 0]


def test_pictures_depend_on_seed_and_frame_only():
    light = flat(0.3)
    depth = np.full((48, 64), 3.0)
    normal = np.broadcast_to(np.array([0.0, -1.0, 0.0], np.float32), (48, 64, 3))
    for name in ("cctv", "cheap_ip"):
        chip, again, other = (build_chip(SENSORS[name], camera(), seed=seed) for seed in (5, 5, 6))
        np.testing.assert_array_equal(chip.color(light, 3), again.color(light, 3))
        np.testing.assert_array_equal(chip.depth(depth, normal, 3), again.depth(depth, normal, 3))
        assert (chip.color(light, 3) != chip.color(light, 4)).any()
        assert (chip.color(light, 3) != other.color(light, 3)).any()
        assert (chip.infrared(light[..., 0], 3) != chip.infrared(light[..., 0], 4)).any()


def test_dead_and_hot_pixels_stay_where_they_are():
    sensor = Sensor(color=LightSensor(hot_pixels=0.005), depth=DepthSensor(dead_pixels=0.02, noise_m=0.01))
    chip = build_chip(sensor, camera(), seed=2)
    normal = np.broadcast_to(np.array([0.0, -1.0, 0.0], np.float32), (48, 64, 3))
    dead = [chip.depth(np.full((48, 64), 3.0), normal, frame) == 0 for frame in (0, 7)]
    np.testing.assert_array_equal(dead[0], dead[1])
    assert dead[0].mean() == pytest.approx(0.02, rel=0.4)
    hot = [chip.color(flat(0.1), frame)[..., 0] > 200 for frame in (0, 7)]
    np.testing.assert_array_equal(hot[0], hot[1])
    assert 0 < hot[0].mean() < 0.02


def head_on(depth: np.ndarray) -> np.ndarray:
    return np.ones(depth.shape)


def test_depth_noise_grows_with_the_square_of_the_depth():
    settings = DepthSensor(noise_m=0.001, noise_per_m=0.002)
    for distance in (1.0, 2.0, 4.0):
        depth = np.full((100, 100), distance)
        error = sense_depth(depth, head_on(depth), settings, random()) - distance
        assert error.std() == pytest.approx(0.001 + 0.002 * distance**2, rel=0.06)
        assert abs(error.mean()) < 0.05 * error.std() + 2e-4


def test_depth_steps():
    depth = np.linspace(1, 5, 2000)[None]
    even = sense_depth(depth, head_on(depth), DepthSensor(step_m=0.05), random())
    np.testing.assert_allclose(even / 0.05, np.round(even / 0.05), atol=1e-6)
    assert np.abs(even - depth).max() <= 0.025 + 1e-9
    growing = sense_depth(depth, head_on(depth), DepthSensor(step_per_m=0.01), random())
    assert (np.abs(growing - depth) <= 0.0052 * depth**2 + 1e-3).all()
    # Steps of disparity: 1 / depth is a multiple of 0.01, so there are 5 readings from 4 to 5 m and 50 from 1 to 2 m.
    assert len(np.unique(growing[depth > 4])) in (5, 6)
    assert len(np.unique(growing[depth < 2])) in (50, 51, 52)


def test_range_and_grazing():
    depth = np.array([[0.2, 1.0, 7.0]])
    read = sense_depth(depth, head_on(depth), DepthSensor(near_m=0.5, far_m=5.0), random())
    assert np.isfinite(read).tolist() == [[False, True, False]]
    cosines = np.cos(np.deg2rad([[70.0, 79.0, 81.0]]))
    read = sense_depth(np.full((1, 3), 2.0), cosines, DepthSensor(grazing_deg=80.0), random())
    assert np.isfinite(read).tolist() == [[True, True, False]]


def step_scene() -> np.ndarray:
    depth = np.full((60, 80), 4.0)
    depth[20:40, 30:50] = 2.0
    return depth


def test_edges_are_beside_jumps_only():
    edge = depth_edges(step_scene())
    assert edge[30, 29]
    assert edge[30, 30]
    assert not edge[30, 28]
    assert not edge[30, 31]
    # Around a square of 20 x 20: its own rim and the one outside it, without the outer corners.
    assert edge.sum() == (4 * 20 - 4) + 4 * 20
    # A floor seen at a slant is no edge.
    slant = np.tile(np.linspace(2, 3, 60)[:, None], (1, 80))
    assert not depth_edges(slant).any()


def test_edges_drop_out_or_mix():
    depth = step_scene()
    edge = depth_edges(depth)
    dropped = ~np.isfinite(sense_depth(depth, head_on(depth), DepthSensor(edge_dropout=0.5), random()))
    assert not dropped[~edge].any()
    assert dropped[edge].mean() == pytest.approx(0.5, abs=0.15)
    mixed = sense_depth(depth, head_on(depth), DepthSensor(edge_mixing=1.0), random())
    between = (mixed > 2.01) & (mixed < 3.99)
    assert between[edge].mean() > 0.9
    assert not between[~edge].any()


def test_nothing_is_no_reading():
    depth = np.full((20, 20), np.inf)
    for sensor in SENSORS.values():
        assert not np.isfinite(sense_depth(depth, head_on(depth), sensor.depth, random())).any()


def test_grazing_is_the_cosine_to_the_normal():
    rays = np.array([[[0.0, 1.0, 0.0], [0.0, 0.6, -0.8]]])
    normal = np.array([[[0.0, -1.0, 0.0], [0.0, 0.0, 1.0]]])
    np.testing.assert_allclose(grazing(normal, rays), [[1.0, 0.8]])


def test_motion_blur_is_the_mean_in_linear_light():
    white, black = flat(1.0), flat(0.0)
    np.testing.assert_allclose(average([white, black]), 0.5)
    np.testing.assert_array_equal(average([white]), white)
    with pytest.raises(UserError, match="at least one picture"):
        average([])


def test_moments_lie_in_the_open_shutter():
    times = moments(2.0, 10.0, Sensor(blur=4, shutter=0.5))
    assert times.mean() == pytest.approx(2.0)
    np.testing.assert_allclose(np.diff(times), 0.05 / 4)
    assert times.min() > 2.0 - 0.025
    assert times.max() < 2.0 + 0.025
    np.testing.assert_allclose(moments(2.0, 10.0, Sensor()), [2.0])
