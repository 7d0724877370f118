"""Something to do once per validation, with the weights that validation uses."""

from abc import abstractmethod
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from carescene.errors import UserError
from diffusion.model import MotionModel


class AtValidation(Callback):
    """Calls `act` with the averaged weights: at every n-th validation on the first process, sanity check excluded.

    Weight averaging swaps its weights in when a validation epoch starts and out when it ends, in the order in which
    the callbacks are listed. Acting at the first batch lies between the two wherever this callback stands in the list.

    Args:
        every: act at every n-th validation.
    """

    def __init__(self, every: int = 1) -> None:
        if every < 1:
            raise UserError(f"Expected `every` of at least 1, but got {every}. 1 means at every validation.")
        self._every = every
        self._validations = 0

    def on_validation_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Act at the first batch."""
        if trainer.sanity_checking or batch_idx > 0 or dataloader_idx > 0:
            return
        self._validations += 1
        if trainer.is_global_zero and self._validations % self._every == 0:
            self.act(trainer, pl_module)

    @abstractmethod
    def act(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """What to do."""

    @property
    def state_key(self) -> str:
        """Name of the state in checkpoints, so that several callbacks of one kind can keep theirs apart."""
        return self._generate_state_key(every=self._every)

    def state_dict(self) -> dict[str, int]:
        """How many validations there were, so that a resumed run keeps the rhythm."""
        return {"validations": self._validations}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Take over the count."""
        self._validations = state_dict["validations"]


def motion_model(pl_module: pl.LightningModule) -> MotionModel:
    """The diffusion model inside a LightningModule.

    Raises:
        UserError: if the module trains something else.
    """
    model = getattr(pl_module, "model", None)
    if not isinstance(model, MotionModel):
        raise UserError(
            f"Expected a module with a MotionModel in `.model`, but got {type(pl_module).__name__}. "
            "Leave this callback out of trainer.callbacks."
        )
    return model


def log_folder(trainer: pl.Trainer) -> Path:
    """Where this run writes: the logger's folder, else the trainer's root folder.

    Unlike `trainer.log_dir` this asks no other process, so that one process alone may call it. Where the logger numbers
    its runs, the first process's answer is the right one.
    """
    logger = trainer.logger
    if isinstance(logger, TensorBoardLogger | CSVLogger):
        return Path(logger.log_dir)
    return Path((logger.save_dir if logger is not None else None) or trainer.default_root_dir)


def text_encoder_name(trainer: pl.Trainer) -> str:
    """Name of the text encoder that the data was read with; the default one for data that does not say."""
    return str(getattr(getattr(trainer, "datamodule", None), "text_encoder", "minilm"))
