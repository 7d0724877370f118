"""Clean-up of sampled motion: jitter is smoothed, standing feet are held in place, and the floor is where it should be.

A diffusion model samples the path of the pelvis and the angles of the legs as separate numbers; where they disagree by
a few millimetres per frame, feet glide. The path is corrected, never the pose: one small shift of the pelvis per frame,
found by linear least squares.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from carescene.evaluation.physics import CONTACT_JOINTS, REST_HEIGHTS
from diffusion.representation import BODY, JOINTS, ROOT, TRANS, features_to_rotations, model_joints

# Motion of people on a ward has next to nothing above 6 Hz; capture noise and sampling jitter have.
CUTOFF_HZ = 5.0
# A contact point stands where it is within this height of its resting place (metres) and slower than this (m/s).
# Both are wider than the measure's own limits, because the glide that is to be removed may be fast.
_HEIGHT, _SPEED = 0.06, 0.7


def clean_up(
    features: Float[Tensor, "frame 217"], *, fps: float = 20.0, cutoff_hz: float = CUTOFF_HZ
) -> Float[Tensor, "frame 217"]:
    """Smoothed features whose standing feet stay in place; joints are computed anew from the rotations.

    Clips of fewer than 4 frames are returned as they are: they are too short to tell a stance.
    """
    if len(features) < 4:
        return features
    smooth = low_pass(features[:, : BODY.stop], fps, cutoff_hz)
    rotations = features_to_rotations(torch.cat((smooth, features[:, BODY.stop :]), dim=-1))
    joints = model_joints(rotations, smooth[:, TRANS])
    shift = hold_feet(joints, fps)
    trans = smooth[:, TRANS] + shift
    joints = joints + shift[:, None]
    planar = joints[..., :2] - trans[:, None, :2]
    relative = torch.cat((planar, joints[..., 2:]), dim=-1).flatten(-2)
    return torch.cat((trans, smooth[:, ROOT.start :], relative, features[:, JOINTS.stop :]), dim=-1)


def low_pass(signal: Float[Tensor, "frame channel"], fps: float, cutoff_hz: float) -> Float[Tensor, "frame channel"]:
    """Gaussian low-pass along time without delay; `cutoff_hz` is where half the power passes.

    The ends are continued by point reflection, which keeps a steady walk steady up to its last frame. The transfer
    function of a Gaussian of width s seconds is exp(-(2 pi f s)^2 / 2), so s = sqrt(ln 2) / (2 pi f) at half power.
    """
    sigma = float(torch.log(torch.tensor(2.0)).sqrt()) / (2 * torch.pi * cutoff_hz) * fps
    reach = min(max(1, round(4 * sigma)), len(signal) - 1)
    offsets = torch.arange(-reach, reach + 1, dtype=signal.dtype, device=signal.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    before = 2 * signal[:1] - signal[1 : reach + 1].flip(0)
    after = 2 * signal[-1:] - signal[-reach - 1 : -1].flip(0)
    padded = torch.cat((before, signal, after)).T[:, None]
    return torch.nn.functional.conv1d(padded, (kernel / kernel.sum())[None, None])[:, 0].T


def hold_feet(joints: Float[Tensor, "frame joint 3"], fps: float) -> Float[Tensor, "frame 3"]:
    """Shift of the whole body per frame (metres) that stops standing feet and puts them on the floor.

    Horizontally, the shift's velocity should cancel that of the contact points that stand; vertically, the shift should
    bring standing points to their resting height. Both are least-squares problems with smoothness terms that decide
    where nobody stands: there the shift goes on as it was, so a jump or a lying person is not bent towards the floor.
    """
    points = joints[:, list(CONTACT_JOINTS)].double()
    rest = points.new_tensor(REST_HEIGHTS)
    stance = standing(points, rest, fps)
    velocity = points[1:, :, :2] - points[:-1, :, :2]
    drift = _mean_over(velocity, stance)
    step = -drift
    # A shift that changes speed abruptly would add jerk: the velocity of the shift is smoothed where it is known and
    # continued where it is not.
    weight = stance.any(dim=1).double()
    path = smooth_fit(step, weight, stiffness=1.0, damping=0.02)
    planar = torch.cat((torch.zeros_like(path[:1]), path.cumsum(0)))
    gap = _mean_over((points[..., 2] - rest)[1:, :, None], stance)
    lift = smooth_fit(-gap, weight, stiffness=20.0, damping=0.02)
    vertical = torch.cat((lift[:1], lift))
    return torch.cat((planar, vertical), dim=-1).to(joints.dtype)


def standing(
    points: Float[Tensor, "frame contact 3"], rest: Float[Tensor, "contact"], fps: float
) -> Bool[Tensor, "interval contact"]:
    """Which contact points stand in each interval between two frames: low at both ends and slow."""
    low = points[..., 2] - rest < _HEIGHT
    speed = (points[1:, :, :2] - points[:-1, :, :2]).norm(dim=-1) * fps
    return low[1:] & low[:-1] & (speed < _SPEED)


def _mean_over(
    values: Float[Tensor, "interval contact channel"], chosen: Bool[Tensor, "interval contact"]
) -> Float[Tensor, "interval channel"]:
    weight = chosen.to(values.dtype)[..., None]
    return (values * weight).sum(1) / weight.sum(1).clamp(min=1)


def smooth_fit(
    target: Float[Tensor, "sample channel"], weight: Float[Tensor, "sample"], *, stiffness: float, damping: float
) -> Float[Tensor, "sample channel"]:
    """Curve near `target` where `weight` is 1, and smooth everywhere.

    The minimum of sum w (x - y)^2 + stiffness |x''|^2 + damping |x'|^2 (Whittaker 1923, Eilers 2003). A tiny pull to 0
    keeps the system regular where nothing is known at all.
    """
    count = len(target)
    identity = torch.eye(count, dtype=target.dtype, device=target.device)
    first, second = torch.diff(identity, dim=0), torch.diff(identity, n=2, dim=0)
    system = torch.diag(weight) + stiffness * second.T @ second + damping * first.T @ first + 1e-6 * identity
    return torch.linalg.solve(system, weight[:, None] * target)
