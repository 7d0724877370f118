"""One camera of a Captury take as key points, with the take's joints as the truth."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from carescene.clips.formats.captury import CapturyCamera, CapturyTake
from carescene.humans.skeleton import JOINT
from carescene.rendering.camera import Camera
from reconstruction.observations import LANDMARK, LANDMARKS, Keypoints

# Our joints by the take's names: those that both skeletons have at the same place of the body.
_JOINTS: Final = {
    f"{side}_{ours}": f"{side.capitalize()}{theirs}"
    for side in ("left", "right")
    for ours, theirs in (
        ("hip", "UpLeg"), ("knee", "Leg"), ("ankle", "Foot"), ("foot", "ToeBase"),
        ("shoulder", "Arm"), ("elbow", "ForeArm"), ("wrist", "Hand"),
    )
} | {"neck": "Neck"}  # fmt: skip
CAPTURY_JOINTS: Final[tuple[int, ...]] = tuple(JOINT[name] for name in _JOINTS)
# Our landmarks; several names are a landmark between them.
_LANDMARKS: Final[dict[str, tuple[str, ...]]] = {
    "nose": ("Nose",), "neck": ("Neck",), "head_top": ("HeadEE",), "pelvis": ("LeftUpLeg", "RightUpLeg"),
    **{
        f"{side}_{ours}": tuple(f"{side.capitalize()}{name}" for name in theirs)
        for side in ("left", "right")
        for ours, theirs in (
            ("eye", ("Eye",)), ("ear", ("Ear",)), ("shoulder", ("Arm",)), ("elbow", ("ForeArm",)),
            ("wrist", ("Hand",)), ("hip", ("UpLeg",)), ("knee", ("Leg",)), ("ankle", ("Foot",)),
            ("heel", ("HeelInner", "HeelOuter")), ("big_toe", ("FootEEInner",)), ("small_toe", ("FootEEOuter",)),
        )
    },
}  # fmt: skip
# The projections are exact; what is uncertain is where each landmark lies on the body, as a share of the picture.
_SIGMA_SHARE: Final = 1 / 400


@dataclass(frozen=True)
class CapturyView:
    """What one camera sees of a take, and the truth: joints in the order of CAPTURY_JOINTS in the world, metres."""

    name: str
    keypoints: Keypoints
    camera: Camera
    joints: Float[np.ndarray, "frame joint 3"]


def captury_views(take: CapturyTake, frames: int | None = None, rate: float = 25.0) -> list[CapturyView]:
    """All cameras of a take, each by itself, at `rate` pictures per second at most.

    Args:
        frames: only so many frames of the result, from the start.
    """
    step = max(1, round(float(1 / np.median(np.diff(take.times))) / rate))
    taken = np.arange(0, len(take.times), step)[:frames]
    truth = np.stack([take.joints[taken][:, take.joint_names.index(name)] for name in _JOINTS.values()], axis=1)
    return [
        CapturyView(f"{take.name}_{index}", _keypoints(camera, take.times[taken], taken), _camera(camera), truth)
        for index, camera in enumerate(take.cameras)
    ]


def _camera(seen: CapturyCamera) -> Camera:
    shift = (seen.matrix[0, 2] - seen.width / 2, seen.matrix[1, 2] - seen.height / 2)
    return Camera(
        seen.eye, seen.rotation, float(seen.matrix[0, 0]), seen.width, seen.height,
        aspect=float(seen.matrix[1, 1] / seen.matrix[0, 0]), shift=(float(shift[0]), float(shift[1])),
    )  # fmt: skip


def _keypoints(seen: CapturyCamera, times: np.ndarray, frames: np.ndarray) -> Keypoints:
    pixels = np.full((1, len(times), len(LANDMARKS), 2), np.nan)
    for name, theirs in _LANDMARKS.items():
        points = seen.pixels[frames][:, [seen.names.index(each) for each in theirs]]
        pixels[0, :, LANDMARK[name]] = points.mean(1)
    with np.errstate(invalid="ignore"):
        there = ((pixels >= 0) & (pixels < [seen.width, seen.height])).all(-1)
    return Keypoints(
        times=times - times[0],
        frames=frames,
        width=seen.width,
        height=seen.height,
        pixels=np.where(there[..., None], pixels, np.nan),
        confidence=there.astype(np.float64),
        sigma=np.full(there.shape, seen.width * _SIGMA_SHARE),
        names=("person 1",),
        source="captury",
    )
