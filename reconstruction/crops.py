"""Squares cut around people as ProHMR was trained on them, and what it says of a crop told of the full picture.

A crop's network believes that the camera looks along the middle of the crop, and that its focal length is that of the
training. Both are put right here, with the camera that took the picture.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from carescene.rendering.camera import Camera
from reconstruction.lifter_input import turn_to_axis
from reconstruction.observations import LANDMARK, Keypoints
from reconstruction.prohmr import CROP

# Side of the box over the longer side of the key points' own box, as published.
MARGIN: Final = 1.2
# Statistics of ImageNet's red, green and blue, as published with every backbone that was trained on it.
_MEAN: Final = np.array([0.485, 0.456, 0.406], np.float32)
_STD: Final = np.array([0.229, 0.224, 0.225], np.float32)
# OpenPose's points, which the published boxes are made of, end at the eyes and ears.
_IN_BOX: Final = np.arange(len(LANDMARK)) != LANDMARK["head_top"]
# Of fewer points a box says little of where the body is.
_LEAST_POINTS: Final = 4
# Pixels; a person of fewer is a smear for the network.
_LEAST_SIDE: Final = 16.0


@dataclass(frozen=True)
class Boxes:
    """Squares around people, in the pixels of their key points.

    Attributes:
        centre: `(person, frame, 2)`, NaN where there is no box.
        side: `(person, frame)`, NaN where there is no box.
    """

    centre: Float[np.ndarray, "person frame 2"]
    side: Float[np.ndarray, "person frame"]

    @property
    def valid(self) -> Bool[np.ndarray, "person frame"]:
        """Who has a box in which frame."""
        return np.isfinite(self.side)


def person_boxes(keypoints: Keypoints) -> Boxes:
    """The published box: a square of 1.2 times the longer side of all points seen, around the middle of these."""
    use = keypoints.seen & _IN_BOX
    pixels = keypoints.pixels.astype(np.float64)
    low = np.where(use[..., None], pixels, np.inf).min(-2)
    high = np.where(use[..., None], pixels, -np.inf).max(-2)
    longer = (high - low).max(-1)
    good = (use.sum(-1) >= _LEAST_POINTS) & (longer >= _LEAST_SIDE)
    with np.errstate(invalid="ignore"):
        centre = np.where(good[..., None], (low + high) / 2, np.nan)
    return Boxes(centre, np.where(good, MARGIN * longer, np.nan))


def crop_people(
    picture: UInt8[np.ndarray, "height width 3"],
    centres: Float[np.ndarray, "box 2"],
    sides: Float[np.ndarray, "box"],
) -> Float[Tensor, "box 3 224 224"]:
    """Cut squares out of an RGB picture and normalise them, as ProHMR's published preprocessing does.

    Bilinear, black beyond the border, without smoothing where the square is made smaller.

    Args:
        centres, sides: pixels of this picture; pixel (0, 0) covers [0, 1) x [0, 1).
    """
    crops = np.empty((len(sides), CROP, CROP, 3), np.float32)
    for crop, (x, y), side in zip(crops, centres, sides, strict=True):
        scale = CROP / side
        # OpenCV counts from the middle of the first pixel. The published square's middle is its pixel (112, 112).
        warp = np.array([[scale, 0, CROP / 2 - scale * (x - 0.5)], [0, scale, CROP / 2 - scale * (y - 0.5)]])
        crop[:] = cv2.warpAffine(picture, warp, (CROP, CROP), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    crops = (crops - 255 * _MEAN) / (255 * _STD)
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(crops, -1, 1)))


def crop_ray_rotation(camera: Camera, centres: Float[np.ndarray, "*batch 2"]) -> Float[np.ndarray, "*batch 3 3"]:
    """From the frame of a camera that looks along these pixels' rays to the frame of the camera that took the picture.

    A root orientation R seen in a crop is `crop_ray_rotation(camera, middle) @ R` in the full picture (as CLIFF, Li et
    al. 2022, argues). The smallest such rotation: it turns no crop about its own middle.
    """
    rays = camera.rays(centres) @ camera.rotation.T
    return turn_to_axis(torch.from_numpy(rays.reshape(-1, 3))).mT.reshape(*rays.shape[:-1], 3, 3).numpy()


def full_frame_translation(
    cam: Float[np.ndarray, "*batch 3"],
    centres: Float[np.ndarray, "*batch 2"],
    sides: Float[np.ndarray, "*batch"],
    camera: Camera,
) -> Float[np.ndarray, "*batch 3"]:
    """Where a body stands before the camera that took the picture, metres, from the crop's weak camera.

    The published full-frame formula with the real focal length f in place of 5000 everywhere: at depth 2 f / (side s),
    on the ray through the pixel where the crop's camera puts the body's origin. SMPL's origin, that is: the pelvis is
    at this place plus SMPL's rest pelvis, (0.00, -0.22, 0.03) m for the mean shape.

    Args:
        cam: (s, tx, ty) of `reconstruction.prohmr.HmrSamples`.
        centres, sides: of the box, in the camera's pixels.

    Returns:
        x right, y down, z forward; NaN where s is not positive, which no trained network gives for a person.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(cam[..., 0] > 0, cam[..., 0], np.nan)
        depth = 2 * np.sqrt(camera.scale.prod()) / (sides * scale)
    origin = centres + (sides * scale / 2)[..., None] * cam[..., 1:]
    return depth[..., None] * (camera.rays(origin) @ camera.rotation.T)
