"""Skin points of the people of a clip while it is finished, and the parts of the body that they belong to."""

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from carescene.humans.skeleton import JOINT, MODEL_JOINTS, NUM_JOINTS
from carescene.humans.skin_points import SkinPoints

# Parts that bend against each other, each pushed at its own deepest point: hips, chest, head, then limbs bone by bone.
_MIDDLE: Final = (
    ("pelvis", "spine1"),
    ("spine2", "spine3", "left_collar", "right_collar"),
    ("neck", "head"),
)
_LIMBS: Final = (("hip",), ("knee",), ("ankle", "foot"), ("shoulder",), ("elbow",), ("wrist", "hand"))
_PARTS: Final = (*_MIDDLE, *(tuple(f"{side}_{name}" for name in limb) for side in ("left", "right") for limb in _LIMBS))
# Numbers of the parts that carry somebody who lies or sits: hips, chest, thighs.
CARRYING: Final = (0, 1, len(_MIDDLE), len(_MIDDLE) + len(_LIMBS))
NUM_PARTS: Final = len(_PARTS)
# Hands, which the model does not know, move with the wrists.
_CARRIER: Final = [*range(MODEL_JOINTS), JOINT["left_wrist"], JOINT["right_wrist"]]


@dataclass(frozen=True)
class Skin:
    """Skin points of the people of a clip in the world, with the joints that carry them.

    Attributes:
        points: metres.
        carrier: joint 0..21 that each point moves with.
        group: part of the body of each point, 0 to `NUM_PARTS` - 1.
    """

    points: Float[Tensor, "person frame point 3"]
    carrier: Int[Tensor, "point"]
    group: Int[Tensor, "point"]

    @classmethod
    def of(
        cls,
        model: SkinPoints,
        rotations: Float[Tensor, "person frame 24 3 3"],
        trans: Float[Tensor, "person frame 3"],
        betas: Float[Tensor, "person 10"],
    ) -> "Skin":
        """Posed points, in the precision of the skin model."""
        kind = model.template.dtype
        people = zip(rotations.to(kind), trans.to(kind), betas.to(kind), strict=True)
        points = torch.stack([model.posed(turns, at, shape)[0] for turns, at, shape in people])
        group = torch.zeros(NUM_JOINTS, dtype=torch.long)
        for number, part in enumerate(_PARTS):
            group[[JOINT[name] for name in part]] = number
        return cls(points, torch.tensor(_CARRIER)[model.part], group[model.part])
