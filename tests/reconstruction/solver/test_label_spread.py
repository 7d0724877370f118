"""Covariances that are limited by what a label alone says."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from carescene.humans.turns import exp_turn, log_turn
from reconstruction.label_spread import label_information, label_scale, limited_by_labels
from reconstruction.optimiser import Optimiser
from reconstruction.posed import FREE_JOINTS, pose_body, world_rotations
from reconstruction.problem import State


def test_no_direction_is_worse_than_the_label() -> None:
    rng = np.random.default_rng(0)
    parts = rng.standard_normal((2, 5, 6, 6))
    covariance, label = parts @ parts.swapaxes(-1, -2) + 0.1 * np.eye(6)
    limited, taken = limited_by_labels(covariance, np.linalg.inv(label))
    # Both together: (covariance^-1 + label^-1)^-1, in terms of the label.
    both = np.linalg.inv(np.linalg.inv(covariance) + np.linalg.inv(label))
    np.testing.assert_allclose(taken, np.einsum("fij,fji->f", np.linalg.inv(label), both), rtol=1e-6)
    assert (np.linalg.eigvalsh(label - limited) > -1e-9).all()
    assert (np.linalg.eigvalsh(covariance - limited) > -1e-9).all()
    # Where all is known better than by the label, or worse, nothing is lost.
    np.testing.assert_allclose(limited_by_labels(covariance, np.linalg.inv(1e3 * covariance))[0], covariance, rtol=1e-6)
    np.testing.assert_allclose(limited_by_labels(1e3 * covariance, np.linalg.inv(covariance))[0], covariance, rtol=1e-6)


def test_information_is_the_curvature_of_the_label(glide: Callable[..., Any], shaken: Callable[..., State]) -> None:
    """Second differences of w' information w under turns in the world, with w linear in them; frame 1 has no label."""
    made = glide(frames=3)
    rng = np.random.default_rng(1)
    root = 0.1 * rng.standard_normal((1, 3, 72, 72))
    covariance = root @ root.swapaxes(-1, -2) + 0.05 * np.eye(72)
    valid = np.array([[True, False, True]])
    labels = dataclasses.replace(made.problem.labels, covariance=covariance, valid=valid)
    optimiser = Optimiser(dataclasses.replace(made.problem, labels=labels), shaken(made.truth, 0.1))
    state, chain = optimiser.run.state, optimiser.chains[0]
    posed = pose_body(optimiser.model, state.rotations[0], state.trans[0], state.betas[0])
    labelled, information, squares = label_information(chain, slice(0, 3), posed, made.camera.rotation, 66.0)
    assert labelled.tolist() == [True, False, True]
    free = list(FREE_JOINTS)
    world = world_rotations(state.rotations[0])[2][free]

    def off(turns: np.ndarray) -> np.ndarray:
        own = (world.swapaxes(-1, -2) @ turns[..., None])[..., 0]
        rotations = state.rotations[0, 2][free] @ exp_turn(own)
        rotations[0] = made.camera.rotation @ rotations[0]
        return log_turn(chain.label_means[2][free].swapaxes(-1, -2) @ rotations).reshape(-1)

    direction, size = rng.standard_normal((len(free), 3)), 1e-5
    slope = (off(size * direction) - off(-size * direction)) / (2 * size)
    known = np.linalg.inv(covariance[0, 2][:66, :66])
    at_rest = off(0.0 * direction)
    # Hands come last among the joints, so that the free ones are the first 66 turns.
    distance = at_rest @ known @ at_rest
    weight = min(132 / (66 + distance), 1.0)
    assert squares[1] == pytest.approx(weight * distance)
    np.testing.assert_allclose(
        direction.reshape(-1) @ information[1] @ direction.reshape(-1), weight * slope @ known @ slope, rtol=1e-5
    )


def test_scale_is_a_reduced_chi_square() -> None:
    """Poses that are off as far as is stated leave all as it is, also when labels are few; perfect labels do not."""
    assert label_scale(40.0, 40.0, 66) == pytest.approx(1.0)
    assert label_scale(2e6, 1e6, 66) == pytest.approx(2.0, rel=1e-3)
    assert 0.1 < label_scale(0.0, 300.0, 66) < 0.3
