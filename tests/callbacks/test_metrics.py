"""MotionMetrics: the same numbers from one process and from two, the averaged weights, and no test clips."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch

from callbacks import MotionMetrics
from callbacks.metrics import people_from, real_people, refuse_test_clips
from carescene.clips.formats.humanml3d import decode_vectors
from carescene.errors import UserError
from carescene.evaluation.embedding_metrics import (
    FrechetDistance,
    Multimodality,
    PooledMeasures,
    TextMotionMetrics,
    clip_number,
)
from carescene.evaluation.embedding_table import measure_embeddings
from carescene.evaluation.joint_physics import JOINT_MEASURES, joint_totals
from carescene.evaluation.physics import floor_penetration, foot_skating, jerk, sliding_fraction
from carescene.evaluation.text_motion import TextMotionConfig, TextMotionEncoder, TextMotionEvaluator
from datamodules import SceneDataModule
from diffusion.denoiser import DenoiserConfig
from diffusion.mdm import MdmConfig
from diffusion.mdm_model import MdmModel, MdmModelConfig
from lightning_app.module import DiffusionModule

HERE = Path(__file__).resolve().parent
SMALL = DenoiserConfig(dim=32, depth=1, heads=2, hidden=32)


def judge(letters: Any) -> TextMotionEvaluator:
    torch.manual_seed(3)
    model = TextMotionEncoder(TextMotionConfig(width=32, heads=2, layers=1, embedding=8))
    return TextMotionEvaluator(model, letters.encode, "0" * 16)


def module_for(data: SceneDataModule) -> DiffusionModule:
    module = DiffusionModule(denoiser=SMALL)
    statistics = {"feature_mean": data.normaliser.mean, "feature_std": data.normaliser.std}
    module.model.load_state_dict(statistics, strict=False)
    return module


def quiet(folder: Path, *callbacks: pl.Callback, **options: Any) -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=folder, callbacks=list(callbacks), **options,
    )  # fmt: skip


@pytest.mark.slow
def test_two_processes_log_what_one_logs(prepared_source: Path, tmp_path: Path):
    """35 clips in batches of four: the last batch is small, and one clip is given to both processes."""
    data = tmp_path / "prepared"
    (data / "splits").mkdir(parents=True)
    (data / "clips").mkdir()
    for number in range(35):
        for kind in ("json", "npz"):
            source = prepared_source / "clips" / f"train-{number % 12}.{kind}"
            target = data / "clips" / f"val-{number}.{kind}"
            if kind == "json":
                target.write_text(source.read_text().replace(f'"train-{number % 12}"', f'"val-{number}"'))
            else:
                target.symlink_to(source)
    for split, names in (("train", ["val-0"]), ("val", [f"val-{n}" for n in range(35)]), ("test", ["val-1"])):
        (data / "splits" / f"{split}.txt").write_text("\n".join(names) + "\n")
    (data / "splits" / "test.txt").write_text("")
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(HERE / "metrics_processes.py"), str(data), str(tmp_path)],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert torch.load(tmp_path / "codes.pt", weights_only=True) == {1: [0], 2: [0, 0]}, done.stderr[-3000:]
    one, first, second = (torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("1-0", "2-0", "2-1"))
    ours = {name.rsplit("/", 1)[1]: value for name, value in one.items() if "text-motion-" in name}
    assert ours["clips"] == 35
    wanted = {"fid", "r_top1", "r_top3", "mm_dist", "diversity", "multimodality", "coverage", *JOINT_MEASURES}
    assert wanted <= set(ours)
    assert ours["fid"] > 1e-4
    for name, value in ours.items():
        key = f"val/text-motion-00000000/{name}"
        # Relative to numbers above 1: jerk is in hundreds of m/s3.
        assert abs(first[key] - value) <= 1e-6 * max(1.0, abs(value)), name
        assert second[key] == first[key], name


def test_it_is_logged_while_training_for_every_rank_to_choose_by(prepared_source: Path, tmp_path: Path, letter_encoder):
    data = SceneDataModule(data_dir=prepared_source, batch_size=2, pack_dir=tmp_path / "packs")
    metrics = MotionMetrics(every=2, steps=1, evaluator=judge(letter_encoder))
    seen = []

    class Look(pl.Callback):
        def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            seen.append("val/text-motion-00000000/fid" in trainer.callback_metrics)

    trainer = quiet(
        tmp_path, metrics, Look(), max_steps=4, val_check_interval=1, check_val_every_n_epoch=None,
        num_sanity_val_steps=1, use_distributed_sampler=False,
    )  # fmt: skip
    trainer.fit(DiffusionModule(denoiser=SMALL), data)
    # The sanity check is not measured, and then every second validation is.
    assert seen[:3] == [False, False, True]
    assert trainer.callback_metrics["val/text-motion-00000000/clips"] == 3
    assert metrics.state_dict() == {"validations": 4}


def test_test_split_selection_bug_is_impossible(prepared_source: Path, tmp_path: Path, letter_encoder):
    """What is logged under val/ comes from validation clips; a loader that hands over test clips is refused."""
    data = SceneDataModule(data_dir=prepared_source, batch_size=2, pack_dir=tmp_path / "packs")
    data.val_dataloader = data.test_dataloader  # type: ignore[method-assign]
    trainer = quiet(tmp_path, MotionMetrics(steps=1, evaluator=judge(letter_encoder)))
    with pytest.raises(UserError, match="looks better than it is"):
        trainer.validate(module_for(data), data, verbose=False)
    # `lightning test` logs nothing that a choice could be made by.
    trainer = quiet(tmp_path, MotionMetrics(steps=1, evaluator=judge(letter_encoder)))
    data = SceneDataModule(data_dir=prepared_source, batch_size=2, pack_dir=tmp_path / "packs")
    trainer.test(module_for(data), data, verbose=False)
    assert not any("text-motion" in name for name in trainer.callback_metrics)
    refuse_test_clips(["a"], frozenset({"b"}))


def test_real_motion_takes_the_path_of_generated_motion(prepared_source: Path, tmp_path: Path, letter_encoder):
    data = SceneDataModule(data_dir=prepared_source, batch_size=3, pack_dir=tmp_path / "packs")
    model: Any = module_for(data).model
    batch = next(iter(data.val_dataloader()))
    for row in range(3):
        real = real_people(model, batch, row)
        frames = int(batch["frame_mask"][row, 0].sum())
        assert real.joints.shape == (1, frames, 22, 3)
        features = batch["motion"][row, :, :frames] * model.normaliser.std + model.normaliser.mean
        torch.testing.assert_close(people_from(model, features).joints, real.joints)
        assert real.joints[0, :, 15, 2].mean() > 1.2  # heads of walkers


def test_mdm_generates_and_is_compared_in_its_own_numbers(letter_encoder):
    torch.manual_seed(0)
    model = MdmModel(MdmModelConfig(network=MdmConfig(text_dim=384, dim=16, depth=1, heads=2, hidden=16)))
    there = torch.arange(24) < torch.tensor([24, 20])[:, None]
    text = letter_encoder.encode(["a person walks", "somebody sits"])
    batch = {
        "id": ["a", "b"],
        "motion": torch.randn(2, 24, 263) * there[..., None],
        "frame_mask": there,
        "text_tokens": text.tokens,
        "text_mask": text.mask,
    }
    metrics = MotionMetrics(steps=1, evaluator=judge(letter_encoder))
    made = metrics._generate(model, batch, [1, 0], 0)
    assert [one.joints.shape for one in made] == [(1, 20, 22, 3), (1, 24, 22, 3)]
    real = real_people(model, batch, 1)
    assert real.joints.shape == (1, 20, 22, 3)
    vectors = batch["motion"][1, :20] * model.normaliser.std + model.normaliser.mean
    torch.testing.assert_close(real.joints[0, ..., 2], decode_vectors(vectors)[..., 1].float())  # z up


def test_bad_settings_and_other_modules_are_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"share within 0\.\.1"):
        MotionMetrics(share=0.0)
    with pytest.raises(UserError, match="Leave MotionMetrics out"):
        MotionMetrics().setup(quiet(tmp_path), pl.LightningModule(), "fit")


# ------------------------------------------------------------------------------------------------- tables of rows


def test_rows_that_come_twice_count_once_and_order_does_not_matter():
    real, made, text = torch.randn(3, 40, 6)
    numbers = torch.tensor([clip_number(f"clip {n}") for n in range(40)])
    one, two = TextMotionMetrics(6), TextMotionMetrics(6)
    order = numbers.argsort()
    one.update(numbers, real=real, made=made, text=text)
    shuffled = torch.cat((torch.randperm(40), torch.tensor([3, 3, 17])))
    for part in shuffled.split(9):
        two.update(numbers[part], real=real[part], made=made[part], text=text[part])
    assert one.compute() == two.compute()
    expected = measure_embeddings(real[order], made[order], text[order])
    assert one.compute() == expected | {"clips": 40.0}
    alone = FrechetDistance(6)
    alone.update(numbers, real=real, made=made, text=text)
    assert alone.compute() == {"fid": expected["fid"]}


def test_processes_without_clips_do_no_harm():
    metric = TextMotionMetrics(6)
    metric.update(
        torch.zeros(0, dtype=torch.long), real=torch.zeros(0, 6), made=torch.zeros(0, 6), text=torch.zeros(0, 6)
    )
    assert metric.compute() == {"clips": 0.0}
    many, pooled = Multimodality(6), PooledMeasures(["a"])
    many.update(torch.zeros(0, dtype=torch.long), made=torch.zeros(0, 6), caption=torch.zeros(0, dtype=torch.long))
    pooled.update(torch.zeros(0, dtype=torch.long), a=torch.zeros(0, 2))
    assert many.compute() == {}
    assert pooled.compute() == {"a": 0.0}


def test_rows_of_other_encoders_are_refused():
    metric = TextMotionMetrics(6)
    with pytest.raises(UserError, match="different clips or encoders"):
        metric.update(torch.arange(2), real=torch.zeros(2, 6), made=torch.zeros(2, 5), text=torch.zeros(2, 6))


def test_joint_physics_are_those_of_the_single_measures():
    torch.manual_seed(0)
    joints = torch.randn(50, 22, 3).cumsum(0) * 0.005 + torch.tensor([0.0, 0.0, 0.04])
    sums = joint_totals(joints)
    values = dict(zip(JOINT_MEASURES, (sums[:, 0] / sums[:, 1].clamp(min=1)).tolist(), strict=True))
    assert values["skating"] == pytest.approx(foot_skating(joints, 20.0).item(), rel=1e-5)
    assert values["sliding"] == pytest.approx(sliding_fraction(joints, 20.0).item(), rel=1e-5)
    assert values["jerk"] == pytest.approx(jerk(joints, 20.0).item(), rel=1e-5)
    soles = joints[:, [7, 8, 10, 11]] - torch.tensor([0.04, 0.04, 0.02, 0.02])[:, None] * torch.tensor([0.0, 0, 1])
    assert values["penetration"] == pytest.approx(floor_penetration(soles).item(), rel=1e-5)
    assert values["skating"] > 0
