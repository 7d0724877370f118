"""How varied motions are in the space of an evaluator: diversity, and multimodality for one text.

Guo et al. 2022: diversity is the mean distance of 300 random pairs of motions, multimodality that of 10 random pairs
among 30 motions of one text, over 100 texts. Distances are Euclidean, in units of the evaluator's embedding.
"""

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from carescene.errors import UserError

# Pairs of the field's protocol.
DIVERSITY_PAIRS: Final = 300
MULTIMODALITY_PAIRS: Final = 10


def diversity(features: Float[Tensor, "n feature"], pairs: int = DIVERSITY_PAIRS, seed: int = 0) -> float:
    """Mean distance between `pairs` random motions and as many others (Guo et al. 2020, "Action2Motion").

    Each side is drawn without repetition; a motion may by chance be its own partner, as in the published code.

    Raises:
        UserError: fewer motions than pairs.
    """
    if len(features) < pairs or pairs < 1:
        raise UserError(
            f"Expected at least {pairs} motions for {pairs} pairs, but got {len(features)}. Evaluate more motions, or "
            "lower the number of pairs and say so beside the value."
        )
    generator = torch.Generator().manual_seed(seed)
    one = torch.randperm(len(features), generator=generator)[:pairs]
    two = torch.randperm(len(features), generator=generator)[:pairs]
    return float((features.double()[one] - features.double()[two]).norm(dim=-1).mean())


def multimodality(
    features: Float[Tensor, "text repeat feature"], pairs: int = MULTIMODALITY_PAIRS, seed: int = 0
) -> float:
    """Mean distance of `pairs` random pairs among the motions of one text, over all texts (Guo et al. 2020).

    Raises:
        UserError: no texts, or fewer motions of a text than pairs.
    """
    texts, repeats = features.shape[:2]
    if texts < 1 or repeats < max(pairs, 2) or pairs < 1:
        raise UserError(
            f"Expected at least one text with {max(pairs, 2)} motions for {pairs} pairs, but got {texts} with "
            f"{repeats}. Generate more motions of each text, or lower the number of pairs."
        )
    generator = torch.Generator().manual_seed(seed)
    one = torch.randperm(repeats, generator=generator)[:pairs]
    two = torch.randperm(repeats, generator=generator)[:pairs]
    return float((features.double()[:, one] - features.double()[:, two]).norm(dim=-1).mean())
