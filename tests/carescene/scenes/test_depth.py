"""Depth statistics: known frames alone count."""

import math

import numpy as np
import pytest

from carescene.scenes.depth import DEEP_M, largest_known, mean_known, share_over


def test_frames_without_person_do_not_count():
    depth = np.array([[0.0, 0.04, np.nan, 0.02], [np.nan, np.nan, np.nan, 0.06]])
    assert mean_known(depth) == pytest.approx(0.12 / 4)
    assert largest_known(depth) == 0.06
    assert share_over(depth) == 0.5
    assert share_over(depth, 0.05) == 0.25


def test_exactly_the_limit_is_not_over():
    assert share_over(np.array([DEEP_M])) == 0.0
    assert share_over(np.array([math.nextafter(DEEP_M, 1.0)])) == 1.0


def test_nothing_known_is_nothing_deep():
    nothing = np.full((1, 3), np.nan)
    assert mean_known(nothing) == largest_known(nothing) == share_over(nothing) == 0.0
    assert share_over(np.zeros((0, 3))) == 0.0
