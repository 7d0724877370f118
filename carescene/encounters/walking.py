"""Somebody walks along a path with a recorded gait, stops and turns to face something; feet do not slide."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter1d

from carescene.encounters.gait import Gait, about_z, blend_rotations
from carescene.humans._retarget_feet import bridge_stances, intervals, move_ankle
from carescene.humans.kinematics import forward_kinematics, local_rotations
from carescene.humans.skeleton import JOINT
from carescene.humans.skin_points import SkinPoints, load_skin_points

FPS: Final = 20.0
# Seconds in which somebody who walks comes to a stand, and turns per second on the spot (Hollands et al. 2004 saw
# 90 degrees in about 1 s).
_STOP_S: Final = 0.9
_TURN_RATE: Final = np.radians(110.0)
_SETTLE_FRAMES: Final = 8
# While turning on the spot, steps are this much of full ones.
_STEPPING: Final = 0.3
_LARGEST_M: Final = 0.12
_SOLES: Final = (("left_ankle", "left_foot"), ("right_ankle", "right_foot"))
_HEADING_SIGMA: Final = 4.0


@dataclass(frozen=True)
class Body:
    """Whoever walks: shape, rest joints (metres, y up), and how they stand (local rotations, pelvis height).

    `stand` has the pelvis' rotation as of somebody who looks along +x.
    """

    betas: Float[np.ndarray, "10"]
    rest: Float[np.ndarray, "24 3"]
    stand: Float[np.ndarray, "24 3 3"]
    stand_height: float

    @property
    def leg(self) -> float:
        """Hip to ankle, metres."""
        hip, knee, ankle = (self.rest[JOINT[f"left_{name}"]] for name in ("hip", "knee", "ankle"))
        return float(np.linalg.norm(knee - hip) + np.linalg.norm(ankle - knee))


@dataclass(frozen=True)
class Walk:
    """A walk at 20 fps: local rotations, pelvis in the world (metres), and whether the person still moves along."""

    rotations: Float[np.ndarray, "frame 24 3 3"]
    trans: Float[np.ndarray, "frame 3"]
    moving: Bool[np.ndarray, "frame"]

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return len(self.trans) / FPS


def walk_along(
    path: Float[np.ndarray, "point 2"],
    gait: Gait,
    body: Body,
    *,
    end_heading: float | None = None,
    stop: bool = True,
    from_standing: bool = False,
    haste: float | int = 1.0,
    phase: float = 0.0,
    along: Float[np.ndarray, "frame"] | None = None,
) -> Walk:
    """A walk over all of a path; the pelvis stays above it.

    Steps shrink with the speed while the cadence stays, so that feet hardly slide; what is left is taken out of
    standing feet by turning hips and knees (two-bone inverse kinematics).

    Args:
        path: places on the floor, metres; smooth, with points at most some centimetres apart.
        gait: how the person walks.
        body: who walks.
        end_heading: angle from +x, counter-clockwise, to look along at the end; None for that of the path.
        stop: come to a stand at the path's end, as `body.stand`; else walk on to its last point.
        from_standing: begin at rest instead of walking.
        haste: times the gait's own speed.
        phase: of the cycle to begin with.
        along: distance covered by each frame, metres, to keep pace with somebody; `haste` then does not count.
    """
    scale = body.leg / gait.leg
    if along is None:
        along, amplitude, cadence = _advance(path, gait, scale, float(haste), stop, from_standing)
    else:
        # Slower walks have shorter and slower steps alike (walk ratio, Sekiya and Nagasaki 1998).
        share = np.sqrt(np.clip(np.gradient(along) * FPS / (gait.speed * scale), 0.0, 2.0))
        amplitude, cadence = share, share / gait.seconds
    spots, heading = _on_path(path, along)
    moving = np.ones(len(along), bool)
    if stop:
        spots, heading, amplitude, moving = _turned_to_end(spots, heading, amplitude, end_heading)
    heading = gaussian_filter1d(heading, _HEADING_SIGMA, mode="nearest")
    amplitude = gaussian_filter1d(amplitude, 1.5, mode="nearest")
    if stop and end_heading is not None:
        heading[-_SETTLE_FRAMES // 2 :] = heading[-1]
        heading += np.linspace(0, 1, len(heading)) ** 8 * _angle(end_heading - heading[-1])
    # The turn on the spot at the end keeps the cadence of the last step.
    cadence = np.concatenate([cadence, np.full(len(amplitude) - len(cadence), cadence[-1])])
    steps = np.where(amplitude > 0.04, cadence / FPS, 0.0)
    rotations, offset, stands = gait.at(phase + np.concatenate([[0.0], np.cumsum(steps[:-1])]))
    rotations = blend_rotations(np.broadcast_to(body.stand, rotations.shape), rotations, np.clip(amplitude, 0, 1))
    rotations[:, 0] = about_z(heading) @ rotations[:, 0]
    ahead = np.stack([np.cos(heading), np.sin(heading)], axis=1)
    left = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
    sway = amplitude[:, None] * scale * (offset[:, :1] * ahead + offset[:, 1:2] * left)
    height = amplitude * scale * offset[:, 2] + (1 - amplitude) * body.stand_height
    trans = np.concatenate([spots + sway, height[:, None]], axis=1)
    stands = stands | (amplitude < 0.12)[:, None]
    rotations = _planted(rotations, trans, body, stands)
    return Walk(rotations, trans, moving)


def distances_along(path: Float[np.ndarray, "point 2"]) -> Float[np.ndarray, "point"]:
    """Distance of each point of a path from its start, along it, metres."""
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])


def smooth_path(points: Float[np.ndarray, "point 2"], sigma_m: float | int = 0.25) -> Float[np.ndarray, "dense 2"]:
    """A path without the corners of a grid: a point every 2 cm, smoothed over `sigma_m`, with both ends kept."""
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    even = np.linspace(0, lengths[-1], max(int(lengths[-1] / 0.02), 2) + 1)
    dense = np.stack([np.interp(even, lengths, points[:, axis]) for axis in (0, 1)], axis=1)
    if len(dense) < 8:
        return dense
    line = np.linspace(0, 1, len(dense))[:, None] * (dense[-1] - dense[0]) + dense[0]
    # About the straight line the ends are zero, and stay there by odd reflection.
    offset = dense - line
    padded = np.concatenate([-offset[:0:-1], offset, -offset[-2::-1]])
    smooth = gaussian_filter1d(padded, sigma_m / 0.02, axis=0, mode="nearest")
    return line + smooth[len(dense) - 1 : 2 * len(dense) - 1]


def _advance(
    path: np.ndarray, gait: Gait, scale: float, haste: float, stop: bool, from_standing: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distance along the path, share of full steps, and cadence in cycles per second, frame by frame."""
    length = float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())
    full = gait.speed * scale * haste
    # Who hurries takes longer and quicker steps alike (walk ratio, Sekiya and Nagasaki 1998).
    stride = np.sqrt(haste)
    cadence = haste / stride / gait.seconds
    brake = full / _STOP_S
    at, speed, distances, shares = 0.0, 0.0 if from_standing else full, [], []
    while at < length - 1e-3 and len(distances) < 2000:
        distances.append(at)
        shares.append(stride * speed / full)
        limit = np.sqrt(2 * brake * max(length - at, 0.0)) if stop else full
        speed = max(min(speed + brake / FPS, full, limit), 0.04)
        at += speed / FPS
    return (
        np.array([*distances, length]),
        np.array([*shares, 0.0 if stop else stride]),
        np.full(len(shares) + 1, cadence),
    )


def _on_path(path: np.ndarray, along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    spots = np.stack([np.interp(along, lengths, path[:, axis]) for axis in (0, 1)], axis=1)
    # A little ahead and behind, so that one noisy piece does not turn the person.
    before, after = (
        np.stack([np.interp(np.clip(along + by, 0, lengths[-1]), lengths, path[:, axis]) for axis in (0, 1)], axis=1)
        for by in (-0.1, 0.1)
    )
    step = after - before
    return spots, np.unwrap(np.arctan2(step[:, 1], step[:, 0]))


def _turned_to_end(
    spots: np.ndarray, heading: np.ndarray, amplitude: np.ndarray, end_heading: float | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    turn = 0.0 if end_heading is None else _angle(end_heading - heading[-1])
    # The first part of the turn is made on the last steps.
    frames = max(round((abs(turn) - 0.5) / _TURN_RATE * FPS), 0)
    share = (1 - np.cos(np.pi * np.arange(1, frames + 1) / max(frames, 1))) / 2
    early = min(abs(turn), 0.5) * np.sign(turn)
    last = min(len(heading), round(0.6 * FPS))
    heading = heading.copy()
    heading[-last:] += early * (1 - np.cos(np.pi * np.arange(1, last + 1) / last)) / 2
    heading = np.concatenate([heading, heading[-1] + share * (turn - early), np.full(_SETTLE_FRAMES, 0.0)])
    heading[-_SETTLE_FRAMES:] = heading[-_SETTLE_FRAMES - 1]
    bump = _STEPPING * np.sin(np.pi * (np.arange(frames) + 0.5) / max(frames, 1)) ** 0.5
    moving = np.concatenate([np.ones(len(amplitude) + frames, bool), np.zeros(_SETTLE_FRAMES, bool)])
    amplitude = np.concatenate([amplitude, bump, np.zeros(_SETTLE_FRAMES)])
    spots = np.concatenate([spots, np.repeat(spots[-1:], frames + _SETTLE_FRAMES, axis=0)])
    return spots, heading, amplitude, moving


def _planted(rotations: np.ndarray, trans: np.ndarray, body: Body, stands: np.ndarray) -> np.ndarray:
    """Local rotations whose standing feet stay where they are and on the floor."""
    skin = load_skin_points()
    for _ in range(2):
        joints, world, lowest = _posed(rotations, trans, body, skin)
        moved = world.copy()
        for side, name in enumerate(("left", "right")):
            ankle = joints[:, JOINT[f"{name}_ankle"]]
            shift = _held(ankle[:, :2], stands[:, side])
            lift = np.maximum(-lowest[:, side], np.where(stands[:, side], -lowest[:, side], 0.0))
            lift = np.clip(gaussian_filter1d(np.clip(lift, -0.04, 0.08), 0.8, mode="nearest"), -0.04, 0.08)
            target = ankle + np.concatenate([shift, lift[:, None]], axis=1)
            move_ankle(moved, joints, name, target)
        rotations = local_rotations(torch.from_numpy(moved)).numpy()
    return rotations


def _posed(
    rotations: np.ndarray, trans: np.ndarray, body: Body, skin: SkinPoints
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    joints, world = (
        part.numpy()
        for part in forward_kinematics(
            torch.from_numpy(rotations), torch.from_numpy(trans), torch.from_numpy(body.rest)
        )
    )
    with torch.no_grad():
        points, _ = skin.posed(
            torch.from_numpy(rotations).float(), torch.from_numpy(trans).float(), torch.from_numpy(body.betas).float()
        )
    part = skin.part.numpy()
    height = points[..., 2].numpy()
    lowest = [height[:, np.isin(part, [JOINT[name] for name in foot])].min(axis=1) for foot in _SOLES]
    return joints, world, np.stack(lowest, axis=1).astype(np.float64)


def _held(ankle: Float[np.ndarray, "frame 2"], stands: Bool[np.ndarray, "frame"]) -> Float[np.ndarray, "frame 2"]:
    """Corrections that hold an ankle still in every stance and lead over smoothly between them."""
    correction, runs = np.zeros_like(ankle), [run for run in intervals(stands) if run[1] - run[0] > 1]
    for start, end in runs:
        # Somebody who has come to a stand stays where that is.
        target = ankle[-1] if end == len(ankle) else ankle[start:end].mean(axis=0)
        correction[start:end] = target - ankle[start:end]
    correction = bridge_stances(correction, runs)
    size = np.linalg.norm(correction, axis=1, keepdims=True)
    return correction * np.minimum(1.0, _LARGEST_M / np.maximum(size, 1e-9))


def _angle(value: float) -> float:
    return float(np.remainder(value + np.pi, 2 * np.pi) - np.pi)
