"""Training and prediction by two processes that talk through gloo; run as a script by test_processes.py.

Everything is imported once; each part of the test then forks processes of its own, which can be killed without harm.
"""

import os
import shutil
import socket
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from torch import Tensor
from torch.utils.data import DataLoader

import callbacks.samples
import datamodules.world_packing
import diffusion.model
import lightning_app.module
from callbacks import SampleVideos, WriteClips
from datamodules import SceneDataModule
from diffusion.denoiser import DenoiserConfig
from diffusion.loss_config import LossConfig
from diffusion.mdm import MdmConfig
from diffusion.process import ProcessConfig
from diffusion.text import TextEncoder
from diffusion.world import OBJECT_FEATURES, PRESENT, Levels
from lightning_app.mdm import MdmModule
from lightning_app.module import DiffusionModule
from lightning_app.training import TrainingModule, mix

SMALL = DenoiserConfig(dim=32, depth=1, heads=2, hidden=32)
CLIPS, STEPS, STOP = 3, 6, 4


class Letters(TextEncoder):
    """A text encoder that needs no network."""

    width, model_id = 384, "letters"

    def _compute(self, text: str) -> Tensor:
        words = [torch.tensor([ord(letter) / 128 for letter in word]) for word in text.split()]
        return torch.stack([word.repeat(-(-self.width // len(word)))[: self.width] for word in words])


def letters(name: str = "minilm", cache: object = None) -> TextEncoder:
    """In place of `load_text_encoder`."""
    return Letters()


def in_processes(count: int, work: Callable[..., None], *arguments: Any) -> list[int]:
    """Exit codes of forked processes that each do `work(rank, *arguments)`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    pids = []
    for rank in range(count):
        if (pid := os.fork()) == 0:
            place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": count, "LOCAL_RANK": rank}
            os.environ.update({name: str(value) for name, value in place.items()} | {"NODE_RANK": "0"})
            code = 1
            try:
                work(rank, *arguments)
                code = 0
            except BaseException:  # noqa: BLE001 (a forked process must not go on as the script itself)
                traceback.print_exc()
            finally:
                os._exit(code)
        pids.append(pid)
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


def trainer_for(folder: Path, processes: int = 2, **options: Any) -> pl.Trainer:
    """A trainer that writes nothing to the terminal."""
    defaults: dict[str, Any] = {
        "accelerator": "cpu", "devices": processes, "strategy": "ddp" if processes > 1 else "auto", "logger": False,
        "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False,
        "use_distributed_sampler": False, "limit_val_batches": 0, "default_root_dir": folder, "max_steps": STEPS,
    }  # fmt: skip
    return pl.Trainer(**defaults | options)


# ------------------------------------------------------------------------------------------ gradients


def our_module() -> DiffusionModule:
    """Ours; what kind of example a batch is would be drawn for the whole batch, so there is one kind only."""
    torch.manual_seed(1)
    loss = LossConfig(shared_level=1.0, known_tokens=0.0, known_motion=0.0)
    module = DiffusionModule(denoiser=SMALL, loss=loss, schedule="constant")
    # At its beginning the output layer is zero, and nothing behind it would have a gradient.
    for value in module.parameters():
        value.data.add_(0.05 * torch.randn_like(value))
    return module


def mdm_module() -> MdmModule:
    """MDM without dropout, whose draws would depend on how clips are spread over processes."""
    torch.manual_seed(1)
    network = MdmConfig(text_dim=384, dim=16, depth=1, heads=2, hidden=16, dropout=0.0, mask_padding=True)
    return MdmModule(ProcessConfig(steps=50, weighting="plain"), network)


def our_batch() -> dict[str, Any]:
    """Six clips of two people in rooms; the first three are long, the others short, one of them without a shape."""
    torch.manual_seed(2)
    clips, frames = 2 * CLIPS, 16
    lengths = torch.tensor([[16, 16], [16, 12], [16, 16], [5, 4], [3, 0], [4, 4]])
    there = torch.arange(frames) < lengths[..., None]
    objects = torch.randn(clips, 3, OBJECT_FEATURES)
    objects[..., PRESENT] = objects[..., PRESENT].sign()
    known = torch.ones(clips, 2, dtype=torch.bool)
    known[CLIPS] = False
    return {
        "motion": torch.randn(clips, 2, frames, 217) * there[..., None],
        "frame_mask": there,
        "event_known": there & (torch.rand(clips, 2, frames) < 0.5),
        "shape": torch.randn(clips, 2, 10),
        "shape_known": known,
        "role": torch.randint(0, 4, (clips, 2)),
        "objects": objects,
        "object_mask": torch.tensor([[True, True, True]] * CLIPS + [[True, False, False]] * CLIPS),
        **texts(clips),
    }


def mdm_batch() -> dict[str, Any]:
    """Six clips, three long and three short."""
    torch.manual_seed(3)
    there = torch.arange(20) < torch.tensor([20, 18, 20, 6, 4, 8])[:, None]
    return {"motion": torch.randn(2 * CLIPS, 20, 263) * there[..., None], "frame_mask": there, **texts(2 * CLIPS)}


def texts(clips: int) -> dict[str, Any]:
    """Captions of four tokens."""
    return {"text_tokens": torch.randn(clips, 4, 384), "text_mask": torch.ones(clips, 4, dtype=torch.bool), "number": 0}


KINDS = {"ours": (our_module, our_batch), "mdm": (mdm_module, mdm_batch)}


class KeepGradients(pl.Callback):
    """Saves what the optimiser is about to use."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_before_optimizer_step(self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Any) -> None:
        if trainer.is_global_zero:
            save_gradients(pl_module, self._path)


def save_gradients(module: torch.nn.Module, path: Path) -> None:
    """All gradients by name."""
    torch.save({name: p.grad for name, p in module.named_parameters() if p.grad is not None}, path)


def gradients_of_two(rank: int, out: Path) -> None:
    """One step on half a batch each."""
    for name, (make, batch) in KINDS.items():
        half = slice(rank * CLIPS, (rank + 1) * CLIPS)
        mine = {key: value[half] if isinstance(value, Tensor) else value for key, value in batch().items()}
        keep = KeepGradients(out / f"{name}-two.pt")
        trainer_for(out, max_steps=1, callbacks=[keep]).fit(
            make(), train_dataloaders=DataLoader([mine], batch_size=None)
        )


def gradients_of_one(rank: int, out: Path) -> None:
    """The whole batch at once, with the noise that the two halves drew."""
    for name, (make, batch) in KINDS.items():
        module, whole = make(), batch()
        with drawing_like_two(module):
            module.model.loss(whole)["loss"].backward()
        save_gradients(module, out / f"{name}-one.pt")


class drawing_like_two:  # noqa: N801 (used as a function)
    """Every random tensor with one row per clip is put together from what each of two processes would draw."""

    def __init__(self, module: TrainingModule) -> None:
        self._generators = [torch.Generator().manual_seed(mix(module._seed, 0, rank)) for rank in range(2)]
        self._kept = {name: getattr(torch, name) for name in ("rand", "randn", "randint")}
        self._levels = diffusion.model.draw_levels

    def _both(self, name: str) -> Callable[..., Tensor]:
        plain = self._kept[name]

        def drawn(*arguments: Any, device: Any = None, generator: Any = None, **others: Any) -> Tensor:
            at = 2 if name == "randint" else 0
            whole = arguments[at:] if isinstance(arguments[at], int) else tuple(arguments[at])
            assert whole[0] == 2 * CLIPS
            half = (*arguments[:at], (CLIPS, *whole[1:]))
            return torch.cat([plain(*half, generator=one, **others) for one in self._generators])

        return drawn

    def _draw_levels(self, config: Any, steps: int, size: tuple[int, ...], uniform: Any, progress: float) -> Levels:
        def of(one: torch.Generator) -> Levels:
            return self._levels(
                config, steps, (CLIPS, *size[1:]), lambda *shape: self._kept["rand"](shape, generator=one), progress
            )

        return Levels(*(torch.cat(parts) for parts in zip(*map(of, self._generators), strict=True)))

    def __enter__(self) -> None:
        for name in self._kept:
            setattr(torch, name, self._both(name))
        diffusion.model.draw_levels = self._draw_levels

    def __exit__(self, *_: object) -> None:
        for name, plain in self._kept.items():
            setattr(torch, name, plain)
        diffusion.model.draw_levels = self._levels


# ------------------------------------------------------------------------------------------ stop and go on


class Note(pl.Callback):
    """Ids of every batch; the second process dies before step `die_at`, as if its machine had been switched off."""

    def __init__(self, die_at: int | None = None) -> None:
        self.ids: list[list[str]] = []
        self._die_at = die_at

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step == self._die_at and trainer.global_rank == 1:
            os._exit(9)
        self.ids.append(batch["id"])


def fit(rank: int, data: Path, folder: Path, die_at: int | None, resume: bool) -> None:
    """Train in two processes with averaging and a checkpoint every other step; what came out is saved per rank."""
    torch.manual_seed(0)
    note, module = Note(die_at), DiffusionModule(denoiser=SMALL, warmup_steps=2)
    trainer = trainer_for(
        folder, enable_checkpointing=True, gradient_clip_val=1.0, limit_val_batches=1, val_check_interval=3,
        check_val_every_n_epoch=None, num_sanity_val_steps=0,
        callbacks=[
            note, EMAWeightAveraging(decay=0.8, use_buffers=False),
            ModelCheckpoint(folder, every_n_train_steps=2, save_last=True, save_top_k=0),
        ],
    )  # fmt: skip
    last = str(folder / "last.ckpt") if resume else None
    trainer.fit(module, SceneDataModule(data_dir=data, batch_size=2), ckpt_path=last)
    last_weights = torch.load(folder / "last.ckpt", weights_only=True)["current_model_state"] if rank == 0 else {}
    facts = {"ids": note.ids, "averaged": module.state_dict(), "last": last_weights, "step": trainer.global_step}
    torch.save(facts, folder / f"rank-{rank}{'-resumed' if resume else ''}.pt")


# ------------------------------------------------------------------------------------------ prediction


class DieAtSecond(pl.Callback):
    """The second process dies before its second clip."""

    def on_predict_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        if trainer.global_rank == 1 and batch_idx == 1:
            os._exit(9)


def predict(rank: int, data: Path, folder: Path, processes: int, die: bool) -> None:
    """Generate clips for the test captions."""
    torch.manual_seed(0)
    module, clips = DiffusionModule(denoiser=SMALL), SceneDataModule(data_dir=data, batch_size=1)
    module.model.load_state_dict(
        {"feature_mean": clips.normaliser.mean, "feature_std": clips.normaliser.std}, strict=False
    )
    extra = [DieAtSecond()] if die else []
    trainer = trainer_for(folder, processes, callbacks=[WriteClips(folder), *extra])
    trainer.predict(module, clips)


# ------------------------------------------------------------------------------------------ videos


class Mark(pl.Callback):
    """Leaves a file per step and rank."""

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        Path(trainer.default_root_dir, f"rank-{trainer.global_rank}-step-{trainer.global_step}").touch()


def train_with_videos(rank: int, data: Path, folder: Path) -> None:
    """The videos of step 2 are finished only after the other process has begun step 5."""

    def draw(drawing: Any) -> list[Any]:
        deadline = time.monotonic() + 120
        while not (folder / "rank-1-step-5").exists():
            if time.monotonic() > deadline:
                raise TimeoutError("the other process waits for the drawing")
            time.sleep(0.02)
        (folder / f"drawn-by-{rank}-step-{drawing.step}").touch()
        return []

    callbacks.samples.draw = draw
    callbacks.samples.renderer_problem = lambda: None
    callbacks.samples.one_process = lambda: ThreadPoolExecutor(1)
    torch.manual_seed(0)
    trainer = trainer_for(
        folder, limit_val_batches=1, val_check_interval=2, check_val_every_n_epoch=None, num_sanity_val_steps=0,
        callbacks=[Mark(), SampleVideos(["a person walks"], seconds=1.0, every=3)],
    )  # fmt: skip
    # Every third validation of two steps each would be the last step; count from the second on instead.
    trainer.callbacks[1]._validations = 2  # pyright: ignore[reportAttributeAccessIssue]
    trainer.fit(DiffusionModule(denoiser=SMALL), SceneDataModule(data_dir=data, batch_size=2))


def main(data: Path, out: Path) -> None:
    """All parts, each in its own folder."""
    torch.set_num_threads(1)
    for module in (datamodules.world_packing, callbacks.samples, lightning_app.module):
        module.load_text_encoder = letters
    codes: dict[str, list[int]] = {}
    for name in ("gradients", "straight", "cut", "predict", "videos"):
        (out / name).mkdir()
    codes["gradients"] = in_processes(2, gradients_of_two, out / "gradients")
    codes["reference"] = in_processes(1, gradients_of_one, out / "gradients")
    codes["straight"] = in_processes(2, fit, data, out / "straight", None, False)
    codes["cut"] = in_processes(2, fit, data, out / "cut", STOP, False)
    codes["resumed"] = in_processes(2, fit, data, out / "cut", None, True)
    codes["predict"] = in_processes(2, predict, data, out / "predict", 2, True)
    shutil.copytree(out / "predict", out / "predict_before")
    codes["predicted"] = in_processes(2, predict, data, out / "predict", 2, False)
    codes["nothing left"] = in_processes(2, predict, data, out / "predict", 2, False)
    codes["alone"] = in_processes(1, predict, data, out / "alone", 1, False)
    codes["videos"] = in_processes(2, train_with_videos, data, out / "videos")
    torch.save(codes, out / "codes.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
