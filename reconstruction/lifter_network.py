"""The lifter's network: a window of key points to a pose, and to a distribution around it."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from carescene.humans.rotations import matrix_to_rotvec, rotvec_to_matrix, sixd_to_matrix
from carescene.humans.skeleton import NUM_JOINTS
from reconstruction.lifter_flow import ConditionalFlow
from reconstruction.lifter_input import FEATURES

TANGENT = 3 * NUM_JOINTS


@dataclass(frozen=True)
class LifterConfig:
    """Size of the network; the defaults make 2.8 million parameters, 5.7 MB in half precision.

    Attributes:
        width, hidden, blocks: of the residual network over the whole window.
        context: numbers that the flow is conditioned on.
        flow_layers, flow_hidden: of the flow.
    """

    width: int = 512
    hidden: int = 576
    blocks: int = 3
    context: int = 128
    flow_layers: int = 6
    flow_hidden: int = 192


class Lifted(NamedTuple):
    """Poses in the view along the line of sight: the best one, and what the flow needs to vary it."""

    rotations: Float[Tensor, "batch 24 3 3"]
    context: Float[Tensor, "batch context"]


class Lifter(nn.Module):
    """Key points of some frames to the pose of the middle one.

    A residual network over the whole window at once (as Martinez et al. 2017, "A simple yet effective baseline for 3d
    human pose estimation", on one frame) gives the best pose by regression; a conditional flow gives how it may be
    wrong, as right perturbations R exp(w).
    """

    def __init__(self, config: LifterConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or LifterConfig()
        self.first = nn.Linear(FEATURES, config.width)
        self.blocks = nn.ModuleList(_Block(config.width, config.hidden) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(config.width)
        self.pose = nn.Linear(config.width, 6 * NUM_JOINTS)
        self.context = nn.Linear(config.width, config.context)
        self.flow = ConditionalFlow(TANGENT, config.context, config.flow_layers, config.flow_hidden)
        # Starts at the rest pose, upright and facing the camera, whose y is down and z forward.
        with torch.no_grad():
            self.pose.weight.mul_(0.1)
            self.pose.bias.copy_(torch.tensor([1.0, 0, 0, 0, 1, 0]).repeat(NUM_JOINTS))
            self.pose.bias[:6] = torch.tensor([1.0, 0, 0, 0, -1, 0])

    def forward(self, features: Float[Tensor, "batch feature"]) -> Lifted:
        """The best pose of each window, `LifterInput.features`."""
        x = self.first(features)
        for block in self.blocks:
            x = block(x)
        x = F.gelu(self.norm(x))
        return Lifted(sixd_to_matrix(self.pose(x).float().unflatten(-1, (NUM_JOINTS, 6))), self.context(x).float())

    def log_prob(self, lifted: Lifted, rotations: Float[Tensor, "batch 24 3 3"]) -> Float[Tensor, "batch"]:
        """Log-density of poses in the tangent space of the best ones (radians to the power of -72)."""
        return self.flow.log_prob(tangent(lifted.rotations, rotations), lifted.context)

    def sample(self, lifted: Lifted, noise: Float[Tensor, "batch sample 72"]) -> Float[Tensor, "batch sample 72"]:
        """Right perturbations w of the best poses, from standard normal noise."""
        count = noise.shape[1]
        context = lifted.context.repeat_interleave(count, dim=0)
        return self.flow.sample(noise.flatten(0, 1), context).unflatten(0, (-1, count))


def tangent(
    mean: Float[Tensor, "*batch 24 3 3"], rotations: Float[Tensor, "*batch 24 3 3"]
) -> Float[Tensor, "*batch 72"]:
    """w of rotations = mean exp(w), radians."""
    return matrix_to_rotvec(mean.transpose(-1, -2) @ rotations).flatten(-2)


def perturbed(mean: Float[Tensor, "*#batch 24 3 3"], w: Float[Tensor, "*#batch 72"]) -> Float[Tensor, "*#batch 24 3 3"]:
    """mean exp(w)."""
    return mean @ rotvec_to_matrix(w.unflatten(-1, (NUM_JOINTS, 3)))


class _Block(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(F.gelu(self.up(self.norm(x))))
