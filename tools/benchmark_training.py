"""Time the parts of training: reading a batch, a step, and a step with each callback, in CPU seconds of one thread.

    .venv/bin/python tools/benchmark_training.py --data DIR [DIR ...] [--pack-dir DIR] [--batch 128] [--batches 12]
        [--steps 6] [--workers 0 1 2] [--val-batches 2] [--interval 1000]

Give prepared folders, which are packed, or one folder of shards; `--steps 0` times reading alone.

CPU time instead of wall time, so that other work on the machine does not count; with reading workers, wall time of a
consumer that does nothing is shown as well, as that is what a fast GPU would wait for. Drawing of sample videos happens
in a process of its own and is not part of a step; what is left of it, copying the weights, is.
A validation is timed over `--val-batches` batches with the losses alone and with MotionMetrics as well; the last rows
give clips per second of training with a validation of as many clips after every `--interval` steps.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging

from callbacks import MotionMetrics
from callbacks.averaged import motion_model
from datamodules import SceneDataModule, ShardDataModule
from datamodules.batches import ResumableLoader
from diffusion.denoiser import DenoiserConfig
from lightning_app.module import DiffusionModule


class StepSeconds(pl.Callback):
    """CPU and wall time of training steps: from the hand-over of one batch to the end of its step."""

    def __init__(self) -> None:
        self.cpu: list[float] = []
        self.wall: list[float] = []
        self._since = (0.0, 0.0)

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, batch_idx: int) -> None:
        self._since = time.process_time(), time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.cpu.append(time.process_time() - self._since[0])
        self.wall.append(time.perf_counter() - self._since[1])


class CopyWeights(pl.Callback):
    """What SampleVideos does inside a step, at every step."""

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.kept = {
            name: value.detach().cpu().numpy().copy() for name, value in motion_model(module).state_dict().items()
        }


class ValidationSeconds(pl.Callback):
    """CPU and wall time of validations; give it last, so that the other callbacks' ends are within."""

    def __init__(self) -> None:
        self.seconds: tuple[float, float] = (0.0, 0.0)
        self._since = (0.0, 0.0)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._since = time.process_time(), time.perf_counter()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.seconds = time.process_time() - self._since[0], time.perf_counter() - self._since[1]


def reading(data: SceneDataModule | ShardDataModule, batches: int, workers: int) -> tuple[float, float]:
    """CPU and wall seconds of a batch, median; CPU of workers is not seen and given as 0."""
    data.num_workers = workers
    loader = data.train_dataloader()
    assert isinstance(loader, ResumableLoader)
    cpu, wall = [], []
    stream = iter(loader)
    for number in range(batches + 2):
        begun = time.process_time(), time.perf_counter()
        next(stream)
        if number >= 2:  # the first ones map files and start workers
            cpu.append(time.process_time() - begun[0])
            wall.append(time.perf_counter() - begun[1])
    return (0.0 if workers else statistics.median(cpu)), statistics.median(wall)


def stepping(
    data: SceneDataModule | ShardDataModule, steps: int, precision: Any, extra: list[pl.Callback]
) -> tuple[float, float]:
    """CPU and wall seconds of a training step of the default network, median, without reading."""
    clock = StepSeconds()
    data.num_workers = 0
    torch.manual_seed(0)
    trainer = pl.Trainer(
        accelerator="cpu", max_steps=steps + 1, precision=precision, gradient_clip_val=1.0, logger=False,
        limit_val_batches=0, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        use_distributed_sampler=False, callbacks=[*extra, clock],
    )  # fmt: skip
    trainer.fit(DiffusionModule(denoiser=DenoiserConfig(), warmup_steps=1), data)
    return statistics.median(clock.cpu[1:]), statistics.median(clock.wall[1:])


def validating(
    data: SceneDataModule | ShardDataModule, batches: int, precision: Any, extra: list[pl.Callback]
) -> tuple[float, float]:
    """CPU and wall seconds of one validation of the default network over some batches."""
    clock = ValidationSeconds()
    data.num_workers = 0
    torch.manual_seed(0)
    trainer = pl.Trainer(
        accelerator="cpu", precision=precision, logger=False, limit_val_batches=batches, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False,
        callbacks=[*extra, clock],
    )  # fmt: skip
    trainer.validate(DiffusionModule(denoiser=DenoiserConfig(), warmup_steps=1), data, verbose=False)
    return clock.seconds


def main() -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--pack-dir", type=Path)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--batches", type=int, default=12)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--precision", default="bf16-mixed")
    parser.add_argument("--val-batches", type=int, default=2, help="0 leaves validation out")
    parser.add_argument("--interval", type=int, default=1000, help="training steps between validations")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data: SceneDataModule | ShardDataModule
    if (options.data[0] / "index.json").is_file():
        data = ShardDataModule(options.data[0], batch_size=options.batch, object_slots=10)
    else:
        data = SceneDataModule(
            data_dirs=options.data, pack_dir=options.pack_dir, batch_size=options.batch, object_slots=10
        )
    out = sys.stdout
    out.write(f"batch {options.batch}, {len(data._sequences('train'))} training clips\n\n")
    out.write("| | CPU s | wall s | clips per CPU s |\n|---|---|---|---|\n")
    for workers in options.workers:
        cpu, wall = reading(data, options.batches, workers)
        rate = f"{options.batch / cpu:.0f}" if cpu else f"{options.batch / wall:.0f} (wall)"
        out.write(f"| reading, {workers} workers | {cpu:.3f} | {wall:.3f} | {rate} |\n")
        out.flush()
    kinds: dict[str, list[pl.Callback]] = {
        "step, no callbacks": [],
        "step, averaging": [EMAWeightAveraging(decay=0.999, use_buffers=False)],
        "step, averaging and a copy of the weights": [
            EMAWeightAveraging(decay=0.999, use_buffers=False), CopyWeights()
        ],
    }  # fmt: skip
    step = (0.0, 0.0)
    for name, extra in kinds.items() if options.steps else ():
        step = cpu, wall = stepping(data, options.steps, options.precision, extra)
        out.write(f"| {name} | {cpu:.3f} | {wall:.3f} | {options.batch / cpu:.0f} |\n")
        out.flush()
    if not options.val_batches or not options.steps:
        return
    clips = options.val_batches * options.batch
    measured: dict[str, list[pl.Callback]] = {"losses alone": [], "with MotionMetrics": [MotionMetrics()]}
    for name, extra in measured.items():
        spent = validating(data, options.val_batches, options.precision, extra)
        out.write(
            f"| validation of {clips} clips, {name} | {spent[0]:.1f} | {spent[1]:.1f} | {clips / spent[0]:.0f} |\n"
        )
        whole = [options.interval * one + value for one, value in zip(step, spent, strict=True)]
        rate = options.interval * options.batch / whole[0]
        out.write(f"| {options.interval} steps and this validation | {whole[0]:.0f} | {whole[1]:.0f} | {rate:.1f} |\n")
        out.flush()


if __name__ == "__main__":
    main()
