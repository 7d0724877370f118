"""The filter finds what was spoilt on purpose, and nothing in a motion that is sound."""

from dataclasses import replace

import numpy as np
import pytest

from carescene.simulation import FilterLimits, Humanoid, PersonBody, SimulatedMotion, build_humanoid, rejection


@pytest.fixture(scope="module")
def person() -> Humanoid:
    return build_humanoid(PersonBody(np.zeros(10)))


def _still(frames: int = 60) -> SimulatedMotion:
    """Somebody who stands still."""
    poses = np.zeros((frames, 24, 3))
    poses[:, 0, 0] = np.pi / 2
    trans = np.tile([0.0, 0.0, 0.97], (frames, 1))
    none = np.zeros(frames)
    return SimulatedMotion(
        poses=poses,
        trans=trans,
        floor_force=np.zeros((frames, 22)),
        furniture_force=np.zeros((frames, 22)),
        object_force=np.zeros((frames, 0)),
        pelvis_velocity=np.zeros((frames, 3)),
        head_velocity=np.zeros((frames, 3)),
        center_of_mass=trans,
        floor_depth=none,
        furniture_depth=none,
        saturation=none,
        energy=np.tile([0.0, 600.0], (frames, 1)),
        limit_violation=none,
    )


def _spoilt(what: str) -> SimulatedMotion:
    motion = _still()
    poses, trans = motion.poses.copy(), motion.trans.copy()
    depth, energy = motion.floor_depth.copy(), motion.energy.copy()
    time = np.arange(60) / 20
    if what == "not finite":
        poses[30, 3] = np.nan
        return replace(motion, poses=poses)
    if what == "speed":
        trans[30:, 0] += 20.0 * (time[30:] - time[30])
        return replace(motion, trans=trans)
    if what == "pelvis":
        velocity = np.zeros((60, 3))
        velocity[30] = (0.0, 0.0, 7.0)
        return replace(motion, pelvis_velocity=velocity)
    if what == "acceleration":
        trans[30, 0] += 0.5
        return replace(motion, trans=trans)
    if what == "energy":
        energy[40:, 0] = 1000.0
        return replace(motion, energy=energy)
    if what == "floor":
        depth[20:30] = 0.04
        return replace(motion, floor_depth=depth)
    if what == "blow":
        depth[20] = 0.08
        return replace(motion, floor_depth=depth)
    if what == "tunnel":
        trans[:, 2] -= 0.3
        return replace(motion, trans=trans)
    if what == "furniture":
        depth[20:30] = 0.2
        return replace(motion, furniture_depth=depth)
    if what == "joint range":
        depth[20:30] = 0.5
        return replace(motion, limit_violation=depth)
    if what == "not at rest":
        trans[:, 0] += 0.3 * time
        return replace(motion, trans=trans)
    # Trembling of half a centimetre, 10 times a second.
    trans[:, 2] += 0.0025 * (-1.0) ** np.arange(60)
    return replace(motion, trans=trans)


@pytest.mark.parametrize(
    ("planted", "reason"),
    [
        ("not finite", "not finite"),
        ("speed", "speed"),
        ("pelvis", "speed"),
        ("acceleration", "acceleration"),
        ("energy", "energy"),
        ("floor", "floor"),
        ("blow", "floor"),
        ("tunnel", "floor"),
        ("furniture", "furniture"),
        ("joint range", "joint range"),
        ("not at rest", "not at rest"),
        ("jitter", "jitter"),
    ],
)
def test_planted_faults_are_named(person: Humanoid, planted: str, reason: str) -> None:
    assert rejection(person, _spoilt(planted), at_rest=True) == reason


def test_a_sound_motion_passes_and_rest_is_asked_for_only_where_due(person: Humanoid) -> None:
    assert rejection(person, _still(), at_rest=True) is None
    assert rejection(person, _spoilt("not at rest"), at_rest=False) is None
    assert rejection(person, _spoilt("jitter"), at_rest=False, limits=FilterLimits(jitter=0.0)) is None


def test_a_short_blow_is_no_fault(person: Humanoid) -> None:
    depth = np.zeros(60)
    depth[20:23] = 0.05
    assert rejection(person, replace(_still(), floor_depth=depth, limit_violation=depth * 8), at_rest=True) is None


def test_very_short_motions_are_judged(person: Humanoid) -> None:
    assert rejection(person, _still(1), at_rest=True) is None
    assert rejection(person, replace(_still(2), floor_depth=np.full(2, 0.05)), at_rest=True) == "floor"
