"""Normalisation of motion features by statistics of the training split."""

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from carescene.errors import UserError
from diffusion.representation import BODY, EVENT_CLASSES, JOINTS, MOTION_FEATURES, ROOT

# A feature that moves less than this (1 cm, 0.6 degrees) is constant; dividing by its spread would amplify noise.
_STD_FLOOR: Final = 1e-2


@dataclass(frozen=True)
class Normaliser:
    """Mean and spread of every feature over the training split, so that the model sees numbers of size 1."""

    mean: Float[Tensor, " feature"]
    std: Float[Tensor, " feature"]

    @classmethod
    def fit(cls, features: Float[Tensor, "frame 217"]) -> "Normaliser":
        """Statistics of training frames (all clips, concatenated).

        Spreads are shared inside a kind of number: all rotations of one joint, all coordinates of one joint. Errors
        then cost the same in every direction, and a joint that hardly moves is not blown up. The event channel gets
        mean 1/16 and the spread of a one-hot code, whatever the classes' frequencies: a rare class would become a
        spike of height 30, and 30 is what diffusion models learn badly.

        Raises:
            UserError: with fewer than two frames or numbers that are not finite.
        """
        if len(features) < 2 or not torch.isfinite(features).all():
            raise UserError(
                f"Expected at least two finite frames to take statistics of, but got {len(features)} frames"
                f"{'' if len(features) < 2 else ' with NaN or infinity'}. Check the training split."
            )
        features = features.double()
        mean, variance = features.mean(0), features.var(0)
        pooled = [variance[ROOT.start : BODY.stop].unflatten(0, (-1, 6)), variance[JOINTS].unflatten(0, (-1, 3))]
        # Horizontal path and height differ by a factor of ten, yet x and y are one thing.
        planar = variance[:2].mean().expand(2)
        shared = [part.mean(1, keepdim=True).expand_as(part).flatten() for part in pooled]
        std = torch.cat((planar, variance[2:3], *shared)).sqrt().clamp(min=_STD_FLOOR)
        uniform = 1 / EVENT_CLASSES
        event_mean = torch.full((EVENT_CLASSES,), uniform, dtype=torch.float64)
        event_std = torch.full((EVENT_CLASSES,), (uniform * (1 - uniform)) ** 0.5, dtype=torch.float64)
        return cls(torch.cat((mean[:MOTION_FEATURES], event_mean)).float(), torch.cat((std, event_std)).float())

    def normalise(self, features: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch feature"]:
        """(features - mean) / std."""
        return (features - self.mean.to(features)) / self.std.to(features)

    def denormalise(self, features: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch feature"]:
        """The inverse of `normalise`."""
        return features * self.std.to(features) + self.mean.to(features)
