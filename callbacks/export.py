"""The model file that `lightning generate` reads, kept up to date during training."""

import shlex
import sys

import lightning.pytorch as pl

from callbacks.averaged import AtValidation, log_folder, motion_model, text_encoder_name
from carescene import __version__
from diffusion.checkpoint import save_checkpoint


class ExportModel(AtValidation):
    """Writes `model.safetensors` and `model.json` with the averaged weights to the log folder.

    A Lightning checkpoint holds everything to go on training; this pair holds what is needed to generate, and what it
    was trained on: command, data hash, steps, text encoder.

    Args:
        licence: licence of the training data, as far as it binds the weights.
        half: store weights as float16, half the size.
        every: write at every n-th validation; always at the end of training.
    """

    def __init__(self, licence: str = "unknown", half: bool = True, every: int = 1) -> None:
        super().__init__(every)
        self._licence, self._half = licence, half

    def act(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the pair of files."""
        self._write(trainer, pl_module)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the final weights; by now weight averaging has put its average into the model."""
        if trainer.is_global_zero and not getattr(trainer, "fast_dev_run", False):
            self._write(trainer, pl_module)

    def _write(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        metadata = {
            "version": __version__,
            "command": shlex.join(["lightning", *sys.argv[1:]]),
            "steps": trainer.global_step,
            "data_hash": getattr(pl_module, "data_hash", None),
            "text_encoder": text_encoder_name(trainer),
            "licence": self._licence,
        }
        save_checkpoint(motion_model(pl_module), log_folder(trainer) / "model.safetensors", metadata, half=self._half)
