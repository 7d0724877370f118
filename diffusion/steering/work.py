"""The bodies of one clip while they are finished: where they are, what is fixed, and steps that keep what is fixed."""

from typing import Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from carescene.humans.kinematics import forward_kinematics
from carescene.humans.reference import reference_rest_joints
from carescene.humans.skeleton import JOINT, MODEL_JOINTS
from diffusion.representation import TRANS, features_to_rotations
from diffusion.steering.body_rows import BodyRows, apply_moves, exact_rows, solve_rows
from diffusion.steering.kernels import condition, pose_kernel
from diffusion.steering.metric import Metric, time_kernels
from diffusion.steering.rows import ClipConstraints
from diffusion.steering.tangent import Posture

LEG_JOINTS: Final = tuple(
    tuple(JOINT[f"{side}_{name}"] for name in ("hip", "knee", "ankle", "foot")) for side in ("left", "right")
)
ALL: Final = slice(None)
# Shifts of the path by contacts: spread (m), and how long one lasts (s).
_LOCAL_M: Final = 0.05
_LOCAL_S: Final = 0.6
# How far (metres per frame) a lifted body or foot goes down towards a frame in which it must not be lifted.
_DESCENT: Final = 0.01


class Work:
    """Bodies of one clip in float64, changed step by step.

    Attributes:
        asked: what must hold.
        there, given: frames in which each person is there, and which stay as they are.
        original: the features at the beginning, frames without a person filled.
        rotations, trans: where the bodies are now.
        lifted: how far each person has been lifted as a whole, metres.
        rest: joints of each body at rest.
        is_key: frames of whole poses.
        known: frames of each person that are keyframes or given.
        kernel, local_kernel, reach, variance: how corrections spread over time and joints, see `metric`.
    """

    def __init__(
        self, motion: Tensor, asked: ClipConstraints, there: Tensor | None, given: Tensor | None, metric: Metric
    ) -> None:
        self.asked, fps = asked, asked.fps
        size = (asked.persons, asked.frames)
        self.there = torch.ones(size, dtype=torch.bool) if there is None else there[: size[0], : size[1]].cpu()
        self.given = torch.zeros(size, dtype=torch.bool) if given is None else given[: size[0], : size[1]].cpu()
        features = _fill_absent(motion.detach().double().cpu(), self.there)
        self.original = features
        self.rotations = features_to_rotations(features)
        self.trans = features[..., TRANS] * torch.tensor([1.0, 1.0, 0.0]).double()
        self.trans[..., 2] = features[..., 2] / asked.ratio[:, None]
        reference = reference_rest_joints().double()
        self.rest = torch.stack([reference if body is None else body.double() for body in asked.rest_joints])
        self.is_key = torch.zeros(size, dtype=torch.bool)
        self.is_key[asked.pose_at[:, 0], asked.pose_at[:, 1]] = True
        fixed = self.is_key | self.given
        known = [torch.nonzero(row)[:, 0].tolist() for row in fixed]
        kernels = [time_kernels(metric, asked.frames, fps, frames) for frames in known]
        self.known = [torch.tensor(frames, dtype=torch.long) for frames in known]
        self.kernel = torch.stack([kernel for kernel, _ in kernels])
        self.reach = [reach for _, reach in kernels]
        self.variance = metric.variances(0.0)
        self.lifted = torch.zeros(size, dtype=torch.float64)
        self.local_kernel = torch.stack(
            [_local(kernel, row, fps) for kernel, row in zip(self.kernel, fixed, strict=True)]
        )

    def joints(self, frames: Int[Tensor, "frame"] | slice = ALL) -> Float[Tensor, "person frame 24 3"]:
        """Where the joints are in some frames, metres."""
        return forward_kinematics(self.rotations[:, frames], self.trans[:, frames], self.rest[:, None])[0]

    def posture(self) -> Posture:
        """How the bodies are posed."""
        return Posture.of(self.rotations, self.trans, self.rest[:, None])

    def exact(self) -> BodyRows:
        """What is missing of each constraint."""
        return exact_rows(self.asked.rows, self.joints()[..., :MODEL_JOINTS, :])

    def step(self, rows: BodyRows, *, local: bool = False) -> None:
        """Move the bodies by the likeliest smooth movement that fulfils equations.

        Args:
            local: the path comes back half a second later, instead of going on from where it was moved to.
        """
        move = solve_rows(rows, self.posture(), self.local_kernel if local else self.kernel, self.variance)
        self.rotations, self.trans = apply_moves(self.rotations, self.trans, move)

    def lift(self, person: int, by: Float[Tensor, "frame"], pinned: Bool[Tensor, "frame"]) -> None:
        """Lift somebody by a curve (metres); all lifts together go down to pinned frames at 0.2 m/s."""
        lifted = below_pins(self.lifted[person] + by, pinned)
        self.trans[person, :, 2] += lifted - self.lifted[person]
        self.lifted[person] = lifted

    def gaps(self) -> Float[Tensor, "person frame"]:
        """Frames from each frame to the nearest one that is a keyframe or given; as many as the clip has if none is."""
        frames = torch.arange(self.asked.frames, dtype=torch.float64)
        rows = [
            (frames[:, None] - known).abs().amin(dim=1) if len(known) else torch.full_like(frames, len(frames))
            for known in self.known
        ]
        return torch.stack(rows)

    def touched(self) -> Bool[Tensor, "person frame 2"]:
        """Frames in which a constraint says where the pelvis is, horizontally and vertically."""
        rows = self.asked.rows
        fixed = self.is_key | self.given
        touched = torch.stack((fixed, fixed), dim=-1)
        pelvis = rows.joint == 0
        touched[rows.person[pelvis], rows.frame[pelvis], (rows.axis[pelvis] == 2).long()] = True
        return touched

    def legs_touched(self) -> Bool[Tensor, "person frame 2"]:
        """Frames in which a constraint says where the left and the right leg are."""
        rows = self.asked.rows
        fixed = self.is_key | self.given
        touched = torch.stack((fixed, fixed), dim=-1)
        for side, leg in enumerate(LEG_JOINTS):
            on = torch.isin(rows.joint, torch.tensor(leg[1:]))
            touched[rows.person[on], rows.frame[on], side] = True
        return touched


def _local(kernel: Tensor, fixed: Tensor, fps: float) -> Tensor:
    """Covariances over time whose path comes back after a shift."""
    path = _LOCAL_M**2 * pose_kernel(len(fixed), fps, length_s=_LOCAL_S)
    return torch.cat((condition(path[None], fixed)[0], kernel[1:]))


def smooth_envelope(lift: Float[Tensor, "frame"], *, reach: int = 1) -> Float[Tensor, "frame"]:
    """A smooth curve nowhere below `lift`.

    Args:
        lift: metres, 0 or more.
        reach: frames before and after a peak over which the curve rises and falls.
    """
    count = 2 * reach + 1
    # A mean over `reach` frames of what is the greatest within `reach` frames is nowhere below.
    wide = torch.nn.functional.max_pool1d(lift[None, None], count, stride=1, padding=reach)
    weights = torch.hann_window(count + 2, periodic=False, dtype=lift.dtype)[1:-1]
    padded = torch.nn.functional.pad(wide, (reach, reach), mode="replicate")
    return torch.nn.functional.conv1d(padded, (weights / weights.sum())[None, None])[0, 0]


def below_pins(lift: Float[Tensor, "frame"], pinned: Bool[Tensor, "frame"]) -> Float[Tensor, "frame"]:
    """The curve, but next to pinned frames, where it is 0, no higher than what goes down to them at 0.2 m/s."""
    pins = torch.nonzero(pinned)[:, 0]
    if not len(pins):
        return lift
    gap = (torch.arange(len(lift))[:, None] - pins).abs().amin(dim=1)
    return torch.minimum(lift, _DESCENT * gap.to(lift))


def _fill_absent(features: Tensor, there: Bool[Tensor, "person frame"]) -> Tensor:
    """Frames without a person hold the nearest one with, so that nothing is posed from zeros."""
    features = features.clone()
    for person, present in enumerate(there):
        frames = torch.nonzero(present)[:, 0]
        if len(frames) and not bool(present.all()):
            nearest = (torch.arange(len(present))[:, None] - frames).abs().argmin(dim=1)
            features[person] = features[person, frames[nearest]]
    return features
