"""The field's measures as torchmetrics: each process adds its clips, all of them compute the same numbers.

Nothing is averaged over processes: FID of halves is not half of FID. Every clip's row is gathered, rows of one clip
that came twice (samplers fill up the last round) count once, and rows are put in the order of the clips' numbers, so
that one process and eight see the same table.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from carescene.errors import UserError
from carescene.evaluation.embedding_table import mean_of_sums, measure_embeddings, multimodality_of
from carescene.evaluation.retrieval import BATCH
from carescene.evaluation.spread import MULTIMODALITY_PAIRS

_NUMBER: Final = "number"


def clip_number(clip_id: str) -> int:
    """A number of 63 bits that stands for a clip in every process."""
    return int.from_bytes(sha256(clip_id.encode()).digest()[:8], "big") >> 1


class _Rows(Metric):
    """A table of one row per clip that every process adds to (thin base of the classes below).

    Args:
        widths: columns of each part of a row; 0 for a part that is one whole number.
    """

    is_differentiable = False
    full_state_update = False

    def __init__(self, widths: Mapping[str, int]) -> None:
        super().__init__()
        self._widths = dict(widths)
        for name in (_NUMBER, *self._widths):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, number: Int[Tensor, "clip"], **parts: Tensor) -> None:
        """Add rows; processes without any add none of them, `torch.zeros(0, ...)`, once."""
        for name, width in self._widths.items():
            if parts[name].shape != ((len(number), width) if width else (len(number),)):
                raise UserError(
                    f"Expected {len(number)} rows of {width} numbers for '{name}', but got "
                    f"{tuple(parts[name].shape)}. They come from different clips or encoders."
                )
        for name, rows in ((_NUMBER, number), *((name, parts[name]) for name in self._widths)):
            getattr(self, name).append(rows)

    def rows(self) -> dict[str, Tensor]:
        """Every part for each clip once, in the order of the clips' numbers."""
        number = _joined(getattr(self, _NUMBER), 0, torch.long)
        order = torch.argsort(number, stable=True)
        ranked = number[order]
        first = torch.ones(len(ranked), dtype=torch.bool, device=ranked.device)
        first[1:] = ranked[1:] != ranked[:-1]
        chosen = order[first]
        # On the CPU: the tables are small, and double precision is not everywhere.
        return {_NUMBER: number[chosen].cpu()} | {
            name: _joined(getattr(self, name), width, torch.float32)[chosen].cpu()
            for name, width in self._widths.items()
        }


class TextMotionMetrics(_Rows):
    """FID, R-precision, MM-dist, diversity, precision, recall, density and coverage in one evaluator's space.

    Args:
        width: numbers of an embedding.
        batch: of R-precision.
        seed: pairs and batches.

    Example:
        >>> metric = TextMotionMetrics(width=8)
        >>> rows = torch.randn(64, 8)
        >>> metric.update(torch.arange(64), real=rows, made=rows, text=rows)
        >>> round(metric.compute()["fid"], 6), metric.compute()["r_top1"]
        (0.0, 1.0)
    """

    def __init__(self, width: int, batch: int = BATCH, seed: int = 0) -> None:
        super().__init__({"real": width, "made": width, "text": width})
        self._batch, self._seed = batch, seed

    def compute(self) -> dict[str, float]:
        """The measures that so many clips allow, and their number `clips`."""
        rows = self.rows()
        values = measure_embeddings(rows["real"], rows["made"], rows["text"], self._batch, self._seed)
        return values | {"clips": float(len(rows[_NUMBER]))}


class FrechetDistance(TextMotionMetrics):
    """FID alone; see `carescene.evaluation.frechet.frechet_distance`."""

    higher_is_better = False
    _names: tuple[str, ...] = ("fid",)

    def compute(self) -> dict[str, float]:
        """Its measures only."""
        return {name: value for name, value in super().compute().items() if name in self._names}


class RetrievalPrecision(FrechetDistance):
    """R-precision alone; see `carescene.evaluation.retrieval.r_precision`."""

    higher_is_better = True
    _names = ("r_top1", "r_top2", "r_top3")


class MatchingDistance(FrechetDistance):
    """MM-dist alone; see `carescene.evaluation.retrieval.matching_distance`."""

    _names = ("mm_dist",)


class Diversity(FrechetDistance):
    """Diversity alone; see `carescene.evaluation.spread.diversity`."""

    higher_is_better = None
    _names = ("diversity",)


class Coverage(FrechetDistance):
    """Precision, recall, density and coverage alone; see `carescene.evaluation.frechet.overlap`."""

    higher_is_better = True
    _names = ("precision", "recall", "density", "coverage")


class Multimodality(_Rows):
    """Spread of several motions of one text; see `carescene.evaluation.spread.multimodality`.

    Args:
        width: numbers of an embedding.
        pairs: of each text.
        seed: which pairs.

    Example:
        >>> metric = Multimodality(width=2)
        >>> metric.update(torch.arange(4), made=torch.tensor([[0.0, 0], [3, 4], [0, 0], [3, 4]]),
        ...               caption=torch.tensor([0, 0, 1, 1]))
        >>> metric.compute()["multimodality"] in (0.0, 5.0)
        True
    """

    def __init__(self, width: int, pairs: int = MULTIMODALITY_PAIRS, seed: int = 0) -> None:
        super().__init__({"made": width, "caption": 0})
        self._pairs, self._seed = pairs, seed

    def compute(self) -> dict[str, float]:
        """Multimodality, or nothing without a text of two motions."""
        rows = self.rows()
        value = multimodality_of(rows["made"], rows["caption"], self._pairs, self._seed)
        return {} if value is None else {"multimodality": value}


class PooledMeasures(_Rows):
    """Means over everything that clips count, such as foot skating: sum and count per clip, pooled.

    Example:
        >>> metric = PooledMeasures(["skating"])
        >>> metric.update(torch.tensor([7, 8]), skating=torch.tensor([[1.0, 10.0], [3.0, 10.0]]))
        >>> metric.update(torch.tensor([8]), skating=torch.tensor([[3.0, 10.0]]))  # the same clip again
        >>> round(metric.compute()["skating"], 3)
        0.2
    """

    def __init__(self, names: list[str]) -> None:
        super().__init__(dict.fromkeys(names, 2))

    def compute(self) -> dict[str, float]:
        """The pooled values."""
        return mean_of_sums({name: rows.double() for name, rows in self.rows().items() if name != _NUMBER})


def _joined(parts: Any, width: int, dtype: torch.dtype) -> Float[Tensor, "..."] | Int[Tensor, "..."]:
    # After a gather the list has become one tensor.
    if isinstance(parts, list) and not parts:
        return torch.zeros((0, width) if width else (0,), dtype=dtype)
    return dim_zero_cat(parts)
