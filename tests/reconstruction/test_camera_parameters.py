"""The five numbers of a camera: there and back, and what they mean in the picture."""

import dataclasses

import numpy as np
import pytest

from carescene.errors import UserError
from carescene.rendering.camera import look_at
from reconstruction.camera_parameters import (
    angles_of,
    camera_of,
    floor_in_camera,
    parameters_of,
    plain_camera,
    rotation_of,
    to_our_world,
)


@pytest.mark.parametrize("pitch", [-0.2, 0.0, 0.4, 1.5, 1.7])
@pytest.mark.parametrize("roll", [-0.5, 0.0, 0.3])
def test_parameters_of_a_camera_are_those_it_was_made_of(pitch: float, roll: float) -> None:
    parameters = np.array([6.4, pitch, roll, 0.9, -0.05])

    camera = camera_of(parameters, plain_camera(640, 480, 500.0))

    assert np.allclose(camera.rotation @ camera.rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(camera.rotation) == pytest.approx(1)
    assert np.allclose(parameters_of(camera), parameters, atol=1e-12)


def test_positive_pitch_looks_down_towards_y_and_positive_roll_turns_things_clockwise() -> None:
    assert np.allclose(rotation_of(0.3, 0.0)[2], [0, np.cos(0.3), -np.sin(0.3)])
    assert np.allclose(rotation_of(0.3, 0.0)[0], [1, 0, 0])

    up = rotation_of(0.0, 0.2) @ np.array([0.0, 0.0, 1.0])

    # Upwards in the world leans to the right in the picture, whose y goes down.
    assert up[0] > 0
    assert up[1] < 0


def test_angles_give_back_the_direction_straight_down() -> None:
    rng = np.random.default_rng(0)
    for down in rng.normal(size=(50, 3)):
        pitch, roll = angles_of(down)
        assert abs(roll) <= np.pi / 2
        assert np.allclose(rotation_of(pitch, roll) @ [0, 0, -1], down / np.linalg.norm(down), atol=1e-12)


def test_our_world_keeps_what_the_picture_shows_of_distances_to_the_floor() -> None:
    camera = look_at(np.array([3.0, -2.0, 2.5]), np.array([1.0, 4.0, 0.5]), width=640, height=480)

    ours = to_our_world(camera)

    pixels = np.array([[100.0, 400.0], [500.0, 300.0]])
    assert np.allclose(ours.eye, [0, 0, 2.5])
    assert ours.rotation[2, 0] == pytest.approx(0)
    assert ours.rotation[2, 1] > 0
    assert np.allclose(ours.rays(pixels)[:, 2], camera.rays(pixels)[:, 2])


def test_the_floor_in_the_cameras_frame_holds_points_of_the_floor() -> None:
    camera = camera_of(np.array([6.0, 0.5, 0.1, 0.7, 0.0]), plain_camera(640, 480, 400.0))

    normal, offset = floor_in_camera(camera)

    point = camera.rotation @ (np.array([1.0, 3.0, 0.0]) - camera.eye)
    assert normal @ point + offset == pytest.approx(0)


def test_a_camera_below_the_floor_is_refused() -> None:
    camera = plain_camera(640, 480, 400.0)

    with pytest.raises(UserError, match="above the floor"):
        parameters_of(dataclasses.replace(camera, eye=np.array([0.0, 0.0, -1.0])))
