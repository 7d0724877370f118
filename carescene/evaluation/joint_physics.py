"""Physics of motions that are known by their joints alone, so that any generator and any format meet on equal terms."""

from typing import Final, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from carescene.evaluation import physics
from carescene.evaluation.physics import CONTACT_JOINTS, REST_HEIGHTS

# Name in a table and unit. Penetration is that of the feet alone, whose joints are known to lie near the skin.
JOINT_MEASURES: Final[dict[str, str]] = {
    "skating": "foot skating, m/s",
    "sliding": "sliding stances, share",
    "jerk": "jerk, m/s3",
    "penetration": "foot penetration, m",
}


class FootHeights(NamedTuple):
    """Heights over the floor of ankles and balls of the feet (`CONTACT_JOINTS`), metres.

    `standing` on a flat sole; `least`, the smallest at which nothing of the foot is in the floor, however it lies.
    """

    standing: tuple[float, ...]
    least: tuple[float, ...]


# An ankle on its side has 4 cm of foot under it, the ball of a foot 2 cm.
BODY_FEET: Final = FootHeights(REST_HEIGHTS, (0.04, 0.04, 0.02, 0.02))
# HumanML3D puts the lowest joint of a clip on the floor: toes stand at 0, ankles 5 cm higher.
HUMANML3D_FEET: Final = FootHeights((0.05, 0.05, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0))


def joint_totals(
    joints: Float[Tensor, "frame 22 3"],
    fps: float | int = 20.0,
    there: Bool[Tensor, "frame"] | None = None,
    feet: FootHeights = BODY_FEET,
) -> Float[Tensor, "4 2"]:
    """Sum and count of every measure of `JOINT_MEASURES` for one person, to be pooled over clips.

    Args:
        joints: metres, z up, floor at z = 0.
        fps: frames per second.
        there: frames in which the person is there; all when None.
        feet: of the skeleton that the joints belong to.

    Raises:
        UserError: fewer than two frames.
    """
    intervals = physics.stance_intervals(joints, fps, there, feet.standing)
    points = joints[:, list(CONTACT_JOINTS)].clone()
    points[..., 2] -= points.new_tensor(feet.least)
    sliding = (intervals.speed > physics.SLIDE_SPEED) & intervals.stance
    totals = (
        (intervals.speed.double()[intervals.stance].sum(), intervals.stance.sum()),
        (sliding.sum(), intervals.stance.sum()),
        physics.jerk_total(joints, fps, there),
        physics.penetration_total(points, there),
    )
    return torch.tensor([[float(total), float(count)] for total, count in totals], dtype=torch.float64)
