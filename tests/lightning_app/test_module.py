"""The training module: exact resumption, averaging, schedule, processes in step, and what it refuses."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint

from carescene.errors import UserError
from datamodules import SceneDataModule
from diffusion.denoiser import DenoiserConfig
from diffusion.model import LossConfig
from lightning_app.module import DiffusionModule
from lightning_app.training import learning_rate_factor

SMALL = DenoiserConfig(dim=32, depth=2, heads=2, hidden=32)


class Record(pl.Callback):
    """Notes loss and learning rate of every step, and stops the run before step `stop_before`, as a power cut would."""

    def __init__(self, stop_before: int | None = None) -> None:
        self.losses: list[float] = []
        self.rates: list[float] = []
        self._stop_before = stop_before

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == self._stop_before:
            raise InterruptedError("power cut")

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.losses.append(float(outputs["loss"]))
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])


def trainer_for(folder: Path, record: Record, **options: Any) -> pl.Trainer:
    defaults: dict[str, Any] = {
        "accelerator": "cpu",
        "devices": 1,
        "max_steps": 20,
        "check_val_every_n_epoch": None,
        "val_check_interval": 8,
        "num_sanity_val_steps": 0,
        "gradient_clip_val": 1.0,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "default_root_dir": folder,
        "use_distributed_sampler": False,
        "callbacks": [
            EMAWeightAveraging(decay=0.8, use_buffers=False),
            ModelCheckpoint(folder, every_n_train_steps=5, save_last=True, save_top_k=0),
            record,
        ],
    }
    return pl.Trainer(**{**defaults, **options})


def module(**options: Any) -> DiffusionModule:
    torch.manual_seed(1)
    loss = LossConfig(shared_level=0.4, known_tokens=0.3)  # so that every kind of example occurs
    return DiffusionModule(denoiser=SMALL, loss=loss, warmup_steps=5, **options)


def weights(model: DiffusionModule) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.usefixtures("letter_encoder")
@pytest.mark.parametrize("epoch_length", ["one pass", "whole run"])
def test_twenty_steps_are_ten_and_ten_more_bit_for_bit(
    prepared_folder: Path, tmp_path: Path, epoch_length: str
) -> None:
    """With 12 clips in batches of 5 a pass has 2 batches, so runs also cross passes and epochs."""
    options = {} if epoch_length == "whole run" else {"max_steps": -1, "max_epochs": 10, "val_check_interval": 2}

    def data() -> SceneDataModule:
        return SceneDataModule(data_dir=prepared_folder, batch_size=5)

    straight, whole = Record(), module()
    trainer = trainer_for(tmp_path / "straight", straight, **options)
    trainer.fit(whole, data())
    assert trainer.global_step == 20

    first = Record(stop_before=13)
    with pytest.raises(InterruptedError):
        trainer_for(tmp_path / "cut", first, **options).fit(module(), data())
    second, resumed = Record(), module()
    torch.manual_seed(999)  # a new process starts from another random state
    trainer = trainer_for(tmp_path / "cut", second, **options)
    trainer.fit(resumed, data(), ckpt_path=str(tmp_path / "cut" / "last.ckpt"))

    assert trainer.global_step == 20
    assert len(second.losses) == 10, "the last checkpoint is from step 10; steps 11 to 13 are made again"
    assert first.losses[:10] + second.losses == straight.losses
    assert first.rates[:10] + second.rates == straight.rates
    for name, value in weights(whole).items():
        assert torch.equal(weights(resumed)[name], value), name


@pytest.mark.usefixtures("letter_encoder")
def test_a_finished_run_can_be_prolonged(prepared_folder: Path, tmp_path: Path) -> None:
    data = SceneDataModule(data_dir=prepared_folder, batch_size=5)
    straight, first, second = Record(), Record(), Record()
    trainer_for(tmp_path / "a", straight).fit(module(schedule="constant"), data)
    short = trainer_for(tmp_path / "b", first, max_steps=10)
    short.fit(module(schedule="constant"), SceneDataModule(data_dir=prepared_folder, batch_size=5))
    longer = trainer_for(tmp_path / "b", second)
    longer.fit(
        module(schedule="constant"),
        SceneDataModule(data_dir=prepared_folder, batch_size=5),
        ckpt_path=str(tmp_path / "b" / "last.ckpt"),
    )
    assert first.losses + second.losses == straight.losses


@pytest.mark.usefixtures("letter_encoder")
def test_training_lowers_the_loss_and_ends_with_averaged_weights(prepared_folder: Path, tmp_path: Path) -> None:
    record, model = Record(), module(learning_rate=3e-3)
    trainer = trainer_for(tmp_path, record, max_steps=60, val_check_interval=60)
    trainer.fit(model, SceneDataModule(data_dir=prepared_folder, batch_size=12))
    assert sum(record.losses[-10:]) < 0.6 * sum(record.losses[:10])
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 60
    for name, value in weights(model).items():
        assert torch.equal(value, checkpoint["state_dict"][name]), name
    last = checkpoint["current_model_state"]
    assert any(not torch.equal(last[name], checkpoint["state_dict"][name]) for name in last), "average and last differ"


@pytest.mark.usefixtures("letter_encoder")
def test_a_checkpoint_says_what_it_was_trained_on(prepared_folder: Path, tmp_path: Path) -> None:
    data = SceneDataModule(data_dir=prepared_folder, batch_size=5)
    trainer_for(tmp_path, Record(), max_steps=5).fit(module(), data)
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert checkpoint["data_hash"] == data.data_hash
    assert checkpoint["hyper_parameters"]["denoiser"]["dim"] == 32
    torch.testing.assert_close(checkpoint["state_dict"]["model.feature_mean"], data.normaliser.mean)


@pytest.mark.usefixtures("letter_encoder")
def test_refuses_to_resume_on_other_data(prepared_folder: Path, tmp_path: Path) -> None:
    trainer_for(tmp_path, Record(), max_steps=5).fit(module(), SceneDataModule(data_dir=prepared_folder, batch_size=5))
    (prepared_folder / "splits" / "test.txt").write_text("test-0\n")
    with pytest.raises(UserError, match="holds other clips"):
        trainer_for(tmp_path, Record()).fit(
            module(), SceneDataModule(data_dir=prepared_folder, batch_size=5), ckpt_path=str(tmp_path / "last.ckpt")
        )


@pytest.mark.usefixtures("letter_encoder")
def test_validation_uses_the_same_noise_every_time(prepared_folder: Path, tmp_path: Path) -> None:
    model, data = module(), SceneDataModule(data_dir=prepared_folder, batch_size=2)
    trainer = trainer_for(tmp_path, Record(), callbacks=[])
    first = trainer.validate(model, data, verbose=False)
    torch.manual_seed(123)
    assert trainer.validate(model, data, verbose=False) == first
    assert set(first[0]) >= {"val/loss", "val/x0_error"}


@pytest.mark.usefixtures("letter_encoder")
def test_refuses_text_of_another_width(prepared_folder: Path, tmp_path: Path) -> None:
    model = DiffusionModule(denoiser=DenoiserConfig(dim=32, depth=1, heads=2, hidden=32, text_dim=512))
    with pytest.raises(UserError, match=r"Set model\.denoiser\.text_dim=384"):
        trainer_for(tmp_path, Record()).fit(model, SceneDataModule(data_dir=prepared_folder))


@pytest.mark.parametrize("option", [{"learning_rate": 0.0}, {"warmup_steps": -1}, {"final_ratio": 1.5}])
def test_refuses_numbers_out_of_range(option: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="Correct the config"):
        DiffusionModule(denoiser=SMALL, **option)


# ------------------------------------------------------------------------------------------------ schedule


def test_learning_rate_rises_falls_and_stays() -> None:
    factor = learning_rate_factor(10, 110, 0.1)
    assert [factor(step) for step in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert factor(60) == pytest.approx(0.55), "half way down the cosine"
    assert factor(110) == factor(500) == pytest.approx(0.1)
    values = [factor(step) for step in range(10, 111)]
    assert values == sorted(values, reverse=True)


def test_constant_schedule_and_no_warmup() -> None:
    constant = learning_rate_factor(4, None, 0.1)
    assert [constant(step) for step in (0, 3, 4, 10_000)] == pytest.approx([0.25, 1, 1, 1])
    assert learning_rate_factor(0, 100, 0.0)(0) == 1.0


def test_warmup_of_a_short_run_is_shortened() -> None:
    factor = learning_rate_factor(500, 60, 0.0)
    assert max(factor(step) for step in range(60)) == 1.0


def test_matrices_decay_and_nothing_else() -> None:
    model = module(schedule="constant", weight_decay=0.3)
    groups = model.configure_optimizers()["optimizer"].param_groups
    decays = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert decays == {id(p): (0.3 if p.ndim >= 2 else 0.0) for p in model.parameters()}


# ------------------------------------------------------------------------------------------------ processes

RANKS = """
import json, sys, torch
import lightning.pytorch as pl
from pathlib import Path
from datamodules import SceneDataModule
from diffusion.denoiser import DenoiserConfig
from lightning_app.module import DiffusionModule

class Note(pl.Callback):
    ids = []
    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        self.ids.append(batch["id"])

if __name__ == "__main__":
    data_dir, out, encoder = sys.argv[1:]
    torch.set_num_threads(1)
    torch.manual_seed(0)
    note = Note()
    model = DiffusionModule(denoiser=DenoiserConfig(dim=32, depth=1, heads=2, hidden=32))
    trainer = pl.Trainer(accelerator="cpu", devices=2, strategy="ddp", max_steps=2, logger=False, callbacks=[note],
                         enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
                         use_distributed_sampler=False, limit_val_batches=0, default_root_dir=out)
    trainer.fit(model, SceneDataModule(data_dir=Path(data_dir), batch_size=3, text_encoder=encoder))
    facts = {"ids": note.ids, "weights": [float(p.double().sum()) for p in model.parameters()]}
    Path(out, f"rank-{trainer.global_rank}.json").write_text(json.dumps(facts))
"""


@pytest.mark.slow
def test_two_processes_share_the_data_and_keep_the_same_weights(prepared_folder: Path, tmp_path: Path) -> None:
    import json

    script = tmp_path / "ranks.py"
    script.write_text(RANKS)
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "CARESCENE_CACHE": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(script), str(prepared_folder), str(tmp_path), "minilm"],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    ranks = [json.loads((tmp_path / f"rank-{rank}.json").read_text()) for rank in (0, 1)]
    for one, other in zip(ranks[0]["ids"], ranks[1]["ids"], strict=True):
        assert len(one) == len(other) == 3
        assert not set(one) & set(other)
    assert ranks[0]["weights"] == ranks[1]["weights"]
