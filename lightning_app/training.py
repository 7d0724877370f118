"""What the training of all our models shares: optimiser, schedule, repeatable noise, processes, logging."""

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Literal

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor, nn

from carescene.errors import UserError

Schedule = Literal["cosine", "constant"]


class TrainingModule(pl.LightningModule):
    """A diffusion model in training, with AdamW and a warmed-up learning rate.

    Args:
        model: what is trained.
        learning_rate, weight_decay, betas, schedule, warmup_steps, total_steps, final_ratio, compile, seed: see
            `DiffusionModule`.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        learning_rate: float,
        weight_decay: float,
        betas: tuple[float, float],
        schedule: Schedule,
        warmup_steps: int,
        total_steps: int | None,
        final_ratio: float,
        compile: bool | None,
        seed: int,
    ) -> None:
        super().__init__()
        if not learning_rate > 0 or warmup_steps < 0 or not 0 <= final_ratio <= 1:
            raise UserError(
                "Expected model.learning_rate above 0, warmup_steps of at least 0 and final_ratio within 0..1, but got "
                f"{learning_rate}, {warmup_steps} and {final_ratio}. Correct the config."
            )
        self.model = model
        self._learning_rate, self._weight_decay, self._betas = learning_rate, weight_decay, betas
        self._schedule, self._warmup_steps, self._total_steps = schedule, warmup_steps, total_steps
        self._final_ratio, self._compile, self._seed = final_ratio, compile, seed
        self.data_hash: str | None = None

    @abstractmethod
    def losses(self, batch: dict[str, Any], generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """`loss` of a batch and its parts; the global random state is used when `generator` is left out."""

    @property
    def data(self) -> Any:
        """The data module of this run, or None."""
        return getattr(self.trainer, "datamodule", None)

    def check_text_width(self, expected: int, option: str) -> None:
        """Refuse text features that the network was not made for.

        Raises:
            UserError: if the data's text features have another width.
        """
        if self.data is not None and self.data.text_width != expected:
            raise UserError(
                f"Expected text features of width {expected} ({option}), but data.text_encoder "
                f"'{self.data.text_encoder}' gives {self.data.text_width}. Set {option}={self.data.text_width}."
            )

    def compile_network(self, network: nn.Module) -> None:
        """Compile the network if asked to, or when nothing was said and it runs on a GPU."""
        on_gpu = self.trainer.strategy.root_device.type == "cuda"
        if self._compile or (self._compile is None and on_gpu):
            # One graph for all lengths of batches.
            network.compile(dynamic=True)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Loss of one batch; its randomness depends on seed, number of the batch and rank: a resumed run repeats it."""
        # The global state instead of a generator: it serves layers that draw for themselves, on any device.
        torch.manual_seed(mix(self._seed, batch["number"], self.global_rank))
        parts = self.losses(batch)
        self._log("train", parts, batch)
        return parts["loss"]

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Loss with the same noise and noise levels at every validation, so that its course is the model's alone."""
        self._evaluate("val", batch, batch_idx)

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Loss on the test split, with fixed noise as in validation."""
        self._evaluate("test", batch, batch_idx)

    def shared_divisor(self, count: Tensor) -> Tensor:
        """Mean of a count over all processes, at least 1 in total.

        Lightning averages gradients over processes. Sums of errors that are divided by this instead of by their own
        count make that average the gradient of one batch that holds the clips of all processes.
        """
        processes = self.trainer.world_size
        if processes > 1:
            count = self.trainer.strategy.reduce(count.detach().clone(), reduce_op="sum")
        return count.clamp(min=1) / processes

    def _evaluate(self, name: str, batch: dict[str, Any], batch_idx: int) -> None:
        generator = torch.Generator(self.device).manual_seed(mix(self._seed, batch_idx, self.global_rank))
        self._log(name, self.losses(batch, generator), batch)

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
        if steps < 0 and trainer.max_epochs > 0 and self.data is not None:
            batches = len(self.data.train_dataloader())
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


def mix(*numbers: int) -> int:
    """One seed of 63 bits from several numbers; neighbouring numbers give unrelated seeds."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]) >> 1
