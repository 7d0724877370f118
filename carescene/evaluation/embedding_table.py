"""All the field's measures of one set of generated motions in one evaluator's space, as pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from carescene.evaluation.frechet import NEIGHBOURS, frechet_distance, overlap
from carescene.evaluation.retrieval import BATCH, matching_distance, r_precision
from carescene.evaluation.spread import DIVERSITY_PAIRS, MULTIMODALITY_PAIRS, diversity, multimodality


@dataclass(frozen=True)
class EmbeddingMeasure:
    """What a measure is called in a table, and which way is better (None: nearest to the real value)."""

    text: str
    higher_is_better: bool | None


EMBEDDING_MEASURES: Final[dict[str, EmbeddingMeasure]] = {
    "fid": EmbeddingMeasure("FID", False),
    "r_top1": EmbeddingMeasure("R-precision top 1", True),
    "r_top2": EmbeddingMeasure("R-precision top 2", True),
    "r_top3": EmbeddingMeasure("R-precision top 3", True),
    "mm_dist": EmbeddingMeasure("MM-dist", False),
    "diversity": EmbeddingMeasure("diversity", None),
    "multimodality": EmbeddingMeasure("multimodality", None),
    "precision": EmbeddingMeasure("precision", True),
    "recall": EmbeddingMeasure("recall", True),
    "density": EmbeddingMeasure("density", True),
    "coverage": EmbeddingMeasure("coverage", True),
}


def diversity_pairs(count: int) -> int:
    """300 pairs as published, or half the motions where there are fewer than 600."""
    return min(DIVERSITY_PAIRS, count // 2)


def measure_embeddings(
    real: Float[Tensor, "n feature"],
    made: Float[Tensor, "m feature"],
    text: Float[Tensor, "m feature"],
    batch: int = BATCH,
    seed: int = 0,
) -> dict[str, float]:
    """Every measure of `EMBEDDING_MEASURES` but multimodality that so many motions allow.

    Few motions give no R-precision (fewer than one batch), no neighbours (fewer than 6) or no covariance (fewer than
    2); such measures are left out rather than taken differently.

    Args:
        real: embeddings of real motions, the reference of FID and neighbours.
        made: embeddings of the motions that are judged (for the real-vs-real row, other draws of real ones).
        text: embeddings of the captions of `made`, row by row.
        batch: of R-precision: 32 or 96.
        seed: pairs and batches.
    """
    values: dict[str, float] = {}
    if min(len(real), len(made)) >= 2:
        values["fid"] = frechet_distance(real, made)
        values["diversity"] = diversity(made, max(1, diversity_pairs(len(made))), seed)
    if len(made) >= batch:
        tops = r_precision(text, made, batch, seed)
        values |= {f"r_top{k}": value for k, value in enumerate(tops, 1)}
        values["mm_dist"] = matching_distance(text, made, batch, seed)
    if min(len(real), len(made)) > NEIGHBOURS:
        values |= overlap(real, made)._asdict()
    return {name: values[name] for name in EMBEDDING_MEASURES if name in values}


def multimodality_of(
    features: Float[Tensor, "n feature"], texts: Int[Tensor, "n"], pairs: int = MULTIMODALITY_PAIRS, seed: int = 0
) -> float | None:
    """Multimodality of motions that belong to texts by number; None without a text of two motions.

    Texts with as many motions as the most frequent one count; pairs are lowered to half of those motions.
    """
    if not len(texts):
        return None
    names, counts = torch.unique(texts, return_counts=True)
    repeats = int(counts.max())
    if repeats < 2:
        return None
    rows = [features[texts == name] for name in names[counts == repeats]]
    return multimodality(torch.stack(rows), min(pairs, max(1, repeats // 2)), seed)


def mean_of_sums(table: Mapping[str, Float[Tensor, "clip 2"]]) -> dict[str, float]:
    """Pooled values of measures that are kept as sum and count of every clip (see `carescene.evaluation.physics`)."""
    return {name: float(rows[:, 0].sum() / rows[:, 1].sum().clamp(min=1)) for name, rows in table.items()}
