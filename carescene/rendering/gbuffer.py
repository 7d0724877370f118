"""G-buffer: what every pixel of one picture shows, before any light.

Everything that comes out of a picture (depth, masks, labels, colour, infrared) is computed from it, so all of them
agree to the pixel.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int, UInt8

NOTHING: Final = -1
# Ids of instances: the room's shell, then the scene's objects from 1 on, then loose cloth, then people.
ROOM: Final = 0
CLOTH_BASE: Final = 500
PERSON_BASE: Final = 1000


@dataclass
class GBuffer:
    """One picture's geometry.

    Attributes:
        depth: distance along the camera's axis (not along the ray) in metres, infinite where nothing is met.
        normal: unit normal in the world, towards the camera's side; zero where nothing is met.
        instance: `NOTHING`, `ROOM`, 1 + index of a scene object, `CLOTH_BASE` + index of a blanket, or
            `PERSON_BASE` + index of a person.
        part: 0, or 1 + index of the SMPL joint that moves this piece of a person's skin.
        material: index into the room mesh's `materials`; `NOTHING` where no part of the room is seen.
        face: triangle of the person's (or cloth's) mesh that is seen, `NOTHING` elsewhere.
        weights: where in that triangle: barycentric weights of its three corners.
    """

    depth: Float[np.ndarray, "height width"]
    normal: Float[np.ndarray, "height width 3"]
    instance: Int[np.ndarray, "height width"]
    part: UInt8[np.ndarray, "height width"]
    material: Int[np.ndarray, "height width"]
    face: Int[np.ndarray, "height width"]
    weights: Float[np.ndarray, "height width 3"]


def empty_buffer(height: int, width: int) -> GBuffer:
    """A picture of nothing."""
    return GBuffer(
        depth=np.full((height, width), np.inf, np.float32),
        normal=np.zeros((height, width, 3), np.float32),
        instance=np.full((height, width), NOTHING, np.int32),
        part=np.zeros((height, width), np.uint8),
        material=np.full((height, width), NOTHING, np.int32),
        face=np.full((height, width), NOTHING, np.int32),
        weights=np.zeros((height, width, 3), np.float32),
    )
