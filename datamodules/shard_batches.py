"""Which clips of which shards make which batch: read nearly in order, shuffled, and a pure function of the number."""

from typing import Any, Final

import numpy as np
from torch.utils.data import Dataset

from carescene.errors import UserError
from datamodules.batches import Draw, NumberedBatches, ResumableLoader

# Clips are mixed and sorted by length inside windows of this many batches; a process reads from the few shards of one
# window at a time.
_WINDOW_BATCHES: Final = 16
_BLUR_FRAMES: Final = 10.0


class ShardBatches(NumberedBatches):
    """Batches for data that is read from shards, without end.

    A pass puts the shards in an order of its own and cuts the row of their clips into equal stretches, one for each
    process; so a machine reads its own shards and, at the two ends of its stretch, parts of its neighbours'. Inside a
    stretch, windows of 16 batches are mixed and sorted by length. Every clip is in exactly one batch of a pass, all
    processes have equally many batches, and batches differ by at most one clip in size. Workers of a process share
    out its batches by number, so that their count changes nothing.

    Args:
        shards: number of the shard of each clip; clips of one shard follow one another.
        lengths: frames of each clip.
        kinds: clips of one kind (number of persons, with or without a room) keep to themselves inside a window.
        batch_size: most clips per batch and process.
        seed: other seeds give other orders.
        rank, world_size: this process and the number of processes.

    Raises:
        UserError: fewer clips than processes; batches of one clip that cannot be dealt evenly.
    """

    def __init__(
        self,
        shards: np.ndarray,
        lengths: np.ndarray,
        kinds: np.ndarray,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        clips = len(lengths)
        if clips < world_size or (batch_size == 1 and clips % world_size):
            raise UserError(
                f"Expected clips that can be dealt to {world_size} processes in batches of up to {batch_size}, but got "
                f"{clips}. Use fewer devices or larger batches."
            )
        self._lengths, self._kinds = lengths, kinds
        self._seed, self.batch_size, self.rank, self.world_size = seed, batch_size, rank, world_size
        edges = np.flatnonzero(np.diff(shards, prepend=shards[0] - 1, append=shards[-1] + 1))
        self._starts, self._ends = edges[:-1], edges[1:]
        self._plan_of: tuple[int, list[np.ndarray]] | None = None

    @property
    def clips(self) -> int:
        """Clips of a pass, over all processes."""
        return len(self._lengths)

    @property
    def batches_per_pass(self) -> int:
        """Number of batches of each process in one pass over the data."""
        return -(-self.clips // (self.batch_size * self.world_size))

    def batch(self, number: int) -> list[Draw]:
        """Clips of batch `number` of this process, counted from the start of training."""
        pass_number, position = divmod(number, self.batches_per_pass)
        return [Draw(pass_number, int(index), number) for index in self._plan(pass_number)[position]]

    def seen(self, number: int) -> tuple[int, int]:
        """Pass that batch `number` belongs to, and clips of this process that come before it in the pass."""
        pass_number, position = divmod(number, self.batches_per_pass)
        return pass_number, sum(len(batch) for batch in self._plan(pass_number)[:position])

    def _plan(self, pass_number: int) -> list[np.ndarray]:
        if self._plan_of is None or self._plan_of[0] != pass_number:
            self._plan_of = (pass_number, self._make_plan(pass_number))
        return self._plan_of[1]

    def _make_plan(self, pass_number: int) -> list[np.ndarray]:
        common = np.random.default_rng([self._seed, pass_number])
        order = common.permutation(len(self._starts))
        row = np.concatenate([np.arange(self._starts[at], self._ends[at]) for at in order])
        cuts = [len(row) * process // self.world_size for process in (self.rank, self.rank + 1)]
        mine = row[cuts[0] : cuts[1]]
        rng = np.random.default_rng([self._seed, pass_number, self.rank])
        blurred = self._lengths[mine] + rng.uniform(-_BLUR_FRAMES, _BLUR_FRAMES, len(mine))
        count = self.batches_per_pass
        edges = [len(mine) * batch // count for batch in range(count + 1)]
        plan: list[np.ndarray] = []
        for first in range(0, count, _WINDOW_BATCHES):
            last = min(first + _WINDOW_BATCHES, count)
            window = slice(edges[first], edges[last])
            order = edges[first] + np.lexsort((blurred[window], self._kinds[mine[window]]))
            cut = np.array(edges[first + 1 : last]) - edges[first]
            batches = np.split(mine[order], cut)
            plan += [batches[at] for at in rng.permutation(len(batches))]
        return plan


class ShardLoader(ResumableLoader):
    """A `ResumableLoader` whose state also says the pass and the clips seen, and that refuses another layout.

    With another number of processes, batch size or set of clips, batch numbers mean other clips; going on would
    repeat some and leave others out.
    """

    def __init__(self, dataset: Dataset[Any], batches: ShardBatches, length: int | None, **arguments: Any) -> None:
        self._batches = batches
        super().__init__(dataset, batches, length, **arguments)

    def state_dict(self) -> dict[str, int]:
        """Batches handed out, the pass they are in, clips of this process seen in it, and the layout they mean."""
        state = super().state_dict()
        epoch, samples = self._batches.seen(state["handed_out"])
        return state | {"epoch": epoch, "samples_seen": samples} | self._layout()

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after the given number of batches.

        Raises:
            UserError: naming what differs from the run that is to go on.
        """
        for name, value in self._layout().items():
            if state[name] != value:
                raise UserError(
                    f"Expected {name} {state[name]} as in the run that is to go on, but got {value}. Its position in "
                    "the shards has no meaning otherwise; go on with the same shards, batch size and processes, or "
                    "start from its weights."
                )
        super().load_state_dict(state)

    def _layout(self) -> dict[str, int]:
        batches = self._batches
        return {"clips": batches.clips, "batch_size": batches.batch_size, "world_size": batches.world_size}
