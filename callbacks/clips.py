"""Generated clips on disk: what `lightning predict` leaves behind, with any number of processes and interruptions."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import BasePredictionWriter

from carescene.clips import save_clip
from carescene.errors import UserError
from carescene.files import write_atomically
from diffusion.generator import hash_weights

_PLAN = "plan.json"


class WriteClips(BasePredictionWriter):
    """Saves the clips of every predicted batch at once, so that an interruption loses nothing that was made.

    A single process writes into the folder itself, several processes into one part each (`rank-0`, `rank-1`, ...). When
    the same command runs again, clips that are complete in any part are not made again; what is missing is dealt out
    over the processes of that run, however many they are. A folder that other weights or other data have begun is
    refused.

    Args:
        folder: where to; default is `predictions` in the trainer's root folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__("batch")
        self._folder = folder

    def folder(self, trainer: pl.Trainer) -> Path:
        """Where the clips lie, in parts if several processes made them."""
        return self._folder or Path(trainer.default_root_dir) / "predictions"

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Leave out what is there already; the first process looks for all, before anybody writes.

        Raises:
            UserError: if there is something, and the data cannot leave out clips.
        """
        if stage != "predict":
            return
        done = trainer.strategy.broadcast(_tidy(self.folder(trainer)) if trainer.is_global_zero else [])
        data = getattr(trainer, "datamodule", None)
        leave_out = getattr(data, "leave_out", None)
        if leave_out is not None:
            leave_out(done)
        elif done:
            raise UserError(
                f"Expected an empty folder for clips of {type(data).__name__}, which cannot leave out any, but "
                f"'{self.folder(trainer)}' holds {len(done)}. Choose another one with --predictions.folder."
            )

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Refuse to mix clips of different weights or data.

        Each process looks for itself: one that has nothing left to do does not come here at all.

        Raises:
            UserError: if the folder was begun with others.
        """
        # What is on disk need not pile up in memory.
        trainer.predict_loop.return_predictions = False
        data_hash = getattr(getattr(trainer, "datamodule", None), "data_hash", "unknown")
        plan = {"weights": hash_weights(pl_module), "data": data_hash}
        path = self.folder(trainer) / _PLAN
        if not path.is_file():
            write_atomically(path, lambda file: file.write(json.dumps(plan).encode()))
        begun = json.loads(path.read_text(encoding="utf-8"))
        for name, value in plan.items():
            if begun.get(name) != value:
                raise UserError(
                    f"Expected '{path.parent}' to be empty or begun with these {name} ({value[:12]}), but it was begun "
                    f"with others ({str(begun.get(name))[:12]}). Choose another folder with --predictions.folder."
                )

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
        folder = self.folder(trainer)
        if trainer.world_size > 1:
            folder = folder / f"rank-{trainer.global_rank}"
        for clip in prediction:
            save_clip(clip, folder)


def predicted_clips(folder: Path) -> list[Path]:
    """The json files of all complete clips in a folder of predictions and its parts, sorted by the clips' names."""
    found = [*folder.glob("*.json"), *folder.glob("rank-*/*.json")]
    complete = (path for path in found if path.name != _PLAN and path.with_suffix(".npz").is_file())
    return sorted((path for path in complete if not path.name.startswith(".")), key=lambda path: path.name)


def _tidy(folder: Path) -> list[str]:
    """Ids of complete clips; arrays without their json, which a killed process left, are removed."""
    for path in (*folder.glob("*.npz"), *folder.glob("rank-*/*.npz")):
        if not path.with_suffix(".json").is_file():
            path.unlink()
    return [path.stem for path in predicted_clips(folder)]
