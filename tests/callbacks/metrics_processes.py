"""Validation with MotionMetrics by one process and by two that talk through gloo; run by test_metrics.py."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import torch

import datamodules.world_packing
from callbacks import MotionMetrics
from carescene.evaluation.text_motion import TextMotionConfig, TextMotionEncoder, TextMotionEvaluator
from datamodules import SceneDataModule
from lightning_app.module import DiffusionModule

_SPEC = importlib.util.spec_from_file_location(
    "two_processes", Path(__file__).resolve().parents[1] / "lightning_app" / "two_processes.py"
)
assert _SPEC is not None and _SPEC.loader is not None
shared: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(shared)


def judge() -> TextMotionEvaluator:
    """A random encoder: the numbers mean nothing, and must be the same."""
    torch.manual_seed(3)
    model = TextMotionEncoder(TextMotionConfig(width=32, heads=2, layers=1, embedding=8))
    return TextMotionEvaluator(model, shared.letters().encode, "0" * 16)


def validate(rank: int, data: Path, out: Path, processes: int) -> None:
    """All validation clips in batches of four, the last ones uneven; what was logged is saved per rank."""
    torch.manual_seed(0)
    module, clips = DiffusionModule(denoiser=shared.SMALL), SceneDataModule(data_dir=data, batch_size=4)
    module.model.load_state_dict(
        {"feature_mean": clips.normaliser.mean, "feature_std": clips.normaliser.std}, strict=False
    )
    for value in module.parameters():
        value.data.add_(0.05 * torch.randn_like(value))
    metrics = MotionMetrics(steps=2, repeat_share=0.3, repeats=2, evaluator=judge())
    trainer = shared.trainer_for(out, processes, limit_val_batches=1.0, callbacks=[metrics])
    trainer.validate(module, clips, verbose=False)
    values = {name: float(value) for name, value in trainer.callback_metrics.items()}
    torch.save(values, out / f"{processes}-{rank}.pt")


def main(data: Path, out: Path) -> None:
    """One process, then two."""
    torch.set_num_threads(1)
    datamodules.world_packing.load_text_encoder = shared.letters
    codes = {count: shared.in_processes(count, validate, data, out, count) for count in (1, 2)}
    torch.save(codes, out / "codes.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
