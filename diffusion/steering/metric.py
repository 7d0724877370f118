"""Which corrections of a motion are likely: how far each movement may go, and how long its correction lasts."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from carescene.errors import UserError
from carescene.humans.skeleton import JOINT_NAMES, MODEL_JOINTS
from diffusion.representation import BODY, JOINTS, MOTION_FEATURES, ROOT
from diffusion.steering.kernels import condition, path_kernel, pose_kernel
from diffusion.steering.tangent import MOVES

# Groups of movements with a covariance over time of their own: path, height, turns.
PATH, HEIGHT, TURN = GROUPS = range(3)
MOVE_GROUP: Final = torch.tensor([PATH, PATH, HEIGHT] + [TURN] * (MOVES - 3))

# How far recorded people turn each joint in half a second about its own three axes (radians, root mean square over
# 400 clips of prepared motion capture, both sides, over the square root of 2). Knees and elbows come out as the hinges
# they are, and a wrist that must go somewhere takes the arm, not the spine.
_TURNS: Final[dict[str, tuple[float, float, float]]] = {
    "pelvis": (0.054, 0.165, 0.045),
    "hip": (0.225, 0.092, 0.087),
    "knee": (0.251, 0.008, 0.008),
    "ankle": (0.172, 0.090, 0.065),
    "foot": (0.130, 0.008, 0.008),
    "spine1": (0.017, 0.022, 0.014),
    "spine2": (0.017, 0.022, 0.014),
    "spine3": (0.026, 0.076, 0.045),
    "neck": (0.043, 0.042, 0.027),
    "head": (0.034, 0.063, 0.042),
    "collar": (0.024, 0.034, 0.038),
    "shoulder": (0.174, 0.312, 0.172),
    "elbow": (0.095, 0.268, 0.078),
    "wrist": (0.030, 0.058, 0.090),
}


@dataclass(frozen=True)
class Metric:
    """What corrections are likely.

    Attributes:
        path_speed: spread of the extra velocity of the path (m/s), which keeps its direction for `path_s` seconds.
        path_start: spread of a common shift of the whole path (m).
        height: spread of corrections of the pelvis' height (m).
        turn: spread of turns of all joints, times what recorded people turn in half a second.
        pose_s: how long a correction of height or pose lasts (s).
        late_path: what is left of the spread of the path at the end of sampling, when the steps are settled, for
            constraints that other movements can meet.
        ridge: spread of joint positions (m) and rotations off the body.
    """

    path_speed: float = 0.5
    path_s: float = 0.5
    path_start: float = 1.0
    height: float = 0.05
    turn: float = 1.5
    pose_s: float = 0.35
    late_path: float = 0.1
    ridge: float = 0.01

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if not getattr(self, name) > 0:
                raise UserError(f"Expected metric.{name} above 0, but got {getattr(self, name)}. Correct it.")

    def variances(self, progress: float | int) -> Float[Tensor, "69"]:
        """Variance of each movement; those of the path are in its kernel, up to the decline with progress (0..1)."""
        path = (1 - progress) + progress * self.late_path
        turns = [_TURNS[name.removeprefix("left_").removeprefix("right_")] for name in JOINT_NAMES[:MODEL_JOINTS]]
        spread = [path, path, self.height, *(self.turn * each for turn in turns for each in turn)]
        return torch.tensor(spread, dtype=torch.float64) ** 2

    def ridges(self) -> Float[Tensor, "201"]:
        """Variance of each feature off the body; the pelvis itself is free to move anyway."""
        variance = torch.zeros(MOTION_FEATURES, dtype=torch.float64)
        variance[ROOT.start : BODY.stop] = self.ridge**2
        variance[JOINTS] = self.ridge**2
        return variance


def time_kernels(
    metric: Metric, frames: int, fps: float, known: Collection[int]
) -> tuple[Float[Tensor, "3 {frames} {frames}"], Float[Tensor, "3 {frames} known"]]:
    """Covariance over time of each group of movements once some frames are known, and how far what is known reaches."""
    path = path_kernel(frames, fps, length_s=metric.path_s, speed=metric.path_speed, start=metric.path_start)
    pose = pose_kernel(frames, fps, length_s=metric.pose_s)
    whole = torch.stack((path, pose, pose))
    fixed = torch.zeros(frames, dtype=torch.bool)
    fixed[sorted(known)] = True
    return condition(whole, fixed)
