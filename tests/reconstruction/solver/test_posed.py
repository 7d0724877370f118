"""Posed bodies in numpy: against the kinematics in torch, and slopes against differences."""

import numpy as np
import torch

from carescene.humans.kinematics import forward_kinematics
from carescene.humans.turns import exp_turn
from reconstruction.chains import contact_points
from reconstruction.landmarks import free_landmarks
from reconstruction.posed import (
    FREE_JOINTS,
    place_points,
    point_shapes,
    point_slopes,
    pose_body,
    slopes_along,
    world_rotations,
)

RNG = np.random.default_rng(3)
ROTATIONS = exp_turn(0.7 * RNG.standard_normal((4, 24, 3)))
TRANS, BETAS = RNG.standard_normal((4, 3)), RNG.standard_normal(10)
STEP = 1e-6


def test_same_as_torch() -> None:
    model = free_landmarks()
    posed = pose_body(model, ROTATIONS, TRANS, BETAS)
    rest = torch.from_numpy(model.joints + model.joint_shapes @ BETAS)
    joints, world = forward_kinematics(torch.from_numpy(ROTATIONS), torch.from_numpy(TRANS), rest)
    np.testing.assert_allclose(posed.joints, joints.numpy(), atol=1e-12)
    np.testing.assert_allclose(posed.world, world.numpy(), atol=1e-12)
    np.testing.assert_allclose(world_rotations(ROTATIONS), world.numpy(), atol=1e-12)


def test_slopes_of_points() -> None:
    """Turns in the world's axes, positions and betas against central differences."""
    model, points = free_landmarks(), contact_points()
    posed = pose_body(model, ROTATIONS, TRANS, BETAS)
    places = place_points(posed, points.carrier, points.of(BETAS))
    rows, shapes = point_slopes(posed, places, points.carrier), point_shapes(posed, points.carrier, points.shapes)
    change, by_shape = RNG.standard_normal((4, rows.shape[-1])), RNG.standard_normal(10)

    def moved(sign: int) -> np.ndarray:
        turns = np.zeros((4, 24, 3))
        turns[:, FREE_JOINTS] = sign * STEP * change[:, 3:].reshape(4, -1, 3)
        own = (posed.world.swapaxes(-1, -2) @ turns[..., None])[..., 0]
        betas = BETAS + sign * STEP * by_shape
        body = pose_body(model, ROTATIONS @ exp_turn(own), TRANS + sign * STEP * change[:, :3], betas)
        return place_points(body, points.carrier, points.of(betas))

    expected = (rows @ change[:, None, :, None])[..., 0] + shapes @ by_shape
    np.testing.assert_allclose((moved(1) - moved(-1)) / (2 * STEP), expected, atol=1e-8)
    direction = RNG.standard_normal(places.shape)
    along = slopes_along(posed, places, points.carrier, direction)
    np.testing.assert_allclose(along, (direction[:, :, None] @ rows)[:, :, 0], atol=1e-12)
