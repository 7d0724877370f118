"""Train MDM and our model on the same clips with the same budget, and set them side by side in one table.

    .venv/bin/python tools/compare_mdm.py --data data/prepared/mocap --out runs/compare_mdm \
        [--clips 300 40 64] [--prompts 64] [--steps 300] [--batch 16] [--width 128] [--depth 4] \
        [--encoder minilm] [--chain 50]

Both get the same clips (with mirrored copies), captions, text encoder, batch size, steps, optimiser, learning rate and
averaging, and networks of the same width and depth. Ours sees posed bodies, MDM HumanML3D's 263 numbers of the same
clips, each as it is meant to. CPU time is measured, not wall time, so that other work on the machine does not count.
Test captions and lengths are those of the test clips; everything is measured on clips (the joints of posed bodies),
never on features. FID is taken against real test clips that gave no prompt. A stopped run goes on where it was.
Writes OUT/comparison.json and OUT/comparison.md.
"""

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint, TQDMProgressBar

from carescene.clips import Clip, load_clip, save_clip
from carescene.clips.formats.humanml3d import clip_to_vectors, vectors_to_clip
from carescene.errors import UserError
from carescene.evaluation.embedding_table import measure_embeddings
from carescene.evaluation.physics import Total, foot_skating_total, jerk_total
from carescene.evaluation.text_motion import TextMotionEvaluator, load_text_motion
from carescene.export.humanml3d import export_humanml3d
from carescene.export.settings import ExportSettings
from carescene.files import write_atomically
from datamodules import HumanML3DVectorsDataModule, SceneDataModule
from datamodules.pack import read_split
from diffusion.denoiser import DenoiserConfig
from diffusion.generator import MotionGenerator
from diffusion.mdm import MdmConfig
from diffusion.process import ProcessConfig
from diffusion.sampler import SamplerConfig
from diffusion.text import load_text_encoder
from lightning_app.evaluation.described import people_motion
from lightning_app.mdm import MdmModule
from lightning_app.module import DiffusionModule
from lightning_app.training import TrainingModule

LEARNING_RATE = 8e-4
# Clips whose sampling is timed, one at a time.
TIMED = 6
# Real test clips that FID and neighbours are taken against.
REFERENCE = 120


@dataclass(frozen=True)
class Prompt:
    """What a test clip asks for."""

    id: str
    caption: str
    frames: int


class CpuSeconds(pl.Callback):
    """CPU time of this process since training began, over all its runs."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._since = 0.0

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._since = time.process_time()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.seconds += time.process_time() - self._since

    def state_dict(self) -> dict[str, float]:
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        self.seconds = state_dict["seconds"]


def subset(data: Path, folder: Path, counts: list[int], seed: int = 0) -> Path:
    """A prepared folder of some clips of another one: the same draw every time."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "clips").exists():
        (folder / "clips").symlink_to((data / "clips").resolve())
    for split, count in zip(("train", "val", "test"), counts, strict=True):
        ids = read_split(data, split)
        random.Random(seed).shuffle(ids)
        # Shorter than 2 s is nothing that HumanML3D's rules take; clips are opened until there are enough.
        long_enough = (name for name in ids if load_clip(data / "clips" / name).num_frames >= 42)
        chosen = sorted(islice(long_enough, count))
        text = "".join(f"{name}\n" for name in chosen)
        write_atomically(folder / "splits" / f"{split}.txt", lambda file, text=text: file.write(text.encode()))
    return folder


def train(module: TrainingModule, data: pl.LightningDataModule, folder: Path, steps: int) -> float:
    """Train to `steps` with averaged weights, from the last checkpoint on; CPU seconds of all training steps."""
    clock = CpuSeconds()
    last = folder / "last.ckpt"
    trainer = pl.Trainer(
        accelerator="cpu", max_steps=steps, precision="32-true", gradient_clip_val=1.0, logger=False,
        limit_val_batches=0, num_sanity_val_steps=0, use_distributed_sampler=False, enable_model_summary=False,
        default_root_dir=folder,
        callbacks=[
            EMAWeightAveraging(decay=0.99, use_buffers=False), clock, TQDMProgressBar(refresh_rate=10),
            ModelCheckpoint(folder, every_n_train_steps=50, save_last=True, save_top_k=0),
        ],
    )  # fmt: skip
    if last.is_file() and torch.load(last, weights_only=True)["global_step"] >= steps:
        content = torch.load(last, weights_only=True)
        module.load_state_dict(content["state_dict"])
        return next(float(state["seconds"]) for name, state in content["callbacks"].items() if "CpuSeconds" in name)
    trainer.fit(module, data, ckpt_path=str(last) if last.is_file() else None)
    return clock.seconds


def sample(
    prompts: list[Prompt], folder: Path, make: Callable[[Prompt, int], Any], to_clip: Callable[[Any, Prompt], Clip]
) -> tuple[list[Clip], float]:
    """A clip per prompt, kept on disk; and the CPU seconds that sampling alone takes, median over some clips."""
    clips, seconds = [], []
    clock = folder / "seconds.json"
    for number, prompt in enumerate(prompts):
        path = folder / f"{prompt.id}.json"
        if not path.is_file():
            begun = time.process_time()
            made = make(prompt, number)
            seconds.append(time.process_time() - begun)
            save_clip(to_clip(made, prompt), folder)
        clips.append(load_clip(path))
    if len(seconds) >= TIMED:
        write_atomically(clock, lambda file: file.write(json.dumps(float(np.median(seconds[-TIMED:]))).encode()))
    return clips, float(json.loads(clock.read_text()))


def measures(
    clips: list[Clip], prompts: list[Prompt], real: torch.Tensor, evaluator: TextMotionEvaluator | None
) -> dict[str, float]:
    """Distribution and text measures of the evaluator, and physics of the joints."""
    motions = [people_motion(clip) for clip in clips]
    values = {}
    for name, of in (("skate", foot_skating_total), ("jerk", jerk_total)):
        totals = [of(motion.joints, 20.0, motion.there) for motion in motions]
        values[name] = float(Total(*(torch.stack(part).sum() for part in zip(*totals, strict=True))).mean())
    if evaluator is not None:
        made = evaluator.embed_motions(motions)
        text = evaluator.embed_texts([prompt.caption for prompt in prompts])
        values |= measure_embeddings(real, made, text, evaluator.batch)
    return values


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """Everything, step by step; each step finds what an earlier run left."""
    out: Path = options.out
    torch.set_num_threads(1)
    corpus = subset(options.data, out / "corpus", options.clips)
    vectors = out / "humanml3d"
    if not (vectors / "Std.npy").is_file():
        export_humanml3d([corpus], ExportSettings(out=vectors, workers=1))
    encoder = load_text_encoder(options.encoder)
    shared = {
        "learning_rate": LEARNING_RATE, "weight_decay": 0.01, "betas": (0.9, 0.99), "schedule": "cosine",
        "warmup_steps": 50, "compile": False,
    }  # fmt: skip
    width, depth, hidden = options.width, options.depth, 2 * options.width
    torch.manual_seed(0)
    ours = DiffusionModule(
        denoiser=DenoiserConfig(dim=width, depth=depth, heads=4, hidden=hidden, text_dim=encoder.width),
        curriculum_steps=max(1, options.steps // 4), **shared,
    )  # fmt: skip
    torch.manual_seed(0)
    mdm = MdmModule(
        ProcessConfig(steps=options.chain, weighting="plain"),
        MdmConfig(text_dim=encoder.width, dim=width, depth=depth, heads=4, hidden=hidden, mask_padding=True), **shared,
    )  # fmt: skip
    # As they occur and on the reference body, as theirs.
    our_data = SceneDataModule(
        data_dir=corpus, batch_size=options.batch, text_encoder=options.encoder, balance=0.0, shape_augment=False
    )
    their_data = HumanML3DVectorsDataModule(vectors, batch_size=options.batch, text_encoder=options.encoder)
    training = {
        "ours": train(ours, our_data, out / "ours", options.steps),
        "mdm": train(mdm, their_data, out / "mdm", options.steps),
    }
    rows = _rows(options, ours, mdm, encoder, _prompts(corpus, options.prompts), training)
    return {
        "options": {name: str(value) for name, value in vars(options).items()},
        "parameters": {"ours": _size(ours.model), "mdm": _size(mdm.mdm.network)},
        "training_cpu_seconds": training,
        "clips": {split: len(read_split(corpus, split)) for split in ("train", "val", "test")},
        **rows,
    }


def _prompts(corpus: Path, count: int) -> list[Prompt]:
    ids = read_split(corpus, "test")
    ids = sorted(random.Random(2).sample(ids, min(count, len(ids))))
    clips = [load_clip(corpus / "clips" / name) for name in ids]
    return [Prompt(clip.id, random.Random(clip.id).choice(clip.text), min(clip.num_frames, 196)) for clip in clips]


def _rows(
    options: argparse.Namespace, ours: DiffusionModule, mdm: MdmModule, encoder: Any, prompts: list[Prompt],
    training: dict[str, float],
) -> dict[str, Any]:  # fmt: skip
    out: Path = options.out
    generator = MotionGenerator(ours.model.eval(), encoder)  # pyright: ignore[reportArgumentType]
    network = mdm.mdm.eval()

    def our_clip(cleanup: bool) -> Callable[[Prompt, int], Any]:
        return lambda prompt, seed: generator.generate(
            [prompt.caption], [prompt.frames], [seed], ids=[prompt.id], batch_size=1, cleanup=cleanup
        )[0]

    def their_vectors(sampler: SamplerConfig) -> Callable[[Prompt, int], Any]:
        def make(prompt: Prompt, seed: int) -> np.ndarray:
            text = encoder.encode([prompt.caption])
            return network.sample(text.tokens, text.mask, [prompt.frames], [seed], sampler)[0].numpy()

        return make

    def from_vectors(vectors: Any, prompt: Prompt) -> Clip:
        return vectors_to_clip(vectors, prompt.id, [prompt.caption])

    real = [load_clip(out / "corpus" / "clips" / prompt.id) for prompt in prompts]
    chain = SamplerConfig("ddpm", steps=options.chain)
    made: dict[str, tuple[list[Clip], float | None]] = {
        "real": (real, None),
        "real, through the 263 numbers": (
            [from_vectors(clip_to_vectors(clip).vectors, prompt) for clip, prompt in zip(real, prompts, strict=True)],
            None,
        ),
        "ours, 20 steps": sample(prompts, out / "clips" / "ours", our_clip(False), lambda clip, _: clip),
        "ours, 20 steps, feet held": sample(prompts, out / "clips" / "held", our_clip(True), lambda clip, _: clip),
        f"MDM, {options.chain} steps (as published)": sample(
            prompts, out / "clips" / "mdm", their_vectors(chain), from_vectors
        ),
        "MDM, 20 steps of our solver": sample(
            prompts, out / "clips" / "mdm_dpmpp", their_vectors(SamplerConfig()), from_vectors
        ),
    }
    evaluator = _evaluator(encoder)
    reference = torch.zeros(0, 1)
    if evaluator is not None:
        reference = evaluator.embed_motions([people_motion(clip) for clip in _others(options, prompts)])
    table = {
        name: {"seconds": seconds, **measures(clips, prompts, reference, evaluator)}
        for name, (clips, seconds) in made.items()
    }
    return {"evaluator": None if evaluator is None else evaluator.name, "count": len(prompts), "rows": table}


def _others(options: argparse.Namespace, prompts: list[Prompt]) -> list[Clip]:
    """Real test clips that gave no prompt: what all rows, real ones included, are held against."""
    asked = {prompt.id for prompt in prompts}
    ids = [name for name in read_split(options.data, "test") if name not in asked]
    ids = sorted(random.Random(1).sample(ids, min(REFERENCE, len(ids))))
    return [load_clip(options.data / "clips" / name) for name in ids]


def _evaluator(encoder: Any) -> TextMotionEvaluator | None:
    try:
        return load_text_motion(load_text_encoder("minilm").encode)
    except UserError as error:
        # Physics and speed can be told without it; the table says that it is missing.
        sys.stderr.write(f"no text-motion encoder, so no FID and R-precision: {error}\n")
        return None


def _size(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def markdown(result: dict[str, Any]) -> str:
    """The table."""
    columns = {
        "fid": ("FID", "{:.3f}"), "r_top1": ("R top 1", "{:.2f}"), "r_top3": ("R top 3", "{:.2f}"),
        "mm_dist": ("MM-dist", "{:.3f}"), "diversity": ("diversity", "{:.3f}"), "skate": ("skating m/s", "{:.3f}"),
        "jerk": ("jerk m/s3", "{:.0f}"),        "seconds": ("CPU s per clip", "{:.2f}"),
    }  # fmt: skip
    lines = [
        f"N = {result['count']} test captions, one clip each; evaluator {result['evaluator'] or 'none'}; guidance 2.5; "
        f"{result['options']['steps']} training steps of {result['options']['batch']} clips, "
        f"{result['clips']['train']} training clips and their mirror images; parameters: ours "
        f"{result['parameters']['ours']:,}, MDM {result['parameters']['mdm']:,}; CPU seconds of training: ours "
        f"{result['training_cpu_seconds']['ours']:.0f}, MDM {result['training_cpu_seconds']['mdm']:.0f}.",
        "",
        "| | " + " | ".join(name for name, _ in columns.values()) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for name, row in result["rows"].items():
        cells = [form.format(row[key]) if row.get(key) is not None else "" for key, (_, form) in columns.items()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Read the arguments and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clips", type=int, nargs=3, default=[300, 40, 64], metavar=("TRAIN", "VAL", "TEST"))
    parser.add_argument("--prompts", type=int, default=64, help="test clips whose captions are generated for")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--chain", type=int, default=50, help="length of MDM's chain: 50 or 1000 as published")
    parser.add_argument("--encoder", default="minilm", help="for both; clip-sentence:ViT-B/32 is what MDM used")
    options = parser.parse_args()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    result = compare(options)
    write_atomically(options.out / "comparison.json", lambda file: file.write(json.dumps(result, indent=1).encode()))
    table = markdown(result)
    write_atomically(options.out / "comparison.md", lambda file: file.write(table.encode()))
    sys.stdout.write(table)


if __name__ == "__main__":
    main()
