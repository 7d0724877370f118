"""Where a body is in a picture: a circle around it from the middle of the hips, and the upright crop of that circle."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

# BlazePose takes in the square around the circle, widened by this.
_CROP_MARGIN: Final = 1.25
# A box around somebody upright, of height h, belongs to a circle of this times h: hips sit at 0.53 of the stature.
_RADIUS_PER_BOX: Final = 0.56


@dataclass(frozen=True)
class BodyCircle:
    """A circle around a whole body, pixels.

    Attributes:
        x, y: middle of the hips.
        radius: to the far end of the body, were it stretched out.
        angle: direction of the head, radians, 0 up, positive clockwise.
    """

    x: float
    y: float
    radius: float
    angle: float

    @classmethod
    def through(cls, points: Float[np.ndarray, "2 2"]) -> "BodyCircle":
        """From the middle of the hips and the point on the circle towards the head."""
        x, y = (float(value) for value in points[0])
        across, up = float(points[1, 0] - points[0, 0]), float(points[0, 1] - points[1, 1])
        return cls(x, y, float(np.hypot(across, up)), float(np.arctan2(across, up)))

    @classmethod
    def around(cls, box: tuple[float, float, float, float], angle: float) -> "BodyCircle":
        """For somebody who fills a box (x, y, width, height) with the head this way: a first guess."""
        x, y, width, height = box
        return cls(x + width / 2, y + height / 2, _RADIUS_PER_BOX * max(width, height), angle)

    def moved(self, across: float, down: float) -> "BodyCircle":
        """The same circle elsewhere."""
        return BodyCircle(self.x + across, self.y + down, self.radius, self.angle)

    def distance(self, other: "BodyCircle") -> float:
        """Between the middles, in units of the larger radius."""
        return float(np.hypot(self.x - other.x, self.y - other.y)) / max(self.radius, other.radius, 1e-6)

    def to_crop(self, size: int) -> Float[np.ndarray, "2 3"]:
        """Affine map from the picture to an upright square crop of the circle, pixel edges to pixel edges."""
        scale = size / (2 * _CROP_MARGIN * self.radius)
        cosine, sine = scale * np.cos(self.angle), scale * np.sin(self.angle)
        turn = np.array([[cosine, sine], [-sine, cosine]])
        return np.column_stack([turn, size / 2 - turn @ (self.x, self.y)])


def crop(picture: UInt8[np.ndarray, "height width 3"], to_crop: Float[np.ndarray, "2 3"], size: int) -> np.ndarray:
    """The square crop `(size, size, 3)` that an affine map cuts out; black where the picture ends.

    A picture much finer than the crop is averaged first, so that its detail does not turn into noise.
    """
    shrink = 1 / float(np.hypot(to_crop[0, 0], to_crop[0, 1]))
    warp = to_crop
    if shrink > 1.5:
        height, width = picture.shape[:2]
        small = (max(1, round(width / shrink)), max(1, round(height / shrink)))
        picture = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
        warp = warp * np.array([[width / small[0], height / small[1], 1.0]])
    # OpenCV counts from the middles of pixels.
    centred = warp.copy()
    centred[:, 2] += 0.5 * warp[:, :2].sum(1) - 0.5
    return cv2.warpAffine(picture, centred, (size, size), flags=cv2.INTER_LINEAR)


def from_crop(
    places: Float[np.ndarray, "*batch 2"], to_crop: Float[np.ndarray, "2 3"], size: int
) -> Float[np.ndarray, "*batch 2"]:
    """Pixels of the picture for places given as shares of a crop's side."""
    return (places * size - to_crop[:, 2]) @ np.linalg.inv(to_crop[:, :2]).T


def blob_boxes(
    mask: Bool[np.ndarray, "height width"], least_share: float
) -> list[tuple[tuple[float, float, float, float], Bool[np.ndarray, "height width"]]]:
    """Boxes (x, y, width, height) and masks of connected parts of at least a share of the picture, big ones first."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    order = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] >= least_share * mask.size]
    order.sort(key=lambda i: -int(stats[i, cv2.CC_STAT_AREA]))
    boxes = [[float(value) for value in stats[i, :4]] for i in order]
    return [((x, y, width, height), labels == i) for i, (x, y, width, height) in zip(order, boxes, strict=True)]
