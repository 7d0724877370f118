"""Generated clips on disk: what `lightning predict` leaves behind."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import BasePredictionWriter

from callbacks.averaged import log_folder
from carescene.clips import save_clip


class WriteClips(BasePredictionWriter):
    """Saves the clips of every predicted batch at once, so that an interruption loses nothing that was made.

    Args:
        folder: where to; default is `predictions` in the log folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__("batch")
        self._folder = folder

    def folder(self, trainer: pl.Trainer) -> Path:
        """Where the clips lie."""
        return self._folder or log_folder(trainer) / "predictions"

    def write_on_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        prediction: Any,
        batch_indices: Sequence[int] | None,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Save the clips of one batch."""
        for clip in prediction:
            save_clip(clip, self.folder(trainer))
