"""Masses, strength and ranges of the simulated person."""

import numpy as np
import pytest

from carescene.humans.skeleton import JOINT, JOINT_NAMES, MIRROR
from carescene.simulation.segments import (
    GROUPS,
    SIMULATED_JOINTS,
    joint_spec,
    joints_named,
    reaction_delay,
    segment_masses,
    strength_factor,
)


@pytest.mark.parametrize("sex", ["female", "male"])
def test_masses_add_up_and_both_sides_weigh_the_same(sex: str) -> None:
    masses = segment_masses(70.0, sex)  # type: ignore[arg-type]
    assert masses.sum() == pytest.approx(70.0, abs=1e-12)
    assert np.array_equal(masses, masses[list(MIRROR[:SIMULATED_JOINTS])])


def test_masses_are_de_levas_shares() -> None:
    masses = segment_masses(100.0, "male")
    trunk = sum(masses[JOINT[name]] for name in ("pelvis", "spine1", "spine2", "spine3", "left_collar", "right_collar"))
    # The printed shares of men add up to 100.02 %.
    assert trunk == pytest.approx(43.46, abs=0.02)
    assert masses[JOINT["left_hip"]] == pytest.approx(14.16, abs=0.01)
    assert masses[JOINT["neck"]] + masses[JOINT["head"]] == pytest.approx(6.94, abs=0.01)


def test_ranges_of_the_right_side_mirror_the_left() -> None:
    for joint in range(1, SIMULATED_JOINTS):
        left, right = joint_spec(joint), joint_spec(MIRROR[joint])
        assert left.axes == right.axes
        if left.axes is None or not JOINT_NAMES[joint].startswith("left"):
            continue
        for axis, (low, high), other in zip(left.axes, left.limits_deg, right.limits_deg, strict=True):
            assert other == ((low, high) if axis == "x" else (-high, -low))


def test_the_middle_hinge_never_comes_near_a_right_angle() -> None:
    specs = [joint_spec(joint) for joint in range(1, SIMULATED_JOINTS)]
    for spec in specs:
        if spec.axes is not None:
            assert max(abs(limit) for limit in spec.limits_deg[1]) <= 60
            assert sorted(spec.axes) == ["x", "y", "z"]


def test_strength_falls_with_age_and_reactions_slow_down() -> None:
    ages = np.arange(20.0, 100.0, 5.0)
    strengths = [strength_factor(age, "male") for age in ages]
    assert strengths[0] == 1.0 and np.all(np.diff(strengths) <= 0)
    assert strength_factor(80.0, "male") == pytest.approx(0.6)
    assert strength_factor(80.0, "female") < strength_factor(80.0, "male")
    assert np.all(np.diff([reaction_delay(age) for age in ages]) >= 0)
    assert reaction_delay(25.0) == 0.15 and reaction_delay(85.0) == 0.25


def test_groups_name_joints() -> None:
    assert joints_named("all") == tuple(range(1, SIMULATED_JOINTS))
    assert joints_named("left_leg") == tuple(JOINT[f"left_{part}"] for part in ("hip", "knee", "ankle", "foot"))
    assert joints_named("left_leg", "left_knee", "neck") == joints_named("left_leg", "neck")
    assert all(name in JOINT for group in GROUPS.values() for name in group)
    with pytest.raises(KeyError):
        joints_named("tail")
