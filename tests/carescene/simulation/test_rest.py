"""Rest begins when the body is down, not before."""

import numpy as np
import pytest

from carescene.simulation import (
    Assistance,
    Humanoid,
    PersonBody,
    ReferenceMotion,
    Settle,
    SimulatedMotion,
    build_humanoid,
    simulate,
)


@pytest.fixture(scope="module")
def person() -> Humanoid:
    return build_humanoid(PersonBody(np.zeros(10)))


def _drop(person: Humanoid, settle: Settle, seconds: float = 2.0, height: float = 0.6) -> SimulatedMotion:
    """Somebody on the back falls flat from some height, arms along the body."""
    poses = np.zeros((1, 24, 3))
    poses[0, 0] = (0.0, 0.0, np.pi)
    poses[0, 16, 2], poses[0, 17, 2] = -1.3, 1.3
    reference = ReferenceMotion(poses, np.array([[0.0, 0.0, height]]))
    events = [Assistance(0.0, 0.0, 0.0), settle]
    return simulate(reference, person.person, events, seconds=seconds, humanoid=person)


def test_the_time_of_the_blow_is_that_of_free_fall(person: Humanoid) -> None:
    motion = _drop(person, Settle(0.0))
    # The back is 10 to 13 cm below the pelvis: about 0.48 m to fall.
    assert motion.impact_s == pytest.approx(np.sqrt(2 * 0.48 / 9.81), abs=0.03)
    touched = np.flatnonzero(motion.floor_force[:, [0, 3, 6, 9]].any(1))[0] / 20
    assert abs(touched - motion.impact_s) <= 0.05


def test_it_waits_for_the_time_it_was_given(person: Humanoid) -> None:
    assert _drop(person, Settle(1.0)).impact_s == pytest.approx(1.0, abs=0.02)
    assert _drop(person, Settle(5.0)).impact_s is None


def test_after_it_the_muscles_hold_nothing(person: Humanoid) -> None:
    motion = _drop(person, Settle(0.0, delay_s=0.0, duration_s=0.2), seconds=4.0)
    assert np.abs(np.diff(motion.trans[-10:], axis=0)).max() < 5e-4
    assert np.abs(np.diff(motion.poses[-10:], axis=0)).max() < 5e-3
    # Kinetic energy is gone, and nothing has been pumped in.
    assert motion.energy[-1, 0] < 0.1
    assert np.all(motion.energy.sum(1)[1:] <= motion.energy[0].sum() + 30)
