"""Which skin rests on what, as the current estimate has it: refreshed between iterations, held within one."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Float

from carescene.humans.skeleton import NUM_JOINTS
from reconstruction.chains import Chain, contact_points
from reconstruction.landmarks import LandmarkModel
from reconstruction.posed import place_points, pose_body
from reconstruction.problem import Surroundings
from reconstruction.residuals_contact import BODY_SPHERES
from reconstruction.sigmas import Sigmas
from reconstruction.window import Surface

# Skin this slow may rest (metres per second): a foot that rolls over its toes is at half of it.
_SLOW: Final = 0.25
# and so near, metres.
_NEAR_M: Final = 0.05
# The lowest skin that is at rest carries the body, so it is on the floor, even if a wrong camera has it as far above,
# metres; lower than any bed.
_SUPPORT_M: Final = 0.25
# Frames are posed in pieces of this many, to bound memory.
_PIECE: Final = 512
# Points further from all furniture than this can be neither on nor in it after one more step, metres.
_FAR_M: Final = 1.0


def contact_places(
    chain: Chain, model: LandmarkModel, rotations: np.ndarray, trans: np.ndarray, betas: np.ndarray
) -> Float[np.ndarray, "frame point 3"]:
    """Contact points of a whole chain in the world, metres."""
    points = contact_points()
    offsets = points.of(betas)
    pieces = [slice(start, start + _PIECE) for start in range(0, len(chain), _PIECE)]
    posed = (pose_body(model, rotations[piece], trans[piece], betas, shapes=False) for piece in pieces)
    return np.concatenate([place_points(each, points.carrier, offsets) for each in posed])


def floor_surface(places: Float[np.ndarray, "frame point 3"], sigma: float) -> Surface:
    """The floor z = 0 as the surface below each contact point."""
    return Surface(np.broadcast_to([0.0, 0.0, 1.0], places.shape), np.zeros(places.shape[:2]), sigma)


def surfaces_near(
    places: Float[np.ndarray, "frame point 3"], surroundings: Surroundings | None, sigmas: Sigmas
) -> tuple[list[Surface], Surface]:
    """The floor, the planes of the nearest furniture (if any), and for each point the nearer of both."""
    floor = floor_surface(places, sigmas.floor)
    if surroundings is None:
        return [floor], floor_surface(places, sigmas.touch)
    flat = places.reshape(-1, 3)
    distance, gradient = np.empty(len(flat)), np.empty((len(flat), 3))
    for start in range(0, len(flat), _PIECE * 16):
        piece = slice(start, start + _PIECE * 16)
        distance[piece], gradient[piece] = surroundings(flat[piece])
    length = np.linalg.norm(gradient, axis=-1, keepdims=True)
    # Deep inside, gradients may vanish between two sides: then up is a way out that furniture always has.
    normals = np.where(length > 0.5, gradient / np.maximum(length, 1e-9), [0.0, 0.0, 1.0]).reshape(places.shape)
    distance = np.minimum(distance, _FAR_M).reshape(places.shape[:2])
    things = Surface(normals, (places * normals).sum(-1) - distance, sigmas.furniture)
    nearer = np.abs(distance) < np.abs(places[..., 2])
    touched = Surface(
        np.where(nearer[..., None], normals, floor.normals), np.where(nearer, things.levels, 0.0), sigmas.touch
    )
    return [floor, things], touched


def contact_probability(
    chain: Chain, places: Float[np.ndarray, "frame point 3"], touched: Surface
) -> Float[np.ndarray, "frame point"]:
    """How likely each contact point rests on its surface: near and slow.

    exp(-(distance / 5 cm)^2 - (speed / 0.25 m/s)^2), with the slower of the movements to the next and from the previous
    frame, so that the first frame of a stance counts. The distance is that beyond the nearest slow skin of the frame,
    if that is within a quarter of a metre, or if somebody stands: it rests, and the camera is wrong.
    """
    distance = (places * touched.normals).sum(-1) - touched.levels
    rates = np.where(np.isfinite(chain.steps[:-1]), 1 / chain.steps[:-1], np.inf)
    with np.errstate(invalid="ignore"):
        speed = np.linalg.norm(np.diff(places, axis=0), axis=-1) * rates[:, None]
    none = np.full((1, places.shape[1]), np.inf)
    slowest = np.fmin(np.concatenate([speed, none]), np.concatenate([none, speed]))
    nearest = np.where(slowest < _SLOW, distance, np.inf).min(axis=-1, keepdims=True)
    stands = np.isfinite(nearest) & (chain.upright > 0)[:, None]
    supported = np.where(stands | (nearest < _SUPPORT_M), np.maximum(nearest, 0.0), 0.0)
    near = np.maximum(distance - supported, 0.0) / _NEAR_M
    return np.exp(-np.minimum(near**2 + (slowest / _SLOW) ** 2, 50.0))


def other_spheres(
    chain: Chain, others: Sequence[tuple[Chain, Float[np.ndarray, "_ 24 3"]]], frames: int
) -> tuple[Float[np.ndarray, "frame sphere 3"], Float[np.ndarray, "sphere"]]:
    """Centres of the balls around other people's joints in each frame of a chain, NaN where they are away; radii."""
    joints, radii = list(BODY_SPHERES), np.array(list(BODY_SPHERES.values()))
    if not others:
        return np.zeros((len(chain), 0, 3)), np.zeros(0)
    centres = np.full((frames, len(others), len(joints), 3), np.nan)
    for index, (other, places) in enumerate(others):
        centres[other.frames, index] = places[:, joints]
    return centres[chain.frames].reshape(len(chain), -1, 3), np.tile(radii, len(others))


def chain_joints(
    chain: Chain, model: LandmarkModel, rotations: np.ndarray, trans: np.ndarray, betas: np.ndarray
) -> Float[np.ndarray, "frame 24 3"]:
    """Joints of a whole chain in the world, metres."""
    joints = np.empty((len(chain), NUM_JOINTS, 3))
    for start in range(0, len(chain), _PIECE):
        piece = slice(start, start + _PIECE)
        joints[piece] = pose_body(model, rotations[piece], trans[piece], betas, shapes=False).joints
    return joints
