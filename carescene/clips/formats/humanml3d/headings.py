"""Where a body faces, by HumanML3D's rule; where that rule fails; and where the published files carry a wrong turn.

The rule, read off the published clips: forward is the vertical crossed with the shoulder axis MINUS the hip axis (texts
on the format say plus; with plus, real clips are missed by 0.02 to 0.6 rad, with minus they are met to 1e-4), both axes
of three dimensions, their difference of length 1; then a Gaussian over time of 20 frames; frame 0 counts as 0 in any
case. Only the first turn of a whole clip to +z takes shoulder axis plus hip axis.

An angle here is that of the turn about y which takes the world to the heading, radians: it grows to the right.
"""

from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from carescene.clips.formats.humanml3d.layout import PLACES, WAYS, YAW

_LEFT_HIP, _RIGHT_HIP, _LEFT_SHOULDER, _RIGHT_SHOULDER = 1, 2, 16, 17
_SMOOTHING_FRAMES: Final = 20.0
# Half turns per frame that no standing person makes: 8 rad/s. Real clips stay below .25 and almost always below .05.
_WILD_TURN: Final = 0.2


def forward_axes(joints: Float[np.ndarray, "frame 22 3"]) -> Float[np.ndarray, "frame 3"]:
    """Forward vectors by the published rule before smoothing, of length 1 where the trunk is upright, y 0.

    Args:
        joints: metres, y up.
    """
    across = joints[:, _RIGHT_SHOULDER] - joints[:, _LEFT_SHOULDER] - joints[:, _RIGHT_HIP] + joints[:, _LEFT_HIP]
    return _forward(across)


def first_heading(joints: Float[np.ndarray, "frame 22 3"]) -> float:
    """Angle that turns a whole clip so that its first frame faces +z, radians."""
    first = joints[:1]
    across = first[:, _RIGHT_SHOULDER] - first[:, _LEFT_SHOULDER] + first[:, _RIGHT_HIP] - first[:, _LEFT_HIP]
    return float(_angles(_forward(across))[0])


def smooth_headings(joints: Float[np.ndarray, "frame 22 3"]) -> Float[np.ndarray, "frame"]:
    """Heading of every frame by the published rule, radians in -pi..pi, 0 in the first frame."""
    angles = _angles(_smooth(forward_axes(joints)))
    angles[0] = 0.0
    return angles


def undefined_headings(joints: Float[np.ndarray, "frame 22 3"]) -> Bool[np.ndarray, "frame"]:
    """Frames in which the rule gives no heading that means anything, as when a fall rolls past 90 degrees.

    There the shoulder axis passes through the vertical and the forward vector turns over within a frame or two: the
    smoothed one points the other way, or turns faster than a person can.

    Args:
        joints: metres, y up.
    """
    raw = forward_axes(joints)
    smooth = _smooth(raw)
    against = (raw * smooth).sum(-1) < 0
    turns = np.diff(_angles(smooth), prepend=_angles(smooth)[:1])
    return against | (np.abs(_wrapped(turns)) / 2 > _WILD_TURN)


def half_turns(headings: Float[np.ndarray, "frame"], *, as_published: bool = False) -> Float[np.ndarray, "turn"]:
    """Half of the turn between neighbouring frames, radians: the first number of a vector.

    Args:
        headings: radians.
        as_published: repeat a flaw of the published files: arcsin of the quaternion's y without a look at its sign, so
            that the one turn in which a heading passes 180 degrees comes out with the wrong sign.
    """
    if as_published:
        return np.arcsin(np.sin(np.diff(_wrapped(headings)) / 2))
    return _wrapped(np.diff(headings)) / 2


def accumulated_headings(vectors: Float[Tensor, "*batch frame numbers"]) -> Float[Tensor, "*batch frame"]:
    """Heading of every frame as readers of the format recover it: twice the running sum of the first number."""
    halves = vectors[..., YAW][..., 0]
    return 2 * torch.nn.functional.pad(halves[..., :-1].cumsum(-1), (1, 0))


def seen_turns(vectors: Float[Tensor, "*batch frame numbers"]) -> Float[Tensor, "*batch turn"]:
    """Turn from each frame to the next, radians, as the joints show it: without use of the first number.

    Joints of a frame plus their way to the next one, seen from this frame's heading, must be the next frame's joints
    seen from its own: the turn between is the least-squares rotation in the plane (Procrustes).

    Args:
        vectors: raw numbers, `(..., T, 259 or more)`; gives T - 1 turns.
    """
    places = vectors[..., PLACES].unflatten(-1, (-1, 3))[..., [0, 2]]
    ways = vectors[..., WAYS].unflatten(-1, (-1, 3))[..., [0, 2]]
    moved = (places + ways[..., 1:, :] - ways[..., :1, :])[..., :-1, :, :]
    after = places[..., 1:, :, :]
    cosine = (moved * after).sum((-1, -2))
    sine = (moved[..., 1] * after[..., 0] - moved[..., 0] * after[..., 1]).sum(-1)
    return torch.atan2(sine, cosine)


def wrong_turns(vectors: Float[Tensor, "*batch frame numbers"]) -> Bool[Tensor, "*batch frame"]:
    """Frames whose first number has the wrong sign, so that every later frame is recovered with a wrong heading.

    See `half_turns`: published clips have this where the heading passes 180 degrees.
    """
    halves = vectors[..., YAW][..., 0]
    seen = seen_turns(vectors) / 2
    opposite = (seen + halves[..., :-1]).abs() < 0.1 * seen.abs()
    # A thousandth of a radian is noise of float32 files.
    return torch.nn.functional.pad(opposite & (seen.abs() > 1e-3), (0, 1))


def corrected_turns(vectors: Float[Tensor, "*batch frame numbers"]) -> Float[Tensor, "*batch frame numbers"]:
    """The same numbers with the signs of `wrong_turns` put right."""
    sign = torch.where(wrong_turns(vectors), -1.0, 1.0).to(vectors)
    return torch.cat((vectors[..., :1] * sign[..., None], vectors[..., 1:]), dim=-1)


def _forward(across: Float[np.ndarray, "frame 3"]) -> Float[np.ndarray, "frame 3"]:
    length = np.linalg.norm(across, axis=-1, keepdims=True)
    across = across / np.maximum(length, 1e-12)
    return np.stack((across[:, 2], np.zeros(len(across)), -across[:, 0]), axis=-1)


def _smooth(forward: Float[np.ndarray, "frame 3"]) -> Float[np.ndarray, "frame 3"]:
    return gaussian_filter1d(forward, _SMOOTHING_FRAMES, axis=0, mode="nearest")


def _angles(forward: Float[np.ndarray, "frame 3"]) -> Float[np.ndarray, "frame"]:
    return -np.arctan2(forward[:, 0], forward[:, 2])


def _wrapped(angles: Float[np.ndarray, "angle"]) -> Float[np.ndarray, "angle"]:
    return (angles + np.pi) % (2 * np.pi) - np.pi
