"""The field's measures of generated motion during training, the same numbers whatever the number of processes."""

from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from carescene.clips.formats.humanml3d import decode_vectors
from carescene.clips.formats.humanml3d.layout import SWAP_UP
from carescene.errors import UserError
from carescene.evaluation.embedding_metrics import Multimodality, PooledMeasures, TextMotionMetrics, clip_number
from carescene.evaluation.joint_physics import BODY_FEET, HUMANML3D_FEET, JOINT_MEASURES, joint_totals
from carescene.evaluation.text_motion import PeopleMotion, TextMotionEvaluator, load_text_motion
from diffusion.mdm_model import MdmModel
from diffusion.model import MotionModel
from diffusion.representation import TRANS, features_to_rotations, model_joints
from diffusion.sampler import SamplerConfig
from diffusion.text import load_text_encoder

# Real and generated motion under these names in one table of sums.
_REAL = "real_"


class MotionMetrics(Callback):
    """Generates a motion for clips of the validation split, and logs how it compares with them.

    Logged under `val/<evaluator>/`: FID, R-precision, MM-dist, diversity, precision, recall, density, coverage and
    multimodality in the space of our text-motion encoder, and foot skating, sliding, jerk and foot penetration of
    generated and (`real_...`) real motion. A clip's motion depends on its id and the seed alone. Each process generates
    for its own batches; rows are gathered, and a clip that two processes were given counts once. The epoch can be
    chosen by these numbers, for instance with ModelCheckpoint; clips of the test split are therefore refused.

    Args:
        every: measure at every n-th validation.
        share: share of the validation clips that are measured, drawn by their ids; R-precision needs 32 clips, a
            covariance some hundred.
        steps: sampling steps.
        guidance: strength of the text; the sampler's default when None.
        repeat_share: share of the measured clips whose caption is generated `repeats` times, for multimodality.
        repeats: that many times.
        seed: of the generated motion.
        evaluator: the encoder; the one that ships when None.
    """

    def __init__(
        self,
        every: int = 1,
        share: float = 1.0,
        steps: int = 10,
        guidance: float | None = None,
        repeat_share: float = 0.05,
        repeats: int = 4,
        seed: int = 0,
        evaluator: TextMotionEvaluator | None = None,
    ) -> None:
        if every < 1 or steps < 1 or not 0 < share <= 1 or not 0 <= repeat_share <= 1 or repeats < 2:
            raise UserError(
                "Expected every and steps of at least 1, share within 0..1 and above 0, repeat_share within 0..1 and "
                f"repeats of at least 2, but got {every}, {steps}, {share}, {repeat_share} and {repeats}. Correct them."
            )
        guidance = SamplerConfig().guidance if guidance is None else guidance
        self._every, self._share, self._seed = every, share, seed
        self._repeat_share, self._repeats = repeat_share, repeats
        self._sampler = SamplerConfig(steps=steps, guidance=guidance)
        self._evaluator = evaluator
        self._validations, self._active = 0, False
        self._test_ids: frozenset[str] = frozenset()

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Load the evaluator before training begins.

        Raises:
            UserError: if the module trains no model that generates motion from text.
        """
        model = getattr(pl_module, "model", None)
        if not isinstance(model, MotionModel | MdmModel):
            raise UserError(
                f"Expected a module with a motion model in `.model`, but got {type(pl_module).__name__}. "
                "Leave MotionMetrics out of trainer.callbacks."
            )
        self._feet = BODY_FEET if isinstance(model, MotionModel) else HUMANML3D_FEET
        if self._evaluator is None:
            self._evaluator = load_text_motion(load_text_encoder().encode)
        sequences = getattr(getattr(getattr(trainer, "datamodule", None), "pack", None), "sequences", ())
        self._test_ids = frozenset(sequence.id for sequence in sequences if sequence.split == "test")

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin with empty tables; the sanity check is not measured."""
        self._active = False
        if trainer.sanity_checking:
            return
        self._validations += 1
        self._active = self._validations % self._every == 0
        width = self._judge.model.config.embedding
        names = [*JOINT_MEASURES, *(_REAL + name for name in JOINT_MEASURES)]
        # New ones rather than reset: what an interrupted validation left does not stay.
        self._table = TextMotionMetrics(width, self._judge.batch, self._seed).to(pl_module.device)
        self._many = Multimodality(width, seed=self._seed).to(pl_module.device)
        self._physics = PooledMeasures(names).to(pl_module.device)

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: dict[str, Any],
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Generate for this process's clips while the averaged weights, if any, are in place.

        Raises:
            UserError: for clips of the test split.
        """
        if not self._active or dataloader_idx > 0:
            return
        refuse_test_clips(batch["id"], self._test_ids)
        model: Any = pl_module.model
        rows = [
            row
            for row, name in enumerate(batch["id"])
            if _fraction(name, 1) < self._share and batch["caption"][row].strip()
        ]
        real = [real_people(model, batch, row) for row in rows]
        made = self._generate(model, batch, rows, 0)
        self._add(
            pl_module.device, [batch["id"][row] for row in rows], [batch["caption"][row] for row in rows], real, made
        )
        again = [row for row in rows if _fraction(batch["id"][row], 2) < self._repeat_share]
        for repeat in range(self._repeats):
            people = self._generate(model, batch, again, 1 + repeat)
            names = [f"{batch['id'][row]} {repeat}" for row in again]
            captions = torch.tensor([clip_number(batch["id"][row]) for row in again], dtype=torch.long)
            self._many.update(
                _numbers(names).to(pl_module.device),
                made=self._judge.embed_motions(people).to(pl_module.device),
                caption=captions.to(pl_module.device),
            )

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gather the tables of all processes, and log the same numbers on each."""
        if not self._active:
            return
        values = self._table.compute() | self._many.compute() | self._physics.compute()
        for name, value in values.items():
            pl_module.log(f"val/{self._judge.key}/{name}", value, sync_dist=False, batch_size=1)

    def state_dict(self) -> dict[str, int]:
        """How many validations there were, so that a resumed run keeps the rhythm."""
        return {"validations": self._validations}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Take over the count."""
        self._validations = state_dict["validations"]

    @property
    def _judge(self) -> TextMotionEvaluator:
        assert self._evaluator is not None
        return self._evaluator

    def _generate(self, model: Any, batch: dict[str, Any], rows: list[int], repeat: int) -> list[PeopleMotion]:
        people = {row: int(_presence(batch, row).any(-1).sum()) for row in rows}
        found: dict[int, PeopleMotion] = {}
        for persons in sorted(set(people.values())):
            some = [row for row in rows if people[row] == persons]
            frames = [_presence(batch, row).shape[1] for row in some]
            seeds = [clip_number(f"{batch['id'][row]} {self._seed} {repeat}") for row in some]
            text, mask = batch["text_tokens"][some], batch["text_mask"][some]
            more: dict[str, Any] = {"persons": persons} if isinstance(model, MotionModel) else {}
            with torch.no_grad():
                features = model.sample(text, mask, frames, seeds, self._sampler, **more)
            for row, one, count in zip(some, features, frames, strict=True):
                found[row] = people_from(model, one[..., :count, :])
        return [found[row] for row in rows]

    def _add(
        self,
        device: torch.device,
        ids: Sequence[str],
        captions: Sequence[str],
        real: Sequence[PeopleMotion],
        made: Sequence[PeopleMotion],
    ) -> None:
        number = _numbers(ids).to(device)
        self._table.update(
            number,
            real=self._judge.embed_motions(real).to(device),
            made=self._judge.embed_motions(made).to(device),
            text=self._judge.embed_texts(captions).to(device),
        )
        sums = {}
        for prefix, motions in (("", made), (_REAL, real)):
            totals = [joint_totals(one.joints[0], there=one.there[0], feet=self._feet) for one in motions]
            stacked = torch.stack(totals) if totals else torch.zeros(0, len(JOINT_MEASURES), 2)
            for at, name in enumerate(JOINT_MEASURES):
                sums[prefix + name] = stacked[:, at].float().to(device)
        self._physics.update(number, **sums)


def refuse_test_clips(ids: Sequence[str], test_ids: frozenset[str]) -> None:
    """Refuse to measure clips of the test split where an epoch may be chosen by the result.

    Raises:
        UserError: naming the first of them.
    """
    found = [name for name in ids if name in test_ids]
    if found:
        raise UserError(
            f"Expected clips of the validation split, but got {len(found)} of the test split, such as '{found[0]}'. A "
            "model that is chosen by its test clips looks better than it is; validate on val."
        )


def real_people(model: MotionModel | MdmModel, batch: dict[str, Any], row: int) -> PeopleMotion:
    """The motion of a validation clip, from its normalised features, by the path that generated motion takes."""
    there = _presence(batch, row)
    mean, std = (value.to(batch["motion"]) for value in (model.normaliser.mean, model.normaliser.std))
    features = batch["motion"][row][..., : there.shape[1], :] * std + mean
    if isinstance(model, MotionModel):
        kept = there.any(-1)
        return PeopleMotion(people_from(model, features[kept]).joints, there[kept].cpu())
    return people_from(model, features)


def people_from(model: MotionModel | MdmModel, features: Tensor) -> PeopleMotion:
    """Joints of generated or denormalised features of either model, everybody there in every frame."""
    features = features.detach().float().cpu()
    if isinstance(model, MotionModel):
        joints = model_joints(features_to_rotations(features), features[..., TRANS])
    else:
        joints = (decode_vectors(features) @ torch.from_numpy(np.asarray(SWAP_UP)).float().T)[None]
    return PeopleMotion(joints.float(), torch.ones(joints.shape[:2], dtype=torch.bool))


def _presence(batch: dict[str, Any], row: int) -> Tensor:
    """Who is there when, `(person, frame)`, up to the last frame in which somebody is."""
    mask = batch["frame_mask"][row]
    mask = mask if mask.ndim == 2 else mask[None]
    return mask[:, : int(mask.any(0).nonzero().max()) + 1]


def _numbers(names: Sequence[str]) -> Tensor:
    return torch.tensor([clip_number(name) for name in names], dtype=torch.long)


def _fraction(clip_id: str, purpose: int) -> float:
    """A number in 0..1 that a clip has in every process."""
    return clip_number(f"{purpose} {clip_id}") / 2**63
