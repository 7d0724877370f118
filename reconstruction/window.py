"""A stretch of one person's chain, posed: what every term of the energy looks at."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from jaxtyping import Float

from carescene.rendering.camera import Camera
from reconstruction.block_cholesky import REACH
from reconstruction.chains import Chain
from reconstruction.landmarks import LandmarkModel
from reconstruction.normal_equations import ChunkEquations
from reconstruction.observations import LANDMARK, LANDMARKS
from reconstruction.posed import FREE_JOINTS, Posed, pose_body
from reconstruction.sigmas import Sigmas

# Landmarks that detectors place differently from the body's joints: always the same way, mirrored on the other side.
_OFFSET_PAIRS: Final = (("left_hip", "right_hip"), ("left_shoulder", "right_shoulder"), ("left_ankle", "right_ankle"))
NUM_OFFSETS: Final = 3 * len(_OFFSET_PAIRS)


def _offset_basis() -> Float[np.ndarray, "26 3 unknown"]:
    basis = np.zeros((len(LANDMARKS), 3, NUM_OFFSETS))
    for pair, (left, right) in enumerate(_OFFSET_PAIRS):
        columns = np.arange(3 * pair, 3 * pair + 3)
        basis[LANDMARK[left], [0, 1, 2], columns] = 1.0
        basis[LANDMARK[right], [0, 1, 2], columns] = [-1.0, 1.0, 1.0]
    return basis


# How landmarks move with the unknown offsets, in the rest frame (x is the body's left).
OFFSET_BASIS: Final = _offset_basis()

# Order of the unknowns that all frames share; the betas are the person's own.
AFFINITY: Final = np.arange(0, 2)
CAMERA: Final = np.arange(2, 7)
OFFSETS: Final = np.arange(7, 7 + NUM_OFFSETS)
NUM_COMMON: Final = 7 + NUM_OFFSETS
BETAS: Final = np.arange(NUM_COMMON, NUM_COMMON + 10)
NUM_SHARED: Final = NUM_COMMON + 10
FOCAL: Final = CAMERA[:1]


@dataclass(frozen=True)
class Common:
    """Unknowns that all people share: the camera, the scale of the depth map, the detector's offsets."""

    camera: Camera
    affinity: Float[np.ndarray, "2"]
    offsets: Float[np.ndarray, "26 3"]


@dataclass(frozen=True)
class Surface:
    """The plane that each contact point of each frame is nearest to: distance n · x - level, negative inside.

    Attributes:
        normals: unit vectors, out of the surface.
        levels: n · x on the plane, metres.
        sigma: how deep skin may be in it, metres.
    """

    normals: Float[np.ndarray, "frame point 3"]
    levels: Float[np.ndarray, "frame point"]
    sigma: float


@dataclass(frozen=True)
class Context:
    """What is refreshed between iterations and held within one: kernels, contacts, surfaces, other people.

    Attributes:
        kernel: width of the key points' kernel in their sigmas.
        focal: of the camera before anything was seen, in pixels: the unit in which depth is compared in time.
        forward: the camera's view axis in the world.
        depth_scale: the depth map's |a|, which turns its sigmas into those of depth or disparity.
        contact: probability that each contact point rests on the nearest surface, `(frame, point)`; None for off.
        surfaces: what skin must stay out of; the first is the floor.
        touched: the surface that a contact point rests on, if it rests.
        others: centres of other people's spheres in each frame, NaN where they are away; `(frame, sphere, 3)`.
        other_radii: of those.
    """

    kernel: float
    focal: float
    forward: Float[np.ndarray, "3"]
    depth_scale: float = 1.0
    contact: Float[np.ndarray, "frame point"] | None = None
    surfaces: Sequence[Surface] = ()
    touched: Surface | None = None
    others: Float[np.ndarray, "frame sphere 3"] = field(default_factory=lambda: np.zeros((0, 0, 3)))
    other_radii: Float[np.ndarray, "sphere"] = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True)
class Window:
    """Frames `start` to `stop` of a chain and the two after them (the last one again, beyond the end).

    Attributes:
        posed: the body in all of them.
        into: where the terms add their slopes; None if only the energy is asked for.
        free: joints whose turns are unknown.
    """

    chain: Chain
    start: int
    stop: int
    posed: Posed
    model: LandmarkModel
    betas: Float[np.ndarray, "10"]
    common: Common
    context: Context
    sigmas: Sigmas
    into: ChunkEquations | None = None
    free: tuple[int, ...] = FREE_JOINTS

    @property
    def own(self) -> slice:
        """The frames of the chain that this window owns."""
        return slice(self.start, self.stop)

    @property
    def count(self) -> int:
        """How many frames the window owns."""
        return self.stop - self.start

    @property
    def now(self) -> Posed:
        """The body in the frames that the window owns."""
        posed, count = self.posed, self.count
        return Posed(posed.rotations[:count], posed.world[:count], posed.joints[:count], posed.shapes[:count])


def make_window(
    chain: Chain,
    span: tuple[int, int],
    rotations: Float[np.ndarray, "frame 24 3 3"],
    trans: Float[np.ndarray, "frame 3"],
    betas: Float[np.ndarray, "10"],
    model: LandmarkModel,
    common: Common,
    context: Context,
    sigmas: Sigmas,
    *,
    free: tuple[int, ...] = FREE_JOINTS,
    slopes: bool = True,
) -> Window:
    """Pose the frames of a span of a chain (of which `rotations` and `trans` hold all frames)."""
    start, stop = span
    frames = np.minimum(np.arange(start, stop + REACH), len(chain) - 1)
    posed = pose_body(model, rotations[frames], trans[frames], betas, shapes=slopes)
    into = ChunkEquations(start, stop - start, 3 + 3 * len(free), NUM_SHARED) if slopes else None
    return Window(chain, start, stop, posed, model, betas, common, context, sigmas, into, free)
