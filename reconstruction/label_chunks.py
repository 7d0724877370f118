"""Pose labels kept in chunks while they are made, so that a killed call repeats a minute of work at most."""

from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Int

from reconstruction.observations import PoseLabels
from reconstruction.work_files import WorkFolder

# People in pictures of one chunk: about 40 s of ProHMR on one core. Each chunk is a file of its own, so that what is
# written grows with the video and not with its square.
CHUNK: Final = 240


class LabelChunks:
    """The labels that a call has made so far, in a folder that belongs to it alone.

    Args:
        folder: where chunks are kept; None keeps nothing.
        labels: filled with what the folder holds already. Rows that are added to it later are what is kept.
    """

    def __init__(self, folder: Path | None, labels: PoseLabels) -> None:
        self._labels = labels
        self._work = None if folder is None else WorkFolder(folder)
        self._count = 0
        self._waiting: list[np.ndarray] = []
        while self._work is not None and (arrays := self._work.kept(self._name, "")) is not None:
            who, when = arrays.pop("rows").T
            for field, values in arrays.items():
                getattr(labels, field)[who, when] = values
            labels.valid[who, when] = True
            self._count += 1

    def add(self, who: Int[np.ndarray, "row"], when: Int[np.ndarray, "row"]) -> None:
        """Keep labels that were made for these people and frames, once there are enough of them.

        Raises:
            UserError: if a file cannot be written.
        """
        if self._work is None:
            return
        self._waiting.append(np.stack([who, when], axis=1))
        if sum(map(len, self._waiting)) < CHUNK:
            return
        rows = np.concatenate(self._waiting)
        fields = [field for field in ("rotations", "covariance", "betas") if getattr(self._labels, field) is not None]
        arrays = {field: getattr(self._labels, field)[rows[:, 0], rows[:, 1]] for field in fields}
        self._work.keep(self._name, "", arrays | {"rows": rows})
        self._waiting.clear()
        self._count += 1

    @property
    def _name(self) -> str:
        return f"chunk_{self._count:05d}"
