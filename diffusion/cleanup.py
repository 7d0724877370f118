"""Clean-up of sampled motion: jitter is smoothed, standing feet are held in place, and the floor is where it should be.

A diffusion model samples the path of the pelvis and the angles of the legs as separate numbers; where they disagree by
a few millimetres per frame, feet glide. First the path is corrected by one small shift per frame; what is left, because
two feet can disagree, is taken up by the legs (Kovar et al. 2002, "Footskate cleanup for motion capture editing"). All
corrections are smooth curves found by linear least squares.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from carescene.evaluation.physics import CONTACT_JOINTS, REST_HEIGHTS
from carescene.humans.rotations import matrix_to_sixd
from carescene.humans.skeleton import JOINT, MODEL_JOINTS
from diffusion.leg_ik import move_ankles
from diffusion.representation import BODY, JOINTS, TRANS, features_to_rotations, model_joints

# Recorded motion keeps 98 % of its jerk behind this filter; what it takes away is the tremor of networks that smooth
# their output less than the shipped one.
CUTOFF_HZ = 8.0
# A contact point stands where it is within this height of its resting place (metres) and slower than this (m/s).
# Both are wider than the measure's own limits, because the glide that is to be removed may be fast.
_HEIGHT, _SPEED = 0.06, 0.7
# Whose knee is lower than this (metres) kneels or lies: such feet rest, and are not to be pressed to where soles stand.
_KNEES, _KNEE_UP = (JOINT["left_knee"], JOINT["right_knee"]), 0.25
# Weights against holding a foot, found on walks to which drift and tremor had been added: smoothness (stiffer lets feet
# glide on, softer adds jerk), and the way back to 0 while the foot swings and while it stands.
_STIFFNESS, _PULL_SWING, _PULL_STANCE = 0.3, 0.01, 1e-4
# Against a body that goes on shifting while nothing stands: the shift's velocity is gone after 0.15 s. Without
# it, somebody who lies where a path ends glides away as fast as the last step before was corrected.
_COAST = 0.02


def clean_up(
    features: Float[Tensor, "frame 217"], *, fps: float = 20.0, cutoff_hz: float = CUTOFF_HZ
) -> Float[Tensor, "frame 217"]:
    """Smoothed features whose standing feet stay in place; joints are computed anew from the rotations.

    Clips of fewer than 4 frames are returned as they are: they are too short to tell a stance.
    """
    if len(features) < 4:
        return features
    smooth = torch.cat((low_pass(features[:, : BODY.stop], fps, cutoff_hz), features[:, BODY.stop :]), dim=-1)
    rotations, trans = features_to_rotations(smooth), smooth[:, TRANS]
    trans = trans + hold_feet(model_joints(rotations, trans), fps)
    joints = model_joints(rotations, trans)
    rotations = move_ankles(rotations, joints, ankle_shift(joints, fps))
    return _with_motion(features, rotations, trans)


def _with_motion(
    features: Float[Tensor, "frame 217"], rotations: Float[Tensor, "frame 24 3 3"], trans: Float[Tensor, "frame 3"]
) -> Float[Tensor, "frame 217"]:
    joints = model_joints(rotations, trans)
    planar = joints[..., :2] - trans[:, None, :2]
    relative = torch.cat((planar, joints[..., 2:]), dim=-1).flatten(-2)
    sixd = matrix_to_sixd(rotations[:, :MODEL_JOINTS]).flatten(-2)
    return torch.cat((trans, sixd, relative, features[:, JOINTS.stop :]), dim=-1)


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


def hold_feet(
    joints: Float[Tensor, "frame joint 3"],
    fps: float,
    *,
    rest_heights: tuple[float, ...] = REST_HEIGHTS,
    pinned: Bool[Tensor, "frame 2"] | None = None,
) -> Float[Tensor, "frame 3"]:
    """Shift of the whole body per frame (metres) that stops standing feet and puts them on the floor.

    Horizontally, the shift's velocity should cancel that of the contact points that stand; vertically, the shift should
    bring standing points to their resting height. Both are least-squares problems with smoothness terms that decide
    where nobody stands: there the shift goes on as it was, so a jump or a lying person is not bent towards the floor.

    Args:
        rest_heights: of the contact points over a flat floor, metres.
        pinned: frames that must not move horizontally, and frames that must not move vertically.
    """
    points = joints[:, list(CONTACT_JOINTS)].double()
    rest = points.new_tensor(rest_heights)
    stance = standing(points, rest, fps) & _on_legs(joints)
    velocity = points[1:, :, :2] - points[:-1, :, :2]
    drift = _mean_over(velocity, stance)
    step = -drift
    # A shift that changes speed abruptly would add jerk: the velocity of the shift is smoothed where it is known and
    # continued where it is not.
    weight = stance.any(dim=1).double()
    level, height = (None, None) if pinned is None else (_pins(pinned[:, axis]) for axis in (0, 1))
    sums = None if level is None else _block_sums(level, len(step)).to(step)
    path = smooth_fit(step, weight, stiffness=1.0, damping=0.02, pull=_COAST, zero=sums)
    planar = torch.cat((torch.zeros_like(path[:1]), path.cumsum(0)))
    planar = planar if level is None else planar - planar[level[0]]
    left, right = (_gap(points[..., 2] - rest, stance, side) for side in (0, 1))
    both = torch.stack((left, right), dim=1)[..., None]
    gap = _mean_over(both, torch.stack((stance[:, [0, 2]].any(1), stance[:, [1, 3]].any(1)), dim=1))
    still = None if height is None else torch.eye(len(gap)).to(gap)[(height - 1).clamp(min=0).unique()]
    lift = smooth_fit(-gap, weight, stiffness=20.0, damping=0.02, zero=still)
    vertical = torch.cat((lift[:1], lift))
    return torch.cat((planar, vertical), dim=-1).to(joints.dtype)


def _pins(pinned: Bool[Tensor, "frame"]) -> Int[Tensor, "pin"] | None:
    return torch.nonzero(pinned)[:, 0] if bool(pinned.any()) else None


def _block_sums(pins: Int[Tensor, "pin"], intervals: int) -> Float[Tensor, "block interval"]:
    """Rows that add the steps from one pin to the next: a path returns to 0 at every pin where these sums are 0."""
    at = torch.arange(intervals, device=pins.device)
    return ((at >= pins[:-1, None]) & (at < pins[1:, None])).double()


def ankle_shift(
    joints: Float[Tensor, "frame joint 3"],
    fps: float,
    *,
    rest_heights: tuple[float, ...] = REST_HEIGHTS,
    pinned: Bool[Tensor, "frame 2"] | None = None,
) -> Float[Tensor, "frame 2 3"]:
    """How far each ankle must move (metres) so that its foot stands still while it stands; 0 far from any stance.

    For each foot the shift e(t) minimises, over stance intervals, |e' + drift|^2 in the plane and |e_z + gap|^2 in
    height, plus |e''|^2 for smoothness and |e|^2, which leads it back to 0 during the swing.

    Args:
        rest_heights: of the contact points over a flat floor, metres.
        pinned: frames in which the left and the right ankle must not move.
    """
    points = joints[:, list(CONTACT_JOINTS)].double()
    rest = points.new_tensor(rest_heights)
    stance = standing(points, rest, fps) & _on_legs(joints)
    sides = []
    for side in (0, 1):
        foot = [side, side + 2]
        chosen = stance[:, foot]
        drift = _mean_over(points[1:, foot, :2] - points[:-1, foot, :2], chosen)
        gap = _gap(points[..., 2] - rest, stance, side)[:, None]
        weight = chosen.any(dim=1).to(drift.dtype)
        held = None if pinned is None else pinned[:, side]
        curves = (_return_to_zero(-drift, weight, 1, held), _return_to_zero(-gap, weight, 0, held))
        sides.append(torch.cat(curves, dim=-1))
    return torch.stack(sides, dim=1).to(joints.dtype)


def _return_to_zero(
    target: Float[Tensor, "interval channel"],
    weight: Float[Tensor, "interval"],
    order: int,
    pinned: Bool[Tensor, "frame"] | None = None,
) -> Float[Tensor, "frame channel"]:
    """Smooth curve whose differences (order 1) or interval means (order 0) follow `target` where `weight` is 1.

    It is 0 where it is `pinned`.
    """
    count = len(target) + 1
    identity = torch.eye(count, dtype=target.dtype, device=target.device)
    first, second = torch.diff(identity, dim=0), torch.diff(identity, n=2, dim=0)
    watched = first if order == 1 else (identity[1:] + identity[:-1]) / 2
    held = watched.T @ (weight[:, None] * watched)
    standing_frame = torch.nn.functional.pad(weight, (0, 1)).maximum(torch.nn.functional.pad(weight, (1, 0)))
    pull = torch.where(standing_frame > 0, _PULL_STANCE, _PULL_SWING)
    system = held + _STIFFNESS * second.T @ second + torch.diag(pull)
    wanted = watched.T @ (weight[:, None] * target)
    if pinned is None:
        return torch.linalg.solve(system, wanted)
    curve = torch.zeros_like(wanted)
    curve[~pinned] = torch.linalg.solve(system[~pinned][:, ~pinned], wanted[~pinned])
    return curve


def standing(
    points: Float[Tensor, "frame contact 3"], rest: Float[Tensor, "contact"], fps: float
) -> Bool[Tensor, "interval contact"]:
    """Which contact points stand in each interval between two frames: low at both ends and slow."""
    low = points[..., 2] - rest < _HEIGHT
    speed = (points[1:, :, :2] - points[:-1, :, :2]).norm(dim=-1) * fps
    return low[1:] & low[:-1] & (speed < _SPEED)


def _on_legs(joints: Float[Tensor, "frame joint 3"]) -> Bool[Tensor, "interval contact"]:
    """Whether the leg of each contact point carries: its knee is not on the ground, as of who kneels or lies."""
    up = joints[:, list(_KNEES), 2] > _KNEE_UP
    both = up[1:] & up[:-1]
    return torch.cat((both, both), dim=1)


def _gap(
    heights: Float[Tensor, "frame contact"], stance: Bool[Tensor, "interval contact"], side: int
) -> Float[Tensor, "interval"]:
    """Height over its resting place of the lowest standing point of a foot, 0 if none; a raised heel is no gap."""
    middle = ((heights[1:] + heights[:-1]) / 2)[:, [side, side + 2]]
    chosen = stance[:, [side, side + 2]]
    return torch.where(chosen.any(1), middle.masked_fill(~chosen, torch.inf).amin(1), 0.0)


def _mean_over(
    values: Float[Tensor, "interval contact channel"], chosen: Bool[Tensor, "interval contact"]
) -> Float[Tensor, "interval channel"]:
    weight = chosen.to(values.dtype)[..., None]
    return (values * weight).sum(1) / weight.sum(1).clamp(min=1)


def smooth_fit(
    target: Float[Tensor, "sample channel"],
    weight: Float[Tensor, "sample"],
    *,
    stiffness: float,
    damping: float,
    pull: float = 1e-6,
    zero: Float[Tensor, "equation sample"] | None = None,
) -> Float[Tensor, "sample channel"]:
    """Curve near `target` where `weight` is 1, and smooth everywhere.

    The minimum of sum w (x - y)^2 + stiffness |x''|^2 + damping |x'|^2 + pull |x|^2 (Whittaker 1923, Eilers 2003). A
    tiny pull to 0 keeps the system regular where nothing is known at all. The combinations of samples in `zero`
    (independent of each other) are 0 exactly, by Lagrange multipliers.
    """
    count = len(target)
    identity = torch.eye(count, dtype=target.dtype, device=target.device)
    first, second = torch.diff(identity, dim=0), torch.diff(identity, n=2, dim=0)
    system = torch.diag(weight) + stiffness * second.T @ second + damping * first.T @ first + pull * identity
    wanted = weight[:, None] * target
    if zero is None or not len(zero):
        return torch.linalg.solve(system, wanted)
    free, across = torch.linalg.solve(system, torch.cat((wanted, zero.T), dim=1)).split((target.shape[1], len(zero)), 1)
    return free - across @ torch.linalg.solve(zero @ across, zero @ free)
