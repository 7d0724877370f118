"""Joined motion: no step at the seam, and nothing changed after half a second."""

import numpy as np
import pytest
import torch

from carescene.humans.rotations import rotvec_to_matrix
from diffusion.asking.joining import fade, joined


def test_a_walk_goes_on_at_its_speed():
    time = np.arange(40) / 20
    before = np.stack([time, 0 * time, 0 * time + 0.9], axis=1)
    new = np.stack([0.3 * time, 0 * time + 1.0, 0 * time + 0.8], axis=1)
    poses = np.zeros((40, 24, 3))
    _, moved = joined(poses, new, poses, before, 20.0)
    assert moved[0] == pytest.approx(before[-1] + [0.05, 0, 0])
    np.testing.assert_allclose(moved[10:], new[10:])
    steps = np.linalg.norm(np.diff(np.concatenate([before[-2:], moved]), axis=0), axis=1)
    assert steps[0] == pytest.approx(0.05)
    assert steps.max() < 0.45  # a metre within half a second, not within a frame


def test_turns_go_on_too():
    angle = np.linspace(0, 1, 21)
    before, new = np.zeros((21, 24, 3)), np.zeros((20, 24, 3))
    before[:, 0, 2] = angle
    new[:, 3, 0] = 0.4
    turned, _ = joined(new, np.zeros((20, 3)), before, np.zeros((21, 3)), 20.0)
    first = rotvec_to_matrix(torch.from_numpy(turned[0]))
    np.testing.assert_allclose(first[0], rotvec_to_matrix(torch.tensor([0.0, 0.0, 1.05]).double()), atol=1e-9)
    np.testing.assert_allclose(first[3], np.eye(3), atol=1e-9)
    np.testing.assert_allclose(turned[10:], new[10:], atol=1e-9)


def test_motion_that_goes_on_already_stays():
    trans = np.stack([np.arange(30) / 20, np.zeros(30), np.ones(30)], axis=1)
    poses = np.full((30, 24, 3), 0.2)
    same, moved = joined(poses[20:], trans[20:], poses[:20], trans[:20], 20.0)
    np.testing.assert_allclose(moved, trans[20:], atol=1e-12)
    np.testing.assert_allclose(same, poses[20:], atol=1e-9)


def test_fading():
    assert fade(np.array([0.0, 0.5, 1.0, 2.0])) == pytest.approx([1.0, 0.5, 0.0, 0.0])
