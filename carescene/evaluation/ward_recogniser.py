"""The ward recogniser: names the event, its onset, a fall's direction, and the label of every frame, from joints.

It is the second judge beside geometry (`situation_checks`), trained on real, simulated and controlled clips and never
on generated ones. It sees joints, what carries the person and who is near; no text, no event channel, no features of
the generator. Its last hidden layer is the motion encoder of the distances between distributions (`frechet`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from carescene.clips.taxonomy import OMNIFALL16
from carescene.evaluation.recogniser import (
    NUM_FEATURES,
    ConvBlock,
    flat_settings,
    motion_features,
    pad_motions,
    settings_from,
)
from carescene.evaluation.ward_samples import DIRECTIONS, NUM_CONTEXT, WardSample

STRIDE: Final = 2  # frames per token: onsets are read between tokens


@dataclass(frozen=True)
class WardConfig:
    """Size and training of the ward recogniser.

    Attributes:
        width, blocks: channels and residual blocks; with the defaults 0.2 million parameters, and a token sees 3 s
            before and after itself.
        embedding: numbers of the clip's embedding, few enough for distances between some hundred clips.
        epochs, batch, learning_rate, weight_decay, dropout, label_smoothing: ordinary training settings.
        per_event: at most this many training clips of one event in an epoch, drawn anew each time, so that common
            events do not crowd out rare ones.
        noise_m: largest standard deviation of position noise in training.
        onset_spread: width of the target around the onset, tokens.
        fps, seed: frame rate of all motions; everything random follows from the seed.
    """

    width: int = 80
    blocks: int = 5
    embedding: int = 32
    epochs: int = 12
    batch: int = 48
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    dropout: float = 0.15
    label_smoothing: float = 0.05
    per_event: int = 80
    noise_m: float = 0.01
    onset_spread: float = 0.7
    fps: float = 20.0
    seed: int = 0


class WardOutput(NamedTuple):
    """Logits for a padded batch: event, direction, onset per token, frame labels per token; and the embedding."""

    event: Float[Tensor, "batch event"]
    direction: Float[Tensor, "batch 5"]
    onset: Float[Tensor, "batch token"]
    frames: Float[Tensor, "batch token 16"]
    embedding: Float[Tensor, "batch feature"]


class WardJudgement(NamedTuple):
    """What the recogniser says of one sample.

    `events` has a probability for each of its classes, `onset_s` is in seconds from the sample's first frame (it means
    something only where the event has an onset), `labels` are OmniFall-16 ids of the frames.
    """

    event: str
    events: Float[Tensor, "event"]
    direction: str
    onset_s: float
    labels: Int[Tensor, "frame"]


class WardRecogniser(nn.Module):
    """Temporal convolutions over one person's motion; make one with `train_ward_recogniser`."""

    def __init__(self, events: Sequence[str], config: WardConfig | None = None) -> None:
        super().__init__()
        self.events = tuple(events)
        self.config = config or WardConfig()
        width = self.config.width
        self.stem = nn.Conv1d(NUM_FEATURES + NUM_CONTEXT, width, kernel_size=5, padding=2, stride=STRIDE)
        self.blocks = nn.ModuleList(ConvBlock(width, 2**i, self.config.dropout) for i in range(self.config.blocks))
        self.norm = nn.LayerNorm(width)
        self.frame_head = nn.Linear(width, len(OMNIFALL16))
        self.onset_head = nn.Linear(width, 1)
        self.pool = nn.Linear(width, 1)
        self.embed = nn.Sequential(nn.LayerNorm(3 * width), nn.Linear(3 * width, self.config.embedding))
        self.event_head = nn.Linear(self.config.embedding, len(self.events))
        self.direction_head = nn.Linear(self.config.embedding, len(DIRECTIONS))

    def forward(
        self,
        joints: Float[Tensor, "batch frame 22 3"],
        context: Float[Tensor, "batch frame 7"],
        mask: Bool[Tensor, "batch frame"],
    ) -> WardOutput:
        """Logits and embeddings of padded samples."""
        features = torch.cat((motion_features(joints, mask, self.config.fps), context * mask[..., None]), dim=-1)
        x = self.stem(features.transpose(1, 2)).transpose(1, 2)
        kept = mask[:, ::STRIDE]
        x = x * kept[..., None]
        for block in self.blocks:
            x = block(x, kept)
        x = self.norm(x) * kept[..., None]
        weight = self.pool(x)[..., 0].masked_fill(~kept, -torch.inf).softmax(-1)
        pooled = (
            x.sum(1) / kept.sum(1, keepdim=True),
            x.masked_fill(~kept[..., None], -torch.inf).amax(1),
            (x * weight[..., None]).sum(1),
        )
        embedding = self.embed(torch.cat(pooled, dim=-1))
        hidden = F.gelu(embedding)
        onset = self.onset_head(x)[..., 0].masked_fill(~kept, -torch.inf)
        return WardOutput(self.event_head(hidden), self.direction_head(hidden), onset, self.frame_head(x), embedding)

    @torch.no_grad()
    def judge(self, samples: Sequence[WardSample]) -> list[WardJudgement]:
        """Event, direction, onset and frame labels of each sample."""
        judgements: list[WardJudgement] = []
        for start in range(0, len(samples), self.config.batch):
            part = samples[start : start + self.config.batch]
            output, mask = self._run(part)
            for row, sample in enumerate(part):
                tokens = int(mask[row, ::STRIDE].sum())
                labels = output.frames[row, :tokens].argmax(-1).repeat_interleave(STRIDE)[: len(sample.joints)]
                chances = output.event[row].softmax(-1)
                judgements.append(
                    WardJudgement(
                        self.events[int(chances.argmax())],
                        chances,
                        DIRECTIONS[int(output.direction[row].argmax())],
                        onset_token(output.onset[row, :tokens]) * STRIDE / self.config.fps,
                        labels,
                    )
                )
        return judgements

    @torch.no_grad()
    def embeddings(self, samples: Sequence[WardSample]) -> Float[Tensor, "sample feature"]:
        """The last hidden layer for each sample, for distances between distributions."""
        parts = [
            self._run(samples[start : start + self.config.batch])[0].embedding
            for start in range(0, len(samples), self.config.batch)
        ]
        return torch.cat(parts) if parts else torch.zeros(0, self.config.embedding)

    def _run(self, samples: Sequence[WardSample]) -> tuple[WardOutput, Bool[Tensor, "batch frame"]]:
        self.eval()
        joints, context, mask = pad_samples(samples)
        return self(joints, context, mask), mask


def pad_samples(
    samples: Sequence[WardSample],
) -> tuple[Float[Tensor, "batch frame 22 3"], Float[Tensor, "batch frame 7"], Bool[Tensor, "batch frame"]]:
    """Samples of different lengths as one batch; the mask says which frames are real."""
    joints, mask = pad_motions([sample.joints for sample in samples])
    context = nn.utils.rnn.pad_sequence([sample.context for sample in samples], batch_first=True)
    return joints, context, mask


def onset_token(logits: Float[Tensor, "token"]) -> float:
    """Onset in tokens, between tokens as well: the mean position of the most likely token and its two neighbours."""
    best = int(logits.argmax())
    first, last = max(best - 1, 0), min(best + 2, len(logits))
    weight = logits[first:last].softmax(-1)
    return float((weight * torch.arange(first, last)).sum())


def ward_metadata(model: WardRecogniser) -> dict[str, str]:
    """Everything besides the weights that `ward_recogniser_from` needs, as the flat strings that safetensors keeps."""
    return {"events": "\n".join(model.events)} | flat_settings(model.config)


def ward_recogniser_from(weights: dict[str, Tensor], metadata: dict[str, str]) -> WardRecogniser:
    """The recogniser of `state_dict` weights and `ward_metadata`."""
    model = WardRecogniser(metadata["events"].split("\n"), settings_from(WardConfig(), metadata))
    model.load_state_dict(weights)
    return model.eval()
