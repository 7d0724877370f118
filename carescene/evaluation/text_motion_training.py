"""Training of the text-motion encoder: contrastive, with captions that also fit left out of the negatives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from carescene.errors import UserError
from carescene.evaluation.recogniser_training import mirrored_joints
from carescene.evaluation.retrieval import r_precision
from carescene.evaluation.text_motion import STRIDE, PeopleMotion, TextMotionConfig, TextMotionEncoder, pad_people
from carescene.files import write_atomically
from carescene.training_state import read_training_state

# Largest logit scale, as in CLIP: beyond it, single pairs dominate.
_MAX_SCALE: Final = 100.0


class Described(NamedTuple):
    """One motion, its captions, and the captions of its mirror image."""

    motion: PeopleMotion
    captions: Sequence[str]
    mirrored: Sequence[str]


@dataclass(frozen=True)
class TextMotionTraining:
    """Training settings.

    Attributes:
        epochs, batch, learning_rate, weight_decay: ordinary settings; 10 epochs of 6,800 motions take four minutes of
            one CPU core.
        crop: up to this fraction of a motion is cut off at its ends.
        noise_m: largest standard deviation of the position noise, so that the slight roughness of a generated motion
            does not decide.
        seed: everything random follows from it.
    """

    epochs: int = 10
    batch: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    crop: float = 0.1
    noise_m: float = 0.01
    seed: int = 0


# Token features of a caption, by its text.
Texts = Mapping[str, Float[Tensor, "token channel"]]


def contrastive_loss(
    motion: Float[Tensor, "n feature"],
    text: Float[Tensor, "n feature"],
    scale: Float[Tensor, ""],
    same: Bool[Tensor, "n n"] | None = None,
) -> Float[Tensor, ""]:
    """Symmetric cross entropy of matching pairs among all pairs (InfoNCE, van den Oord et al. 2018; CLIP).

    Args:
        motion, text: unit vectors; row i of one belongs to row i of the other.
        scale: factor on the cosines.
        same: `[i, j]` where text j also describes motion i, which is then no negative; the diagonal does not matter.
            Captions are made from labels and often equal (TMR leaves out similar ones for the same reason; by
            similarity, however, "turns left" is like "turns right").
    """
    logits = scale * motion @ text.T
    if same is not None:
        others = ~torch.eye(len(logits), dtype=torch.bool, device=logits.device)
        logits = logits.masked_fill(same & others, -torch.inf)
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def train_text_motion(
    train: Sequence[Described],
    val: Sequence[Described],
    texts: Texts,
    config: TextMotionConfig | None = None,
    training: TextMotionTraining | None = None,
    on_epoch: Callable[[int, float, float], None] | None = None,
    on_step: Callable[[float], None] | None = None,
    state: Path | None = None,
) -> TextMotionEncoder:
    """Train an encoder and return the epoch whose R-precision (top 3 of 32) is best on `val`.

    There is no argument for a test split: the epoch cannot be chosen by it. The same input, settings and number of
    threads give the same weights.

    Args:
        train: motions to learn from, at 20 frames per second; each is seen mirrored half of the time.
        val: motions that choose the epoch; at least 32.
        texts: token features of every caption.
        config, training: size and settings.
        on_epoch: called after each epoch with its number, the mean loss and the R-precision.
        on_step: called after each step with its loss.
        state: file that keeps the training after every epoch; a run that was stopped goes on from it.

    Raises:
        UserError: too few motions, a caption without features, broken motions, or a state of other settings.
    """
    config, training = config or TextMotionConfig(), training or TextMotionTraining()
    _check(train, val, texts, training)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        generator = torch.Generator().manual_seed(training.seed)
        model = TextMotionEncoder(config)
        matrices = [p for p in model.parameters() if p.ndim >= 2]
        others = [p for p in model.parameters() if p.ndim < 2]
        optimiser = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": training.weight_decay}, {"params": others, "weight_decay": 0.0}],
            training.learning_rate,
            betas=(0.9, 0.98),
        )
        per_epoch = len(train) // training.batch
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, training.learning_rate, total_steps=per_epoch * training.epochs, pct_start=0.1
        )
        best_score, best_weights, first = -1.0, model.state_dict(), 0
        identity = f"{config} {training} {len(train)} {len(val)}"
        if state is not None and state.is_file():
            kept = read_training_state(state, identity)
            model.load_state_dict(kept["model"])
            optimiser.load_state_dict(kept["optimiser"])
            schedule.load_state_dict(kept["schedule"])
            generator.set_state(kept["generator"])
            torch.set_rng_state(kept["random"])
            best_score, best_weights, first = kept["best_score"], kept["best_weights"], kept["epoch"]
        for epoch in range(first, training.epochs):
            model.train()
            total = 0.0
            for batch in _batches(train, training.batch, generator):
                loss = _step_loss(model, batch, texts, training, generator)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimiser.step()
                schedule.step()
                total += loss.item()
                if on_step is not None:
                    on_step(loss.item())
            score = validation_score(model, val, texts)
            if score > best_score:
                best_score = score
                best_weights = {name: value.clone() for name, value in model.state_dict().items()}
            if on_epoch is not None:
                on_epoch(epoch, total / per_epoch, score)
            if state is not None:
                content = {
                    "identity": identity,
                    "epoch": epoch + 1,
                    "model": model.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "schedule": schedule.state_dict(),
                    "generator": generator.get_state(),
                    "random": torch.get_rng_state(),
                    "best_score": best_score,
                    "best_weights": best_weights,
                }
                write_atomically(state, lambda file, content=content: torch.save(content, file))
        model.load_state_dict(best_weights)
    return model.eval()


@torch.no_grad()
def validation_score(model: TextMotionEncoder, val: Sequence[Described], texts: Texts) -> float:
    """R-precision, top 3 of 32, of motions with their first captions in a fixed order."""
    model.eval()
    motions, captions = [], []
    for start in range(0, len(val), 64):
        part = val[start : start + 64]
        motions.append(model.embed_motion(*pad_people([row.motion for row in part])))
        captions.append(model.embed_text(*_padded_texts([texts[row.captions[0]] for row in part])))
    return r_precision(torch.cat(captions), torch.cat(motions), seed=0)[2]


def _step_loss(
    model: TextMotionEncoder,
    batch: Sequence[Described],
    texts: Texts,
    training: TextMotionTraining,
    generator: torch.Generator,
) -> Tensor:
    motions, chosen, known = [], [], []
    for row, (flip, pick, start, end) in zip(
        batch, torch.rand(len(batch), 4, generator=generator).tolist(), strict=True
    ):
        mirror = flip < 0.5
        captions = row.mirrored if mirror else row.captions
        chosen.append(captions[int(pick * len(captions))])
        known.append(frozenset(captions))
        joints, there = row.motion
        frames = there.shape[1]
        first, last = int(start * training.crop / 2 * frames), frames - int(end * training.crop / 2 * frames)
        if not bool(there[0, first]) or int(there[0, first:last].sum()) < STRIDE:
            first, last = 0, frames
        joints = mirrored_joints(joints[:, first:last]) if mirror else joints[:, first:last]
        motions.append(PeopleMotion(joints, there[:, first:last]))
    joints, there = pad_people(motions)
    spread = training.noise_m * torch.rand(len(batch), 1, 1, 1, 1, generator=generator)
    joints = joints + spread * torch.randn(joints.shape, generator=generator)
    same = torch.tensor([[text in captions for text in chosen] for captions in known])
    text = model.embed_text(*_padded_texts([texts[caption] for caption in chosen]))
    scale = model.log_scale.exp().clamp(max=_MAX_SCALE)
    return contrastive_loss(model.embed_motion(joints, there), text, scale, same)


def _padded_texts(features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([len(tokens) for tokens in features])
    padded = pad_sequence([tokens.float() for tokens in features], batch_first=True)
    return padded, torch.arange(padded.shape[1]) < lengths[:, None]


def _batches(train: Sequence[Described], size: int, generator: torch.Generator) -> list[list[Described]]:
    # Motions of about the same length and number of people together: little padding, and harder negatives.
    lengths = torch.tensor([row.motion.there.shape[1] * (10.0 ** (len(row.motion.there) - 1)) for row in train])
    noisy = lengths * (1 + 0.3 * torch.rand(len(train), generator=generator))
    # Which motions are left over differs from epoch to epoch.
    kept = torch.randperm(len(train), generator=generator)[: len(train) // size * size]
    order = kept[noisy[kept].argsort()].tolist()
    chunks = [order[i : i + size] for i in range(0, len(order), size)]
    return [[train[i] for i in chunks[c]] for c in torch.randperm(len(chunks), generator=generator).tolist()]


def _check(train: Sequence[Described], val: Sequence[Described], texts: Texts, training: TextMotionTraining) -> None:
    if len(train) < training.batch or len(val) < 32:
        raise UserError(
            f"Expected at least {training.batch} motions to train and 32 to validate on, but got {len(train)} and "
            f"{len(val)}. Prepare more, or lower the batch."
        )
    missing = [text for row in (*train, *val) for text in (*row.captions, *row.mirrored) if text not in texts]
    if missing or not all(row.captions and row.mirrored for row in (*train, *val)):
        raise UserError(
            f"Expected features of every caption and a caption for every motion, but got {len(missing)} captions "
            "without. Encode all captions, and leave out motions without one."
        )
