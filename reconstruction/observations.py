"""What is seen of people in a video, before anything is explained: 2D key points, pose labels, depth."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from carescene.clips.rendered import COCO_KEYPOINTS

# COCO's 17, then the feet of COCO-WholeBody, then head, neck and hips of Halpe. Every reader fills what it has.
LANDMARKS: Final[tuple[str, ...]] = (
    *COCO_KEYPOINTS,
    "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel",
    "head_top", "neck", "pelvis",
)  # fmt: skip
LANDMARK: Final[dict[str, int]] = {name: index for index, name in enumerate(LANDMARKS)}


@dataclass(frozen=True)
class Keypoints:
    """2D key points of everybody in a video, in the pixels of the upright picture.

    Pixel (0, 0) covers [0, 1) x [0, 1), as in `carescene.rendering.Camera`. A missing point has confidence 0 and
    pixels of NaN; a person who is not in view has no point at all in that frame.

    Attributes:
        times: seconds from the video's first frame, increasing.
        frames: index of the video's frame at each time.
        width, height: size of the picture that `pixels` belong to.
        pixels: `(person, frame, landmark, 2)`, landmarks in the order of LANDMARKS.
        confidence: 0 for missing up to 1.
        sigma: standard deviation of each point in pixels, one number for x and y.
        names: what to call each person.
        source: who made them ("mediapipe", "coco", ...): landmarks sit a little differently on the body in each.
    """

    times: Float[np.ndarray, "frame"]
    frames: np.ndarray
    width: int
    height: int
    pixels: Float[np.ndarray, "person frame landmark 2"]
    confidence: Float[np.ndarray, "person frame landmark"]
    sigma: Float[np.ndarray, "person frame landmark"]
    names: tuple[str, ...]
    source: str

    @property
    def seen(self) -> Bool[np.ndarray, "person frame landmark"]:
        """Which points there are."""
        return self.confidence > 0

    @property
    def present(self) -> Bool[np.ndarray, "person frame"]:
        """Who has any point in which frame."""
        return self.seen.any(-1)


@dataclass(frozen=True)
class PoseLabels:
    """What a network believes about poses, frame by frame: a Gaussian in the tangent space of a mean.

    A pose is R_j = mean_j exp(w_j), w `(72,)` with the given covariance: rotations relative to the parent joint, joint
    0 being the pelvis relative to the camera (rest frame y up, facing +z, to OpenCV's camera frame at the crop's own
    ray, that is in the full picture's camera).

    Attributes:
        rotations: the mean, `(person, frame, 24, 3, 3)`.
        covariance: of w in rad^2, `(person, frame, 72, 72)`, symmetric and positive definite.
        valid: where there is a label, `(person, frame)`.
        betas: shape per frame where the network gives one, `(person, frame, 10)`.
        source: "prohmr" or "lifter".
    """

    rotations: Float[np.ndarray, "person frame 24 3 3"]
    covariance: Float[np.ndarray, "person frame 72 72"]
    valid: Bool[np.ndarray, "person frame"]
    source: str
    betas: Float[np.ndarray, "person frame 10"] | None = None


@dataclass(frozen=True)
class DepthLabels:
    """Depth of the static room and, now and then, of the people in it, from one static camera.

    A map m explains depth z along the view axis by 1 / z = a m + b with one (a, b) for the whole video when `kind` is
    "disparity"; by z = a m + b when it is "metres".

    Attributes:
        plate: map of the empty room at the picture's size or smaller, `(height, width)`, NaN where unknown.
        frames: index into `Keypoints.times` of each further map.
        maps: those maps, of the same size as `plate`.
        kind: "disparity" or "metres".
        source: name of the network or "recorded".
        metric: whether "metres" are a measurement (a recorded stream), so that a = 1 and b = 0 within `scale_sigma`.
        scale_sigma: relative standard deviation of a around 1 when metric.
    """

    plate: Float[np.ndarray, "height width"]
    kind: str
    source: str
    frames: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    maps: Float[np.ndarray, "map height width"] = field(default_factory=lambda: np.zeros((0, 1, 1), np.float32))
    metric: bool = False
    scale_sigma: float = 0.1
