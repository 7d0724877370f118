"""ProHMR's network for use, not for training: a picture of a person to a distribution over SMPL poses.

Kolotouros et al. 2021, "Probabilistic Modeling for Human Mesh Recovery". A ResNet-50 sees the crop; a conditional Glow
(Kingma and Dhariwal 2018) of four steps turns noise into poses; a small head gives shape and the crop's camera. What is
fixed after training (batch norms, triangular matrices, scales) is folded into plain weights as the checkpoint is loaded
(`reconstruction.prohmr_files.load_prohmr`), so that there is no training mode to be in by mistake.
"""

import math
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from carescene.humans.body import NUM_BETAS
from carescene.humans.rotations import sixd_to_matrix
from carescene.humans.skeleton import NUM_JOINTS

CROP: Final = 224
FEATURES: Final = 2048
POSE: Final = 6 * NUM_JOINTS
HIDDEN: Final = 1024
STEPS: Final = 4
RESIDUAL_BLOCKS: Final = 2
# Residual blocks of each stage of ResNet-50 and the width of their middle convolution; their output is 4 times as wide.
STAGES: Final = ((3, 64), (4, 128), (6, 256), (3, 512))
EXPANSION: Final = 4


@dataclass(frozen=True)
class HmrSamples:
    """Poses drawn for each crop; the first is the mode of the distribution.

    Attributes:
        rotations: relative to the parent joint; joint 0 maps SMPL's rest frame to a camera that looks along the middle
            of the crop (x right, y down, z forward).
        log_prob: natural log of the density of the 144 numbers that a pose is made of.
        betas: of SMPL's own shape space, the same for all samples.
        cam: scale and shift (s, tx, ty) of the crop's weak camera (`reconstruction.crops.full_frame_translation`).
    """

    rotations: Float[Tensor, "batch sample 24 3 3"]
    log_prob: Float[Tensor, "batch sample"]
    betas: Float[Tensor, "batch 10"]
    cam: Float[Tensor, "batch 3"]


class ProHmr(nn.Module):
    """The three parts of ProHMR."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.flow = PoseFlow()
        self.head = ShapeHead()

    def features(self, crops: Float[Tensor, "batch 3 224 224"]) -> Float[Tensor, "batch 2048"]:
        """What the network sees in normalised crops (`reconstruction.crops.crop_people`)."""
        return self.backbone(crops)

    def sample(self, features: Float[Tensor, "batch 2048"], noise: Float[Tensor, "sample 144"]) -> HmrSamples:
        """The mode, then one pose per row of standard normal noise, for each row of features.

        The same noise serves every row, so that poses of neighbouring frames differ only by what is seen in them.
        """
        noise = torch.cat((noise.new_zeros(1, noise.shape[-1]), noise))
        poses, log_prob = self.flow(features, noise)
        betas, cam = self.head(features)
        return HmrSamples(sixd_to_matrix(poses.unflatten(-1, (NUM_JOINTS, 6))), log_prob, betas, cam)


class PoseFlow(nn.Module):
    """The conditional Glow from noise to the first two columns of 24 rotation matrices."""

    # Sum of the logs of all scales: by how much data is denser than the noise that it comes from.
    log_volume: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.ModuleList(FlowStep(even_kept=index % 2 == 0) for index in range(STEPS))
        self.register_buffer("log_volume", torch.zeros(()))

    def forward(
        self, features: Float[Tensor, "batch 2048"], noise: Float[Tensor, "sample 144"]
    ) -> tuple[Float[Tensor, "batch sample 144"], Float[Tensor, "batch sample"]]:
        """Poses and their log density: that of the noise and the flow's constant change of volume."""
        x = noise.expand(len(features), *noise.shape)
        for step in reversed(self.steps):
            x = step(x, features)
        density = -0.5 * noise.square().sum(-1) - 0.5 * POSE * math.log(2 * math.pi)
        return x, (density + self.log_volume).expand(len(features), -1)


class FlowStep(nn.Module):
    """From noise towards data: take the net's word off half of the numbers, then mix all.

    The published step is, towards noise: scale and shift (ActNorm), a matrix L U (LULinear), an additive coupling. Here
    the inverses of the first two are one matrix.
    """

    def __init__(self, even_kept: bool) -> None:
        super().__init__()
        self.even_kept = even_kept
        self.net = CouplingNet()
        self.mix = nn.Linear(POSE, POSE)

    def forward(
        self, x: Float[Tensor, "batch sample 144"], features: Float[Tensor, "batch 2048"]
    ) -> Float[Tensor, "batch sample 144"]:
        even, odd = x[..., 0::2], x[..., 1::2]
        if self.even_kept:
            odd = odd - self.net(even, features)
        else:
            even = even - self.net(odd, features)
        return self.mix(torch.stack((even, odd), dim=-1).flatten(-2))


class CouplingNet(nn.Module):
    """Two residual blocks between linear layers; what is seen enters the first layer only."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(POSE // 2, HIDDEN)
        self.seen = nn.Linear(FEATURES, HIDDEN, bias=False)
        self.blocks = nn.ModuleList(ResidualBlock() for _ in range(RESIDUAL_BLOCKS))
        self.last = nn.Linear(HIDDEN, POSE // 2)

    def forward(
        self, x: Float[Tensor, "batch sample 72"], features: Float[Tensor, "batch 2048"]
    ) -> Float[Tensor, "batch sample 72"]:
        # Once per crop and not per sample: this is half of the layer's published input.
        x = self.first(x) + self.seen(features)[:, None]
        for block in self.blocks:
            x = block(x)
        return self.last(x)


class ResidualBlock(nn.Module):
    """Norm, ReLU, linear, norm, ReLU, linear, and the input added; the second norm is part of the first layer."""

    scale: Tensor
    shift: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(HIDDEN))
        self.register_buffer("shift", torch.zeros(HIDDEN))
        self.inner = nn.Linear(HIDDEN, HIDDEN)
        self.outer = nn.Linear(HIDDEN, HIDDEN)

    def forward(self, x: Float[Tensor, "batch sample 1024"]) -> Float[Tensor, "batch sample 1024"]:
        return x + self.outer(F.relu(self.inner(F.relu(torch.addcmul(self.shift, x, self.scale)))))


class ShapeHead(nn.Module):
    """Shape and crop camera from what is seen, as offsets from a mean."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(FEATURES, HIDDEN)
        # The mean is in the bias.
        self.outer = nn.Linear(HIDDEN, NUM_BETAS + 3)

    def forward(
        self, features: Float[Tensor, "batch 2048"]
    ) -> tuple[Float[Tensor, "batch 10"], Float[Tensor, "batch 3"]]:
        out = self.outer(F.relu(self.inner(features)))
        return out[..., :NUM_BETAS], out[..., NUM_BETAS:]


class Backbone(nn.Module):
    """ResNet-50 (He et al. 2016; stride in the 3x3 convolution) up to its mean over the picture, batch norms folded."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        inputs, stages = 64, []
        for number, (blocks, width) in enumerate(STAGES):
            stage = nn.Sequential()
            for index in range(blocks):
                stage.append(Bottleneck(inputs, width, stride=2 if index == 0 and number > 0 else 1))
                inputs = EXPANSION * width
            stages.append(stage)
        self.layers = nn.Sequential(*stages)

    def forward(self, crops: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 2048"]:
        x = F.max_pool2d(F.relu(self.conv1(crops)), 3, stride=2, padding=1)
        return self.layers(x).mean((2, 3))


class Bottleneck(nn.Module):
    """Three convolutions around which the input is added; it is widened where the width changes."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = EXPANSION * width
        self.conv1 = nn.Conv2d(inputs, width, 1)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1)
        self.conv3 = nn.Conv2d(width, outputs, 1)
        self.widen = nn.Conv2d(inputs, outputs, 1, stride=stride) if inputs != outputs else None

    def forward(self, x: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs h w"]:
        y = self.conv3(F.relu(self.conv2(F.relu(self.conv1(x)))))
        return F.relu(y + (x if self.widen is None else self.widen(x)))
