"""On which side somebody comes to lie: how high both hips are of a body that rests on one of them."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Float
from torch import Tensor

from carescene.humans.skeleton import JOINT
from carescene.situations.plan import PersonPlan
from carescene.situations.situation import EventRequest
from carescene.situations.vocabulary import facts_of
from diffusion.steering import JointTarget

# Whoever lies on a side is rolled out of the back or front by this much, and the middle of the lower hip joint is so
# far above the floor, in widths between the hips: medians of simulated people at rest (60 degrees, 0.35).
_ROLLED: Final = math.radians(62.0)
_LOWER_HIP: Final = 0.36
# Since the fall is over by its labels, and from one moment to the next, seconds.
_SETTLES_S: Final = 0.2
_EVERY_S: Final = 0.3


def side_targets(
    event: EventRequest, plan: PersonPlan, rest: Float[Tensor, "24 3"], seconds: float | int
) -> list[JointTarget]:
    """Heights of both hips from the end of a fall on, so that the side asked for is below; none without a side.

    The pelvis alone decides: a trunk may be twisted, propped on an arm.

    Args:
        plan: whose labels say when the person lies.
        rest: joints of the person's body at rest (metres), for the width of the hips.
        seconds: length of the clip.
    """
    if event.side is None or not facts_of(event.ward_event, event.label).is_fall:
        return []
    lies = [span for span in plan.labels if span.label == "fallen" and span.from_s >= float(event.onset_s or 0.0)]
    if not lies:
        return []
    begin, end = float(lies[0].from_s) + _SETTLES_S, min(float(lies[0].to_s), float(seconds) - 0.05)
    other = "right" if event.side == "left" else "left"
    width = float((rest[JOINT["left_hip"]] - rest[JOINT["right_hip"]]).norm())
    heights: Sequence[tuple[str, float]] = (
        (f"{event.side}_hip", _LOWER_HIP * width),
        (f"{other}_hip", (_LOWER_HIP + math.sin(_ROLLED)) * width),
    )
    times = np.arange(min(begin, end), end + 1e-6, _EVERY_S)
    return [JointTarget(event.person, float(at), joint, z=z) for at in times for joint, z in heights]
