"""What the lifter sees: key points of some frames around the one in question, from the person's own line of sight."""

from typing import Final, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reconstruction.observations import LANDMARKS

# Frames of a window; the pose of the middle one is asked for. With 0.1 s between them it spans a step of a walk.
WINDOW: Final = 9
# Seconds between the frames of a window where the video allows it.
SPACING: Final = 0.1
# Of each frame: x, y and confidence of every landmark. Once: size, gravity (3), whether it is known, spacing.
FEATURES: Final = WINDOW * len(LANDMARKS) * 3 + 6
# How much less a frame counts for the crop than the one before it, away from the middle.
_DECAY: Final = 0.5
# Beyond this many sizes from the middle a point says no more than where it lies.
_FAR: Final = 6.0


class LifterInput(NamedTuple):
    """What goes into the network, and how its view is turned.

    Attributes:
        features: see FEATURES.
        crop: rotation from the camera's frame to the view along the person's line of sight.
        size: root mean square distance of the points from the middle of the view, as a tangent.
    """

    features: Float[Tensor, "batch feature"]
    crop: Float[Tensor, "batch 3 3"]
    size: Float[Tensor, "batch"]


def lifter_input(
    flat: Float[Tensor, "batch window landmark 2"],
    confidence: Float[Tensor, "batch window landmark"],
    spacing: Float[Tensor, "batch"],
    up: Float[Tensor, "batch 3"],
    up_known: Bool[Tensor, "batch"],
) -> LifterInput:
    """Turn windows of key points into what the network reads.

    The view is turned about the eye until the person's line of sight is its axis (as CLIFF, Li et al. 2022, asks for:
    a person beside the axis is seen from another side), then scaled by the person's size, so that neither focal
    length, place in the picture nor distance is left in the points.

    Args:
        flat: points on the plane at 1 m before the eye, camera frame (x right, y down), lens undone.
        confidence: 0 where there is no point; `flat` may hold anything there.
        spacing: seconds between the frames of a window.
        up: the world's up in the camera's frame, anything where `up_known` is False.
    """
    seen = confidence > 0
    flat = torch.where(seen[..., None], flat, 0.0)
    steps = torch.arange(flat.shape[1], device=flat.device) - flat.shape[1] // 2
    weight = confidence * (_DECAY ** steps.abs())[None, :, None]
    total = weight.sum((1, 2)).clamp(min=1e-6)
    rays = torch.cat((flat, torch.ones_like(flat[..., :1])), dim=-1)
    units = rays / rays.norm(dim=-1, keepdim=True)
    axis = (weight[..., None] * units).sum((1, 2)) / total[:, None]
    ahead = torch.tensor([0.0, 0.0, 1.0], device=flat.device).expand_as(axis)
    # Nobody seen: look straight ahead.
    axis = torch.where(seen.any(2).any(1)[:, None], axis, ahead)
    crop = turn_to_axis(axis)
    turned = torch.einsum("bij,btlj->btli", crop, rays)
    around = turned[..., :2] / turned[..., 2:].clamp(min=0.05)
    size = ((weight * around.square().sum(-1)).sum((1, 2)) / total).sqrt().clamp(min=1e-3)
    points = (around / size[:, None, None, None]).clamp(-_FAR, _FAR) * seen[..., None]
    known = up_known.float()
    once = torch.cat(
        (
            (size.log() + 1.5)[:, None],
            torch.einsum("bij,bj->bi", crop, torch.where(up_known[:, None], up, 0.0)),
            known[:, None],
            (spacing / SPACING).log()[:, None],
        ),
        dim=1,
    )
    frames = torch.cat((points, confidence[..., None]), dim=-1).flatten(1)
    return LifterInput(torch.cat((frames, once), dim=1), crop, size)


def turn_to_axis(direction: Float[Tensor, "batch 3"]) -> Float[Tensor, "batch 3 3"]:
    """The smallest rotations that take directions (of any length, before the eye) onto the view axis +z."""
    x, y, z = torch.nn.functional.normalize(direction, dim=-1).unbind(-1)
    # Rodrigues' formula with axis d x z and cosine z; 1 + cosine is above 1 before the eye.
    k = 1 / (1 + z)
    rows = (1 - k * x * x, -k * x * y, -x, -k * x * y, 1 - k * y * y, -y, x, y, z)
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def mirror_features(features: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch feature"]:
    """The same windows as a mirror shows them: x changes sign, left and right landmarks change places."""
    partner = [LANDMARKS.index(_other_side(name)) for name in LANDMARKS]
    frames, once = features[:, :-6].unflatten(1, (WINDOW, len(LANDMARKS), 3)), features[:, -6:]
    frames = frames[:, :, partner] * torch.tensor([-1.0, 1.0, 1.0])
    return torch.cat((frames.flatten(1), once * torch.tensor([1.0, -1.0, 1.0, 1.0, 1.0, 1.0])), dim=1)


def _other_side(name: str) -> str:
    if name.startswith("left_"):
        return "right_" + name.removeprefix("left_")
    return "left_" + name.removeprefix("right_") if name.startswith("right_") else name
