"""Callbacks that run at validation: which weights they see, how often, and what they write."""

import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from callbacks import ExportModel, SampleVideos
from callbacks.averaged import AtValidation
from carescene.clips import Clip
from carescene.errors import UserError
from datamodules import SceneDataModule
from diffusion.checkpoint import load_checkpoint
from diffusion.denoiser import DenoiserConfig
from lightning_app.module import DiffusionModule

pytestmark = pytest.mark.usefixtures("letter_encoder")


@pytest.fixture
def drawn_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw in a thread of this process, with stripes in place of people."""
    monkeypatch.setattr("callbacks.samples.one_process", lambda: ThreadPoolExecutor(1))
    monkeypatch.setattr("carescene.rendering.render_clip", draw_stripes)


def run(folder: Path, data_dir: Path, callbacks: list[pl.Callback], **options: Any) -> tuple[pl.Trainer, Any]:
    torch.manual_seed(0)
    model = DiffusionModule(denoiser=DenoiserConfig(dim=32, depth=1, heads=2, hidden=32), learning_rate=1e-2)
    trainer = pl.Trainer(
        **{
            "accelerator": "cpu",
            "max_steps": 6,
            "check_val_every_n_epoch": None,
            "val_check_interval": 2,
            "num_sanity_val_steps": 1,
            "logger": TensorBoardLogger(folder, name=None),
            "callbacks": callbacks,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "log_every_n_steps": 1,
            "use_distributed_sampler": False,
            "default_root_dir": folder,
            **options,
        }
    )
    trainer.fit(model, SceneDataModule(data_dir=data_dir, batch_size=4))
    return trainer, model


class Peek(AtValidation):
    """Notes the first weight at each call."""

    def __init__(self, every: int = 1, name: str = "peek") -> None:
        super().__init__(every)
        self.name = name
        self.seen: dict[int, torch.Tensor] = {}

    @property
    def state_key(self) -> str:
        return f"{self.name}-{super().state_key}"

    def act(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.seen[trainer.global_step] = next(pl_module.parameters()).detach().clone()


def test_acts_at_every_nth_validation_and_not_at_the_sanity_check(prepared_folder: Path, tmp_path: Path) -> None:
    every, second = Peek(), Peek(every=2)
    run(tmp_path, prepared_folder, [every, second])
    assert list(every.seen) == [2, 4, 6]
    assert list(second.seen) == [4]


def test_sees_averaged_weights_before_and_after_the_averaging_callback(prepared_folder: Path, tmp_path: Path) -> None:
    before, after = Peek(name="before"), Peek(name="after")
    averaging = EMAWeightAveraging(decay=0.9, use_buffers=False)
    _, model = run(tmp_path, prepared_folder, [before, averaging, after])
    assert all(torch.equal(before.seen[step], after.seen[step]) for step in (2, 4, 6))
    assert torch.equal(after.seen[6], next(model.parameters())), "training ends with the average in the model"
    plain = Peek()
    run(tmp_path, prepared_folder, [plain])
    assert not torch.equal(plain.seen[6], after.seen[6])


def test_keeps_its_rhythm_when_resumed() -> None:
    callback, resumed = Peek(every=3), Peek(every=3)
    callback._validations = 5
    resumed.load_state_dict(callback.state_dict())
    assert resumed._validations == 5


def test_exports_a_model_that_loads(prepared_folder: Path, tmp_path: Path) -> None:
    export = ExportModel(licence="CC0", half=False)
    trainer, model = run(tmp_path, prepared_folder, [EMAWeightAveraging(decay=0.9, use_buffers=False), export])
    folder = Path(str(trainer.log_dir))
    loaded, record = load_checkpoint(folder / "model.safetensors")
    for name, value in model.model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    assert record["metadata"]["data_hash"] == SceneDataModule(data_dir=prepared_folder).data_hash
    assert record["metadata"]["steps"] == 6
    assert record["metadata"]["text_encoder"] == "minilm"
    assert record["metadata"]["licence"] == "CC0"
    assert json.loads((folder / "model.json").read_text())["config"]["denoiser"]["dim"] == 32


def draw_stripes(clip: Clip, *, width: int, height: int, fps: float, workers: int) -> np.ndarray:
    """Stands in for the renderer: stripes that move, one picture per shown frame."""
    count = round(clip.seconds * fps)
    row = np.linspace(0, 255, width, dtype=np.uint8)
    rows = np.stack([np.roll(row, frame) for frame in range(count)])
    return np.broadcast_to(rows[:, None, :, None], (count, height, width, 3))


@pytest.mark.usefixtures("drawn_here")
def test_writes_videos_and_animated_images(prepared_folder: Path, tmp_path: Path) -> None:
    callback = SampleVideos(["a person walks", "a man sits"], seconds=1.0, size=32, steps=2)
    trainer, _ = run(tmp_path, prepared_folder, [callback], val_check_interval=3)
    folder = Path(str(trainer.log_dir))
    assert sorted(path.name for path in (folder / "samples").iterdir()) == [
        f"step-000000{step}_prompt-{prompt}.mp4" for step in (3, 6) for prompt in (0, 1)
    ]
    events = EventAccumulator(str(folder), size_guidance={"images": 0})
    events.Reload()
    assert events.Tags()["images"] == ["samples/0: a person walks", "samples/1: a man sits"]
    images = events.Images("samples/1: a man sits")
    assert [image.step for image in images] == [3, 6]
    with Image.open(io.BytesIO(images[0].encoded_image_string)) as picture:
        assert picture.format == "GIF"
        assert picture.n_frames == 10
        assert picture.size == (32, 32)
    assert {"train/loss", "val/loss"} <= set(events.Tags()["scalars"])


@pytest.mark.usefixtures("drawn_here")
def test_an_error_while_drawing_is_not_lost(
    prepared_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(clip: Clip, **_: Any) -> np.ndarray:
        raise RuntimeError("no pencil")

    monkeypatch.setattr("carescene.rendering.render_clip", fail)
    with pytest.raises(RuntimeError, match="no pencil"):
        run(tmp_path, prepared_folder, [SampleVideos(["a person walks"], seconds=1.0, size=32, steps=2)])


@pytest.mark.slow
def test_draws_people(prepared_folder: Path, tmp_path: Path) -> None:
    """With the real renderer in a process of its own: the picture is not of one colour."""
    callback = SampleVideos(["a person walks"], seconds=1.0, size=64, fps=2.0, steps=2)
    trainer, _ = run(tmp_path, prepared_folder, [callback], max_steps=2)
    events = EventAccumulator(str(trainer.log_dir), size_guidance={"images": 0})
    events.Reload()
    with Image.open(io.BytesIO(events.Images("samples/0: a person walks")[0].encoded_image_string)) as picture:
        assert np.asarray(picture.convert("RGB")).std() > 5


@pytest.mark.usefixtures("drawn_here")
def test_drawing_does_not_change_training(prepared_folder: Path, tmp_path: Path) -> None:
    _, plain = run(tmp_path, prepared_folder, [])
    _, drawn = run(tmp_path, prepared_folder, [SampleVideos(["a person walks"], seconds=1.0, size=32, steps=2)])
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), drawn.parameters(), strict=True))


def test_says_so_before_training_when_open3d_is_missing(
    prepared_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callbacks.samples.one_process", lambda: ThreadPoolExecutor(1))
    monkeypatch.setitem(__import__("sys").modules, "open3d", None)
    with pytest.raises(UserError, match=r"take SampleVideos out of trainer\.callbacks"):
        run(tmp_path, prepared_folder, [SampleVideos()])


def test_refuses_other_modules(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="MotionModel"):
        SampleVideos().setup(pl.Trainer(logger=False, accelerator="cpu"), pl.LightningModule(), "fit")


@pytest.mark.parametrize("options", [{"prompts": []}, {"prompts": [" "]}, {"seconds": 11.0}, {"every": 0}])
def test_refuses_bad_options(options: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="Expected"):
        SampleVideos(**options)
