"""Does a motion lie nearest to its own text? R-precision and matching distance, as the field takes them.

Guo et al. 2022, "Generating diverse and natural 3D human motions from text": texts and motions are embedded by one
evaluator; within batches of exactly 32 (HumanML3D) or 96 (InterHuman), the motions' texts are ranked by Euclidean
distance. Numbers of other batch sizes cannot be compared, so what does not fill a batch is left out.
"""

from typing import Final, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from carescene.errors import UserError

# Texts among which the right one is looked for: HumanML3D's protocol; InterHuman's has 96.
BATCH: Final = 32


class RPrecision(NamedTuple):
    """Share of texts whose own motion is the nearest, or among the nearest two or three, of a batch."""

    top1: float
    top2: float
    top3: float


def retrieval_batches(count: int, batch: int = BATCH, seed: int = 0) -> Int[Tensor, "block member"]:
    """Which items meet in which batch: a random order, cut into blocks of exactly `batch`; the rest is left out.

    Raises:
        UserError: fewer items than one batch.
    """
    if count < batch or batch < 3:
        raise UserError(
            f"Expected at least {batch} pairs of text and motion for R-precision, but got {count}. The measure is only "
            "comparable within batches of exactly that size; evaluate more clips."
        )
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return order[: count // batch * batch].reshape(-1, batch)


def r_precision(
    text: Float[Tensor, "n feature"], motion: Float[Tensor, "m width"], batch: int = BATCH, seed: int = 0
) -> RPrecision:
    """Top 1, 2 and 3 within batches of exactly `batch` pairs (Guo et al. 2022).

    Of motions at the same distance from a text, its own counts as the last.

    Args:
        text, motion: embeddings of one evaluator; row i of one belongs to row i of the other.
        batch: 32 for HumanML3D's protocol, 96 for InterHuman's.
        seed: which pairs meet in a batch.

    Raises:
        UserError: fewer pairs than one batch, or embeddings that do not belong together.
    """
    _check(text, motion)
    blocks = retrieval_batches(len(text), batch, seed)
    distances = torch.cdist(text.double()[blocks], motion.double()[blocks], compute_mode=_EXACT)
    own = distances.diagonal(dim1=1, dim2=2)
    rank = (distances <= own[..., None]).sum(-1) - 1
    return RPrecision(*(float((rank < k).double().mean()) for k in (1, 2, 3)))


def matching_distance(
    text: Float[Tensor, "n feature"], motion: Float[Tensor, "m width"], batch: int = BATCH, seed: int = 0
) -> float:
    """Mean Euclidean distance of a motion from its text ("MM-dist"), over the pairs that R-precision counts.

    Raises:
        UserError: as `r_precision`.
    """
    _check(text, motion)
    used = retrieval_batches(len(text), batch, seed).flatten()
    return float((text.double()[used] - motion.double()[used]).norm(dim=-1).mean())


# Differences, not products of norms: near neighbours must not be ranked by rounding.
_EXACT: Final = "donot_use_mm_for_euclid_dist"


def _check(text: Tensor, motion: Tensor) -> None:
    if text.shape != motion.shape:
        raise UserError(
            f"Expected one text embedding for each motion embedding, of one width, but got {tuple(text.shape)} and "
            f"{tuple(motion.shape)}. Embed both with one evaluator."
        )
    if not (bool(text.isfinite().all()) and bool(motion.isfinite().all())):
        raise UserError("Expected finite embeddings, but got NaN or infinite ones. A clip holds broken poses; find it.")
