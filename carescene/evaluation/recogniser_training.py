"""Training of the action recogniser: augmentation, epochs, and the choice of the best one on the validation split."""

import math
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from carescene.errors import UserError
from carescene.evaluation.recogniser import ActionRecogniser, RecogniserConfig, pad_motions
from carescene.humans.skeleton import MIRROR, MODEL_JOINTS


class LabelledMotion(NamedTuple):
    """Joints of one motion in metres in the z-up world, `(frame, joint >= 22, 3)`, and the name of its action."""

    joints: Float[Tensor, "frame joint 3"]
    label: str


def mirrored_label(label: str) -> str:
    """Name of an action once left and right are exchanged, on word boundaries: "turn-left" becomes "turn-right"."""
    swap = {"left": "right", "right": "left"}
    return re.sub(r"(?<![a-z])(left|right)(?![a-z])", lambda match: swap[match[0]], label)


def mirrored_joints(joints: Float[Tensor, "*batch joint 3"]) -> Float[Tensor, "*batch joint 3"]:
    """Motion seen in a mirror: x changes its sign, left and right joints change places."""
    order = [j for j in MIRROR if j < joints.shape[-2]]
    return joints[..., order, :] * joints.new_tensor((-1.0, 1.0, 1.0))


def augment(
    joints: Float[Tensor, "batch frame 22 3"],
    mask: Bool[Tensor, "batch frame"],
    config: RecogniserConfig,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "batch time 22 3"], Bool[Tensor, "batch time"]]:
    """Training motions at another pace, cut at the ends and with position noise (mirroring changes the label, and is
    done before)."""
    batch = joints.shape[0]

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(batch, 1, generator=generator) * (high - low) + low

    length = mask.sum(1, keepdim=True).float()
    start = uniform(0.0, config.crop / 2) * length
    end = length - 1 - uniform(0.0, config.crop / 2) * length
    pace = uniform(1 - config.pace, 1 + config.pace)
    steps = max(2, math.ceil(joints.shape[1] / (1 - config.pace)))
    position = start + torch.arange(steps) * pace
    real = position <= end
    position = position.clamp(max=joints.shape[1] - 1)
    before = position.floor().long().clamp(max=max(joints.shape[1] - 2, 0))
    rows = torch.arange(batch)[:, None]
    fraction = (position - before)[..., None, None]
    after = (before + 1).clamp(max=joints.shape[1] - 1)
    moved = joints[rows, before] * (1 - fraction) + joints[rows, after] * fraction
    spread = uniform(0.0, config.noise_m)[..., None, None]
    moved = moved + spread * torch.randn(moved.shape, generator=generator)
    longest = int(real.sum(1).max())
    return moved[:, :longest], real[:, :longest]


def train_recogniser(
    train: Sequence[LabelledMotion],
    val: Sequence[LabelledMotion],
    config: RecogniserConfig | None = None,
    on_epoch: Callable[[int, float, float], None] | None = None,
) -> ActionRecogniser:
    """Train a recogniser and return the epoch that is best on `val` (never on the test split).

    The same input, configuration and number of threads give the same weights.

    Args:
        train: motions to learn from; each is seen mirrored half of the time when the mirrored class exists.
        val: motions that choose the epoch; classes that `train` lacks are not allowed.
        config: size and training.
        on_epoch: called after each epoch with its number, the mean training loss and the accuracy on `val`.

    Raises:
        UserError: an empty set, a motion of fewer than 22 joints or 4 frames, or an unknown class in `val`.
    """
    config = config or RecogniserConfig()
    _check(train, val)
    classes = sorted({motion.label for motion in train})
    number = {name: index for index, name in enumerate(classes)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)  # weights and dropout
        generator = torch.Generator().manual_seed(config.seed)  # order and augmentation
        model = ActionRecogniser(classes, config)
        optimiser = torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)
        steps = config.epochs * math.ceil(len(train) / config.batch)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.learning_rate, total_steps=steps)
        best_score, best_state = (-1.0, -math.inf), {}
        for epoch in range(config.epochs):
            model.train()
            total = 0.0
            for batch in _batches(train, config.batch, generator):
                joints, mask, labels = _training_batch(batch, number, config, generator)
                loss = F.cross_entropy(model(joints, mask), labels, label_smoothing=config.label_smoothing)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimiser.step()
                schedule.step()
                total += loss.item() * len(batch)
            score = _score(model, val, number)
            if score > best_score:
                best_score = score
                best_state = {name: value.clone() for name, value in model.state_dict().items()}
            if on_epoch is not None:
                on_epoch(epoch, total / len(train), score[0])
        model.load_state_dict(best_state)
    return model.eval()


def _check(train: Sequence[LabelledMotion], val: Sequence[LabelledMotion]) -> None:
    if not train or not val:
        raise UserError(
            f"Expected training and validation motions, but got {len(train)} and {len(val)}. "
            "Prepare more recordings, or check the split files."
        )
    for motion in (*train, *val):
        if motion.joints.shape[0] < 4 or motion.joints.shape[1] < MODEL_JOINTS:
            raise UserError(
                f"Expected motions of at least 4 frames and {MODEL_JOINTS} joints, but got one of "
                f"{motion.joints.shape[0]} frames and {motion.joints.shape[1]} joints ('{motion.label}')."
            )
    unknown = {motion.label for motion in val} - {motion.label for motion in train}
    if unknown:
        raise UserError(
            f"Expected every class of the validation split in the training split, but got only there: "
            f"{', '.join(sorted(unknown))}. Merge rare classes, or split differently."
        )


def _batches(train: Sequence[LabelledMotion], size: int, generator: torch.Generator) -> list[list[LabelledMotion]]:
    # Motions of about the same length together, so that little of a batch is padding; which, and in what order,
    # differs from epoch to epoch.
    lengths = torch.tensor([motion.joints.shape[0] for motion in train], dtype=torch.float32)
    noisy = lengths * (1 + 0.2 * torch.rand(len(train), generator=generator))
    order = noisy.argsort().tolist()
    chunks = [order[i : i + size] for i in range(0, len(order), size)]
    shuffled = torch.randperm(len(chunks), generator=generator).tolist()
    return [[train[i] for i in chunks[c]] for c in shuffled]


def _training_batch(
    batch: list[LabelledMotion], number: dict[str, int], config: RecogniserConfig, generator: torch.Generator
) -> tuple[Tensor, Tensor, Int[Tensor, " batch"]]:
    joints, labels = [], []
    for motion, coin in zip(batch, torch.rand(len(batch), generator=generator).tolist(), strict=True):
        label = mirrored_label(motion.label)
        if coin < 0.5 and label in number:
            joints.append(mirrored_joints(motion.joints[:, :MODEL_JOINTS]))
            labels.append(number[label])
        else:
            joints.append(motion.joints)
            labels.append(number[motion.label])
    moved, mask = augment(*pad_motions(joints), config, generator)
    return moved, mask, torch.tensor(labels)


def _score(model: ActionRecogniser, motions: Sequence[LabelledMotion], number: dict[str, int]) -> tuple[float, float]:
    # Accuracy first; the likelihood decides between epochs that are equally accurate.
    probabilities = model.probabilities([motion.joints for motion in motions])
    labels = torch.tensor([number[motion.label] for motion in motions])
    chosen = probabilities[torch.arange(len(labels)), labels]
    accuracy = (probabilities.argmax(-1) == labels).float().mean()
    return accuracy.item(), chosen.clamp(min=1e-9).log().mean().item()
