"""Physics of motions that are known by their joints alone, so that any generator and any format meet on equal terms."""

from typing import Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from carescene.evaluation import physics
from carescene.evaluation.physics import CONTACT_JOINTS, REST_HEIGHTS

# Name in a table and unit. Penetration is that of the soles: joints of the feet under their height over the floor.
JOINT_MEASURES: Final[dict[str, str]] = {
    "skating": "foot skating, m/s",
    "sliding": "sliding stances, share",
    "jerk": "jerk, m/s3",
    "penetration": "sole penetration, m",
}

# HumanML3D puts the lowest joint of a clip on the floor: toes stand at 0, ankles 5 cm higher.
HUMANML3D_HEIGHTS: Final = (0.05, 0.05, 0.0, 0.0)


def joint_totals(
    joints: Float[Tensor, "frame 22 3"],
    fps: float | int = 20.0,
    there: Bool[Tensor, "frame"] | None = None,
    rest_heights: tuple[float, ...] = REST_HEIGHTS,
) -> Float[Tensor, "4 2"]:
    """Sum and count of every measure of `JOINT_MEASURES` for one person, to be pooled over clips.

    Args:
        joints: metres, z up, floor at z = 0.
        fps: frames per second.
        there: frames in which the person is there; all when None.
        rest_heights: heights of ankles and balls of the feet (`CONTACT_JOINTS`) on the floor.

    Raises:
        UserError: fewer than two frames.
    """
    intervals = physics.stance_intervals(joints, fps, there, rest_heights)
    soles = joints[:, list(CONTACT_JOINTS)].clone()
    soles[..., 2] -= soles.new_tensor(rest_heights)
    sliding = (intervals.speed > physics.SLIDE_SPEED) & intervals.stance
    totals = (
        (intervals.speed.double()[intervals.stance].sum(), intervals.stance.sum()),
        (sliding.sum(), intervals.stance.sum()),
        physics.jerk_total(joints, fps, there),
        physics.penetration_total(soles, there),
    )
    return torch.tensor([[float(total), float(count)] for total, count in totals], dtype=torch.float64)
