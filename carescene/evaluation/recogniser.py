"""A small action recogniser: the judge of whether a generated motion is what its text asked for.

It sees joints alone (no text, no features of the generator), so real and generated motions meet it on equal terms:
posture in the person's own heading, joint velocities, the path and the turn so far, through a residual temporal
convolution and masked pooling.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from carescene.evaluation.diversity import facing_direction
from carescene.humans.skeleton import MODEL_JOINTS

# 22 joints and their velocities, path (2), velocity of the path (2), turn so far as an angle, its sine and cosine,
# turning speed.
NUM_FEATURES: Final = 2 * 3 * MODEL_JOINTS + 8


@dataclass(frozen=True)
class RecogniserConfig:
    """Size and training of the recogniser.

    Attributes:
        width, blocks: channels and residual blocks (0.3 million parameters with the defaults).
        epochs, batch, learning_rate, weight_decay, dropout, label_smoothing: ordinary training settings; 15 epochs of
            3,000 motions take two minutes on two cores.
        noise_m: largest standard deviation of the position noise in training, so that the slight roughness of a
            generated motion is no reason to misjudge it.
        pace: motions are stretched or squeezed in time by up to this fraction.
        crop: up to this fraction of a motion is cut off at its ends.
        fps: frame rate of all motions.
        seed: everything random follows from it.
    """

    width: int = 96
    blocks: int = 4
    epochs: int = 15
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    dropout: float = 0.2
    label_smoothing: float = 0.05
    noise_m: float = 0.01
    pace: float = 0.15
    crop: float = 0.1
    fps: float = 20.0
    seed: int = 0


def motion_features(
    joints: Float[Tensor, "batch frame 22 3"], mask: Bool[Tensor, "batch frame"], fps: float
) -> Float[Tensor, "batch frame feature"]:
    """What the recogniser sees, blind to where in the room a motion begins and in which direction.

    Args:
        joints: padded motions in the z-up world.
        mask: real frames; features of the others are zero.
        fps: frames per second.
    """
    ahead = facing_direction(joints)
    left = torch.stack((-ahead[..., 1], ahead[..., 0]), dim=-1)

    def own_frame(vectors: Tensor, forward: Tensor, side: Tensor) -> Tensor:
        along = (vectors[..., :2] * forward[..., None, :]).sum(-1)
        across = (vectors[..., :2] * side[..., None, :]).sum(-1)
        return torch.stack((along, across, vectors[..., 2]), dim=-1)

    def rate(values: Tensor) -> Tensor:
        return F.pad(values[:, 1:] - values[:, :-1], (0, 0) * (values.ndim - 2) + (1, 0)) * fps

    pelvis = joints[:, :, :1]
    centred = torch.cat((joints[..., :2] - pelvis[..., :2], joints[..., 2:]), dim=-1)
    posture = own_frame(centred, ahead, left)
    velocity = own_frame(rate(joints), ahead, left)
    path = own_frame(pelvis - pelvis[:, :1], ahead[:, :1], left[:, :1])[:, :, 0, :2]
    path_rate = velocity[:, :, 0, :2]
    cross = ahead[:, :-1, 0] * ahead[:, 1:, 1] - ahead[:, :-1, 1] * ahead[:, 1:, 0]
    dot = (ahead[:, :-1] * ahead[:, 1:]).sum(-1)
    step = F.pad(torch.atan2(cross, dot), (1, 0)) * mask
    turn = step.cumsum(-1)
    # Joint speeds reach several m/s; halving them brings all features to about the same size.
    parts = (posture.flatten(2), velocity.flatten(2) / 2, path / 2, path_rate / 2)
    turning = torch.stack((turn / math.pi, turn.sin(), turn.cos(), step * fps / 2), dim=-1)
    return torch.cat((*parts, turning), dim=-1) * mask[..., None]


class ConvBlock(nn.Module):
    """Residual temporal convolution over masked tokens, `(batch, token, width)` in and out."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv1d(width, width, kernel_size=5, padding=2 * dilation, dilation=dilation)
        self.mix = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        hidden = self.norm(x) * mask[..., None]
        hidden = F.gelu(self.conv(hidden.transpose(1, 2)).transpose(1, 2))
        return (x + self.dropout(self.mix(hidden))) * mask[..., None]


class ActionRecogniser(nn.Module):
    """Names the action of a motion; make one with `train_recogniser`."""

    def __init__(self, classes: Sequence[str], config: RecogniserConfig | None = None) -> None:
        super().__init__()
        self.classes = tuple(classes)
        self.config = config or RecogniserConfig()
        width = self.config.width
        # Every second frame is enough after the first convolution has looked at all of them.
        self.stem = nn.Conv1d(NUM_FEATURES, width, kernel_size=5, padding=2, stride=2)
        self.blocks = nn.ModuleList(ConvBlock(width, 2**i, self.config.dropout) for i in range(self.config.blocks))
        self.norm = nn.LayerNorm(2 * width)
        self.head = nn.Linear(2 * width, len(self.classes))

    def forward(
        self, joints: Float[Tensor, "batch frame 22 3"], mask: Bool[Tensor, "batch frame"]
    ) -> Float[Tensor, "batch label"]:
        """Logits of the classes for padded motions."""
        features = motion_features(joints, mask, self.config.fps)
        x = self.stem(features.transpose(1, 2)).transpose(1, 2)
        kept = mask[:, ::2]
        x = x * kept[..., None]
        for block in self.blocks:
            x = block(x, kept)
        mean = x.sum(1) / kept.sum(1, keepdim=True)
        peak = x.masked_fill(~kept[..., None], -torch.inf).amax(1)
        return self.head(self.norm(torch.cat((mean, peak), dim=-1)))

    @torch.no_grad()
    def probabilities(self, motions: Sequence[Float[Tensor, "_ _joint 3"]]) -> Float[Tensor, "motion label"]:
        """Probability of each class for each motion (any lengths, at least 22 joints)."""
        self.eval()
        parts = []
        for start in range(0, len(motions), self.config.batch):
            joints, mask = pad_motions(motions[start : start + self.config.batch])
            parts.append(self(joints, mask).softmax(-1))
        return torch.cat(parts) if parts else torch.zeros(0, len(self.classes))

    def predict(self, motions: Sequence[Float[Tensor, "_ _joint 3"]]) -> list[str]:
        """Most probable class of each motion."""
        return [self.classes[i] for i in self.probabilities(motions).argmax(-1).tolist()]


def pad_motions(
    motions: Sequence[Float[Tensor, "_ _joint 3"]],
) -> tuple[Float[Tensor, "batch frame 22 3"], Bool[Tensor, "batch frame"]]:
    """Motions of different lengths as one batch: the last frame is repeated, and the mask says which are real."""
    longest = max(motion.shape[0] for motion in motions)
    rows = torch.arange(longest)
    padded = torch.stack([motion[rows.clamp(max=motion.shape[0] - 1), :MODEL_JOINTS] for motion in motions])
    mask = torch.stack([rows < motion.shape[0] for motion in motions])
    return padded.float(), mask


def confusion_matrix(
    truth: Sequence[str], predicted: Sequence[str], classes: Sequence[str]
) -> Int[Tensor, "true predicted"]:
    """Counts of motions by true class (rows) and recognised class (columns)."""
    number = {name: index for index, name in enumerate(classes)}
    matrix = torch.zeros(len(classes), len(classes), dtype=torch.long)
    for true, guess in zip(truth, predicted, strict=True):
        matrix[number[true], number[guess]] += 1
    return matrix


def recogniser_metadata(model: ActionRecogniser) -> dict[str, str]:
    """Everything besides the weights that `recogniser_from` needs, as the flat strings that safetensors keeps."""
    return {"classes": "\n".join(model.classes)} | flat_settings(model.config)


def recogniser_from(weights: dict[str, Tensor], metadata: dict[str, str]) -> ActionRecogniser:
    """The recogniser of `state_dict` weights and `recogniser_metadata`."""
    model = ActionRecogniser(metadata["classes"].split("\n"), settings_from(RecogniserConfig(), metadata))
    model.load_state_dict(weights)
    return model.eval()


def flat_settings(config: Any) -> dict[str, str]:
    """Fields of a dataclass of numbers and words as the flat strings that safetensors keeps."""
    return {item.name: str(getattr(config, item.name)) for item in fields(config)}


def settings_from(defaults: Any, metadata: Mapping[str, str]) -> Any:
    """The inverse of `flat_settings`; `defaults` says of which kind each field is. Other entries are ignored."""
    kept = {item.name: type(getattr(defaults, item.name))(metadata[item.name]) for item in fields(defaults)}
    return replace(defaults, **kept)
