"""Source motions: what they refuse, and their kinematics against the body's own."""

import numpy as np
import pytest
import torch

from carescene.clips.formats import SourceMotion, source_kinematics
from carescene.errors import UserError
from carescene.humans import PARENTS, forward_kinematics, rotvec_to_matrix


def two_joints(**changes: object) -> SourceMotion:
    fields: dict = {
        "name": "take",
        "joint_names": ("hips", "knee"),
        "parents": (-1, 0),
        "rotations": np.tile(np.eye(3), (3, 2, 1, 1)),
        "trans": np.zeros((3, 3)),
        "offsets": np.array([[0.0, 0.0, 0.0], [0.0, 0.0, -0.4]]),
        "times": np.array([0.0, 0.1, 0.2]),
    }
    return SourceMotion(**(fields | changes))


def test_kinematics_agree_with_those_of_the_body() -> None:
    generator = torch.Generator().manual_seed(1)
    local = rotvec_to_matrix(torch.randn(5, 24, 3, generator=generator, dtype=torch.float64))
    rest = torch.randn(24, 3, generator=generator, dtype=torch.float64)
    trans = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    offsets = rest.clone()
    offsets[1:] -= rest[list(PARENTS[1:])]
    positions, world = source_kinematics(PARENTS, local.numpy(), trans.numpy(), offsets.numpy())
    expected_positions, expected_world = forward_kinematics(local, trans, rest)
    np.testing.assert_allclose(positions, expected_positions.numpy(), atol=1e-12)
    np.testing.assert_allclose(world, expected_world.numpy(), atol=1e-12)


@pytest.mark.parametrize("field", ["rotations", "trans"])
def test_names_the_first_frame_that_is_not_finite(field: str) -> None:
    values = getattr(two_joints(), field).copy()
    values[1:] = np.nan
    with pytest.raises(UserError, match=r"take.*frame 1"):
        two_joints(**{field: values})


def test_refuses_single_frames_and_times_that_stand_still() -> None:
    with pytest.raises(UserError, match="at least 2 frames"):
        two_joints(rotations=np.tile(np.eye(3), (1, 2, 1, 1)), trans=np.zeros((1, 3)), times=np.zeros(1))
    with pytest.raises(UserError, match=r"increasing.*frame 2"):
        two_joints(times=np.array([0.0, 0.1, 0.1]))


def test_an_unknown_joint_is_told_with_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"'foot'.*hips, knee"):
        two_joints().index("foot")
