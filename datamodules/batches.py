"""Which clips make which batch: a pure function of seed and batch number, so that any batch can be made again."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from torch.utils.data import DataLoader, Dataset, Sampler

# Clips are sorted by length inside groups of this many batches: enough to keep padding low (a few percent), few
# enough that the company a clip keeps still changes from pass to pass.
_GROUP_BATCHES: Final = 16
# Clips of one recorded series have one length; half a second of noise on the lengths mixes series and actions.
_BLUR_FRAMES: Final = 10.0


class Draw(NamedTuple):
    """One use of a clip: the number of the pass over the data, the clip's index, and the number of the batch.

    `copy` counts the uses of one clip in one pass.
    """

    pass_number: int
    index: int
    batch_number: int = 0
    copy: int = 0


class NumberedBatches(Sampler[list[Draw]]):
    """Batches that are numbered on without end, each a pure function of its number."""

    @property
    @abstractmethod
    def batches_per_pass(self) -> int:
        """Number of batches of one rank in one pass over the data."""

    @abstractmethod
    def batch(self, number: int) -> list[Draw]:
        """Clips of batch `number` of this rank, counted from the start of training."""

    def __len__(self) -> int:
        return self.batches_per_pass

    def __iter__(self) -> Iterator[list[Draw]]:
        return (self.batch(number) for number in range(len(self)))


class LengthBatches(NumberedBatches):
    """Batches of clips of similar length, in an order that depends on nothing but the seed.

    Batches are numbered on without end. A pass uses every clip once, except a remainder smaller than one batch over
    all ranks, which differs from pass to pass. All ranks get the same number of batches; together they share out one
    list without overlap, neighbours in length going to different ranks so that no rank waits for another.

    Args:
        lengths: frames of each clip.
        batch_size: clips per batch and rank; lowered when there are too few clips.
        seed: other seeds give other orders.
        rank, world_size: this process and the number of processes.
        kinds: clips of one kind (number of persons, with or without a room) keep to themselves, but for a few batches
            at the seams, since each kind fills tensors of another size.
        weights: how often each clip is wanted. A pass draws as many clips as there are, clip i on average
            `count * weights[i] / sum(weights)` times and never more than one time more or less than that (systematic
            resampling, Kitagawa 1996); equal weights draw each clip once.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        *,
        kinds: Sequence[int] | None = None,
        weights: Sequence[float] | None = None,
    ) -> None:
        assert len(lengths) >= world_size, "the data module refuses fewer clips than processes"
        self._lengths = np.asarray(lengths)
        self._kinds = None if kinds is None else np.asarray(kinds)
        self._weights = None if weights is None else np.asarray(weights, dtype=float)
        self._batch_size = min(batch_size, len(lengths) // world_size)
        self._seed, self._rank, self._world_size = seed, rank, world_size
        self._plan_of: tuple[int, np.ndarray] | None = None

    @property
    def batches_per_pass(self) -> int:
        """Number of batches of one rank in one pass over the data."""
        return len(self._lengths) // (self._batch_size * self._world_size)

    def batch(self, number: int) -> list[Draw]:
        """Clips of batch `number` of this rank, counted from the start of training."""
        pass_number, position = divmod(number, self.batches_per_pass)
        if self._plan_of is None or self._plan_of[0] != pass_number:
            self._plan_of = (pass_number, self._plan(pass_number))
        chosen = self._plan_of[1][position, self._rank :: self._world_size]
        return [Draw(pass_number, int(index), number, int(copy)) for index, copy in chosen]

    def _plan(self, pass_number: int) -> np.ndarray:
        """Clip indices of one pass and which use of the clip it is, `(batch, clip, 2)` over all ranks."""
        rng = np.random.default_rng([self._seed, pass_number])
        width = self._batch_size * self._world_size
        order = rng.permutation(len(self._lengths))
        if self._weights is not None:
            order = rng.permutation(_resampled(order, self._weights[order], rng.random()))
        order = order[: self.batches_per_pass * width]
        if self._kinds is not None:
            order = order[np.argsort(self._kinds[order], kind="stable")]
        blurred = self._lengths + rng.uniform(-_BLUR_FRAMES, _BLUR_FRAMES, len(self._lengths))
        for start, stop in self._groups(order, _GROUP_BATCHES * width):
            group = order[start:stop]
            order[start:stop] = group[np.argsort(blurred[group], kind="stable")]
        plan = np.stack((order, _occurrence(order)), axis=-1).reshape(self.batches_per_pass, width, 2)
        return plan[rng.permutation(len(plan))]

    def _groups(self, order: np.ndarray, size: int) -> Iterator[tuple[int, int]]:
        """Stretches of at most `size` clips of one kind."""
        kinds = np.zeros(len(order)) if self._kinds is None else self._kinds[order]
        seams = [0, *(np.flatnonzero(np.diff(kinds)) + 1).tolist(), len(order)]
        for first, last in pairwise(seams):
            for start in range(first, last, size):
                yield start, min(start + size, last)


def _resampled(order: np.ndarray, weights: np.ndarray, start: float) -> np.ndarray:
    """As many entries of `order` as it has, each as often as its weight asks for, rounded up or down by chance."""
    if np.ptp(weights) == 0:
        return order
    expected = np.cumsum(weights / weights.sum() * len(order))
    expected[-1] = len(order)
    ends = np.floor(expected + start).astype(int)
    return np.repeat(order, np.diff(ends, prepend=int(np.floor(start))))[: len(order)]


def _occurrence(order: np.ndarray) -> np.ndarray:
    """For each entry, how many equal ones come before it."""
    ranked = np.argsort(order, kind="stable")
    values = order[ranked]
    first = np.concatenate([[True], values[1:] != values[:-1]])
    positions = np.arange(len(order))
    count = positions - np.maximum.accumulate(np.where(first, positions, 0))
    out = np.empty(len(order), dtype=int)
    out[ranked] = count
    return out


class ResumableLoader(DataLoader[Any]):
    """A DataLoader that goes on at the batch where a checkpoint was made.

    Lightning stores `state_dict` in its checkpoints. The state is the count of batches handed out since training
    began; workers may be ahead of it, which does no harm because batches depend on their number only.

    Args:
        dataset: takes a `Draw`.
        batches: the batches by number.
        length: batches in what Lightning calls an epoch; None means one pass over the data.
        arguments: passed on to DataLoader.
    """

    def __init__(
        self, dataset: Dataset[Any], batches: NumberedBatches, length: int | None = None, **arguments: Any
    ) -> None:
        self._numbers = _Numbers(batches, length or batches.batches_per_pass)
        super().__init__(dataset, batch_sampler=self._numbers, **arguments)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        numbers = self._numbers
        numbers.start_epoch()
        for batch in super().__iter__():
            # Before the hand-over: a checkpoint made while the batch is in use already counts it.
            numbers.handed_out += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Batches handed out since training began, and the epoch length they were counted in."""
        return {"handed_out": self._numbers.handed_out, "epoch_start": self._numbers.epoch_start}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after the given number of batches."""
        self._numbers.handed_out = state["handed_out"]
        self._numbers.resume_from = state["epoch_start"]


class _Numbers(Sampler[list[Draw]]):
    """The batches of the next epoch, or what is left of the one that a checkpoint interrupted."""

    def __init__(self, batches: NumberedBatches, length: int) -> None:
        self.batches, self.length = batches, length
        self.handed_out = 0
        self.epoch_start = 0
        self.resume_from: int | None = None

    def __len__(self) -> int:
        return self.length

    def start_epoch(self) -> None:
        """Fix where the epoch starts; apart from `__iter__`, which DataLoader calls twice when it has workers."""
        interrupted = self.resume_from is not None and self.handed_out < self.resume_from + self.length
        self.epoch_start = self.resume_from if interrupted and self.resume_from is not None else self.handed_out
        self.resume_from = None

    def __iter__(self) -> Iterator[list[Draw]]:
        return (self.batches.batch(n) for n in range(self.handed_out, self.epoch_start + self.length))
