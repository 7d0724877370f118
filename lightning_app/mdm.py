"""MDM as a LightningModule: the baseline, or its published weights, under the same training and sampling as ours."""

import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from carescene.clips import Clip
from carescene.clips.formats.humanml3d import vectors_to_clip
from diffusion.mdm import MdmConfig
from diffusion.mdm_files import load_published
from diffusion.mdm_model import MDM_PROCESS, MdmModel, MdmModelConfig
from diffusion.process import ProcessConfig
from diffusion.sampler import SamplerConfig
from lightning_app.training import Schedule, TrainingModule

_NETWORK: Final = MdmConfig()


class MdmModule(TrainingModule):
    """MDM (Tevet et al. 2023) on HumanML3D's 263 numbers; the data is `datamodules.HumanML3DVectorsDataModule`.

    Args:
        process: the chain; MDM predicts x0 on the cosine schedule of 1000 or 50 steps, all levels weighted alike.
        network: size of the network; the defaults are the published ones.
        text_dropout: share of training clips whose text is left out.
        weights: published checkpoint (model*.pt, with args.json beside it) to begin with or to generate from. Its
            chain and sizes take the place of `process` and `network`.
        learning_rate: peak learning rate; 1e-4 is the published one.
        weight_decay: AdamW's, on matrices only.
        betas: AdamW's averaging constants.
        schedule: after the warm-up, `constant` stays (as published), `cosine` falls to final_ratio at the last step.
        warmup_steps: steps of linear rise from zero.
        total_steps: steps over which the cosine falls; default is the length of the run.
        final_ratio: learning rate at the end of the cosine, as a share of the peak.
        sampler: name of the rule that `predict` samples with: ddpm, ddim or dpmpp.
        sampler_steps: network evaluations per clip; default is the whole chain.
        guidance: strength of the text; 2.5 is the published one.
        compile: compile the network with torch.compile; default is on GPUs only.
        seed: noise, noise levels and text dropout of every step.
    """

    def __init__(
        self,
        process: ProcessConfig = MDM_PROCESS,
        network: MdmConfig = _NETWORK,
        text_dropout: float = 0.1,
        weights: Path | None = None,
        learning_rate: float = 1e-4,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.999),
        schedule: Schedule = "constant",
        warmup_steps: int = 0,
        total_steps: int | None = None,
        final_ratio: float = 0.02,
        sampler: str = "ddpm",
        sampler_steps: int | None = None,
        guidance: float = 2.5,
        compile: bool | None = None,
        seed: int = 0,
    ) -> None:
        model = MdmModel(MdmModelConfig(process, network, text_dropout))
        if weights is not None:
            model = load_published(weights, model.normaliser)
        super().__init__(
            model,
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
        config = model.config
        self.sampler = SamplerConfig(
            sampler,  # pyright: ignore[reportArgumentType] (checked there)
            steps=config.process.steps if sampler_steps is None else sampler_steps,
            guidance=guidance,
        )

    @property
    def mdm(self) -> MdmModel:
        """The model."""
        assert isinstance(self.model, MdmModel)
        return self.model

    def setup(self, stage: str) -> None:
        """Take the statistics of the data into the model, and compile it if asked to.

        Raises:
            UserError: if the text features do not have the width that the network expects.
        """
        data = self.data
        if data is not None:
            self.check_text_width(self.mdm.config.network.text_dim, "model.init_args.network.text_dim")
        # Checkpoints of ours carry the statistics; published weights rely on those of the data they were trained on.
        if data is not None and stage in ("fit", "predict"):
            self.mdm.feature_mean.copy_(data.normaliser.mean)
            self.mdm.feature_std.copy_(data.normaliser.std)
            self.data_hash = data.data_hash if stage == "fit" else None
        self.compile_network(self.mdm.network)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Note what the weights were trained on, and their sizes."""
        super().on_save_checkpoint(checkpoint)
        # Not as Lightning's hyper-parameters: its command would merge those into a config that names a class.
        checkpoint["mdm"] = asdict(self.mdm.config)

    def losses(self, batch: dict[str, Any], generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Training and validation loss: each clip counts the same, so a mean over processes is exact already."""
        return self.mdm.loss(batch, generator)

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> list[Clip]:
        """One generated clip for each clip of the batch: same caption, length and id, seeded by the id."""
        frames = [int(count) for count in batch["frame_mask"].sum(-1)]
        seeds = [zlib.crc32(clip_id.encode()) for clip_id in batch["id"]]
        motion = self.mdm.sample(batch["text_tokens"], batch["text_mask"], frames, seeds, self.sampler)
        return [
            vectors_to_clip(vectors[:count].cpu().numpy(), clip_id, [caption])
            for vectors, count, clip_id, caption in zip(motion, frames, batch["id"], batch["caption"], strict=True)
        ]
