"""Means and confidence intervals over replications of an evaluation."""

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from carescene.errors import UserError

# Of the field's protocol: everything is sampled and measured 20 times.
REPLICATIONS: Final = 20
# Two-sided 95 % of a normal distribution.
_Z95: Final = 1.96


class Estimate(NamedTuple):
    """A mean over replications, half the width of its 95 % interval, and how many there were."""

    mean: float
    half_width: float
    replications: int

    def __str__(self) -> str:
        # Three digits that count, and no fewer than the field's three decimals where numbers are small.
        size = math.floor(math.log10(abs(self.mean))) if self.mean and math.isfinite(self.mean) else 0
        digits = min(5, max(2 - size, 1 if size > 0 else 3))
        mean = f"{self.mean:.{digits}f}"
        return f"{mean} ± {self.half_width:.{digits}f}" if self.replications > 1 else mean


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and 1.96 sigma / sqrt(n), sigma over all n values: the interval of Guo et al. 2022.

    It is that of sampling alone; other seeds of training differ more. One value has no interval (infinite).

    Raises:
        UserError: no values.

    Example:
        >>> str(estimate([1.0, 2.0, 3.0]))
        '2.000 ± 0.924'
    """
    if not values:
        raise UserError("Expected at least one replication, but got none.")
    count = len(values)
    mean = sum(values) / count
    if count == 1:
        return Estimate(float(mean), math.inf, 1)
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / count)
    return Estimate(float(mean), _Z95 * spread / math.sqrt(count), count)


def estimates(rows: Sequence[Mapping[str, float]]) -> dict[str, Estimate]:
    """`estimate` of each measure over replications; measures that any of them lacks are left out."""
    if not rows:
        raise UserError("Expected at least one replication, but got none.")
    names = [name for name in rows[0] if all(name in row for row in rows)]
    return {name: estimate([row[name] for row in rows]) for name in names}
