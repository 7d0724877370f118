"""The motion diffusion model as a LightningModule: options and generation; the mathematics is in `diffusion`."""

import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from carescene.clips import Clip
from carescene.errors import UserError
from diffusion.checkpoint import warm_start
from diffusion.denoiser import DenoiserConfig
from diffusion.generator import MotionGenerator
from diffusion.loss_config import LossConfig
from diffusion.model import ModelConfig, MotionModel
from diffusion.process import ProcessConfig
from diffusion.text import load_text_encoder
from lightning_app.training import Schedule, TrainingModule

_PROCESS: Final = ProcessConfig()
_DENOISER: Final = DenoiserConfig()
_LOSS: Final = LossConfig()


class DiffusionModule(TrainingModule):
    """A text-conditioned diffusion model of motion, with AdamW and a warmed-up learning rate.

    Args:
        process: the chain that adds noise, and what the network predicts.
        denoiser: size of the network.
        loss: weights of the loss and shares of the kinds of training examples.
        learning_rate: peak learning rate. 5e-4 is stable for some million parameters with AdaLN-zero and QK norm;
            halve it for ten times the parameters.
        weight_decay: AdamW's, on matrices only; gains, biases and embeddings are left alone.
        betas: AdamW's averaging constants. 0.99 instead of 0.999 forgets the first, wild steps of a short run sooner.
        schedule: after the warm-up, `cosine` falls to final_ratio at the last step, `constant` stays.
        warmup_steps: steps of linear rise from zero.
        total_steps: steps over which the cosine falls; default is the length of the run.
        final_ratio: learning rate at the end of the cosine, as a share of the peak.
        curriculum_steps: steps in which the known part of a clip goes from dense to sparse. Dense examples teach what
            being known means; a quarter of a short run is enough for that.
        start_from: model file (.safetensors) to begin with, statistics of its data included. Parts that it lacks start
            fresh, so that a model of motion alone grows into one of rooms. Not needed to resume: that is --ckpt_path.
        compile: compile the network with torch.compile. Default is on GPUs only: on a CPU it takes minutes to begin.
        seed: noise, noise levels and text dropout of every step.
    """

    def __init__(
        self,
        process: ProcessConfig = _PROCESS,
        denoiser: DenoiserConfig = _DENOISER,
        loss: LossConfig = _LOSS,
        learning_rate: float = 5e-4,
        weight_decay: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.99),
        schedule: Schedule = "cosine",
        warmup_steps: int = 500,
        total_steps: int | None = None,
        final_ratio: float = 0.02,
        curriculum_steps: int = 2000,
        start_from: Path | None = None,
        compile: bool | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(
            MotionModel(ModelConfig(process, denoiser, loss)),
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            betas=betas,
            schedule=schedule,
            warmup_steps=warmup_steps,
            total_steps=total_steps,
            final_ratio=final_ratio,
            compile=compile,
            seed=seed,
        )
        if curriculum_steps < 1:
            raise UserError(
                f"Expected model.curriculum_steps of at least 1, but got {curriculum_steps}. Correct the config."
            )
        # Plain types only: a checkpoint must open without running any code it carries.
        self.save_hyperparameters(
            {
                "process": asdict(process),
                "denoiser": asdict(denoiser),
                "loss": asdict(loss),
                "learning_rate": learning_rate,
                "weight_decay": weight_decay,
                "betas": list(betas),
                "schedule": schedule,
                "warmup_steps": warmup_steps,
                "total_steps": total_steps,
                "final_ratio": final_ratio,
                "curriculum_steps": curriculum_steps,
                "start_from": None if start_from is None else str(start_from),
                "compile": compile,
                "seed": seed,
            }
        )
        self._curriculum_steps, self._start_from = curriculum_steps, start_from
        self._generator: MotionGenerator | None = None

    def setup(self, stage: str) -> None:
        """Take the statistics of the training data into the model, and compile it if asked to.

        Raises:
            UserError: if the text features do not have the width that the network expects.
        """
        data, model = self.data, self._motion_model
        if stage == "fit" and data is not None:
            self.check_text_width(model.config.denoiser.text_dim, "model.denoiser.text_dim")
            if self._start_from is not None:
                warm_start(model, self._start_from)
                data.use_normaliser(model.normaliser)
            else:
                model.feature_mean.copy_(data.normaliser.mean)
                model.feature_std.copy_(data.normaliser.std)
            self.data_hash = data.data_hash
        self.compile_network(model.denoiser)

    @property
    def _motion_model(self) -> MotionModel:
        assert isinstance(self.model, MotionModel)
        return self.model

    def losses(self, batch: dict[str, Any], generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Training and validation loss; the curriculum holds in training only."""
        model = self._motion_model
        if not self.training:
            return model.loss(batch, generator)
        progress = min(1.0, self.global_step / self._curriculum_steps)
        return model.loss(batch, generator, progress, self.shared_divisor)

    def on_predict_start(self) -> None:
        """Make the generator that turns captions into clips."""
        encoder = load_text_encoder(str(getattr(self.data, "text_encoder", "minilm")))
        self._generator = MotionGenerator(self._motion_model, encoder)

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> list[Clip]:
        """One generated clip for each clip of the batch: same caption, length and id, seeded by the id."""
        assert self._generator is not None
        frames = [int(count) for count in batch["frame_mask"][:, 0].sum(-1)]
        seeds = [zlib.crc32(clip_id.encode()) for clip_id in batch["id"]]
        return self._generator.generate(batch["caption"], frames, seeds, ids=batch["id"], batch_size=len(frames))
