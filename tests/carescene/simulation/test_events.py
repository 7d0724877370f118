"""Events that cannot be are refused in one sentence."""

import pytest

from carescene.errors import UserError
from carescene.simulation import (
    Assistance,
    FootFriction,
    Perturbation,
    PoseTarget,
    Push,
    RemoveFurniture,
    Settle,
    Stiffness,
)
from carescene.simulation.events import check_events


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (Push(-1.0, 0.2, "pelvis", (0, 0, 0)), "Push: expected a time from 0 s, but got -1.0"),
        (Push(0.0, -0.2, "pelvis", (0, 0, 0)), "a duration from 0 s"),
        (Push(0.0, 0.2, "tail", (0, 0, 0)), "name of an SMPL joint, but got tail"),
        (Stiffness(0.0, 0.0, 0.5, ("wings",)), "names of SMPL joints or of GROUPS, but got wings"),
        (Stiffness(0.0, 0.0, -0.5), "`share` from 0 to 5, but got -0.5"),
        (Assistance(0.0, 0.0, float("nan")), "`level` from 0 to 5, but got nan"),
        (FootFriction(0.0, 0.0, None, -0.1), "`friction` from 0"),
        (PoseTarget(0.0, 0.1, ("left_knee",), ()), "one rotation for each named joint, but got 0"),
        (PoseTarget(0.0, 0.1, ("legs",), ((0, 0, 0),)), "one rotation for each named joint"),
        (RemoveFurniture(0.0, "chair-9"), "id of one of"),
        (Settle(-0.5), "Settle: expected a time"),
    ],
)
def test_refused(event: Perturbation, said: str) -> None:
    with pytest.raises(UserError, match=said.replace("(", r"\(")):
        check_events([event], ("bed-1",))


def test_ordinary_events_pass() -> None:
    check_events(
        [Push(0, 1, "head", (0, 0, 1)), RemoveFurniture(1.0, "bed-1"), PoseTarget(0, 0, ("legs",))], ("bed-1",)
    )
