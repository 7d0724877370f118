"""Bending one person's motion by little until skin and room agree: smooth offsets of root and joints, by gradient.

Offsets are cubic B-splines in time, so that no correction can jerk. The loss is in square centimetres: skin inside
something, what should rest and does not, feet that stood and have moved, and the offsets themselves.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from carescene.clips.taxonomy import OMNIFALL_ID
from carescene.humans.rotations import matrix_to_rotvec, rotvec_to_matrix
from carescene.humans.skeleton import JOINT
from carescene.humans.skin_points import SkinPoints
from carescene.scenes.contact_measures import carrying_points
from carescene.scenes.geometry import SceneGeometry

# Slower changes than this (seconds) look like part of the motion; quicker ones are seen as twitches.
_KNOT_S: Final = 0.3
_STEPS: Final = 36
_RATE: Final = 0.25
# Skin gives way this much (metres) before it counts; a body that touches at one point only would seem to hover.
_GIVES_M: Final = 0.004
# Deeper points than this are also pushed upwards, by this much for every centimetre.
_DEEP_M: Final = 0.02
_UPWARDS: Final = 2.0
# Points further from everything than this cannot get inside anything by corrections of this size, metres.
_NEAR_M: Final = 0.12
_TURN_UNIT: Final = 0.05  # radians that cost as much as one centimetre of the root
_MOVED: Final = tuple(
    JOINT[name]
    for name in (
        *(
            f"{side}_{part}"
            for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
            for side in ("left", "right")
        ),
        *("spine1", "spine2", "spine3", "neck", "head"),
    )
)
_FEET: Final = tuple(JOINT[name] for name in ("left_ankle", "right_ankle", "left_foot", "right_foot"))
# A foot whose ankle is this low and slow stands (metres, metres per second).
_STANDING_M: Final = 0.14
_STANDING_SPEED: Final = 0.25
_RESTING: Final = (OMNIFALL_ID["sitting"], OMNIFALL_ID["lying"])


@dataclass(frozen=True)
class PersonMotion:
    """One person in the frames in which it exists: local rotations, pelvis (metres), shape, labels."""

    rotations: Float[Tensor, "frame 24 3 3"]
    trans: Float[Tensor, "frame 3"]
    betas: Float[Tensor, "10"]
    labels: np.ndarray
    fps: float

    @classmethod
    def of(
        cls, poses: np.ndarray, trans: np.ndarray, betas: np.ndarray, labels: np.ndarray, fps: float
    ) -> "PersonMotion":
        """From a clip's arrays of one person."""
        rotations = rotvec_to_matrix(torch.from_numpy(np.asarray(poses, np.float32)))
        return cls(
            rotations,
            torch.from_numpy(np.asarray(trans, np.float32)),
            torch.from_numpy(np.asarray(betas, np.float32)),
            labels,
            fps,
        )

    def poses(self) -> Float[np.ndarray, "frame 24 3"]:
        """Axis-angle rotations."""
        return matrix_to_rotvec(self.rotations).numpy()


def fit_person(
    motion: PersonMotion,
    geometry: SceneGeometry,
    skin: SkinPoints,
    lift: Float[np.ndarray, "frame"],
    frames: Float[np.ndarray, "some"] | np.ndarray,
    steps: int = _STEPS,
) -> PersonMotion:
    """The motion with root and joints moved so that skin stays outside things and what should rest does.

    Adam (Kingma and Ba 2015) on B-spline coefficients.

    Args:
        motion: to be fitted.
        geometry: of the room, float32.
        skin: points of the body.
        lift: by which the root starts higher, metres: gradients point the wrong way deep inside a mattress.
        frames: the frames to look at; all frames are moved.
        steps: of the search.
    """
    count = len(motion.trans)
    basis = spline_basis(count, max(4, round(count / motion.fps / _KNOT_S) + 3))
    start = torch.linalg.lstsq(basis, torch.from_numpy(100 * lift.astype(np.float32))[:, None]).solution
    root = torch.cat([torch.zeros(basis.shape[1], 2), start], dim=1).requires_grad_()
    turns = torch.zeros(basis.shape[1], len(_MOVED), 3, requires_grad=True)
    look = torch.from_numpy(np.asarray(frames, np.int64))
    part = PersonMotion(motion.rotations[look], motion.trans[look], motion.betas, motion.labels[look], motion.fps)
    loss_of = _Loss(part, motion, look, geometry, skin)
    optimiser = torch.optim.Adam([root, turns], lr=_RATE)
    for step in range(steps):
        # Ends slowly, so that contacts settle.
        optimiser.param_groups[0]["lr"] = _RATE * min(1.0, 2.0 * (1 - step / steps) + 0.05)
        optimiser.zero_grad()
        loss = loss_of(basis[look] @ root, torch.einsum("fk,kjc->fjc", basis[look], turns), step % 15 == 0)
        bend = (root.diff(dim=0).square().sum() + turns.diff(dim=0).square().sum()) / len(root)
        (loss + 0.05 * bend).backward()
        optimiser.step()
    with torch.no_grad():
        rotations, trans = _moved(motion, basis @ root, torch.einsum("fk,kjc->fjc", basis, turns))
    return PersonMotion(rotations, trans, motion.betas, motion.labels, motion.fps)


def spline_basis(frames: int, knots: int) -> Float[Tensor, "frame knot"]:
    """Uniform cubic B-splines sampled at evenly spaced frames; every row sums to 1 (de Boor 1978)."""
    place = torch.linspace(0, knots - 3, frames).clamp(max=knots - 3 - 1e-4)
    first = place.floor().long()
    u = place - first
    weights = torch.stack(
        [(1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3], dim=1
    ) / 6  # fmt: skip
    basis = torch.zeros(frames, knots)
    return basis.scatter_(1, first[:, None] + torch.arange(4), weights)


def standing_feet(joints: Float[Tensor, "frame 24 3"], fps: float) -> Bool[Tensor, "frame 4"]:
    """Whether ankles and toe joints stand on the floor: low and slow."""
    feet = joints[:, list(_FEET)]
    speed = torch.zeros(feet.shape[:2])
    if len(feet) > 1:
        speed[1:] = feet.diff(dim=0).norm(dim=-1) * fps
        speed[0] = speed[1]
    return (feet[..., 2] < _STANDING_M) & (speed < _STANDING_SPEED)


class _Loss:
    """Square centimetres per frame, for the frames looked at."""

    def __init__(
        self, part: PersonMotion, whole: PersonMotion, look: Tensor, geometry: SceneGeometry, skin: SkinPoints
    ) -> None:
        self.part, self.geometry, self.skin = part, geometry, skin
        with torch.no_grad():
            _, joints = skin.posed(whole.rotations, whole.trans, whole.betas)
        self.feet = joints[look][:, list(_FEET)]
        self.stands = standing_feet(joints, whole.fps)[look].float()
        resting = [np.isin(part.labels, [label]) for label in _RESTING]
        zones = [carrying_points(label, skin) for label in _RESTING]
        self.rests = [
            (torch.from_numpy(frames), torch.from_numpy(zone))
            for frames, zone in zip(resting, zones, strict=True)
            if frames.any()
        ]
        self.near = torch.ones(len(look), len(skin.part), dtype=torch.bool)

    def __call__(self, root: Tensor, turns: Tensor, refresh: bool) -> Tensor:
        rotations, trans = _moved(self.part, root, turns)
        points, joints = self.skin.posed(rotations, trans, self.part.betas)
        if refresh:
            with torch.no_grad():
                self.near = self._distance(points, torch.ones_like(self.near)) < _NEAR_M
        distance = 100 * self._distance(points, self.near)
        inside = (-distance - 100 * _GIVES_M).clamp(min=0).square()
        loss = inside.sum() + 4 * inside.amax(dim=1).sum()
        # Deep inside a mattress the nearest way out may lead through its underside or the whole bed.
        deep = (-distance.detach() - 100 * _DEEP_M).clamp(min=0)
        loss = loss - 100 * (_UPWARDS * deep * points[..., 2]).sum()
        for frames, zone in self.rests:
            gap = distance[frames][:, zone].amin(dim=1).clamp(min=0)
            loss = loss + 4 * gap.clamp(max=30.0).square().sum()
        moved = (100 * (joints[:, list(_FEET)] - self.feet)).square().sum(dim=-1)
        loss = loss + (self.stands * moved).sum()
        cost = 0.02 * (root.square().sum() + turns.square().sum())
        return (loss + cost) / len(root)

    def _distance(self, points: Tensor, near: Tensor) -> Tensor:
        found = torch.full(near.shape, 1.0)
        if not bool(near.any()):
            return found
        values = self.geometry.signed_distance(points[near][None])[0]
        return found.masked_scatter(near, values)


def _moved(motion: PersonMotion, root: Tensor, turns: Tensor) -> tuple[Tensor, Tensor]:
    rotations = motion.rotations.clone()
    rotations[:, list(_MOVED)] = rotations[:, list(_MOVED)] @ rotvec_to_matrix(_TURN_UNIT * turns)
    return rotations, motion.trans + root / 100
