"""One progress bar over all stages of a reconstruction, with the time left, and the seconds that each took."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from tqdm import tqdm

# Called with the share of a stage that is done, 0 to 1.
Report = Callable[[float], None]


class StageProgress:
    """A bar whose stages have the lengths that they are guessed to take.

    Attributes:
        seconds: that each stage really took, in the order in which they ran.

    Args:
        guesses: seconds for each stage; what they add up to is the bar's length.
        show: whether there is a bar at all.
    """

    def __init__(self, guesses: Mapping[str, float], show: bool = True) -> None:
        self.seconds: dict[str, float] = {}
        self._guesses = {name: max(guess, 1e-3) for name, guess in guesses.items()}
        self._done = 0.0
        self._skipped: set[str] = set()
        self._bar = tqdm(
            total=sum(self._guesses.values()), disable=not show, dynamic_ncols=True, smoothing=0.1,
            bar_format="{desc} {percentage:3.0f}% |{bar}| {elapsed} gone, {remaining} left",
        )  # fmt: skip

    def guess(self, **guesses: float) -> None:
        """Correct what stages that have not run yet will take, once it is known how much there is to do."""
        over = self._skipped | self.seconds.keys()
        self._guesses |= {name: max(guess, 1e-3) for name, guess in guesses.items() if name not in over}
        self._bar.total = self._done + sum(guess for name, guess in self._guesses.items() if name not in self.seconds)
        self._bar.refresh()

    @contextmanager
    def stage(self, name: str) -> Iterator[Report]:
        """Time a stage; the block is given a function to call with the share that is done."""
        # A stage that comes once more, or that nobody guessed, was not counted in the bar's length.
        guess = 0.0 if name in self.seconds else self._guesses.get(name, 0.0)
        start = time.perf_counter()
        self._bar.set_description_str(name)

        def report(share: float) -> None:
            self._bar.n = max(self._bar.n, self._done + guess * min(max(share, 0.0), 1.0))
            self._bar.refresh()

        yield report
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
        report(1.0)
        self._done += guess

    def skip(self, name: str) -> None:
        """A stage whose result is there already: it takes no part in the time that is left."""
        self._skipped.add(name)
        self._bar.total -= self._guesses.pop(name, 0.0)
        self._bar.refresh()

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()
