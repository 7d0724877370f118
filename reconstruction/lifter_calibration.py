"""How far the lifter's own uncertainty is to be trusted: measured on people it has not seen."""

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from carescene.humans.rotations import matrix_to_sixd, sixd_to_matrix
from carescene.humans.skeleton import MIRROR, NUM_JOINTS
from reconstruction.lifter_input import mirror_features
from reconstruction.lifter_network import TANGENT, Lifted, Lifter, tangent
from reconstruction.pose_labels import FLOOR, shrunk_covariance
from reconstruction.seen_motion import MotionBank, frame_weights, seen_windows

# The share of a normal distribution within one standard deviation.
ONE_SIGMA: Final = 0.6827
# Samples behind a covariance.
SAMPLES: Final = 64


def fixed_noise(samples: int = SAMPLES) -> Float[Tensor, "sample 72"]:
    """The same standard normal numbers for all frames, so that covariances do not flicker over time."""
    return torch.randn(samples, TANGENT, generator=torch.Generator().manual_seed(0))


def best_poses(model: Lifter, features: Float[Tensor, "batch feature"]) -> Lifted:
    """The network's best poses, as the mean of what it says of the windows and of their mirror images."""
    lifted, mirrored = model(features), model(mirror_features(features))
    # M R M, with left and right joints exchanged, of the first two columns.
    back = matrix_to_sixd(mirrored.rotations)[:, list(MIRROR)] * torch.tensor([1.0, -1.0, -1.0, -1.0, 1.0, 1.0])
    mean = (matrix_to_sixd(lifted.rotations) + back) / 2
    return Lifted(sixd_to_matrix(mean), lifted.context)


def second_moments(model: Lifter, lifted: Lifted, noise: Float[Tensor, "sample 72"]) -> Float[Tensor, "batch 72 72"]:
    """Mean of w w^T over samples of the flow, rad^2, shrunk and with a floor as `reconstruction.pose_labels` does.

    Around the best pose, not around the mean of the samples: that lies farther from the truth, and where the flow
    believes in two poses, the distance to the other belongs to the width.
    """
    w = model.sample(lifted, noise.expand(len(lifted.rotations), -1, -1)).clamp(-torch.pi, torch.pi)
    mean = w.mean(1)
    return shrunk_covariance(w) + mean[:, :, None] * mean[:, None] + FLOOR**2 * torch.eye(TANGENT)


@torch.no_grad()
def calibrated(model: Lifter, bank: MotionBank, windows: int = 2048) -> Float[Tensor, "24"]:
    """Factors on each joint's standard deviation with which 68 % of the true rotations lie within one of them.

    Args:
        bank: people who were not trained on; the same windows are drawn each time.
    """
    generator, noise = torch.Generator().manual_seed(1), fixed_noise()
    rows = torch.multinomial(frame_weights(bank), windows, replacement=True, generator=generator)
    ratios = []
    for part in rows.split(256):
        seen = seen_windows(bank, part, generator)
        lifted = best_poses(model, seen.seen.features)
        std = torch.diagonal(second_moments(model, lifted, noise), dim1=1, dim2=2).sqrt()
        ratios.append((tangent(lifted.rotations, seen.rotations).abs() / std).unflatten(1, (NUM_JOINTS, 3)))
    per_joint = torch.cat(ratios).transpose(0, 1).flatten(1)
    # A joint that never moves needs no more than the floor.
    return per_joint.quantile(ONE_SIGMA, dim=1).clamp(0.5, 3.0)
