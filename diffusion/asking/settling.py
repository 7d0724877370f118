"""What of a situation must hold on finished bodies, and what is left to the room that they touch."""

import dataclasses
from typing import Final

from carescene.scenes.scene import Scene
from diffusion.asking.compile import Asked
from diffusion.steering import Constraint, JointTarget, PelvisHeight

# As wide as anybody walks in a clip, metres.
_HALF_M: Final = 50.0
_FLOOR: Final = Scene(
    "floor", [(-_HALF_M, -_HALF_M), (_HALF_M, -_HALF_M), (_HALF_M, _HALF_M), (-_HALF_M, _HALF_M)], 100.0
)


def settled(asked: Asked) -> Asked:
    """The clip without heights that its plan has guessed for a body of usual thickness.

    They bring people onto beds, seats and the floor while sampling. How high a body rests on them is decided by its own
    skin when it is finished; heights in the user's own words are kept.
    """
    return dataclasses.replace(asked, constraints=[each for each in asked.constraints if not _is_guess(asked, each)])


def touched_room(asked: Asked) -> Scene:
    """What people of the clip can touch, in the model's world: its room, or an open floor."""
    return _FLOOR if asked.scene is None else asked.frame.scene_into(asked.scene)


def _is_guess(asked: Asked, each: Constraint) -> bool:
    if isinstance(each, PelvisHeight):
        return True
    if not isinstance(each, JointTarget) or each.x is not None or each.y is not None:
        return False
    own = ((wish["person"], wish["joint"], wish["time_s"]) for wish in asked.requested if wish["kind"] == "joint")
    return (each.person, each.joint, each.time_s) not in own
