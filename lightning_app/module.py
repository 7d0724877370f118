"""The motion diffusion model as a LightningModule: optimiser, schedule, logging; the mathematics is in `diffusion`."""

import math
import zlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Literal

import lightning.pytorch as pl
import numpy as np
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

Schedule = Literal["cosine", "constant"]

_PROCESS: Final = ProcessConfig()
_DENOISER: Final = DenoiserConfig()
_LOSS: Final = LossConfig()


class DiffusionModule(pl.LightningModule):
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
        super().__init__()
        if not learning_rate > 0 or warmup_steps < 0 or not 0 <= final_ratio <= 1 or curriculum_steps < 1:
            raise UserError(
                "Expected model.learning_rate above 0, warmup_steps of at least 0, final_ratio within 0..1 and "
                f"curriculum_steps of at least 1, but got {learning_rate}, {warmup_steps}, {final_ratio} and "
                f"{curriculum_steps}. Correct the config."
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
        self.model = MotionModel(ModelConfig(process, denoiser, loss))
        self._learning_rate, self._weight_decay, self._betas = learning_rate, weight_decay, betas
        self._schedule, self._warmup_steps, self._total_steps = schedule, warmup_steps, total_steps
        self._final_ratio, self._compile, self._seed = final_ratio, compile, seed
        self._curriculum_steps, self._start_from = curriculum_steps, start_from
        self._generator: MotionGenerator | None = None
        self.data_hash: str | None = None

    def setup(self, stage: str) -> None:
        """Take the statistics of the training data into the model, and compile it if asked to.

        Raises:
            UserError: if the text features do not have the width that the network expects.
        """
        data = self._data
        if stage == "fit" and data is not None:
            expected = self.model.config.denoiser.text_dim
            if data.text_width != expected:
                raise UserError(
                    f"Expected text features of width {expected} (model.denoiser.text_dim), but data.text_encoder "
                    f"'{data.text_encoder}' gives {data.text_width}. Set model.denoiser.text_dim={data.text_width}."
                )
            if self._start_from is not None:
                warm_start(self.model, self._start_from)
                data.use_normaliser(self.model.normaliser)
            else:
                self.model.feature_mean.copy_(data.normaliser.mean)
                self.model.feature_std.copy_(data.normaliser.std)
            self.data_hash = data.data_hash
        on_gpu = self.trainer.strategy.root_device.type == "cuda"
        if self._compile or (self._compile is None and on_gpu):
            # One graph for all lengths of batches.
            self.model.denoiser.compile(dynamic=True)

    @property
    def _data(self) -> Any:
        return getattr(self.trainer, "datamodule", None)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Loss of one batch; its randomness depends on seed, number of the batch and rank: a resumed run repeats it."""
        # The global state instead of a generator: it serves layers that draw for themselves, on any device.
        torch.manual_seed(_mix(self._seed, batch["number"], self.global_rank))
        parts = self.model.loss(batch, progress=min(1.0, self.global_step / self._curriculum_steps))
        self._log("train", parts, batch)
        return parts["loss"]

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Loss with the same noise and noise levels at every validation, so that its course is the model's alone."""
        self._evaluate("val", batch, batch_idx)

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Loss on the test split, with fixed noise as in validation."""
        self._evaluate("test", batch, batch_idx)

    def on_predict_start(self) -> None:
        """Make the generator that turns captions into clips."""
        encoder = load_text_encoder(str(getattr(self._data, "text_encoder", "minilm")))
        self._generator = MotionGenerator(self.model, encoder)

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> list[Clip]:
        """One generated clip for each clip of the batch: same caption, length and id, seeded by the id."""
        assert self._generator is not None
        frames = [int(count) for count in batch["frame_mask"][:, 0].sum(-1)]
        seeds = [zlib.crc32(clip_id.encode()) for clip_id in batch["id"]]
        return self._generator.generate(batch["caption"], frames, seeds, ids=batch["id"], batch_size=len(frames))

    def _evaluate(self, name: str, batch: dict[str, Any], batch_idx: int) -> None:
        generator = torch.Generator(self.device).manual_seed(_mix(self._seed, batch_idx, self.global_rank))
        self._log(name, self.model.loss(batch, generator), batch)

    def _log(self, name: str, parts: dict[str, Tensor], batch: dict[str, Any]) -> None:
        size, training = len(batch["motion"]), name == "train"
        self.log(f"{name}/loss", parts["loss"], prog_bar=True, batch_size=size, sync_dist=not training)
        others = {f"{name}/{key}": value for key, value in parts.items() if key != "loss"}
        self.log_dict(others, batch_size=size, sync_dist=not training)

    def configure_optimizers(self) -> Any:
        """AdamW with warm-up and cosine."""
        matrices = [p for p in self.parameters() if p.requires_grad and p.ndim >= 2]
        others = [p for p in self.parameters() if p.requires_grad and p.ndim < 2]
        optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": self._weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=self._learning_rate,
            betas=self._betas,
        )
        total = None
        if self._schedule == "cosine":
            total = self._total_steps or self._run_length()
        factor = learning_rate_factor(self._warmup_steps, total, self._final_ratio)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _run_length(self) -> int:
        """Steps of the run. Lightning's own estimate would make the data loader before its state is restored."""
        trainer: Any = self.trainer
        steps = trainer.max_steps
        if steps < 0 and trainer.max_epochs > 0 and self._data is not None:
            batches = len(self._data.train_dataloader())
            limit = trainer.limit_train_batches
            batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
            steps = trainer.max_epochs * math.ceil(batches / trainer.accumulate_grad_batches)
        if steps < 0:
            raise UserError(
                "Expected a run of known length for the cosine schedule, but got an endless one. Set "
                "trainer.max_steps, model.total_steps, or model.schedule=constant."
            )
        return steps

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Note what the weights were trained on."""
        checkpoint["data_hash"] = self.data_hash

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse to go on with other data, whose statistics would not fit the weights."""
        trained_on = checkpoint.get("data_hash")
        if self.data_hash is not None and trained_on is not None and trained_on != self.data_hash:
            raise UserError(
                f"Expected to resume on the data the checkpoint was trained on ({trained_on[:12]}), but data.data_dir "
                f"holds other clips ({self.data_hash[:12]}). Give the same data, or start anew without ckpt_path."
            )


def learning_rate_factor(warmup: int, total: int | None, final_ratio: float) -> Callable[[int], float]:
    """Learning rate over its peak, as a function of the step: linear rise, then cosine to `final_ratio` at `total`.

    Args:
        warmup: steps of the rise; a rise longer than a tenth of `total` is shortened to that.
        total: last step, or None to stay at the peak.
        final_ratio: factor at `total` and after.
    """
    warmup = min(warmup, total // 10) if total is not None else warmup

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        if total is None:
            return 1.0
        progress = min(1.0, (step - warmup) / max(1, total - warmup))
        return final_ratio + (1 - final_ratio) * 0.5 * (1 + math.cos(math.pi * progress))

    return factor


def _mix(*numbers: int) -> int:
    """One seed of 63 bits from several numbers; neighbouring numbers give unrelated seeds."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]) >> 1
